//! Chance that is the same for the same seed.

use std::time::Duration;

pub struct Dice(blake3::OutputReader);

impl Dice {
    pub fn of(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        Self(hasher.update(&seed.to_le_bytes()).finalize_xof())
    }

    /// A number from 0 to `end`, without it.
    pub fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }

    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    pub fn millis(&mut self, first: u64, last: u64) -> Duration {
        Duration::from_millis(self.between(first, last))
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}
