//! Everything that happened, in one number.

/// A running hash of numbers: two runs are the same if it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(crate) fn note(&mut self, numbers: &[u64]) {
        for number in numbers {
            let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ (mixed >> 29);
        }
    }

    pub(crate) const fn value(self) -> u64 {
        self.0
    }
}
