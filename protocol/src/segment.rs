//! How media is cut and named: track, segment, chunk, substream.

use serde::{Deserialize, Serialize};

use crate::ids::{ContentId, TrackId};

/// Bytes of the largest chunk. Its proof costs 0.1 %, that of the smallest in a segment of 14 chunks 0.8 %.
pub const MAX_CHUNK: u64 = 64 * 1024;
/// Bytes of the smallest one.
const MIN_CHUNK: u64 = 16 * 1024;
/// Chunks that a segment has at least, as far as [`MIN_CHUNK`] lets it: each of four stripes has
/// several, and who receives one passes it on while the next arrives.
const CHUNKS: u64 = 16;
/// Largest segment that is attested, in bytes: 10 s at 53 Mbit/s. Larger ones play from the CDN.
pub const MAX_SEGMENT: u64 = 64 * 1024 * 1024;
/// Most substreams that a track is striped into.
pub const MAX_SUBSTREAMS: u8 = 16;

/// Between a track's attributes where they are hashed; no playlist contains it.
const SEPARATOR: &str = "\x1f";

/// A byte range of a resource (RFC 8216 §4.3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ByteRange {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// The attributes that make a rendition the same one on a page and at a waypoint.
///
/// Texts are taken as they stand in the playlist, without quotes. URIs and pathways are left
/// out: they change with the CDN, the rendition does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackAttributes<'a> {
    /// `EXT-X-STREAM-INF` (RFC 8216 §4.3.4.2).
    Variant {
        /// BANDWIDTH, as text; empty for a media playlist that no master names.
        bandwidth: &'a str,
        /// RESOLUTION, as text; empty if absent.
        resolution: &'a str,
        /// CODECS, as text; empty if absent.
        codecs: &'a str,
    },
    /// `EXT-X-MEDIA` (RFC 8216 §4.3.4.1).
    Media {
        /// TYPE: `AUDIO`, `VIDEO` or `SUBTITLES`.
        kind: &'a str,
        /// GROUP-ID.
        group: &'a str,
        /// NAME.
        name: &'a str,
        /// LANGUAGE; empty if absent.
        language: &'a str,
    },
}

impl TrackAttributes<'_> {
    /// A media playlist that stands alone, without a master.
    pub const ALONE: TrackAttributes<'static> = TrackAttributes::Variant {
        bandwidth: "",
        resolution: "",
        codecs: "",
    };

    /// The track's name: equal attributes, equal id.
    pub fn id(&self) -> TrackId {
        TrackId::of(&self.canonical())
    }

    /// The attributes in writing. Without `core::fmt`, which is 2 KB of the browser's module.
    fn canonical(&self) -> String {
        match *self {
            Self::Variant {
                bandwidth,
                resolution,
                codecs,
            } => ["variant", bandwidth, resolution, codecs].join(SEPARATOR),
            Self::Media {
                kind,
                group,
                name,
                language,
            } => ["media", kind, group, name, language].join(SEPARATOR),
        }
    }
}

/// What a segment is called by everybody. Never its URL: URLs carry tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentKey {
    /// The content it belongs to.
    pub content: ContentId,
    /// The rendition.
    pub track: TrackId,
    /// Raised by the waypoint when media sequences run backwards (an encoder that restarted).
    pub generation: u32,
    /// Media sequence number (RFC 8216 §4.3.3.2).
    pub sequence: u64,
    /// Set where several segments share one resource.
    pub range: Option<ByteRange>,
}

/// Bytes of each chunk but the last of a segment of `length` bytes: the unit of scheduling, striping and
/// verification, a whole BLAKE3 subtree. 16, 32 or 64 KiB, the largest of which a segment has 16.
pub const fn chunk_size(length: u64) -> u64 {
    match length / CHUNKS {
        ..=MIN_CHUNK => MIN_CHUNK,
        MAX_CHUNK.. => MAX_CHUNK,
        between => 1 << between.ilog2(),
    }
}

/// Number of chunks of a segment of `length` bytes; the last one may be short.
pub const fn chunk_count(length: u64) -> u32 {
    // MAX_SEGMENT bounds every length that reaches this, so the quotient fits.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by MAX_SEGMENT / MAX_CHUNK = 1024"
    )]
    let count = length.div_ceil(chunk_size(length)) as u32;
    count
}

/// Where chunk `index` of a segment of `length` bytes lies; `None` beyond its end.
pub fn chunk_range(length: u64, index: u32) -> Option<ByteRange> {
    let size = chunk_size(length);
    let offset = u64::from(index) * size;
    (offset < length).then(|| ByteRange {
        offset,
        length: size.min(length - offset),
    })
}

/// Which of a track's stripes a chunk travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Substream(pub u8);

impl Substream {
    /// The stripe of chunk `index` of segment `sequence` where the track has `count` stripes
    /// (at least 1). The sum spreads the chunks of short segments over all stripes.
    pub fn of(sequence: u64, index: u32, count: u8) -> Self {
        let stripe = (sequence.wrapping_add(u64::from(index))) % u64::from(count.max(1));
        Self(u8::try_from(stripe).unwrap_or_default())
    }
}

/// A set of substreams, one bit each; [`MAX_SUBSTREAMS`] fit.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SubstreamSet(pub u16);

impl SubstreamSet {
    /// No substream.
    pub const EMPTY: Self = Self(0);

    /// The first `count` substreams.
    pub fn all(count: u8) -> Self {
        Self(
            u16::MAX
                .checked_shr(u32::from(MAX_SUBSTREAMS.saturating_sub(count)))
                .unwrap_or(0),
        )
    }

    /// Whether `substream` is in the set.
    pub fn contains(self, substream: Substream) -> bool {
        self.0.checked_shr(u32::from(substream.0)).unwrap_or(0) & 1 == 1
    }

    /// This set with `substream` in it.
    #[must_use]
    pub fn with(self, substream: Substream) -> Self {
        Self(self.0 | 1u16.checked_shl(u32::from(substream.0)).unwrap_or(0))
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no substream is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Number of substreams in the set.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The substreams in the set, lowest first.
    pub fn iter(self) -> impl Iterator<Item = Substream> {
        (0..MAX_SUBSTREAMS)
            .map(Substream)
            .filter(move |one| self.contains(*one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_a_segment_without_gap_or_overlap() {
        let sizes = [MIN_CHUNK, 2 * MIN_CHUNK, MAX_CHUNK];
        let lengths = sizes.map(|size| {
            [
                size - 1,
                size,
                size + 1,
                16 * size - 1,
                16 * size,
                37 * size + 7,
            ]
        });
        for length in lengths.into_iter().flatten().chain([1, MAX_SEGMENT]) {
            let ranges: Vec<_> = (0..chunk_count(length))
                .filter_map(|index| chunk_range(length, index))
                .collect();
            assert_eq!(ranges.iter().map(|range| range.length).sum::<u64>(), length);
            assert!(
                ranges
                    .windows(2)
                    .all(|two| two[0].offset + two[0].length == two[1].offset)
            );
            assert_eq!(chunk_range(length, chunk_count(length)), None);
        }
    }

    #[test]
    fn a_short_segment_has_small_chunks_and_so_enough_for_all_stripes() {
        for (length, size) in [
            (1, 16),
            (227_000, 16),
            (511 << 10, 16),
            (512 << 10, 32),
            (1023 << 10, 32),
            (1024 << 10, 64),
            (MAX_SEGMENT, 64),
        ] {
            assert_eq!(chunk_size(length), size << 10, "{length} bytes");
        }
    }

    #[test]
    fn stripes_of_one_chunk_segments_still_rotate() {
        let used: std::collections::BTreeSet<_> = (0..4)
            .map(|sequence| Substream::of(sequence, 0, 4))
            .collect();
        assert_eq!(used.len(), 4);
        assert!(
            used.iter()
                .all(|stripe| SubstreamSet::all(4).contains(*stripe))
        );
        assert!(!SubstreamSet::all(4).contains(Substream(4)));
        assert_eq!(SubstreamSet::all(16).count(), 16);
        assert_eq!(SubstreamSet::all(0), SubstreamSet::EMPTY);
    }

    #[test]
    fn a_track_is_known_by_its_attributes_not_its_place() {
        let low = TrackAttributes::Variant {
            bandwidth: "1",
            resolution: "",
            codecs: "",
        };
        let odd = TrackAttributes::Variant {
            bandwidth: "",
            resolution: "1",
            codecs: "",
        };
        assert_ne!(low.id(), odd.id());
        assert_eq!(low.id(), low.clone().id());
    }
}
