//! The key that a waypoint attests with, and what the operator says about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runnel_protocol::codec::{decode, encode};
use runnel_protocol::control::Enrol;
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::signature::Signed;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::secrets::{load_or_create_seed, write_secret};

/// What is kept beside the key once the operator has certified it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Hash of the code that was spent on it: the same code is not offered twice.
    code: [u8; 32],
    certificate: Signed<StreamKeyCertificate>,
}

/// A waypoint's own key with its certificate. The private half never leaves this machine.
#[derive(Debug)]
pub(crate) struct StreamKey {
    pair: Arc<KeyPair>,
    path: PathBuf,
    code: String,
    kept: Option<Kept>,
}

impl StreamKey {
    /// The key kept in `directory`, made where there is none; `code` enrols it.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub(crate) fn load(directory: &Path, code: String) -> io::Result<Self> {
        let seed = load_or_create_seed(&directory.join("stream.key"))?;
        let pair = Arc::new(KeyPair::from_seed(&seed));
        let path = directory.join("stream.certificate");
        let kept = match std::fs::read(&path) {
            Ok(bytes) => decode::<Kept>(&bytes).ok(),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let kept = kept
            .filter(|kept| kept.code == hash(&code) && kept.certificate.body.key == pair.public());
        Ok(Self {
            pair,
            path,
            code,
            kept,
        })
    }

    pub(crate) fn pair(&self) -> Arc<KeyPair> {
        self.pair.clone()
    }

    /// What to tell the coordinator: the code the first time, later that it is us again.
    pub(crate) fn enrolment(&self) -> Enrol {
        Enrol {
            code: self.kept.is_none().then(|| self.code.clone()),
            stream_key: self.pair.public(),
        }
    }

    /// The newest certificate.
    pub(crate) fn certificate(&self) -> Option<&StreamKeyCertificate> {
        self.kept.as_ref().map(|kept| &kept.certificate.body)
    }

    /// Takes a new certificate; one of another key is not ours.
    ///
    /// # Errors
    /// The directory cannot be written; the certificate counts nevertheless.
    pub(crate) fn on_certified(
        &mut self,
        certificate: Signed<StreamKeyCertificate>,
    ) -> io::Result<()> {
        if certificate.body.key != self.pair.public() {
            return Ok(());
        }
        let code = hash(&self.code);
        let kept = self.kept.insert(Kept { code, certificate });
        write_secret(&self.path, &encode(kept))
    }

    /// When to renew: at half of the certificate's life, so that a coordinator that is away for
    /// hours does no harm. `None` without a certificate.
    pub(crate) fn renewal_due(&self) -> Option<UnixSeconds> {
        let certificate = self.certificate()?;
        let life = certificate.expires.0.saturating_sub(certificate.issued.0);
        Some(certificate.issued.plus(life / 2))
    }
}

fn hash(code: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, code.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use runnel_protocol::ids::PeerId;

    use super::*;

    fn certificate(key: &StreamKey) -> Signed<StreamKeyCertificate> {
        KeyPair::from_seed(&[9; 32]).sign(StreamKeyCertificate {
            key: key.pair().public(),
            waypoint: PeerId([1; 16]),
            contents: Vec::new(),
            origins: Vec::new(),
            issued: UnixSeconds(1000),
            expires: UnixSeconds(3000),
        })
    }

    #[test]
    fn a_code_is_spent_once_and_a_new_one_enrols_again() {
        let home = tempfile::tempdir().unwrap();
        let mut first = StreamKey::load(home.path(), "code".to_owned()).unwrap();
        assert_eq!(first.enrolment().code.as_deref(), Some("code"));
        first.on_certified(certificate(&first)).unwrap();
        assert_eq!(first.enrolment().code, None);
        assert_eq!(first.renewal_due(), Some(UnixSeconds(2000)));

        let again = StreamKey::load(home.path(), "code".to_owned()).unwrap();
        assert_eq!(again.enrolment().code, None);
        assert_eq!(again.pair().public(), first.pair().public());
        let renewed = StreamKey::load(home.path(), "other".to_owned()).unwrap();
        assert_eq!(renewed.enrolment().code.as_deref(), Some("other"));
    }

    #[test]
    fn a_certificate_of_another_key_is_not_kept() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut ours = StreamKey::load(one.path(), "code".to_owned()).unwrap();
        let theirs = StreamKey::load(other.path(), "code".to_owned()).unwrap();
        ours.on_certified(certificate(&theirs)).unwrap();
        assert_eq!(ours.certificate(), None);
    }
}
