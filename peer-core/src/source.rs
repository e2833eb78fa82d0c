//! Who is asked first.

use core::cmp::Reverse;

use runnel_protocol::control::Source;
use runnel_protocol::segment::SubstreamSet;

use crate::input::LinkId;

/// How good a parent is; the derived order is the rule, lowest first.
///
/// The operator's cost comes before everything else, or the waypoint, usually the fastest, would
/// win every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// Peers, then waypoints.
    pub(crate) cost: Source,
    /// Chunks that had to be had elsewhere, recently.
    pub(crate) misses: u32,
    /// Whether the coordinator meant it to push (or only as a standby).
    pub(crate) assigned: Reverse<bool>,
    /// Chunks asked of it and not yet here.
    pub(crate) outstanding: u32,
    /// Makes the order total.
    pub(crate) link: LinkId,
}

/// A parent whose link stands and which is not known to be stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) rank: Rank,
    /// Substreams that the coordinator gave it.
    pub(crate) substreams: SubstreamSet,
    /// Substreams that it has.
    pub(crate) carries: SubstreamSet,
}

impl Candidate {
    pub(crate) fn link(&self) -> LinkId {
        self.rank.link
    }
}
