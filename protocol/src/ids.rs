//! Names of peers, contents, tracks and keys: opaque, fixed-size, cheap to copy and compare.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of BLAKE3 that name a peer, content, track or path: 128 bits leave no room for
/// accidental collisions and keep a manifest entry under 200 bytes.
const NAME: usize = 16;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(#[serde(with = "crate::octets")] pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let digits = text.as_bytes();
                if digits.len() != 2 * $length {
                    return Err(ParseIdError);
                }
                let mut id = [0; $length];
                for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = hex(pair[0])? << 4 | hex(pair[1])?;
                }
                Ok(Self(id))
            }
        }
    };
}

/// The first bytes of BLAKE3 over a domain and the given bytes.
pub(crate) fn hashed<const LENGTH: usize>(domain: &str, bytes: &[u8]) -> [u8; LENGTH] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(domain.as_bytes()).update(&[0]).update(bytes);
    let hash = hasher.finalize();
    core::array::from_fn(|index| hash.as_bytes()[index])
}

fn hex(digit: u8) -> Result<u8, ParseIdError> {
    (digit as char)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(ParseIdError)
}

/// A textual id has the wrong length or a character that is not a hexadecimal digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is written as hexadecimal digits, two per byte")]
pub struct ParseIdError;

id!(
    /// A peer: the hash of its public key, so nobody can take another's name.
    PeerId, NAME
);
id!(
    /// A content: the hash of the name under which the operator registered it.
    ContentId, NAME
);
id!(
    /// A track: the hash of a rendition's canonical attributes, see [`crate::segment`].
    TrackId, NAME
);
id!(
    /// The normalised path of a segment's URL, so that an entry fits what a player asks for.
    PathHash, NAME
);
id!(
    /// Which public key made a signature: the hash of that key.
    KeyId, 8
);
id!(
    /// A pairing ticket, unique per coordinator.
    TicketId, NAME
);
id!(
    /// An affinity group: the hash of its name in the coordinator's list.
    GroupId, NAME
);
id!(
    /// A number used once, signed by whoever has to prove its key.
    Nonce, 32
);
id!(
    /// SHA-256 of a TLS certificate in DER, as WebTransport's `serverCertificateHashes` wants it.
    CertificateHash, 32
);
id!(
    /// An Ed25519 public key (RFC 8032).
    PublicKey, 32
);
id!(
    /// The origin that a page is of (RFC 6454), as browsers write it in the header `Origin`.
    PageOrigin, 8
);
id!(
    /// BLAKE3 of a whole segment.
    Root, 32
);

impl PeerId {
    /// The peer that holds the private half of `key`.
    pub fn of(key: &PublicKey) -> Self {
        Self(hashed("runnel peer", &key.0))
    }
}

impl KeyId {
    /// The short name of `key`.
    pub fn of(key: &PublicKey) -> Self {
        Self(hashed("runnel key", &key.0))
    }
}

impl ContentId {
    /// The content registered as `name`.
    pub fn of(name: &str) -> Self {
        Self(hashed("runnel content", name.as_bytes()))
    }
}

impl PageOrigin {
    /// What stands in the header `Origin`, byte for byte.
    pub fn of(header: &[u8]) -> Self {
        Self(hashed("runnel page", header))
    }
}

impl GroupId {
    /// The group that is listed as `name`.
    pub fn of(name: &str) -> Self {
        Self(hashed("runnel group", name.as_bytes()))
    }
}

impl TrackId {
    /// The track with these canonical attributes; [`crate::segment::TrackAttributes`] writes them.
    pub(crate) fn of(canonical: &str) -> Self {
        Self(hashed("runnel track", canonical.as_bytes()))
    }
}

impl PathHash {
    /// The path part of `url`: no scheme, authority, query or fragment, since those carry tokens
    /// and name a particular CDN. Percent-encoding is left as it is.
    pub fn of_url(url: &str) -> Self {
        // In bytes: searching texts is 3 KB of the browser's module.
        let ends = |byte: &u8| matches!(byte, b'?' | b'#');
        let rest = url.as_bytes().split(ends).next().unwrap_or_default();
        let authority = rest.windows(3).position(|three| three == b"://");
        let path = match authority.and_then(|at| rest.get(at + 3..)) {
            Some(after) => {
                let slash = after.iter().position(|byte| *byte == b'/');
                slash.and_then(|at| after.get(at..)).unwrap_or(b"/")
            }
            None => rest,
        };
        Self(hashed("runnel path", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_on_every_cdn_and_with_every_token() {
        let plain = PathHash::of_url("https://a.example/live/720/seg7.ts");
        assert_eq!(
            plain,
            PathHash::of_url("http://b.example:8080/live/720/seg7.ts?token=x#t=1")
        );
        assert_ne!(
            plain,
            PathHash::of_url("https://a.example/live/360/seg7.ts")
        );
    }

    #[test]
    fn an_id_survives_being_written_and_read() {
        let id = ContentId::of("kick-off");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("zz".parse::<ContentId>(), Err(ParseIdError));
        assert_eq!("+f".repeat(16).parse::<ContentId>(), Err(ParseIdError));
    }
}
