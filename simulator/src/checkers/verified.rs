//! I2: no unverified byte is uploaded.

use runnel_protocol::proof::ProvenChunk;

use super::Verdict;
use crate::library::Piece;
use crate::node::At;

#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) verdict: Verdict,
}

impl Default for Verified {
    fn default() -> Self {
        let verdict = Verdict::new("I2 only verified bytes are sent");
        Self { verdict }
    }
}

impl Verified {
    /// What a peer hands to its shell; what a liar's shell makes of it is the liar's.
    pub(crate) fn sent(&mut self, at: At, piece: &Piece, chunk: &ProvenChunk) {
        self.verdict.expect(piece.has_chunk(chunk), || {
            format!("peer {} sent a chunk that is not the origin's", at.0)
        });
    }
}
