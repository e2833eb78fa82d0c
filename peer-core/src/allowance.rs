//! What is left of each ticket that this peer serves under: bytes in all, and bytes for now.
//!
//! The account is the ticket's, not the link's: whoever connects again, or presents a ticket
//! twice, finds what he left.

use crate::sorted::SortedMap;
use core::time::Duration;

use runnel_protocol::ids::TicketId;
use runnel_protocol::ticket::{MAX_TICKET_LIFE, Ticket};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::UnixSeconds;

use crate::bucket::Bucket;

/// A ticket's rate is an average over this long.
const AVERAGED: Duration = Duration::from_secs(10);
/// Two chunks pass at the least, or a slow ticket would never serve one.
const LEAST: u64 = 128 * 1024;
/// Most tickets with an account: each needs the coordinator's signature and lives 15 minutes.
const MAX_ACCOUNTS: usize = 8192;

/// Whether bytes may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Now,
    From(Timestamp),
    Never,
}

/// Accounts of tickets, and tickets that were revoked.
#[derive(Debug, Default)]
pub(crate) struct Allowances {
    accounts: SortedMap<TicketId, Account>,
}

#[derive(Debug)]
struct Account {
    left: u64,
    pace: Option<Bucket>,
    /// Forgotten from then on: the ticket is void anyway.
    over: UnixSeconds,
}

impl Allowances {
    /// Whether `bytes` may go under `ticket`.
    pub(crate) fn ask(&self, ticket: &Ticket, bytes: u64, now: Timestamp) -> Permission {
        let Some(account) = self.accounts.get(&ticket.id) else {
            let room = self.accounts.len() < MAX_ACCOUNTS && bytes <= ticket.bytes;
            return if room {
                Permission::Now
            } else {
                Permission::Never
            };
        };
        let ready = account.pace.and_then(|pace| pace.ready_at(bytes));
        match ready {
            Some(_) if account.left < bytes => Permission::Never,
            Some(at) if at > now => Permission::From(at),
            Some(_) => Permission::Now,
            None => Permission::Never,
        }
    }

    /// Puts `bytes` on the ticket's account.
    pub(crate) fn charge(&mut self, ticket: &Ticket, bytes: u64, now: Timestamp) {
        let account = self
            .accounts
            .entry(ticket.id)
            .or_insert_with(|| Account::of(ticket, now));
        account.left = account.left.saturating_sub(bytes);
        if let Some(pace) = &mut account.pace {
            pace.take(bytes, now);
        }
    }

    /// The bytes did not go after all.
    pub(crate) fn refund(&mut self, ticket: &Ticket, bytes: u64) {
        if let Some(account) = self.accounts.get_mut(&ticket.id) {
            account.left += bytes;
            if let Some(pace) = &mut account.pace {
                pace.give_back(bytes);
            }
        }
    }

    /// The ticket is void although its dates may not say so.
    pub(crate) fn revoke(&mut self, ticket: TicketId, date: UnixSeconds) {
        let void = Account {
            left: 0,
            pace: None,
            over: date.plus(MAX_TICKET_LIFE),
        };
        if self.accounts.len() < MAX_ACCOUNTS || self.accounts.contains_key(&ticket) {
            self.accounts.insert(ticket, void);
        }
    }

    pub(crate) fn is_revoked(&self, ticket: TicketId) -> bool {
        let account = self.accounts.get(&ticket);
        account.is_some_and(|account| account.pace.is_none())
    }

    /// Forgets what is void by date.
    pub(crate) fn expire(&mut self, date: UnixSeconds) {
        self.accounts.retain(|_, account| date < account.over);
    }
}

impl Account {
    fn of(ticket: &Ticket, now: Timestamp) -> Self {
        Self {
            left: ticket.bytes,
            pace: Some(Bucket::full(ticket.rate, AVERAGED, LEAST, now)),
            over: ticket.not_after,
        }
    }
}
