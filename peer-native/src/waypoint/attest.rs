//! From a segment's bytes to what everybody can prove against.

use bytes::Bytes;
use runnel_protocol::ids::PathHash;
use runnel_protocol::manifest::{Entry, SignedEntry};
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::UnixSeconds;

use super::playlist::Segment;

/// An entry of a live stream proves for this long: longer than any window that is seeked in.
const LIVE: u64 = 60 * 60;
/// An entry of VOD proves for a day: caches stay useful over an evening.
const ON_DEMAND: u64 = 24 * 60 * 60;

/// A segment with everything that others need to believe it.
#[derive(Debug, Clone)]
pub(super) struct Attestation {
    pub(super) entry: SignedEntry,
    pub(super) chunks: Vec<ProvenChunk>,
}

/// Hashes and signs a segment; `None` if it is empty or larger than any that may be attested.
pub(super) fn attest(
    stream_key: &KeyPair,
    key: SegmentKey,
    segment: &Segment,
    on_demand: bool,
    bytes: &Bytes,
    now: UnixSeconds,
) -> Option<Attestation> {
    let tree = SegmentTree::new(bytes)?;
    let entry = stream_key.sign(Entry {
        segment: key,
        discontinuity: segment.discontinuity,
        length: tree.length(),
        root: tree.root(),
        path: PathHash::of_url(segment.url.as_str()),
        issued: now,
        expires: now.plus(if on_demand { ON_DEMAND } else { LIVE }),
    });
    let chunks = (0..).map_while(|index| tree.chunk(bytes, index)).collect();
    Some(Attestation { entry, chunks })
}
