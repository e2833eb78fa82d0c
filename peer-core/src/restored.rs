//! What an earlier life left on disk: known by name, believed only when it is needed and its
//! entry can be checked.

use std::collections::BTreeMap;

use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signature::Statement;
use runnel_protocol::time::Timestamp;

use crate::config::AGENT;
use crate::output::Output;
use crate::peer::{Checking, Peer};
use crate::verify::Judgement;

/// Segments on disk whose entry was not checked in this life, with the chunks that are there. As
/// many as entries are remembered: see [`Peer::on_restored`].
pub(crate) type Restored = BTreeMap<SegmentKey, (SignedEntry, Vec<u32>)>;

impl Peer {
    /// Takes note of a segment on disk. Nothing is checked yet: a start does not wait for
    /// thousands of signatures.
    pub(crate) fn on_restored(&mut self, entry: SignedEntry, chunks: Vec<u32>, now: Timestamp) {
        let segment = entry.body.segment;
        let known = self.verifier.entry(&segment);
        if known.is_some_and(|known| known.body.root == entry.body.root) {
            return self.on_disk(&segment, &chunks);
        }
        let full = self.restored.len() >= self.config.most_segments();
        if known.is_some() || full || entry.body.expires <= self.date(now) {
            return self.discard(segment, &chunks);
        }
        self.restored.insert(segment, (entry, chunks));
    }

    /// Somebody needs a segment: if the disk has it, its entry is checked. `false` if there is
    /// nothing to wait for.
    pub(crate) fn recall(&mut self, segment: &SegmentKey, now: Timestamp) -> bool {
        if !AGENT {
            return false;
        }
        let Some((entry, _)) = self.restored.get(segment) else {
            return false;
        };
        match self.verifier.judge(entry, self.date(now)) {
            Judgement::Check(key) if self.has_room_for_checks() => {
                let (message, signature) = (entry.body.message(), entry.signature);
                let purpose = Checking::Restored(entry.clone());
                self.check(key, message, signature, purpose);
                true
            }
            Judgement::Check(_) | Judgement::Trusted | Judgement::Unusable => false,
            Judgement::Refused => {
                if let Some((_, chunks)) = self.restored.remove(segment) {
                    self.discard(*segment, &chunks);
                }
                false
            }
        }
    }

    /// The verdict on an entry from disk: whoever waits for the segment gets it, or it is sought
    /// elsewhere.
    pub(crate) fn on_recalled(&mut self, entry: SignedEntry, valid: bool, now: Timestamp) {
        let segment = entry.body.segment;
        if valid && self.trust(entry) {
            return self.answer_asking(&segment, now);
        }
        if let Some((_, chunks)) = self.restored.remove(&segment) {
            self.discard(segment, &chunks);
        }
        self.seek_for_children(segment, now);
    }

    /// An entry is trusted, from wherever it came: what the disk holds of the same root counts.
    pub(crate) fn adopt_restored(&mut self, segment: &SegmentKey) {
        if !AGENT {
            return;
        }
        let Some((entry, chunks)) = self.restored.remove(segment) else {
            return;
        };
        let known = self.verifier.entry(segment);
        if known.is_some_and(|known| known.body.root == entry.body.root) {
            self.on_disk(segment, &chunks);
        } else {
            self.discard(*segment, &chunks);
        }
    }

    fn on_disk(&mut self, segment: &SegmentKey, chunks: &[u32]) {
        let Some(length) = self.verifier.entry(segment).map(|entry| entry.body.length) else {
            return;
        };
        for index in chunks {
            self.buffer.on_disk(*segment, length, *index);
        }
    }

    fn discard(&mut self, segment: SegmentKey, chunks: &[u32]) {
        for index in chunks {
            self.output(Output::Discard(segment, *index));
        }
    }
}
