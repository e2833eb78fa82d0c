//! Randomness from the seed alone: BLAKE3 keyed with it, in counter mode.

/// A generator. Unpredictable to whoever lacks the seed, since nonces come from it.
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&self.drawn.to_le_bytes());
        self.drawn += 1;
        let mut bytes = [0; N];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    /// A number below `bound` (at least 1); the bias is below 2^-32 for the bounds in use.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes()) % bound.max(1)
    }
}
