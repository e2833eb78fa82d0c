//! One edge of the graph: its load, and what comes late over it.

use core::time::Duration;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::EdgeSummary;
use super::fading::{Fading, HALF_LIFE};

/// Late links that are remembered.
const REMEMBERED: usize = 8;
/// Parents, and children, between whom something has to be late: one of them alone may have a bad line.
const ENDS: usize = 3;
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
            heard: now,
        }
    }

    pub(super) fn observe(&mut self, crossing: &Crossing, now: Timestamp) {
        self.heard = now;
        self.bytes = self.bytes.saturating_add(crossing.bytes);
        self.load.add(crossing.bytes, now);
        self.sent.add(crossing.sent, now);
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
            peers.len()
        };
        let parents = distinct(lately().map(|(parent, ..)| *parent).collect());
        let children = distinct(lately().map(|(_, child, _)| *child).collect());
        parents >= ENDS && children >= ENDS
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
