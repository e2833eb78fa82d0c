//! Why a chunk may be believed: its path in the segment's BLAKE3 tree.
//!
//! BLAKE3 is itself a Merkle tree over 1 KiB leaves. A chunk is one whole subtree of it, so
//! the chaining values that stand beside the path from the chunk to the root prove the chunk
//! against the segment's plain BLAKE3 hash. A chunk with its proof is self-contained: whoever
//! verified it forwards it as it is, before the rest of the segment arrives.

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};
use bytes::Bytes;

use crate::ids::Root;
use crate::segment::{MAX_CHUNK, MAX_SEGMENT, chunk_count, chunk_range, chunk_size};

/// Longest path from a chunk to the root: log2 of the chunks of [`MAX_SEGMENT`].
pub const MAX_PROOF: usize = (MAX_SEGMENT / MAX_CHUNK).ilog2() as usize;

/// A chunk as it crosses a wire. Nothing is known of it until [`ProvenChunk::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenChunk {
    /// Position in the segment, in chunks.
    pub index: u32,
    /// Chaining values beside the path, from the chunk upwards.
    pub proof: Vec<ChainingValue>,
    /// The media bytes.
    pub data: Bytes,
}

impl ProvenChunk {
    /// Whether this is chunk `index` of the segment of `length` bytes whose hash is `root`.
    pub fn verify(&self, root: &Root, length: u64) -> bool {
        let Some(range) = chunk_range(length, self.index) else {
            return false;
        };
        if self.data.len() as u64 != range.length {
            return false;
        }
        let Some((last, below)) = steps(length, range.offset, self.proof.len()) else {
            return root.0 == *blake3::hash(&self.data).as_bytes() && self.proof.is_empty();
        };
        let Some((top, lower)) = self.proof.split_last() else {
            return false;
        };
        if lower.len() != below.len() {
            return false;
        }
        let leaf = chaining_value(range.offset, &self.data);
        let under_root = below
            .iter()
            .rev()
            .zip(lower)
            .fold(leaf, |value, (side, sibling)| {
                let (left, right) = side.order(&value, sibling);
                merge_subtrees_non_root(left, right, Mode::Hash)
            });
        let (left, right) = last.order(&under_root, top);
        root.0 == *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
    }
}

/// On which side of its parent a subtree hangs.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn order<'a>(
        self,
        value: &'a ChainingValue,
        sibling: &'a ChainingValue,
    ) -> (&'a ChainingValue, &'a ChainingValue) {
        match self {
            Self::Left => (value, sibling),
            Self::Right => (sibling, value),
        }
    }
}

/// The way from the root down to the chunk at `offset`: the step below the root, then the others.
/// `None` for a segment of a single chunk, which is its own root.
fn steps(mut length: u64, mut offset: u64, expected: usize) -> Option<(Side, Vec<Side>)> {
    let mut way = Vec::with_capacity(expected.min(MAX_PROOF));
    let chunk = chunk_size(length);
    while length > chunk {
        let left = left_subtree_len(length);
        if offset < left {
            way.push(Side::Left);
            length = left;
        } else {
            way.push(Side::Right);
            offset -= left;
            length -= left;
        }
    }
    let below = way.split_off(1.min(way.len()));
    way.first().map(|first| (*first, below))
}

fn chaining_value(offset: u64, data: &[u8]) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset).update(data);
    hasher.finalize_non_root()
}

/// The hashes of a whole segment, from which every chunk's proof is read.
#[derive(Debug)]
pub struct SegmentTree {
    root: Root,
    length: u64,
    proofs: Vec<Vec<ChainingValue>>,
}

impl SegmentTree {
    /// Hashes a segment of 1 to [`MAX_SEGMENT`] bytes; `None` outside of that.
    pub fn new(segment: &[u8]) -> Option<Self> {
        let length = segment.len() as u64;
        if length == 0 || length > MAX_SEGMENT {
            return None;
        }
        let mut proofs = vec![Vec::new(); chunk_count(length) as usize];
        let chunk = chunk_size(length);
        let root = if length <= chunk {
            blake3::hash(segment)
        } else {
            let (left, right) = children(segment, 0, chunk, &mut proofs);
            merge_subtrees_root(&left, &right, Mode::Hash)
        };
        Some(Self {
            root: Root(*root.as_bytes()),
            length,
            proofs,
        })
    }

    /// BLAKE3 of the segment.
    pub fn root(&self) -> Root {
        self.root
    }

    /// Bytes of the segment.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The chunk at `index` of the same `segment` that was hashed; `None` beyond its end. Its data
    /// is a copy: chunks are kept for long and let go one by one, and a part of the segment would
    /// keep all of it.
    pub fn chunk(&self, segment: &Bytes, index: u32) -> Option<ProvenChunk> {
        let range = chunk_range(self.length, index)?;
        let start = usize::try_from(range.offset).ok()?;
        let end = start + usize::try_from(range.length).ok()?;
        let proof = self.proofs.get(usize::try_from(index).ok()?)?.clone();
        (end <= segment.len()).then(|| ProvenChunk {
            index,
            proof,
            data: Bytes::copy_from_slice(&segment[start..end]),
        })
    }
}

/// Values of both halves of a subtree of more than one `chunk` (its bytes); each half's value is appended to
/// the proofs of the chunks in the other half.
fn children(
    subtree: &[u8],
    offset: u64,
    chunk: u64,
    proofs: &mut [Vec<ChainingValue>],
) -> (ChainingValue, ChainingValue) {
    let middle = left_subtree_len(subtree.len() as u64);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a part of a slice that is in memory"
    )]
    let (bytes, chunks) = (middle as usize, (middle / chunk) as usize);
    let (left, right) = subtree.split_at(bytes);
    let (left_proofs, right_proofs) = proofs.split_at_mut(chunks);
    let left_value = value(left, offset, chunk, left_proofs);
    let right_value = value(right, offset + middle, chunk, right_proofs);
    left_proofs
        .iter_mut()
        .for_each(|proof| proof.push(right_value));
    right_proofs
        .iter_mut()
        .for_each(|proof| proof.push(left_value));
    (left_value, right_value)
}

fn value(
    subtree: &[u8],
    offset: u64,
    chunk: u64,
    proofs: &mut [Vec<ChainingValue>],
) -> ChainingValue {
    if subtree.len() as u64 <= chunk {
        return chaining_value(offset, subtree);
    }
    let (left, right) = children(subtree, offset, chunk, proofs);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(length: usize) -> Bytes {
        (0..length)
            .map(|at| (at * 31 % 251) as u8)
            .collect::<Vec<_>>()
            .into()
    }

    #[test]
    fn the_root_is_plain_blake3() {
        for length in [
            1, 16_384, 16_385, 65_536, 300_000, 700_000, 1_000_000, 1_100_000,
        ] {
            let bytes = segment(length);
            let tree = SegmentTree::new(&bytes).unwrap();
            assert_eq!(tree.root().0, *blake3::hash(&bytes).as_bytes());
        }
    }

    #[test]
    fn every_chunk_proves_itself_and_nothing_else() {
        let bytes = segment(5 * 16_384 + 11);
        let tree = SegmentTree::new(&bytes).unwrap();
        let other = SegmentTree::new(&segment(5 * 16_384 + 10)).unwrap();
        for index in 0..6 {
            let chunk = tree.chunk(&bytes, index).unwrap();
            assert!(chunk.verify(&tree.root(), tree.length()));
            assert!(!chunk.verify(&other.root(), tree.length()));
            let moved = ProvenChunk {
                index: (index + 1) % 6,
                ..chunk
            };
            assert!(!moved.verify(&tree.root(), tree.length()));
        }
        assert_eq!(tree.chunk(&bytes, 6), None);
        let last = tree.chunk(&bytes, 5).unwrap();
        assert!(!last.verify(&tree.root(), tree.length() + 1));
    }

    #[test]
    fn nothing_and_too_much_have_no_tree() {
        assert!(SegmentTree::new(&[]).is_none());
        assert!(SegmentTree::new(&vec![0; MAX_SEGMENT as usize + 1]).is_none());
    }

    proptest! {
        #[test]
        fn a_flipped_bit_or_a_changed_proof_is_always_seen(
            length in 1usize..1_500_000, pick: prop::sample::Index, bit in 0usize..8, level: prop::sample::Index,
        ) {
            let bytes = segment(length);
            let tree = SegmentTree::new(&bytes).unwrap();
            let index = pick.index(chunk_count(length as u64) as usize) as u32;
            let chunk = tree.chunk(&bytes, index).unwrap();
            prop_assert!(chunk.verify(&tree.root(), tree.length()));

            let mut data = chunk.data.to_vec();
            let at = pick.index(data.len());
            data[at] ^= 1 << bit;
            let flipped = ProvenChunk { data: data.into(), ..chunk.clone() };
            prop_assert!(!flipped.verify(&tree.root(), tree.length()));

            let mut longer = chunk.clone();
            longer.proof.push([0; 32]);
            prop_assert!(!longer.verify(&tree.root(), tree.length()));
            if !chunk.proof.is_empty() {
                let mut wrong = chunk.clone();
                wrong.proof[level.index(chunk.proof.len())][0] ^= 1;
                prop_assert!(!wrong.verify(&tree.root(), tree.length()));
            }
        }
    }
}
