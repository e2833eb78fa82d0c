//! One edge of the graph: its load, and what comes late over it.

use core::time::Duration;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::EdgeSummary;
use super::fading::{Fading, HALF_LIFE};

/// Late links, and parents, that are remembered.
const REMEMBERED: usize = 8;
/// Parents, and children, between whom something has to be late: one of them alone may have a bad line. Where all
/// of an edge's parents are late, two will do.
const ENDS: usize = 3;
const ALL: usize = 2;
/// How long a late link counts.
const LATE_FOR: Duration = Duration::from_secs(10);
/// Of what runs over an edge, the part from which on it counts as congested, in percent: what links lose
/// when one of several is bad stays below.
const CONGESTED_PERCENT: u64 = 20;

/// What one link carried between two heartbeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crossing {
    pub(crate) parent: PeerId,
    pub(crate) child: PeerId,
    pub(crate) bytes: u64,
    /// Chunks that were sent, and those of them that had not arrived a heartbeat later.
    pub(crate) sent: u64,
    pub(crate) late: u64,
}

#[derive(Debug)]
pub(super) struct Edge {
    bytes: u64,
    load: Fading,
    sent: Fading,
    late: Fading,
    /// The links that were late last, as rarely as there is trouble.
    lately: Vec<(PeerId, PeerId, Timestamp)>,
    /// The parents that sent something last, and when.
    parents: Vec<(PeerId, Timestamp)>,
    heard: Timestamp,
}

impl Edge {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            bytes: 0,
            load: Fading::new(now),
            sent: Fading::new(now),
            late: Fading::new(now),
            lately: Vec::new(),
            parents: Vec::new(),
            heard: now,
        }
    }

    pub(super) fn observe(&mut self, crossing: &Crossing, now: Timestamp) {
        self.heard = now;
        self.bytes = self.bytes.saturating_add(crossing.bytes);
        self.load.add(crossing.bytes, now);
        self.sent.add(crossing.sent, now);
        if crossing.sent > 0 {
            self.note_parent(crossing.parent, now);
        }
        if crossing.late == 0 {
            return;
        }
        self.late.add(crossing.late, now);
        let (parent, child) = (crossing.parent, crossing.child);
        self.lately
            .retain(|(one, other, _)| (*one, *other) != (parent, child));
        if self.lately.len() == REMEMBERED {
            self.lately.remove(0);
        }
        self.lately.push((parent, child, now));
    }

    fn note_parent(&mut self, parent: PeerId, now: Timestamp) {
        if let Some((_, at)) = self.parents.iter_mut().find(|(one, _)| *one == parent) {
            *at = now;
            return;
        }
        if self.parents.len() == REMEMBERED {
            self.parents.sort_unstable_by_key(|(_, at)| *at);
            self.parents.remove(0);
        }
        self.parents.push((parent, now));
    }

    /// Whether much comes late, between several at both ends.
    pub(super) fn is_congested(&self, now: Timestamp) -> bool {
        u64::from(self.late_percent(now)) >= CONGESTED_PERCENT && self.has_many_late(now)
    }

    fn has_many_late(&self, now: Timestamp) -> bool {
        let lately = || {
            let all = self.lately.iter();
            all.filter(|(_, _, at)| now.since(*at) < LATE_FOR)
        };
        let distinct = |mut peers: Vec<PeerId>| {
            peers.sort_unstable();
            peers.dedup();
            peers
        };
        let parents = distinct(lately().map(|(parent, ..)| *parent).collect());
        let children = distinct(lately().map(|(_, child, _)| *child).collect());
        let mut sent = self
            .parents
            .iter()
            .filter(|(_, at)| now.since(*at) < LATE_FOR);
        let all = parents.len() >= ALL && sent.all(|(parent, _)| parents.contains(parent));
        (parents.len() >= ENDS || all) && children.len() >= ENDS
    }

    pub(super) fn late_percent(&self, now: Timestamp) -> u8 {
        let percent = self.late.get(now) * 100;
        let percent = percent.checked_div(self.sent.get(now)).unwrap_or(0);
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    pub(super) fn is_quiet(&self, limit: Duration, now: Timestamp) -> bool {
        now.since(self.heard) >= limit.max(HALF_LIFE)
    }

    pub(super) fn summary(
        &self,
        (level, from, to): (&'static str, String, String),
        congested: bool,
        now: Timestamp,
    ) -> EdgeSummary {
        EdgeSummary {
            level,
            from,
            to,
            bytes: self.bytes,
            rate: self.load.per_second(now),
            late_percent: self.late_percent(now),
            congested,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    /// Of these parents the first few send late to three children each, for five seconds.
    fn is_congested(parents: u8, late: u8) -> bool {
        let start = Timestamp::from_micros(1_000_000);
        let mut edge = Edge::new(start);
        for (second, parent) in (1..6).flat_map(|second| (0..parents).map(move |one| (second, one)))
        {
            for child in 0..3 {
                let crossing = Crossing {
                    parent: PeerId([parent; 16]),
                    child: PeerId([100 + child; 16]),
                    bytes: 1000,
                    sent: 10,
                    late: if parent < late { 8 } else { 0 },
                };
                edge.observe(&crossing, start + Duration::from_secs(second));
            }
        }
        edge.is_congested(start + Duration::from_secs(6))
    }

    #[test]
    fn two_parents_are_enough_where_they_are_all_that_send_over_an_edge() {
        assert!(is_congested(2, 2));
        assert!(!is_congested(3, 2), "the third one gets through");
        assert!(is_congested(4, 3));
        assert!(!is_congested(1, 1), "it may have a bad line");
    }
}
