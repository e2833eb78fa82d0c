//! I1: every byte given to the player equals the origin's at that position.

use runnel_peer_core::Delivered;

use super::Verdict;
use crate::library::Piece;
use crate::node::At;

#[derive(Debug)]
pub(crate) struct Bytes {
    pub(crate) verdict: Verdict,
}

impl Default for Bytes {
    fn default() -> Self {
        let verdict = Verdict::new("I1 bytes equal the origin's");
        Self { verdict }
    }
}

impl Bytes {
    pub(crate) fn delivered(&mut self, at: At, piece: &Piece, delivered: &Delivered) {
        let mut offset = 0;
        let mut equal = true;
        for part in &delivered.parts {
            equal &= piece.has(offset, part);
            offset += part.len();
        }
        let whole = offset == piece.bytes.len();
        self.verdict.expect(equal && whole, || {
            format!(
                "viewer {} was given {offset} bytes that are not the origin's",
                at.0
            )
        });
    }
}
