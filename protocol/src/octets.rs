//! Arrays of bytes on the wire: as they are, without a length, for `#[serde(with)]`.
//!
//! serde itself does this up to 32 bytes, and writes out a line of code for each of them: 1 KB of
//! the module that viewers download.

use core::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{SerializeTuple, Serializer};

struct Octets<const LENGTH: usize>;

impl<'de, const LENGTH: usize> Visitor<'de> for Octets<LENGTH> {
    type Value = [u8; LENGTH];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LENGTH} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut bytes = [0; LENGTH];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let item = items.next_element()?;
            *byte = item.ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        Ok(bytes)
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, const LENGTH: usize>(
    deserializer: D,
) -> Result<[u8; LENGTH], D::Error> {
    deserializer.deserialize_tuple(LENGTH, Octets)
}

pub(crate) fn serialize<S: Serializer, const LENGTH: usize>(
    bytes: &[u8; LENGTH],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(LENGTH)?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}
