//! A delivery coordinator's part of the links: what it booked there, and what came of it.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::meter::Meter;
use super::{Links, Ranks};
use crate::member::Role;
use crate::policy::LinkSet;
use crate::table::Table;

/// A child and a parent.
pub(crate) type Pair = (PeerId, PeerId);

/// The leases that one delivery coordinator holds, one for each link that its grants run over.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: BTreeMap<u8, Lease>,
    refreshed: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Lease {
    /// What it may use, and what of that it uses, bit/s.
    granted: u64,
    used: u64,
    /// What is booked for each pair whose child is a viewer, and for the others, bit/s.
    viewers: Table<Pair, u64>,
    agents: Table<Pair, u64>,
    /// The sums of that.
    for_viewers: u64,
    for_agents: u64,
    /// What ran over the link since the last refresh.
    bytes: u64,
    meter: Meter,
}

impl Lease {
    const fn booked(&self) -> u64 {
        self.for_viewers.saturating_add(self.for_agents)
    }

    fn set(&mut self, pair: Pair, role: Role, rate: u64) {
        let (table, sum) = match role {
            Role::Viewer => (&mut self.viewers, &mut self.for_viewers),
            Role::Agent | Role::Head => (&mut self.agents, &mut self.for_agents),
        };
        let before = table.insert(pair, rate).unwrap_or(0);
        *sum = *sum - before + rate;
        self.meter.on_booked(rate.saturating_sub(before));
    }

    fn forget(&mut self, pair: &Pair) {
        self.for_viewers -= self.viewers.swap_remove(pair).unwrap_or(0);
        self.for_agents -= self.agents.swap_remove(pair).unwrap_or(0);
    }
}

impl Leases {
    /// Whether none of its grants runs over a link.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The links that it holds something of.
    pub(crate) fn places(&self) -> Vec<u8> {
        self.held.keys().copied().collect()
    }

    /// What it may still book on a link, bit/s: of its own lease, and of what nobody has leased.
    pub(crate) fn room(&self, place: u8, links: &Links) -> u64 {
        let own = self.held.get(&place);
        let own = own.map_or(0, |lease| lease.granted.saturating_sub(lease.used));
        own.saturating_add(links.pool(place))
    }

    /// What viewers would give up on a link for an agent.
    pub(crate) fn given_to_viewers(&self, place: u8) -> u64 {
        self.held.get(&place).map_or(0, |lease| lease.for_viewers)
    }

    /// Books a pair's rate on links; most grants fit what is leased already.
    pub(crate) fn book(
        &mut self,
        (pair, role): (Pair, Role),
        on: LinkSet,
        rate: BitsPerSecond,
        (links, content): (&mut Links, ContentId),
    ) {
        for place in on.iter() {
            let lease = self.held.entry(place).or_default();
            lease.set(pair, role, rate.0);
            lease.used = lease.meter.used(lease.booked());
            let more = lease.used.saturating_sub(lease.granted);
            if more > 0 {
                links.extend(place, content, more);
                lease.granted = lease.used;
            }
        }
    }

    /// A pair gives back what it has booked on links.
    pub(crate) fn give_back(&mut self, pair: &Pair, on: LinkSet) {
        for place in on.iter() {
            if let Some(lease) = self.held.get_mut(&place) {
                lease.forget(pair);
                lease.used = lease.meter.used(lease.booked());
            }
        }
    }

    /// Bytes of a transfer that runs over links.
    pub(crate) fn on_received(&mut self, on: LinkSet, bytes: u64) {
        for place in on.iter() {
            let lease = self.held.entry(place).or_default();
            lease.bytes = lease.bytes.saturating_add(bytes);
        }
    }

    /// Once a second: what was measured stands in for what was booked.
    pub(crate) fn refresh(&mut self, content: ContentId, links: &mut Links, now: Timestamp) {
        let lasted = self.refreshed.replace(now).map(|last| now.since(last));
        let lasted = lasted.unwrap_or(Duration::from_secs(1));
        for (place, lease) in &mut self.held {
            let bytes = core::mem::take(&mut lease.bytes);
            lease.meter.on_tick(bytes, lease.booked(), lasted);
            lease.used = lease.meter.used(lease.booked());
            let account = (lease.used, lease.booked());
            lease.granted = links.refresh((*place, content), account, bytes, now);
        }
        self.held
            .retain(|_, lease| lease.booked() > 0 || !lease.meter.is_idle());
    }

    /// No more of a link than `most` is leased from now on, or than is used of it.
    pub(crate) fn shrink(
        &mut self,
        place: u8,
        most: u64,
        (links, content): (&mut Links, ContentId),
    ) {
        if let Some(lease) = self.held.get_mut(&place) {
            lease.granted = lease.granted.min(most.max(lease.used));
            links.shrink(place, content, lease.granted);
        }
    }

    /// Whether more of a link is used than `most`.
    pub(crate) fn exceeds(&self, place: u8, most: u64) -> bool {
        self.held.get(&place).is_some_and(|lease| lease.used > most)
    }

    /// What is used of a link, by the priorities that children have.
    pub(crate) fn ranks(&self, place: u8, priority: impl Fn(&PeerId) -> u8) -> Ranks {
        let mut ranks = Ranks::new();
        let Some(lease) = self.held.get(&place) else {
            return ranks;
        };
        let all = lease.viewers.iter().chain(&lease.agents);
        for ((child, _), booked) in all {
            // What was measured is less than what was booked, or more.
            let used = u128::from(*booked) * u128::from(lease.used);
            let used = used / u128::from(lease.booked().max(1));
            let used = u64::try_from(used).unwrap_or(u64::MAX);
            *ranks.entry(priority(child)).or_default() += used;
        }
        ranks
    }

    /// All pairs that have something booked on a link.
    pub(crate) fn pairs(&self, place: u8) -> Vec<Pair> {
        let lease = self.held.get(&place).into_iter();
        let pairs = lease.flat_map(|lease| lease.viewers.keys().chain(lease.agents.keys()));
        pairs.copied().collect()
    }

    /// Some viewer that has something booked on a link, and its parent there.
    pub(crate) fn some_viewer(&self, place: u8) -> Option<Pair> {
        let (pair, _) = self.held.get(&place)?.viewers.last()?;
        Some(*pair)
    }
}
