//! One upload: what somebody is to have, and how far that has come.

use core::cmp::Reverse;
use core::ops::Range;

use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::RequestId;
use runnel_protocol::segment::{SegmentKey, chunk_range};
use runnel_protocol::time::Timestamp;

use crate::input::{BulkId, LinkId};
use crate::sorted::SortedSet;

/// Chunks that somebody is to have: those in `ready` at once, the others when they come.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) link: LinkId,
    pub(crate) entry: SignedEntry,
    /// What it answers; `None` for a push.
    pub(crate) request: Option<RequestId>,
    /// Chunks that were asked for; none for a push.
    pub(crate) asked: Range<u32>,
    pub(crate) ready: SortedSet<u32>,
    pub(crate) awaiting: SortedSet<u32>,
    /// Higher goes first, as the coordinator says: who feeds others before who does not.
    pub(crate) priority: u8,
    /// When the receiver needs it.
    pub(crate) due: Timestamp,
}

/// An order being carried out, on one bulk stream.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) order: Order,
    pub(crate) opened: bool,
    /// Chunks that are being read from disk.
    pub(super) loading: SortedSet<u32>,
    /// Chunks given to the shell and not yet written.
    pub(super) writing: u32,
    /// Chunks whose turn has come.
    pub(super) sent: u32,
    pub(super) place: Option<Place>,
}

/// Where a job stands in the queue. Who feeds others goes first, or each level of a tree would add
/// the time that a full uplink takes for a whole segment. Of those that are due together, who had
/// least goes first: every child sees a segment grow, and passes it on, however short the uplink is.
/// Of those that had as little the order is another one with each segment: where the last has to
/// wait for a segment's time, it is not always the same.
pub(super) type Place = (Reverse<u8>, Timestamp, u32, u64, BulkId);

impl Job {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            opened: false,
            loading: SortedSet::new(),
            writing: 0,
            sent: 0,
            place: None,
        }
    }

    /// Where it stands from now on, as `bulk`; `None` while it has nothing ready.
    pub(super) fn place(&self, bulk: BulkId) -> Option<Place> {
        let Order { priority, due, .. } = self.order;
        let place = (Reverse(priority), due, self.sent, self.turn(), bulk);
        (!self.order.ready.is_empty()).then_some(place)
    }

    /// Where it comes among those that had as little of their segments.
    fn turn(&self) -> u64 {
        // Neighbouring numbers, spread over all there are (Knuth's multiplicative hashing).
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let sequence = self.segment().sequence.wrapping_mul(GOLDEN);
        (self.order.link.number() ^ sequence).wrapping_mul(GOLDEN)
    }

    /// One of its chunks, whose turn it is.
    pub(super) fn next(&self, bulk: BulkId, index: u32) -> Next {
        Next {
            bulk,
            link: self.order.link,
            segment: self.segment(),
            index,
            bytes: self.size(index),
        }
    }

    /// Whether all that was promised has been sent.
    pub(crate) fn is_finished(&self) -> bool {
        self.order.ready.is_empty()
            && self.order.awaiting.is_empty()
            && self.loading.is_empty()
            && self.writing == 0
    }

    pub(crate) fn segment(&self) -> SegmentKey {
        self.order.entry.body.segment
    }

    pub(super) fn size(&self, index: u32) -> u64 {
        chunk_range(self.order.entry.body.length, index).map_or(0, |range| range.length)
    }
}

/// A chunk whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) bulk: BulkId,
    pub(crate) link: LinkId,
    pub(crate) segment: SegmentKey,
    pub(crate) index: u32,
    pub(crate) bytes: u64,
}
