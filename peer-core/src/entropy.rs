//! Randomness from the shell's seed: same seed, same numbers.

use core::time::Duration;

/// A BLAKE3 output stream over a seed. Nonces of a seed that nobody knows cannot be guessed.
pub(crate) struct Entropy(blake3::OutputReader);

impl Entropy {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("runnel peer-core entropy");
        hasher.update(&seed);
        Self(hasher.finalize_xof())
    }

    pub(crate) fn bytes<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.0.fill(&mut bytes);
        bytes
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
