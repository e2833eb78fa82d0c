//! Quantities with their unit in the type.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A rate in bits per second.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct BitsPerSecond(pub u64);

impl BitsPerSecond {
    /// `count` thousand bits per second, as operators and encoders write it.
    pub const fn from_kilobits(count: u64) -> Self {
        Self(count.saturating_mul(1000))
    }

    /// Bytes that this rate carries in `time`, rounded down.
    pub fn bytes_in(self, time: Duration) -> u64 {
        let bits = u128::from(self.0) * time.as_micros() / 1_000_000;
        u64::try_from(bits / 8).unwrap_or(u64::MAX)
    }

    /// What is left after taking `used`, never below zero.
    pub const fn saturating_sub(self, used: Self) -> Self {
        Self(self.0.saturating_sub(used.0))
    }

    /// The sum, never above the representable.
    pub const fn saturating_add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

/// The UNIX time in whole seconds: what tickets and certificates are dated with.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// This date, `seconds` later.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}
