//! Signatures are checked truly; the same question is answered once.

use std::collections::HashMap;

use runnel_protocol::ids::PublicKey;
use runnel_protocol::signature::Signature;
use runnel_protocol::signing::verify;

/// Answers kept before all are forgotten.
const MOST: usize = 200_000;

/// Verdicts of the last questions: every peer checks the same entries.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    // Only looked up, never iterated: its order has no influence.
    verdicts: HashMap<[u8; 32], bool>,
    /// How often the answer was computed.
    pub(crate) computed: u64,
}

impl Signatures {
    /// Whether `key` made `signature` over `message`.
    pub(crate) fn check(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&key.0).update(&signature.0).update(message);
        let question = *hasher.finalize().as_bytes();
        if let Some(verdict) = self.verdicts.get(&question) {
            return *verdict;
        }
        if self.verdicts.len() >= MOST {
            self.verdicts.clear();
        }
        let verdict = verify(key, message, signature);
        self.computed += 1;
        self.verdicts.insert(question, verdict);
        verdict
    }
}
