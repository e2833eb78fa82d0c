//! Transfer records (N3): who received how much of what, when, how fast, and from how near. For
//! billing, for policies on links, and for history.
//!
//! Bytes are as their receiver reports them; what a peer sent to others, as it says itself.

use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::control::ContentReport;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::summary::Received;

/// A longer stay is told in pieces of about this length, so that a control center that dies takes
/// no more than that with it.
const PIECE: Duration = Duration::from_secs(900);

/// A peer's part in a content, or a piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Who.
    pub peer: PeerId,
    /// Of which content.
    pub content: ContentId,
    /// The text under which that is registered.
    pub name: Arc<str>,
    /// Whose it is.
    pub provider: Arc<str>,
    /// From when on.
    pub began: Timestamp,
    /// Until when.
    pub ended: Timestamp,
    /// Bytes that it received, by source.
    pub received: Received,
    /// Bytes of them that came from peers and waypoints of other networks.
    pub off_net: u64,
    /// Bytes that it sent to others.
    pub sent: u64,
    /// The most that it received in the time between two heartbeats.
    pub peak: BitsPerSecond,
}

impl Transfer {
    /// The mean rate at which it received.
    pub fn mean(&self) -> BitsPerSecond {
        rate(self.received.all(), self.ended.since(self.began))
    }
}

/// What was counted of a member since the last record.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Timestamp,
    received: Received,
    off_net: u64,
    sent: u64,
    peak: BitsPerSecond,
}

impl Tally {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            received: Received::default(),
            off_net: 0,
            sent: 0,
            peak: BitsPerSecond(0),
        }
    }

    /// What a player says that it received since its last heartbeat.
    pub(crate) fn on_report(&mut self, report: &ContentReport, covers: Duration) {
        let before = self.received.all();
        self.received.add(report);
        let rate = rate(self.received.all() - before, covers);
        self.peak = self.peak.max(rate);
    }

    pub(crate) fn on_off_net(&mut self, bytes: u64) {
        self.off_net = self.off_net.saturating_add(bytes);
    }

    pub(crate) fn on_sent(&mut self, bytes: u64) {
        self.sent = self.sent.saturating_add(bytes);
    }

    /// Whether it is time to tell what there is.
    pub(crate) fn is_long(&self, now: Timestamp) -> bool {
        now.since(self.began) >= PIECE
    }

    /// The record, for whom and of what is filled in by `of`; `None` where nothing was moved.
    pub(crate) fn close(
        &self,
        (peer, content): (PeerId, ContentId),
        (name, provider): (&Arc<str>, &Arc<str>),
        now: Timestamp,
    ) -> Option<Transfer> {
        let moved = self.received.all() > 0 || self.sent > 0;
        moved.then(|| Transfer {
            peer,
            content,
            name: Arc::clone(name),
            provider: Arc::clone(provider),
            began: self.began,
            ended: now,
            received: self.received,
            off_net: self.off_net,
            sent: self.sent,
            peak: self.peak,
        })
    }
}

fn rate(bytes: u64, time: Duration) -> BitsPerSecond {
    let micros = time.as_micros();
    let bits = u128::from(bytes) * 8_000_000;
    let rate = bits.checked_div(micros).unwrap_or(0);
    BitsPerSecond(u64::try_from(rate).unwrap_or(u64::MAX))
}
