//! The media itself: real bytes with real proofs, made when first asked for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use runnel_protocol::ids::ContentId;
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::{SegmentKey, chunk_count, chunk_range};

use crate::title::Title;

/// Segments kept; what is older is made anew when somebody asks.
const KEPT: usize = 4096;

/// Which segment: title, rendition, sequence.
pub(crate) type Place = (u32, u8, u64);

/// One segment of the origin.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) tree: SegmentTree,
}

impl Piece {
    fn new(title: &Title, (_, rendition, sequence): Place) -> Option<Self> {
        let length = title.length(usize::from(rendition), sequence);
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let mut hasher = blake3::Hasher::new();
        for number in [title.seed, u64::from(rendition), sequence] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.finalize_xof().fill(&mut bytes);
        let tree = SegmentTree::new(&bytes)?;
        let bytes = Bytes::from(bytes);
        Some(Self { bytes, tree })
    }

    pub(crate) fn chunks(&self) -> Vec<ProvenChunk> {
        (0..chunk_count(self.tree.length()))
            .filter_map(|index| self.tree.chunk(&self.bytes, index))
            .collect()
    }

    /// Whether `bytes` are what stands at `offset`. Most are the very same memory, which needs
    /// no comparing.
    pub(crate) fn has(&self, offset: usize, bytes: &[u8]) -> bool {
        let end = offset.saturating_add(bytes.len());
        self.bytes
            .get(offset..end)
            .is_some_and(|own| core::ptr::eq(own, bytes) || own == bytes)
    }

    /// Whether a chunk is what the origin has there.
    pub(crate) fn has_chunk(&self, chunk: &ProvenChunk) -> bool {
        let range = chunk_range(self.tree.length(), chunk.index);
        let offset = range.and_then(|range| usize::try_from(range.offset).ok());
        offset.is_some_and(|offset| self.has(offset, &chunk.data))
    }
}

/// All titles, and the segments that are in use.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) titles: Vec<Title>,
    places: BTreeMap<ContentId, u32>,
    pieces: BTreeMap<Place, Arc<Piece>>,
    order: VecDeque<Place>,
}

impl Library {
    pub(crate) fn new(titles: Vec<Title>) -> Self {
        let places = titles.iter().map(|title| title.id).zip(0..).collect();
        Self {
            titles,
            places,
            pieces: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(crate) fn title(&self, place: u32) -> &Title {
        &self.titles[place as usize]
    }

    /// Where a content stands among the titles.
    pub(crate) fn find(&self, content: ContentId) -> Option<u32> {
        self.places.get(&content).copied()
    }

    /// Whether it is live; what nobody registered is not.
    pub(crate) fn is_live(&self, content: ContentId) -> bool {
        let title = self.find(content);
        title.is_some_and(|title| self.title(title).live)
    }

    /// The place of a segment, if the origin has it.
    pub(crate) fn place(&self, key: &SegmentKey) -> Option<Place> {
        let title = self.find(key.content)?;
        let rendition = self.title(title).rendition(key.track)?;
        Some((title, u8::try_from(rendition).ok()?, key.sequence))
    }

    /// A segment; `None` where it has none (too long to be attested).
    pub(crate) fn piece(&mut self, place: Place) -> Option<Arc<Piece>> {
        if let Some(piece) = self.pieces.get(&place) {
            return Some(Arc::clone(piece));
        }
        let piece = Arc::new(Piece::new(self.title(place.0), place)?);
        self.pieces.insert(place, Arc::clone(&piece));
        self.order.push_back(place);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.pieces.remove(&oldest);
        }
        Some(piece)
    }
}
