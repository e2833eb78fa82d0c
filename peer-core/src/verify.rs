//! The room that believes nothing. Stream keys are checked against the operator's root key,
//! entries against stream keys, chunks against entries; only what passed all three leaves as
//! [`Verified`].

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use runnel_protocol::ids::{KeyId, PublicKey};
use runnel_protocol::manifest::{SignedEntry, StreamKeyCertificate};
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::{SegmentKey, chunk_count};
use runnel_protocol::signature::{Signed, Statement};
use runnel_protocol::units::UnixSeconds;

/// Most trusted entries remembered: an hour of 2 s segments in one rendition. Older ones come
/// again with the next stream that carries them.
const MAX_ENTRIES: usize = 2048;
/// Most stream keys remembered.
const MAX_STREAM_KEYS: usize = 64;

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
    /// Nothing is known of its key: not the sender's fault, but not usable.
    UnknownKey,
    /// Out of its dates, or its key may not attest this content: an honest peer does not send it.
    Refused,
    /// A second root for the same segment.
    Fork,
}

/// Trusted keys and entries.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    stream_keys: BTreeMap<KeyId, StreamKeyCertificate>,
    entries: BTreeMap<SegmentKey, Trust>,
    order: VecDeque<SegmentKey>,
}

#[derive(Debug)]
enum Trust {
    Entry(Box<SignedEntry>),
    /// Two roots were validly signed: neither is used.
    Forked,
}

impl Verifier {
    /// A certificate whose root signature was found good.
    pub(crate) fn trust_stream_key(&mut self, certificate: StreamKeyCertificate) {
        if self.stream_keys.len() < MAX_STREAM_KEYS {
            self.stream_keys
                .insert(KeyId::of(&certificate.key), certificate);
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
            Some(Trust::Forked) => return Judgement::Fork,
            Some(Trust::Entry(_)) | None => {}
        }
        let Some(certificate) = self.stream_keys.get(&entry.key) else {
            return Judgement::UnknownKey;
        };
        let dated = entry.body.issued <= date.plus(CLOCK_SLACK) && date < entry.body.expires;
        if dated && certificate.covers(entry.body.segment.content, date) {
            Judgement::Check(certificate.key)
        } else {
            Judgement::Refused
        }
    }

    /// An entry whose signature was found good. `false` if another root is trusted for the same
    /// segment: then neither is, from here on.
    pub(crate) fn trust(&mut self, entry: SignedEntry) -> bool {
        let segment = entry.body.segment;
        match self.entries.get(&segment) {
            Some(Trust::Entry(known)) if known.body.root == entry.body.root => return true,
            Some(_) => {
                self.entries.insert(segment, Trust::Forked);
                return false;
            }
            None => {}
        }
        self.entries.insert(segment, Trust::Entry(Box::new(entry)));
        self.order.push_back(segment);
        if self.order.len() > MAX_ENTRIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        true
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

/// Seconds by which a waypoint's clock may run ahead of ours.
const CLOCK_SLACK: u64 = 30;
