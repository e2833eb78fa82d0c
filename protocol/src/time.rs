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
        Self(
            self.0
                .saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}
