//! The one place that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use runnel_protocol::time::Timestamp;

/// A monotonic clock, anchored to the wall clock once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    at_start: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = wall.map_or(0, |since| since.as_micros());
        Self {
            start: Instant::now(),
            at_start: u64::try_from(micros).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.at_start) + self.start.elapsed()
    }

    /// The runtime's instant of a timestamp.
    pub(crate) fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        let after = at.since(Timestamp::from_micros(self.at_start));
        tokio::time::Instant::from_std(self.start + after)
    }
}

/// The date in seconds, for what is kept in the store.
pub(crate) fn unix_seconds() -> u64 {
    Clock::new().now().unix_seconds().0
}
