//! Chance that is the same for the same seed.

use core::time::Duration;

/// A stream of numbers (SplitMix64). Each thing that happens by chance has its own stream, named
/// by what it is for: the twin of a run, in which less happens, meets the same chances.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of `seed` for the `number`th of `what`.
    pub(crate) fn of(seed: u64, what: &str, number: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(what.as_bytes());
        let hash = hasher.update(&number.to_le_bytes()).finalize();
        let first = hash.as_bytes().first_chunk().copied();
        Self(u64::from_le_bytes(first.unwrap_or_default()))
    }

    /// A cheap stream for what happens very often: `number` should be well mixed with `seed`.
    pub(crate) const fn quick(seed: u64, number: u64) -> Self {
        Self(seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// Any number.
    pub(crate) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, without it; 0 where `end` is 0.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        let roll = self.roll();
        if end == 0 { 0 } else { roll % end }
    }

    /// A number from `first` to `last`, both included.
    pub(crate) const fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first).saturating_add(1))
    }

    /// A time from `first` to `last` milliseconds, to the microsecond.
    pub(crate) const fn millis(&mut self, first: u64, last: u64) -> Duration {
        Duration::from_micros(self.between(first * 1000, last * 1000))
    }

    /// A number from 0 to 1, without 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A time of this mean with an exponential distribution: churn and arrivals.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.share()).ln())
    }

    /// One of these, each as likely as its weight; `None` where no weight is positive.
    pub(crate) fn weighted<T: Copy>(
        &mut self,
        choices: impl Iterator<Item = (f64, T)> + Clone,
    ) -> Option<T> {
        let total: f64 = choices.clone().map(|(weight, _)| weight.max(0.0)).sum();
        let mut left = self.share() * total;
        let mut last = None;
        for (weight, choice) in choices.filter(|(weight, _)| *weight > 0.0) {
            last = Some(choice);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let rolls = |mut dice: Dice| -> Vec<u64> { (0..8).map(|_| dice.roll()).collect() };
        assert_eq!(rolls(Dice::of(1, "loss", 2)), rolls(Dice::of(1, "loss", 2)));
        assert_ne!(rolls(Dice::of(1, "loss", 2)), rolls(Dice::of(1, "loss", 3)));
        assert_ne!(rolls(Dice::of(1, "loss", 2)), rolls(Dice::of(2, "loss", 2)));
    }

    #[test]
    fn weights_are_kept_to() {
        let mut dice = Dice::of(1, "weights", 0);
        let choices = [(3.0, 'a'), (1.0, 'b'), (0.0, 'c')];
        let picks = (0..4000).filter_map(|_| dice.weighted(choices.iter().copied()));
        let (mut a, mut b) = (0, 0);
        for pick in picks {
            a += u32::from(pick == 'a');
            b += u32::from(pick == 'b');
        }
        assert_eq!(a + b, 4000);
        assert!((2800..3200).contains(&a), "{a}");
    }
}
