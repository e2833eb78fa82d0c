//! Who vouches for a segment: stream keys certified by the operator, entries signed by waypoints.

use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::ids::{ContentId, PathHash, PeerId, PublicKey, Root};
use crate::segment::{MAX_SEGMENT, SegmentKey};
use crate::signature::{Signed, Statement};
use crate::units::UnixSeconds;

/// Longest life of a stream key's certificate, in seconds: a stolen key is useless after a day.
pub const MAX_CERTIFICATE_LIFE: u64 = 24 * 60 * 60;

/// One segment of the unmodified origin, as a waypoint fetched it.
///
/// Entries name no URL (URLs carry tokens) and form no chain (VOD is attested out of order).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which segment.
    pub segment: SegmentKey,
    /// Discontinuity sequence number (RFC 8216 §4.3.3.3): attested, not part of the key, because
    /// players count it from when they joined.
    pub discontinuity: u64,
    /// Bytes of the segment, 1 to [`MAX_SEGMENT`].
    pub length: u64,
    /// BLAKE3 of all its bytes.
    pub root: Root,
    /// Normalised path under which the origin served it.
    pub path: PathHash,
    /// When it was attested.
    pub issued: UnixSeconds,
    /// From when it proves nothing any more.
    pub expires: UnixSeconds,
}

impl Statement for Entry {
    const CONTEXT: &'static str = "runnel/1 manifest entry";
}

/// An entry as it travels with the chunks it proves.
pub type SignedEntry = Signed<Entry>;

impl Entry {
    /// Refuses lengths that no honest waypoint attests, before anything is allocated for them.
    pub fn check_bounds(&self) -> Result<(), DecodeError> {
        if self.length == 0 || self.length > MAX_SEGMENT {
            return Err(DecodeError::OutOfBounds("segment length"));
        }
        Ok(())
    }
}

/// The operator's root key says: this key may attest these contents, fetched from these origins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamKeyCertificate {
    /// The waypoint's own key; its private half never leaves the waypoint.
    pub key: PublicKey,
    /// The waypoint.
    pub waypoint: PeerId,
    /// What it may attest.
    pub contents: Vec<ContentId>,
    /// Origins (scheme, host, port) it may fetch from.
    pub origins: Vec<String>,
    /// Not valid before.
    pub issued: UnixSeconds,
    /// Not valid from then on; at most [`MAX_CERTIFICATE_LIFE`] after `issued`.
    pub expires: UnixSeconds,
}

impl Statement for StreamKeyCertificate {
    const CONTEXT: &'static str = "runnel/1 stream key";
}

impl StreamKeyCertificate {
    /// Whether the certificate covers `content` at `now`.
    pub fn covers(&self, content: ContentId, now: UnixSeconds) -> bool {
        let short_lived = self.expires <= self.issued.plus(MAX_CERTIFICATE_LIFE);
        short_lived && self.issued <= now && now < self.expires && self.contents.contains(&content)
    }
}
