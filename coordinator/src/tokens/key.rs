//! A provider's public key: read from PEM or a JWK, and pinned with the one algorithm that it is for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use ring::digest::{SHA256, digest};
use serde::Deserialize;

/// How a key signs. There is no third way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA over P-256 with SHA-256 (RFC 7518, section 3.4).
    Es256,
}

impl Algorithm {
    /// As a header's `alg` has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let both = [Self::EdDsa, Self::Es256];
        both.into_iter().find(|one| one.name() == name)
    }

    pub(super) const fn of_jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    /// 32 bytes for [`Algorithm::EdDsa`]; for [`Algorithm::Es256`] an uncompressed point (SEC 1), 65.
    pub(crate) bytes: Vec<u8>,
}

/// Why something is no key that tokens can be checked with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is neither a JWK nor a file that can be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::Error),
    /// It is to be kept by the provider.
    #[error(
        "this is a private key, which stays with the provider: give its public key \
         (`openssl pkey -in private.pem -pubout`)"
    )]
    Private,
    /// It is for something else.
    #[error(
        "this is no public key for EdDSA (Ed25519) or ES256 (P-256), as PEM or as a JWK: other \
         algorithms are not taken"
    )]
    Unusable,
}

/// The members of a JWK (RFC 7517) that count.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: Option<String>,
    d: Option<String>,
    kid: Option<String>,
}

impl Key {
    /// Reads a JWK, or a file with one or with PEM. With it comes the JWK's `kid`, where it has one.
    pub(crate) fn find(source: &str) -> Result<(Self, Option<String>), KeyError> {
        if source.trim_start().starts_with('{') {
            return Self::read(source);
        }
        let text = std::fs::read_to_string(source)
            .map_err(|error| KeyError::Unreadable(source.to_owned(), error))?;
        Self::read(&text)
    }

    fn read(text: &str) -> Result<(Self, Option<String>), KeyError> {
        if text.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        if text.trim_start().starts_with('{') {
            let jwk: Jwk = serde_json::from_str(text).map_err(|_| KeyError::Unusable)?;
            return Ok((Self::from_jwk(&jwk)?, jwk.kid));
        }
        let pem = text.as_bytes();
        let ed = DecodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDsa, key));
        let found =
            ed.or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (Algorithm::Es256, key)));
        let (algorithm, key) = found.map_err(|_| KeyError::Unusable)?;
        let bytes = key.try_get_as_bytes().map_err(|_| KeyError::Unusable)?;
        Ok((Self::new(algorithm, bytes.to_vec())?, None))
    }

    fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        if jwk.d.is_some() {
            return Err(KeyError::Private);
        }
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Unusable);
        let x = decoded(&jwk.x)?;
        match (jwk.kty.as_str(), jwk.crv.as_str(), &jwk.y) {
            ("OKP", "Ed25519", None) => Self::new(Algorithm::EdDsa, x),
            ("EC", "P-256", Some(y)) => {
                let point = [vec![4], x, decoded(y)?].concat();
                Self::new(Algorithm::Es256, point)
            }
            _ => Err(KeyError::Unusable),
        }
    }

    /// A key whose bytes have the length and form that its algorithm asks for.
    pub(crate) fn new(algorithm: Algorithm, bytes: Vec<u8>) -> Result<Self, KeyError> {
        let fits = match algorithm {
            Algorithm::EdDsa => bytes.len() == 32,
            Algorithm::Es256 => bytes.len() == 65 && bytes.first() == Some(&4),
        };
        if fits {
            Ok(Self { algorithm, bytes })
        } else {
            Err(KeyError::Unusable)
        }
    }

    /// Its JWK's thumbprint (RFC 7638): what it is called where the provider gives it no name.
    pub(crate) fn thumbprint(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match (self.algorithm, self.bytes.as_slice()) {
            (Algorithm::EdDsa, x) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))
            }
            (Algorithm::Es256, point) => {
                let (x, y) = point.split_at(1).1.split_at(32);
                let (x, y) = (encode(x), encode(y));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
        };
        encode(digest(&SHA256, canonical.as_bytes()).as_ref())
    }

    pub(super) fn decoding(&self) -> DecodingKey {
        match self.algorithm {
            Algorithm::EdDsa => DecodingKey::from_ed_der(&self.bytes),
            Algorithm::Es256 => DecodingKey::from_ec_der(&self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"mine",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn a_jwk_is_read_with_its_name() {
        let (key, kid) = Key::read(ED).unwrap();
        assert_eq!(
            (key.algorithm, kid.as_deref()),
            (Algorithm::EdDsa, Some("mine"))
        );
        let print = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(key.thumbprint(), print, "RFC 8037, appendix A.3");
    }

    #[test]
    fn what_is_private_or_for_another_algorithm_is_refused() {
        let private = ED.replace("\"kid\"", "\"d\":\"AAAA\",\"kid\"");
        assert!(matches!(Key::read(&private), Err(KeyError::Private)));
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(Key::read(pem), Err(KeyError::Private)));
        for wrong in [
            ED.replace("Ed25519", "X25519"),
            ED.replace("11qY", "qY"),
            r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#.to_owned(),
            "hello".to_owned(),
        ] {
            assert!(
                matches!(Key::read(&wrong), Err(KeyError::Unusable)),
                "{wrong}"
            );
        }
    }
}
