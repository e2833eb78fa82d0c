//! A sum that forgets: what was added a while ago counts half.

use core::time::Duration;

use runnel_protocol::time::Timestamp;

/// After this time all that was added counts half.
pub(super) const HALF_LIFE: Duration = Duration::from_secs(16);

/// Halved at whole multiples of [`HALF_LIFE`], so that no number is ever a fraction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fading {
    value: u64,
    /// When it was halved last.
    halved: Timestamp,
}

impl Fading {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            value: 0,
            halved: now,
        }
    }

    pub(super) fn add(&mut self, amount: u64, now: Timestamp) {
        *self = self.at(now);
        self.value = self.value.saturating_add(amount);
    }

    /// What is left of it.
    pub(super) fn get(self, now: Timestamp) -> u64 {
        self.at(now).value
    }

    /// What was added in a second, on average over the last half-lives.
    pub(super) fn per_second(self, now: Timestamp) -> u64 {
        let fresh = self.at(now);
        let time = HALF_LIFE + now.since(fresh.halved);
        let micros = u128::from(fresh.value) * 1_000_000 / time.as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    fn at(self, now: Timestamp) -> Self {
        let times = now.since(self.halved).as_secs() / HALF_LIFE.as_secs();
        let shift = u32::try_from(times).unwrap_or(u32::MAX);
        Self {
            value: self.value.checked_shr(shift).unwrap_or(0),
            halved: self.halved + HALF_LIFE * shift.min(1 << 16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000);

    #[test]
    fn what_was_added_counts_half_after_a_half_life_and_nothing_in_the_end() {
        let mut sum = Fading::new(START);
        sum.add(1000, START);
        assert_eq!(sum.get(START + HALF_LIFE), 500);
        sum.add(100, START + HALF_LIFE);
        assert_eq!(sum.get(START + HALF_LIFE * 2), 300);
        assert_eq!(sum.get(START + HALF_LIFE * 1000), 0);
    }

    #[test]
    fn a_steady_rate_is_told_as_it_is() {
        let mut sum = Fading::new(START);
        for second in 0..200 {
            sum.add(5000, START + Duration::from_secs(second));
        }
        for second in 200..210 {
            let now = START + Duration::from_secs(second);
            let rate = sum.per_second(now);
            assert!((4600..5400).contains(&rate), "{rate}");
            sum.add(5000, now);
        }
    }
}
