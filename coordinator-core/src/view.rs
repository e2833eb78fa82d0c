//! All peers with a session: observed here, decided elsewhere.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::capacity::Rung;
use crate::io::SessionId;
use crate::partners::Partners;
use crate::place::Region;
pub(crate) use crate::record::Record;
use crate::table::Table;
use crate::wheel::Wheel;

/// Program versions kept once for all peers that name them; others keep their own.
const MAX_VERSIONS: usize = 64;

/// Peers by id, and what is found of them without going through all.
#[derive(Debug, Default)]
pub(crate) struct View {
    peers: Table<PeerId, Record>,
    partners: Partners,
    /// Regular peers that could be asked to help, in that order.
    helpers: BTreeSet<Helper>,
    /// When to look next whether a peer is silent: one entry a peer, moved lazily, so that a
    /// heartbeat costs no reordering.
    watch: Wheel<(PeerId, SessionId)>,
    /// Peers whose offer to others may have changed since [`Self::take_moved`].
    moved: Vec<PeerId>,
    versions: BTreeSet<Arc<str>>,
    /// Nobody counts as silent before this: the coordinator itself did not listen.
    excused_until: Option<Timestamp>,
}

/// Derived order is the rule: who does least comes first, then who has most to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Helper {
    region: Region,
    contents: usize,
    rung: Reverse<Rung>,
    peer: PeerId,
}

impl Helper {
    fn of(peer: PeerId, record: &Record) -> Option<Self> {
        let helps = record.is_regular() && !record.waypoint;
        helps.then(|| Self {
            region: record.place.region,
            contents: record.contents.len(),
            rung: Reverse(record.rung()),
            peer,
        })
    }
}

impl View {
    pub(crate) fn insert(&mut self, peer: PeerId, record: Record) {
        self.watch.insert(record.last_heard, (peer, record.session));
        self.helpers.extend(Helper::of(peer, &record));
        self.peers.insert(peer, record);
    }

    pub(crate) fn remove(&mut self, peer: PeerId) {
        if let Some(record) = self.peers.swap_remove(&peer)
            && let Some(helper) = Helper::of(peer, &record)
        {
            self.helpers.remove(&helper);
        }
    }

    /// One text for all that say the same.
    pub(crate) fn version(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.versions.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.versions.len() < MAX_VERSIONS {
            self.versions.insert(Arc::clone(&new));
        }
        new
    }

    /// Regular peers of a region that are no waypoints: those with the fewest contents first, of these those
    /// with most uplink to spare, coarsely.
    pub(crate) fn helpers(&self, region: Region) -> impl Iterator<Item = (PeerId, &Record)> {
        let first = Helper {
            region,
            contents: 0,
            rung: Reverse(Rung::MAX),
            peer: PeerId([0; 16]),
        };
        self.helpers
            .range(first..)
            .take_while(move |helper| helper.region == region)
            .filter_map(|helper| Some((helper.peer, self.get(helper.peer)?)))
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Record> {
        self.peers.get(&peer)
    }

    /// The peer that stands there at present. Whoever leaves has the last one put in its place.
    pub(crate) fn at(&self, index: usize) -> Option<(PeerId, &Record)> {
        let (peer, record) = self.peers.get_index(index)?;
        Some((*peer, record))
    }

    /// For what orders nobody: see [`Self::change`].
    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Record> {
        self.peers.get_mut(&peer)
    }

    /// Changes what peers are found by: uplink, contents, whether it is silent or a waypoint.
    pub(crate) fn change<T>(
        &mut self,
        peer: PeerId,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Option<T> {
        let record = self.peers.get_mut(&peer)?;
        let before = (Helper::of(peer, record), record.rung(), record.silent);
        let given = record.uplink.reserved();
        let result = change(record);
        let after = (Helper::of(peer, record), record.rung(), record.silent);
        if before.0 != after.0 {
            before.0.map(|helper| self.helpers.remove(&helper));
            self.helpers.extend(after.0);
        }
        // Of whoever is not believed everything, little that is given away is much of what counts.
        let weighs = record.needs_vouchers() && record.uplink.reserved() != given;
        if (before.1, before.2) != (after.1, after.2) || weighs {
            self.moved.push(peer);
        }
        Some(result)
    }

    /// Sets aside a parent's uplink for a child, the child's downlink, and a link at both ends.
    pub(crate) fn reserve(&mut self, parent: PeerId, child: PeerId, amount: BitsPerSecond) {
        let regular = |peer| self.get(peer).is_some_and(Record::is_regular);
        let both_regular = regular(parent) && regular(child);
        let links = u16::from(self.partners.meet(parent, child, both_regular));
        self.change(parent, |record| {
            record.uplink.reserve(amount);
            record.partners = record.partners.saturating_add(links);
        });
        self.change(child, |record| {
            record.taken = record.taken.saturating_add(amount);
            record.partners = record.partners.saturating_add(links);
        });
    }

    pub(crate) fn release(&mut self, parent: PeerId, child: PeerId, amount: BitsPerSecond) {
        let links = u16::from(self.partners.part(parent, child));
        self.change(parent, |record| {
            record.uplink.release(amount);
            record.partners = record.partners.saturating_sub(links);
        });
        self.change(child, |record| {
            record.taken = record.taken.saturating_sub(amount);
            record.partners = record.partners.saturating_sub(links);
        });
    }

    /// Whether two regular peers share a link already.
    pub(crate) fn are_partners(&self, one: PeerId, other: PeerId) -> bool {
        self.partners.know(one, other)
    }

    /// The peer takes part; `false` where it did already, or is not known.
    pub(crate) fn enter(&mut self, peer: PeerId, content: ContentId) -> bool {
        let entered = self.change(peer, |record| record.contents.insert(content));
        entered.unwrap_or(false)
    }

    /// The peer takes no part any more; `false` where it did not, or is not known.
    pub(crate) fn quit(&mut self, peer: PeerId, content: ContentId) -> bool {
        let quit = self.change(peer, |record| record.contents.remove(content));
        quit.unwrap_or(false)
    }

    /// The peer can do more or less for others than before, for a reason not known here.
    pub(crate) fn note_moved(&mut self, peer: PeerId) {
        self.moved.push(peer);
    }

    /// Peers whose uplink has another rung than before, or who fell silent or spoke again.
    pub(crate) fn take_moved(&mut self) -> Vec<PeerId> {
        core::mem::take(&mut self.moved)
    }

    /// In the order of their ids: for people, since it goes through all.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Record)> {
        let mut all: Vec<_> = self
            .peers
            .iter()
            .map(|(peer, record)| (*peer, record))
            .collect();
        all.sort_unstable_by_key(|(peer, _)| *peer);
        all.into_iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// The peer lives; true where it had been silent.
    pub(crate) fn on_heard(&mut self, peer: PeerId, now: Timestamp) -> bool {
        let Some(record) = self.peers.get_mut(&peer) else {
            return false;
        };
        record.last_heard = now;
        if record.silent {
            self.change(peer, |record| record.silent = false);
            return true;
        }
        false
    }

    /// The coordinator slept: what it did not hear is not the peers' fault.
    pub(crate) fn excuse_everybody(&mut self, until: Timestamp) {
        self.excused_until = Some(until);
    }

    /// Marks and returns the peers that have just become silent.
    pub(crate) fn take_silent(&mut self, limit: Duration, now: Timestamp) -> Vec<PeerId> {
        if self.excused_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        let mut due = self.watch.take_due(usize::MAX, now);
        due.retain(|entry| self.check(*entry, limit, now));
        due.into_iter().map(|(peer, _)| peer).collect()
    }

    /// Whether a peer has just become silent; when to look again is noted.
    fn check(
        &mut self,
        (peer, session): (PeerId, SessionId),
        limit: Duration,
        now: Timestamp,
    ) -> bool {
        let present = self.get(peer).filter(|record| record.session == session);
        let Some(record) = present else {
            return false;
        };
        let quiet = now.since(record.last_heard) >= limit;
        let newly = quiet && !record.silent;
        let base = if quiet { now } else { record.last_heard };
        self.watch.insert(base + limit, (peer, session));
        if newly {
            self.change(peer, |record| record.silent = true);
        }
        newly
    }
}
