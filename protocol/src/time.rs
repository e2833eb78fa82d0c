//! Time as an argument: nobody below the shells asks a clock.

use core::ops::{Add, Sub};
use core::time::Duration;

use crate::units::UnixSeconds;

/// A moment: microseconds since the UNIX epoch as the shell sees them.
///
/// A shell anchors its monotonic clock to the wall clock once at start, so timestamps never run
/// backwards although the wall clock may. Cores compare dates of tickets with the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `micros` microseconds after the UNIX epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the UNIX epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The date that tickets and certificates are compared with.
    pub const fn unix_seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1_000_000)
    }

    /// Time passed since `earlier`; zero if `earlier` lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(micros(time)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(micros(time)))
    }
}

// `Duration` itself counts in 128 bits: kilobytes of arithmetic in the browser's module.

/// Whole microseconds of `time`, at most what fits.
pub const fn micros(time: Duration) -> u64 {
    let whole = time.as_secs().saturating_mul(1_000_000);
    whole.saturating_add(time.subsec_micros() as u64)
}

/// Whole milliseconds of `time`, at most what fits.
pub const fn millis(time: Duration) -> u32 {
    let millis = micros(time) / 1000;
    if millis > u32::MAX as u64 {
        return u32::MAX;
    }
    #[expect(clippy::cast_possible_truncation, reason = "compared above")]
    let millis = millis as u32;
    millis
}
