//! Signed statements: what is signed, by which key. Checking is the shell's work, since a browser
//! checks with WebCrypto, asynchronously, and everybody else with `ed25519-dalek`.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::encode;
use crate::ids::KeyId;

/// An Ed25519 signature (RFC 8032), 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "crate::octets")] pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A body that can be signed. The context keeps a signature on one kind of statement from being
/// taken for another.
pub trait Statement: Serialize + Sized {
    /// Text that no other kind of statement uses; versioned.
    const CONTEXT: &'static str;

    /// The exact bytes that are signed: context, a zero byte, the encoded body.
    fn message(&self) -> Vec<u8> {
        [Self::CONTEXT.as_bytes(), &[0], &encode(self)].concat()
    }
}

/// A statement with the signature that vouches for it. Not yet checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed<T> {
    /// What is stated.
    pub body: T,
    /// Whose key signed it.
    pub key: KeyId,
    /// Over [`Statement::message`].
    pub signature: Signature,
}
