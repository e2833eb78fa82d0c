//! The room that believes nothing. Stream keys are checked against the operator's root key,
//! entries against stream keys, chunks against entries; only what passed all three leaves as
//! [`Verified`].

use crate::sorted::SortedMap;
use std::collections::VecDeque;

use bytes::Bytes;
use runnel_protocol::ids::{KeyId, PublicKey};
use runnel_protocol::manifest::{Entry, SignedEntry, StreamKeyCertificate};
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::{SegmentKey, chunk_count};
use runnel_protocol::signature::{Signed, Statement};
use runnel_protocol::units::UnixSeconds;

/// Most stream keys remembered.
const MAX_STREAM_KEYS: usize = 64;
/// Seconds by which an honest waypoint's or peer's clock may differ from ours.
const CLOCK_SLACK: u64 = 30;

/// A chunk that was proven against a trusted entry. Nothing else can be played from a peer, kept
/// or sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(ProvenChunk);

impl Verified {
    /// The chunk with the proof that travels with it.
    pub fn chunk(&self) -> &ProvenChunk {
        &self.0
    }

    /// The media bytes.
    pub fn data(&self) -> &Bytes {
        &self.0.data
    }

    /// Number of media bytes, at most 64 KiB.
    pub fn length(&self) -> u32 {
        u32::try_from(self.0.data.len()).unwrap_or(u32::MAX)
    }
}

/// What is to be done with an entry that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The very same entry, or another signature over the same root, is trusted already.
    Trusted,
    /// Check its signature with this key.
    Check(PublicKey),
    /// Not the sender's fault, but of no use: nothing is known of its key, it has just run out,
    /// or two roots were signed for its segment.
    Unusable,
    /// Out of its dates, or its key may not attest this content: an honest peer does not send it.
    Refused,
}

/// What became of an entry whose signature is good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trusting {
    /// It is trusted; to make room, this older segment's is forgotten.
    Trusted(Option<SegmentKey>),
    /// Another root is trusted for the same segment: from here on neither is.
    Fork,
}

/// Trusted keys and entries.
#[derive(Debug)]
pub(crate) struct Verifier {
    limit: usize,
    stream_keys: SortedMap<KeyId, StreamKeyCertificate>,
    entries: SortedMap<SegmentKey, Trust>,
    order: VecDeque<SegmentKey>,
}

#[derive(Debug)]
enum Trust {
    Entry(Box<SignedEntry>),
    /// Two roots were validly signed: neither is used.
    Forked,
}

impl Verifier {
    /// Remembers at most `limit` entries; older ones come again with whoever sends their chunks.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            stream_keys: SortedMap::new(),
            entries: SortedMap::new(),
            order: VecDeque::new(),
        }
    }

    /// A certificate whose root signature was found good.
    pub(crate) fn trust_stream_key(&mut self, certificate: StreamKeyCertificate) {
        let id = KeyId::of(&certificate.key);
        if self.stream_keys.len() < MAX_STREAM_KEYS || self.stream_keys.contains_key(&id) {
            self.stream_keys.insert(id, certificate);
        }
    }

    /// Whether this very certificate is trusted already.
    pub(crate) fn knows_stream_key(&self, certificate: &Signed<StreamKeyCertificate>) -> bool {
        self.stream_keys.get(&KeyId::of(&certificate.body.key)) == Some(&certificate.body)
    }

    /// Forgets keys that have run out.
    pub(crate) fn expire(&mut self, date: UnixSeconds) {
        self.stream_keys
            .retain(|_, certificate| date < certificate.expires);
    }

    /// Whether a trusted entry still proves anything to others.
    pub(crate) fn is_current(&self, segment: &SegmentKey, date: UnixSeconds) -> bool {
        self.entry(segment)
            .is_some_and(|entry| date < entry.body.expires)
    }

    /// The segment of the same track so many places before this one, if it was vouched for.
    pub(crate) fn before(&self, segment: &SegmentKey, places: u64) -> Option<SegmentKey> {
        let first = SegmentKey {
            sequence: segment.sequence.checked_sub(places)?,
            range: None,
            ..*segment
        };
        let next = SegmentKey {
            sequence: first.sequence + 1,
            ..first
        };
        let mut there = self.entries.range(first..next);
        there.next().map(|(segment, _)| *segment)
    }

    /// Looks at an entry without believing it.
    pub(crate) fn judge(&self, entry: &SignedEntry, date: UnixSeconds) -> Judgement {
        match self.entries.get(&entry.body.segment) {
            Some(Trust::Entry(known)) if known.body.root == entry.body.root => {
                return if known.body.length == entry.body.length {
                    Judgement::Trusted
                } else {
                    Judgement::Refused
                };
            }
            Some(Trust::Forked) => return Judgement::Unusable,
            Some(Trust::Entry(_)) | None => {}
        }
        let known = self.stream_keys.get(&entry.key);
        let Some(certificate) = known.filter(|certificate| date < certificate.expires) else {
            return Judgement::Unusable;
        };
        let Entry {
            segment,
            issued,
            expires,
            ..
        } = entry.body;
        let dated = issued <= date.plus(CLOCK_SLACK) && date < expires.plus(CLOCK_SLACK);
        if !dated || !certificate.covers(segment.content, date) {
            Judgement::Refused
        } else if expires <= date {
            Judgement::Unusable
        } else {
            Judgement::Check(certificate.key)
        }
    }

    /// An entry whose signature was found good. Of two that say the same, the one that is good
    /// for longer stays.
    pub(crate) fn trust(&mut self, entry: SignedEntry) -> Trusting {
        let segment = entry.body.segment;
        match self.entries.get_mut(&segment) {
            Some(Trust::Entry(known)) if known.body.root == entry.body.root => {
                if known.body.expires < entry.body.expires {
                    **known = entry;
                }
                return Trusting::Trusted(None);
            }
            Some(known) => {
                *known = Trust::Forked;
                return Trusting::Fork;
            }
            None => {}
        }
        self.entries.insert(segment, Trust::Entry(Box::new(entry)));
        self.order.push_back(segment);
        let full = self.order.len() > self.limit;
        let oldest = full.then(|| self.order.pop_front()).flatten();
        if let Some(oldest) = &oldest {
            self.entries.remove(oldest);
        }
        Trusting::Trusted(oldest)
    }

    /// The trusted entry of a segment.
    pub(crate) fn entry(&self, segment: &SegmentKey) -> Option<&SignedEntry> {
        match self.entries.get(segment) {
            Some(Trust::Entry(entry)) => Some(entry),
            Some(Trust::Forked) | None => None,
        }
    }

    /// Proves a chunk against its segment's trusted entry.
    pub(crate) fn verify(&self, segment: &SegmentKey, chunk: ProvenChunk) -> Option<Verified> {
        let entry = self.entry(segment)?;
        chunk
            .verify(&entry.body.root, entry.body.length)
            .then_some(Verified(chunk))
    }

    /// Compares a whole segment, as the player would get it, with its entry: all of its chunks if
    /// it is what was attested.
    pub(crate) fn verify_whole(
        &self,
        segment: &SegmentKey,
        bytes: &Bytes,
    ) -> Option<Vec<Verified>> {
        let entry = self.entry(segment)?;
        if entry.body.length != bytes.len() as u64 {
            return None;
        }
        let tree = SegmentTree::new(bytes).filter(|tree| tree.root() == entry.body.root)?;
        (0..chunk_count(tree.length()))
            .map(|index| tree.chunk(bytes, index).map(Verified))
            .collect()
    }

    /// The bytes whose signature makes `entry` trusted.
    pub(crate) fn message(entry: &SignedEntry) -> Vec<u8> {
        entry.body.message()
    }
}

#[cfg(test)]
mod tests;
