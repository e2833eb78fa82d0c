//! What a content needs, from what its players report.

use core::time::Duration;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

/// A rate is forgotten after one to two of these.
const WINDOW: Duration = Duration::from_secs(15);

/// The highest rate that was reported lately: whoever feeds others has to carry it.
#[derive(Debug)]
pub(crate) struct PeakRate {
    fallback: BitsPerSecond,
    before: BitsPerSecond,
    lately: BitsPerSecond,
    turned: Timestamp,
}

impl PeakRate {
    pub(crate) fn new(fallback: BitsPerSecond, now: Timestamp) -> Self {
        Self {
            fallback,
            before: BitsPerSecond(0),
            lately: BitsPerSecond(0),
            turned: now,
        }
    }

    pub(crate) fn observe(&mut self, rate: BitsPerSecond, now: Timestamp) {
        if now.since(self.turned) >= WINDOW {
            self.before = self.lately;
            self.lately = BitsPerSecond(0);
            self.turned = now;
        }
        self.lately = self.lately.max(rate);
    }

    /// The peak, or the last known one when nobody reports, or the default.
    pub(crate) fn value(&self) -> BitsPerSecond {
        match self.lately.max(self.before) {
            BitsPerSecond(0) => self.fallback,
            peak => peak,
        }
    }
}

/// Whether `actual` is so far from what was planned with that reservations are made anew: by
/// more than a quarter, since encoders vary by less.
pub(crate) fn differs(planned: BitsPerSecond, actual: BitsPerSecond) -> bool {
    planned.0.abs_diff(actual.0) > planned.0 / 4
}
