//! What the origin has: media that follows from its place.

use bytes::Bytes;
use runnel_protocol::ids::{ContentId, PathHash, TrackId};
use runnel_protocol::segment::SegmentKey;

/// Bytes of each segment.
pub(super) const LENGTH: usize = 20 * 16_384 + 1000;

pub fn content() -> ContentId {
    ContentId::of("live")
}

pub fn track() -> TrackId {
    runnel_protocol::segment::TrackAttributes::ALONE.id()
}

pub fn path(sequence: u64) -> PathHash {
    PathHash::of_url(&format!("https://origin.example/seg{sequence}.ts"))
}

/// Twenty chunks and a short one, different for each sequence.
pub fn media(sequence: u64) -> Bytes {
    let mut bytes = vec![0; LENGTH];
    media_of(sequence).fill(&mut bytes);
    bytes.into()
}

pub(super) fn media_of(place: u64) -> blake3::OutputReader {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.to_le_bytes()).finalize_xof()
}

/// Segments of the world have a place: a million for each track and generation, then the sequence.
pub const OTHER_TRACK: u64 = 1_000_000;
pub const NEXT_GENERATION: u64 = 10_000_000;

pub fn key(place: u64) -> SegmentKey {
    SegmentKey {
        content: content(),
        track: track_of(place),
        generation: u32::try_from(place / NEXT_GENERATION).unwrap(),
        sequence: place % OTHER_TRACK,
        range: None,
    }
}

pub fn track_of(place: u64) -> TrackId {
    match place % NEXT_GENERATION / OTHER_TRACK {
        0 => track(),
        other => TrackId([other as u8; 16]),
    }
}

/// The place of a segment; the reverse of [`key`].
pub fn place(segment: &SegmentKey) -> u64 {
    let track = (0..9).map(|number| number * OTHER_TRACK);
    let track = track
        .into_iter()
        .find(|track| track_of(*track) == segment.track);
    u64::from(segment.generation) * NEXT_GENERATION + track.unwrap() + segment.sequence
}
