//! Who may come in now, and when the others should come back (T14).
//!
//! A token bucket with a waiting room outside: whoever is refused gets a place in a queue that
//! moves at the admission rate, so thousands who arrive together return one after another.

use core::time::Duration;

use runnel_protocol::time::Timestamp;

use crate::random::Random;

/// Nobody is sent away for longer: everybody is back within a minute.
const LONGEST_WAIT_MS: u64 = 55_000;
/// Spreads those who got the same place, and covers the way back.
const JITTER_MS: u64 = 1000;

#[derive(Debug)]
pub(crate) struct Admission {
    per_second: u64,
    /// Thousandths of an admission.
    tokens: u64,
    /// Places given away in the queue, in thousandths.
    waiting: u64,
    filled: Timestamp,
}

impl Admission {
    pub(crate) fn new(per_second: u32, now: Timestamp) -> Self {
        let per_second = u64::from(per_second.max(1));
        Self {
            per_second,
            tokens: per_second * 2000,
            waiting: 0,
            filled: now,
        }
    }

    /// Lets one in, or says after how many milliseconds to try again.
    pub(crate) fn admit(&mut self, random: &mut Random, now: Timestamp) -> Result<(), u32> {
        self.refill(now);
        if self.tokens >= 1000 {
            self.tokens -= 1000;
            return Ok(());
        }
        self.waiting += 1000;
        let place = (self.waiting / self.per_second).min(LONGEST_WAIT_MS);
        let wait = 200 + place + random.below(JITTER_MS);
        Err(u32::try_from(wait).unwrap_or(u32::MAX))
    }

    /// Whoever was let in was turned away after all: its place is free.
    pub(crate) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1000).min(self.per_second * 2000);
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = now.since(self.filled).min(Duration::from_secs(60));
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return;
        }
        self.filled = now;
        let fresh = millis * self.per_second;
        self.tokens = (self.tokens + fresh).min(self.per_second * 2000);
        self.waiting = self.waiting.saturating_sub(fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_at_once_come_back_one_after_another_and_all_within_a_minute() {
        let start = Timestamp::from_micros(1_000_000);
        let mut random = Random::new([7; 32]);
        let mut door = Admission::new(500, start);
        let mut queue: std::collections::BTreeSet<(u64, u32)> =
            (0..10_000).map(|n| (0, n)).collect();
        let mut last = 0;
        let mut per_second = std::collections::BTreeMap::<u64, u32>::new();
        while let Some((at, who)) = queue.pop_first() {
            *per_second.entry(at / 1000).or_default() += 1;
            match door.admit(&mut random, start + Duration::from_millis(at)) {
                Ok(()) => last = at,
                Err(wait) => {
                    queue.insert((at + u64::from(wait), who));
                }
            }
        }
        assert!(last < 60_000, "the last one was let in after {last} ms");
        let busiest = per_second.range(1..).map(|(_, count)| *count).max();
        assert!(busiest.is_some_and(|count| count < 1500), "{busiest:?}");
    }
}
