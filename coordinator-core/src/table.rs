//! Tables by id: an entry is found in constant time, and going through them follows an order
//! that the inputs alone decide.

use core::hash::{BuildHasherDefault, Hasher};

use indexmap::IndexMap;

/// Entries by id. Removing one moves the last into its place.
pub(crate) type Table<K, V> = IndexMap<K, V, BuildHasherDefault<IdHasher>>;

/// Odd, and near the golden ratio of 2^64: spreads what is not a hash, like session numbers.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes an id's own first bytes: ids are hashes already.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        let count = bytes.len().min(word.len());
        word[..count].copy_from_slice(&bytes[..count]);
        self.write_u64(u64::from_le_bytes(word));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(SPREAD);
    }

    /// The length of an id, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use core::hash::BuildHasher;

    use runnel_protocol::ids::PeerId;

    use super::*;
    use crate::io::SessionId;

    #[test]
    fn neighbours_are_spread() {
        let hash = |id| BuildHasherDefault::<IdHasher>::default().hash_one(id);
        let high: std::collections::BTreeSet<u64> = (0..128)
            .map(|number| hash(SessionId(number)) >> 57)
            .collect();
        assert!(high.len() > 64, "{} of 128", high.len());
    }

    #[test]
    fn ids_that_differ_in_their_first_bytes_differ() {
        let hash = |id| BuildHasherDefault::<IdHasher>::default().hash_one(id);
        assert_ne!(hash(PeerId([1; 16])), hash(PeerId([2; 16])));
        assert_eq!(hash(PeerId([1; 16])), hash(PeerId([1; 16])));
    }
}
