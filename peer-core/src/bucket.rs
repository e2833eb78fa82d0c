//! A rate limit that pays for bytes with time.

use core::time::Duration;

use runnel_protocol::time::{Timestamp, micros};
use runnel_protocol::units::BitsPerSecond;

/// Credit is the time that was not yet paid with: it grows by itself and nothing is rounded away,
/// however often one asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    rate: BitsPerSecond,
    /// Most credit, in nanoseconds.
    depth: u64,
    /// Everything up to here is spent, in nanoseconds since the epoch.
    paid: u64,
}

impl Bucket {
    /// Without credit at `now`; saves up at most what `burst` earns, and never less than `least`
    /// bytes, or nothing would ever pass.
    pub(crate) fn empty(rate: BitsPerSecond, burst: Duration, least: u64, now: Timestamp) -> Self {
        let depth = micros(burst).saturating_mul(1000);
        Self {
            rate,
            depth: depth.max(cost(rate, least)),
            paid: nanos(now),
        }
    }

    /// With all the credit that it may have.
    pub(crate) fn full(rate: BitsPerSecond, burst: Duration, least: u64, now: Timestamp) -> Self {
        let empty = Self::empty(rate, burst, least, now);
        Self {
            paid: empty.paid.saturating_sub(empty.depth),
            ..empty
        }
    }

    pub(crate) fn rate(&self) -> BitsPerSecond {
        self.rate
    }

    /// Takes `bytes` if there is credit for them.
    pub(crate) fn take(&mut self, bytes: u64, now: Timestamp) -> bool {
        let start = self.paid.max(nanos(now).saturating_sub(self.depth));
        let end = start.saturating_add(cost(self.rate, bytes));
        let enough = end <= nanos(now);
        if enough {
            self.paid = end;
        }
        enough
    }

    /// The bytes were not used after all.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.paid = self.paid.saturating_sub(cost(self.rate, bytes));
    }

    /// From when on there is credit for `bytes`; `None` for never.
    pub(crate) fn ready_at(&self, bytes: u64) -> Option<Timestamp> {
        let ready = self.paid.saturating_add(cost(self.rate, bytes));
        (self.rate.0 > 0).then(|| Timestamp::from_micros(ready.div_ceil(1000)))
    }
}

fn nanos(at: Timestamp) -> u64 {
    at.as_micros().saturating_mul(1000)
}

/// What `bytes` cost, in nanoseconds: more than can ever be paid beyond 2 GB at once.
fn cost(rate: BitsPerSecond, bytes: u64) -> u64 {
    let nanobits = bytes.checked_mul(8 * 1_000_000_000);
    let nanos = nanobits.and_then(|nanobits| nanobits.checked_div(rate.0));
    nanos.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + micros)
    }

    #[test]
    fn asking_often_neither_loses_nor_gains() {
        let mut bucket = Bucket::empty(
            BitsPerSecond::from_kilobits(8_000),
            Duration::from_millis(100),
            0,
            at(0),
        );
        let passed = (1..=1_000_000).filter(|micros| bucket.take(1000, at(*micros)));
        assert_eq!(passed.count(), 1000, "1 MB/s for a second");
    }

    #[test]
    fn it_says_when_it_will_be_ready_and_is() {
        let mut bucket = Bucket::empty(BitsPerSecond(1000), Duration::from_secs(1), 1000, at(0));
        let ready = bucket.ready_at(1000).unwrap();
        assert_eq!(ready.since(at(0)), Duration::from_secs(8));
        assert!(!bucket.take(1000, ready - Duration::from_micros(1)));
        assert!(bucket.take(1000, ready));
    }

    #[test]
    fn credit_is_bounded_and_without_a_rate_there_is_none() {
        let mut bucket = Bucket::full(BitsPerSecond(80_000), Duration::from_secs(10), 0, at(0));
        assert!(bucket.take(100_000, at(0)));
        assert!(!bucket.take(1, at(0)));
        assert!(!bucket.take(100_001, at(3_600_000_000)));
        let mut none = Bucket::full(BitsPerSecond(0), Duration::from_secs(1), 1, at(0));
        assert!(!none.take(1, at(1_000_000)));
        assert_eq!(none.ready_at(1), None);
    }
}
