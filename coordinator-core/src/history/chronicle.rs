//! When what is told, of all peers together.

use core::time::Duration;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::{Past, Profiles};
use crate::io::SessionId;
use crate::wheel::Wheel;

/// A longer stay is told in pieces of this length, so that a control center that dies takes no more
/// than that with it.
const PIECE: Duration = Duration::from_secs(900);
/// Most that are told per tick; the spread of their dates keeps the number far below.
const PER_TICK: usize = 5000;
/// Whoever comes so soon after the control center's start, and was there so shortly before, had
/// only lost the control center.
const BACK_WITHIN: Duration = Duration::from_secs(60);
const AWAY_FOR_S: u64 = 1200;

/// The profiles, and whose history is due.
#[derive(Debug)]
pub(crate) struct Chronicle {
    pub(crate) profiles: Profiles,
    /// One entry for each peer with a history.
    due: Wheel<(PeerId, SessionId)>,
    began: Timestamp,
}

impl Chronicle {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            profiles: Profiles::default(),
            due: Wheel::default(),
            began: now,
        }
    }

    /// The next piece of this peer's stay begins.
    pub(crate) fn follow(&mut self, peer: PeerId, session: SessionId, now: Timestamp) {
        self.due.insert(now + PIECE, (peer, session));
    }

    /// Pieces that have ended.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<(PeerId, SessionId)> {
        self.due.take_due(PER_TICK, now)
    }

    /// Whether somebody with this past, found just now, goes on with the stay that it tells of.
    pub(crate) fn returns(&self, past: &Past, now: Timestamp) -> bool {
        let away = now.unix_seconds().0.saturating_sub(past.seen.0);
        now.since(self.began) < BACK_WITHIN && away < AWAY_FOR_S
    }
}
