//! What is known of each track's progress, from attested entries alone.

use crate::sorted::SortedMap;

use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::segment::SegmentKey;

/// Most tracks remembered; beyond it new ones are played from the CDN.
const MAX_TRACKS: usize = 256;

/// The newest generation and sequence of each track.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    tracks: SortedMap<(ContentId, TrackId), Newest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Newest {
    generation: u32,
    sequence: u64,
}

impl Timeline {
    /// An entry for `segment` is trusted.
    pub(crate) fn note(&mut self, segment: &SegmentKey) {
        let newest = Newest {
            generation: segment.generation,
            sequence: segment.sequence,
        };
        let track = (segment.content, segment.track);
        if self.tracks.len() < MAX_TRACKS || self.tracks.contains_key(&track) {
            let known = self.tracks.entry(track).or_insert(newest);
            *known = (*known).max(newest);
        }
    }

    /// The generation that a player's request for the track means.
    pub(crate) fn generation(&self, content: ContentId, track: TrackId) -> u32 {
        self.tracks
            .get(&(content, track))
            .map_or(0, |newest| newest.generation)
    }

    /// The newest sequence of a track's newest generation.
    pub(crate) fn newest(&self, content: ContentId, track: TrackId) -> Option<u64> {
        self.tracks
            .get(&(content, track))
            .map(|newest| newest.sequence)
    }

    /// Tracks of `content` with their newest sequence.
    pub(crate) fn tracks(&self, content: ContentId) -> impl Iterator<Item = (TrackId, u64)> {
        self.tracks
            .iter()
            .filter(move |((of, _), _)| *of == content)
            .map(|((_, track), newest)| (*track, newest.sequence))
    }

    pub(crate) fn forget(&mut self, content: ContentId) {
        self.tracks.retain(|(of, _), _| *of != content);
    }
}
