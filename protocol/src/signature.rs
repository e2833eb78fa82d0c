//! Signed statements: what is signed, by which key. Checking is the shell's work, since a browser
//! checks with WebCrypto, asynchronously, and everybody else with `ed25519-dalek`.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::codec::encode;
use crate::ids::KeyId;

/// An Ed25519 signature (RFC 8032), 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

// serde derives arrays up to 32 elements: two halves are the same 64 bytes on the wire.
impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (first, second) = self.0.split_at(32);
        let halves: (&[u8; 32], &[u8; 32]) = (
            first.try_into().map_err(serde::ser::Error::custom)?,
            second.try_into().map_err(serde::ser::Error::custom)?,
        );
        halves.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (first, second) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let bytes = [first, second].concat();
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| D::Error::custom("not 64 bytes"))
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
