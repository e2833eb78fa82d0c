//! Making and checking signatures in Rust. Browsers use WebCrypto and leave this out.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::ids::{KeyId, PublicKey};
use crate::signature::{Signature, Signed, Statement};

/// A private key. It never travels and is wiped from memory when dropped.
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// The key of this seed: 32 bytes of good entropy, drawn by the shell.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` as it is.
    pub fn sign_message(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    /// Signs a statement.
    pub fn sign<T: Statement>(&self, body: T) -> Signed<T> {
        let signature = self.sign_message(&body.message());
        Signed {
            key: KeyId::of(&self.public()),
            body,
            signature,
        }
    }
}

impl core::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyPair({})", KeyId::of(&self.public()))
    }
}

/// Whether `key` made `signature` over `message`: strictly, so that neither weak keys nor a second
/// form of the same signature pass.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    VerifyingKey::from_bytes(&key.0).is_ok_and(|verifying| {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        verifying.verify_strict(message, &signature).is_ok()
    })
}

impl<T: Statement> Signed<T> {
    /// Whether `key` signed this very statement.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        self.key == KeyId::of(key) && verify(key, &self.body.message(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ContentId, Nonce, PeerId};
    use crate::manifest::StreamKeyCertificate;
    use crate::peer::Possession;
    use crate::ticket::TicketId;
    use crate::units::UnixSeconds;

    #[test]
    fn a_statement_is_its_signers_alone_and_of_its_kind_alone() {
        let signer = KeyPair::from_seed(&[1; 32]);
        let stranger = KeyPair::from_seed(&[2; 32]);
        let certificate = signer.sign(StreamKeyCertificate {
            key: stranger.public(),
            waypoint: PeerId([3; 16]),
            contents: vec![ContentId([4; 16])],
            origins: vec!["https://origin.example".into()],
            issued: UnixSeconds(5),
            expires: UnixSeconds(6),
        });
        assert!(certificate.is_by(&signer.public()));
        assert!(!certificate.is_by(&stranger.public()));

        let mut changed = certificate.clone();
        changed.body.expires = UnixSeconds(7);
        assert!(!changed.is_by(&signer.public()));

        let possession = Possession {
            nonce: Nonce([0; 32]),
            acceptor: PeerId([1; 16]),
            ticket: TicketId([2; 16]),
        };
        let reused = Signed {
            body: possession,
            key: certificate.key,
            signature: certificate.signature,
        };
        assert!(!reused.is_by(&signer.public()));
    }
}
