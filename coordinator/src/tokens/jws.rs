//! Signatures of JWTs (RFC 7515), made and checked by ring: EdDSA and ES256 are all there is, so that
//! whatever a header asks for, nothing else can be had (RFC 8725, section 3.1).

use std::sync::LazyLock;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use signature::{Error, Signer, Verifier};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Thumbprints and components of JWKs are not asked of it.
    key_utils: KeyUtils::new_unimplemented(),
};

static INSTALLED: LazyLock<()> = LazyLock::new(|| {
    if PROVIDER.install_default().is_err() {
        tracing::error!("something else checks the signatures of tokens");
    }
});

/// Has tokens signed and checked by this; to be called before either.
pub(super) fn install() {
    LazyLock::force(&INSTALLED);
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, JwtError> {
    let scheme: &'static dyn VerificationAlgorithm = match known(*algorithm)? {
        Known::EdDsa => &ED25519,
        Known::Es256 => &ECDSA_P256_SHA256_FIXED,
    };
    let key = UnparsedPublicKey::new(scheme, key.try_get_as_bytes()?.to_vec());
    let algorithm = *algorithm;
    Ok(Box::new(Checker { algorithm, key }))
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, JwtError> {
    let refuse = |_| JwtError::from(ErrorKind::InvalidKeyFormat);
    Ok(match known(*algorithm)? {
        Known::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes());
            Box::new(EdDsa(pair.map_err(refuse)?))
        }
        Known::Es256 => {
            let scheme = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_pkcs8(scheme, key.as_bytes(), &SystemRandom::new());
            Box::new(Es256(pair.map_err(refuse)?))
        }
    })
}

enum Known {
    EdDsa,
    Es256,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else there is or will be is refused"
)]
fn known(algorithm: Algorithm) -> Result<Known, JwtError> {
    match algorithm {
        Algorithm::EdDSA => Ok(Known::EdDsa),
        Algorithm::ES256 => Ok(Known::Es256),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}

struct Checker {
    algorithm: Algorithm,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl Verifier<Vec<u8>> for Checker {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        let checked = self.key.verify(message, signature);
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Checker {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

struct EdDsa(Ed25519KeyPair);

impl Signer<Vec<u8>> for EdDsa {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for EdDsa {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Es256(EcdsaKeyPair);

impl Signer<Vec<u8>> for Es256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signed = self.0.sign(&SystemRandom::new(), message);
        let signed = signed.map_err(|_| Error::new())?;
        Ok(signed.as_ref().to_vec())
    }
}

impl JwtSigner for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}
