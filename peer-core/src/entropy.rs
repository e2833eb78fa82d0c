//! Randomness from the shell's seed: same seed, same numbers.

use core::time::Duration;

/// BLAKE3 of a seed and a count. Nonces of a seed that nobody knows cannot be guessed.
pub(crate) struct Entropy {
    seed: [u8; 32],
    count: u64,
}

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    /// The next `LENGTH` bytes, at most 32.
    pub(crate) fn bytes<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        self.count += 1;
        let hash = blake3::keyed_hash(&self.seed, &self.count.to_le_bytes());
        core::array::from_fn(|index| hash.as_bytes()[index])
    }

    /// `time`, up to a quarter shorter or longer, so that many peers do not act in step.
    pub(crate) fn jittered(&mut self, time: Duration) -> Duration {
        let spread = u32::from(u16::from_le_bytes(self.bytes())) * 500 / u32::from(u16::MAX);
        time * (750 + spread) / 1000
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy")
    }
}
