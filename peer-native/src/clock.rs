//! The one place where the agent asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runnel_protocol::time::Timestamp;
use tokio::time::Instant;

/// A monotonic clock that was set by the wall clock once, so that time never runs backwards in
/// the peer although the wall clock may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    anchor: Instant,
    at_anchor: Timestamp,
}

impl Clock {
    /// A clock that agrees with the wall clock at this moment.
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self {
            anchor: Instant::now(),
            at_anchor: Timestamp::from_micros(0) + since_epoch,
        }
    }

    /// The time of day, monotonic.
    pub(crate) fn now(&self) -> Timestamp {
        self.at_anchor + self.anchor.elapsed()
    }

    /// When the runtime's clock shows `moment`.
    pub(crate) fn instant(&self, moment: Timestamp) -> Instant {
        self.anchor + moment.since(self.at_anchor)
    }
}
