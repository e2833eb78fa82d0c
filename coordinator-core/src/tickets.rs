//! Pairing tickets: made once per pair and content, signed outside, renewed in time.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::ids::{ContentId, PeerId, PublicKey, TicketId};
use runnel_protocol::ticket::{ESTABLISH_WITHIN, MAX_TICKET_LIFE, SignedTicket, Ticket};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::random::Random;

/// A ticket is replaced when it is this old: a third of its life is left for the new one to
/// arrive. Up to [`SPREAD`] earlier, so that a crowd that came together is not renewed together.
const RENEW_AFTER: Duration = Duration::from_secs(600);
const SPREAD: Duration = Duration::from_secs(120);
/// A link that does not stand yet gets a new ticket when less than this is left to establish it.
const ESTABLISH_MARGIN: u64 = 15;
/// Times the expected rate: segments go in bursts, and a child catches up.
const BURST: u64 = 4;
/// Policies carry no version yet: the first one.
const POLICY_VERSION: u64 = 1;

/// Who serves whom what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pairing {
    pub(crate) content: ContentId,
    pub(crate) server: PeerId,
    pub(crate) client: PeerId,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    signed: Option<SignedTicket>,
    renew: Timestamp,
}

/// What a ticket has to allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) server: PublicKey,
    pub(crate) client: PublicKey,
    /// Expected rate of the content.
    pub(crate) rate: BitsPerSecond,
    /// The link stands, so the ticket need not allow a new one.
    pub(crate) connected: bool,
}

/// What the book answers.
pub(crate) enum Answer {
    Ready(SignedTicket),
    /// It was handed out for signing before.
    Waiting,
    /// To be signed.
    New(Ticket),
}

/// All tickets that are in force.
#[derive(Debug, Default)]
pub(crate) struct TicketBook {
    entries: BTreeMap<Pairing, Entry>,
    ids: BTreeMap<TicketId, Pairing>,
    due: BTreeSet<(Timestamp, TicketId)>,
    ended: BTreeSet<(Timestamp, TicketId)>,
}

impl TicketBook {
    /// The ticket for a pair, made where there is none that is good enough.
    pub(crate) fn get(
        &mut self,
        pairing: Pairing,
        terms: &Terms,
        random: &mut Random,
        now: Timestamp,
    ) -> Answer {
        if let Some(entry) = self.entries.get(&pairing)
            && entry.suits(terms, now)
        {
            return match &entry.signed {
                Some(signed) => Answer::Ready(signed.clone()),
                None => Answer::Waiting,
            };
        }
        let ticket = make(pairing.content, terms, random, now);
        self.keep(pairing, &ticket, random, now);
        Answer::New(ticket)
    }

    fn keep(&mut self, pairing: Pairing, ticket: &Ticket, random: &mut Random, now: Timestamp) {
        let spread = random.below(u64::try_from(SPREAD.as_micros()).unwrap_or(1));
        let renew = now + (RENEW_AFTER - Duration::from_micros(spread));
        let entry = Entry {
            ticket: ticket.clone(),
            signed: None,
            renew,
        };
        if let Some(old) = self.entries.insert(pairing, entry) {
            self.due.remove(&(old.renew, old.ticket.id));
        }
        self.ids.insert(ticket.id, pairing);
        self.due.insert((renew, ticket.id));
        let end = Timestamp::from_micros(ticket.not_after.0.saturating_mul(1_000_000));
        self.ended.insert((end, ticket.id));
    }

    /// Takes a signed ticket and says whose it is; `None` where it is not awaited any more.
    pub(crate) fn on_signed(&mut self, signed: SignedTicket) -> Option<Pairing> {
        let pairing = *self.ids.get(&signed.body.id)?;
        let entry = self.entries.get_mut(&pairing)?;
        if entry.ticket != signed.body {
            return None;
        }
        entry.signed = Some(signed);
        Some(pairing)
    }

    /// Pairs whose ticket should be replaced, at most `limit`.
    pub(crate) fn take_due(&mut self, limit: usize, now: Timestamp) -> Vec<Pairing> {
        let mut pairs = Vec::new();
        while pairs.len() < limit {
            let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) else {
                break;
            };
            self.due.pop_first();
            pairs.extend(self.ids.get(&id).copied());
        }
        pairs
    }

    /// Forgets tickets that have ended.
    pub(crate) fn forget_ended(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.ended.first().copied().filter(|(at, _)| *at <= now) {
            self.ended.remove(&(at, id));
            let Some(pairing) = self.ids.remove(&id) else {
                continue;
            };
            let ended = |entry: &Entry| entry.ticket.id == id;
            if self.entries.get(&pairing).is_some_and(ended)
                && let Some(entry) = self.entries.remove(&pairing)
            {
                self.due.remove(&(entry.renew, id));
            }
        }
    }

    /// Tickets in force of one content for one peer, on either side, to be revoked.
    pub(crate) fn of_content(
        &self,
        content: ContentId,
    ) -> impl Iterator<Item = (Pairing, TicketId)> {
        self.ids
            .iter()
            .filter(move |(_, pairing)| pairing.content == content)
            .map(|(id, pairing)| (*pairing, *id))
    }

    /// Number of tickets in force.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

impl Entry {
    fn suits(&self, terms: &Terms, now: Timestamp) -> bool {
        let same_keys = self.ticket.server == terms.server && self.ticket.client == terms.client;
        let fresh = terms.connected
            || now.unix_seconds().plus(ESTABLISH_MARGIN) < self.ticket.establish_before;
        let wide = self.ticket.rate.0 >= terms.rate.0.saturating_mul(BURST / 2);
        same_keys && fresh && wide && now < self.renew
    }
}

fn make(content: ContentId, terms: &Terms, random: &mut Random, now: Timestamp) -> Ticket {
    let rate = BitsPerSecond(terms.rate.0.saturating_mul(BURST));
    let start = now.unix_seconds();
    Ticket {
        id: TicketId(random.bytes()),
        server: terms.server,
        client: terms.client,
        content,
        tracks: Vec::new(),
        rate,
        bytes: rate.bytes_in(Duration::from_secs(MAX_TICKET_LIFE)),
        policy_version: POLICY_VERSION,
        establish_before: start.plus(ESTABLISH_WITHIN),
        not_after: start.plus(MAX_TICKET_LIFE),
    }
}
