//! How long children go without data after a parent failed.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_protocol::ids::ContentId;
use runnel_protocol::segment::{SegmentKey, Substream, SubstreamSet};
use runnel_protocol::time::Timestamp;

use crate::node::At;

/// A child that lost a parent, and the stripes it went without.
#[derive(Debug, Clone, Copy)]
struct Orphan {
    parent: At,
    content: ContentId,
    stripes: SubstreamSet,
    since: Timestamp,
}

/// Since when a child should have had a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owed {
    /// Live: since it was attested; whatever lies within a buffer's length may still be missing
    /// where a parent failed.
    Pushed(Timestamp),
    /// On demand: since it was asked for. A player whose buffer is full asks for nothing, and an
    /// older title's segments were attested long ago.
    Asked(Timestamp),
}

impl Owed {
    fn since(self) -> Timestamp {
        let (Self::Pushed(since) | Self::Asked(since)) = self;
        since
    }

    fn is_after(self, failure: Timestamp) -> bool {
        match self {
            Self::Pushed(since) => since + Duration::from_secs(8) > failure,
            Self::Asked(_) => true,
        }
    }
}

/// Children that wait for data, and how long others had to.
#[derive(Debug)]
pub(crate) struct Repairs {
    stripes: u8,
    waiting: BTreeMap<At, Vec<Orphan>>,
    /// From the failure, or from when there was data to have, to data from another peer.
    pub(crate) times: Vec<Duration>,
    /// Left before anybody brought data.
    pub(crate) left: u64,
}

impl Repairs {
    pub(super) const fn new(stripes: u8) -> Self {
        Self {
            stripes,
            waiting: BTreeMap::new(),
            times: Vec::new(),
            left: 0,
        }
    }

    pub(super) fn on_orphaned(
        &mut self,
        child: At,
        parent: At,
        content: ContentId,
        stripes: SubstreamSet,
        since: Timestamp,
    ) {
        let orphan = Orphan {
            parent,
            content,
            stripes,
            since,
        };
        self.waiting.entry(child).or_default().push(orphan);
    }

    pub(super) fn on_gone(&mut self, child: At) {
        self.left += self
            .waiting
            .remove(&child)
            .map_or(0, |orphans| orphans.len() as u64);
    }

    pub(super) fn on_chunk(
        &mut self,
        (child, from): (At, At),
        segment: &SegmentKey,
        index: u32,
        owed: Owed,
        now: Timestamp,
    ) {
        let Some(orphans) = self.waiting.get_mut(&child) else {
            return;
        };
        let stripe = Substream::of(segment.sequence, index, self.stripes);
        let helped = |orphan: &Orphan| {
            orphan.content == segment.content
                && orphan.parent != from
                && orphan.stripes.contains(stripe)
                && owed.is_after(orphan.since)
        };
        let mut times = Vec::new();
        orphans.retain(|orphan| {
            let helped = helped(orphan);
            if helped {
                times.push(now.since(orphan.since.max(owed.since())));
            }
            !helped
        });
        if orphans.is_empty() {
            self.waiting.remove(&child);
        }
        self.times.append(&mut times);
    }

    /// Still without, at the end: their data come from the CDN.
    pub(crate) fn unrepaired(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }
}
