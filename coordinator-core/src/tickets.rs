//! Pairing tickets: made once per pair and content, signed outside, renewed in time.

use core::time::Duration;

use runnel_protocol::ids::{ContentId, KeyId, PageOrigin, PeerId, PublicKey, TicketId};
use runnel_protocol::signature::{Signature, Signed};
use runnel_protocol::ticket::{ESTABLISH_WITHIN, MAX_TICKET_LIFE, SignedTicket, Ticket};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};

use crate::law::Law;
use crate::random::Random;
use crate::table::Table;
use crate::wheel::Wheel;

/// A ticket is replaced when it is this old: a third of its life is left for the new one to
/// arrive. Up to [`SPREAD`] earlier, so that a crowd that came together is not renewed together.
const RENEW_AFTER: Duration = Duration::from_secs(600);
const SPREAD: Duration = Duration::from_secs(120);
/// A link that does not stand yet gets a new ticket when less than this is left to establish it.
const ESTABLISH_MARGIN: u64 = 15;
/// Times the expected rate: segments go in bursts, and a child catches up.
const BURST: u64 = 4;

/// Who serves whom what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pairing {
    pub(crate) content: ContentId,
    pub(crate) server: PeerId,
    pub(crate) client: PeerId,
}

/// A ticket without what its pairing tells: there are several for each peer.
#[derive(Debug)]
struct Entry {
    id: TicketId,
    page: Option<PageOrigin>,
    rate: BitsPerSecond,
    made: UnixSeconds,
    renew: Timestamp,
    /// The changes of the law before it was made.
    changes: u32,
    signature: Option<Box<(KeyId, Signature)>>,
}

/// What a ticket has to allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) server: PublicKey,
    pub(crate) client: PublicKey,
    /// The page that one of them runs in.
    pub(crate) page: Option<PageOrigin>,
    /// Expected rate of the content.
    pub(crate) rate: BitsPerSecond,
    /// The link stands, so the ticket need not allow a new one.
    pub(crate) connected: bool,
    /// By what it is given.
    pub(crate) law: Law,
    /// The server takes none that was given before so many changes of it.
    pub(crate) changes: u32,
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
    entries: Table<Pairing, Entry>,
    ids: Table<TicketId, Pairing>,
    /// Those that newer ones have replaced and that have not ended.
    replaced: Table<Pairing, Vec<TicketId>>,
    due: Wheel<TicketId>,
    ended: Wheel<TicketId>,
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
            return match entry.signed(pairing, terms) {
                Some(signed) => Answer::Ready(signed),
                None => Answer::Waiting,
            };
        }
        let ticket = self.keep(pairing, terms, random, now);
        Answer::New(ticket)
    }

    fn keep(
        &mut self,
        pairing: Pairing,
        terms: &Terms,
        random: &mut Random,
        now: Timestamp,
    ) -> Ticket {
        let id = TicketId(random.bytes());
        let spread = random.below(u64::try_from(SPREAD.as_micros()).unwrap_or(1));
        let renew = now + (RENEW_AFTER - Duration::from_micros(spread));
        let entry = Entry {
            id,
            page: terms.page,
            rate: BitsPerSecond(terms.rate.0.saturating_mul(BURST)),
            made: now.unix_seconds(),
            renew,
            changes: terms.law.changes(),
            signature: None,
        };
        let ticket = entry.ticket(pairing, terms);
        if let Some(before) = self.entries.insert(pairing, entry) {
            self.replaced.entry(pairing).or_default().push(before.id);
        }
        self.ids.insert(id, pairing);
        self.due.insert(renew, id);
        let end = Timestamp::from_micros(ticket.not_after.0.saturating_mul(1_000_000));
        self.ended.insert(end, id);
        ticket
    }

    /// Pairs that have a ticket in force, a count, and the one in this place.
    pub(crate) fn pair_count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn pair_at(&self, place: usize) -> Option<Pairing> {
        self.entries.get_index(place).map(|(pairing, _)| *pairing)
    }

    /// Forgets the tickets of a pair, which are to be revoked: one that is made later is another.
    pub(crate) fn void(&mut self, pairing: &Pairing) -> Vec<TicketId> {
        let mut tickets = self.replaced.swap_remove(pairing).unwrap_or_default();
        tickets.extend(self.entries.swap_remove(pairing).map(|entry| entry.id));
        for ticket in &tickets {
            self.ids.swap_remove(ticket);
        }
        tickets
    }

    /// Whether one was given to this pair that has not ended.
    pub(crate) fn has(&self, pairing: &Pairing) -> bool {
        self.entries.contains_key(pairing)
    }

    /// Takes a signed ticket and says whose it is; `None` where it is not awaited any more.
    pub(crate) fn on_signed(&mut self, signed: &SignedTicket) -> Option<Pairing> {
        let pairing = *self.ids.get(&signed.body.id)?;
        let entry = self.entries.get_mut(&pairing)?;
        if entry.id != signed.body.id {
            return None;
        }
        entry.signature = Some(Box::new((signed.key, signed.signature)));
        Some(pairing)
    }

    /// Pairs whose ticket should be replaced, at most `limit`.
    pub(crate) fn take_due(&mut self, limit: usize, now: Timestamp) -> Vec<Pairing> {
        let due = self.due.take_due(limit, now).into_iter();
        due.filter_map(|id| self.ids.get(&id).map(|pairing| (id, *pairing)))
            .filter(|(id, pairing)| self.is_newest(*id, pairing))
            .map(|(_, pairing)| pairing)
            .collect()
    }

    fn is_newest(&self, id: TicketId, pairing: &Pairing) -> bool {
        let entry = self.entries.get(pairing);
        entry.is_some_and(|entry| entry.id == id)
    }

    /// Forgets tickets that have ended.
    pub(crate) fn forget_ended(&mut self, now: Timestamp) {
        for id in self.ended.take_due(usize::MAX, now) {
            let Some(pairing) = self.ids.swap_remove(&id) else {
                continue;
            };
            if self.is_newest(id, &pairing) {
                self.entries.swap_remove(&pairing);
            } else if let Some(replaced) = self.replaced.get_mut(&pairing) {
                replaced.retain(|other| *other != id);
                if replaced.is_empty() {
                    self.replaced.swap_remove(&pairing);
                }
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
        let made = self.made.plus(ESTABLISH_WITHIN);
        let fresh = terms.connected || now.unix_seconds().plus(ESTABLISH_MARGIN) < made;
        let wide = self.rate.0 >= terms.rate.0.saturating_mul(BURST / 2);
        let current = self.changes >= terms.changes && self.page == terms.page;
        fresh && wide && current && now < self.renew
    }

    fn ticket(&self, pairing: Pairing, terms: &Terms) -> Ticket {
        Ticket {
            id: self.id,
            server: terms.server,
            client: terms.client,
            content: pairing.content,
            tracks: Vec::new(),
            page: self.page,
            rate: self.rate,
            bytes: self.rate.bytes_in(Duration::from_secs(MAX_TICKET_LIFE)),
            policy_version: terms.law.version(self.changes),
            establish_before: self.made.plus(ESTABLISH_WITHIN),
            not_after: self.made.plus(MAX_TICKET_LIFE),
        }
    }

    /// Peers are named by their keys, so that a pairing's keys never change.
    fn signed(&self, pairing: Pairing, terms: &Terms) -> Option<SignedTicket> {
        let (key, signature) = **self.signature.as_ref()?;
        Some(Signed {
            body: self.ticket(pairing, terms),
            key,
            signature,
        })
    }
}
