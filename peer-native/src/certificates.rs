//! The TLS certificates that browsers and other agents pin by hash.
//!
//! A browser accepts a pinned certificate only if it is ECDSA and valid for at most 14 days in
//! all (WebTransport, `serverCertificateHashes`). So there are always two: the one in use and the
//! one that follows. Both hashes are published, and an assignment that was made before a rotation
//! still fits after it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::ids::CertificateHash;
use runnel_protocol::pinned::{SERVER_NAME, hash_of};
use runnel_protocol::units::UnixSeconds;
use runnel_protocol::{ALPN, ALPN_WEBTRANSPORT};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::secrets::write_secret;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
/// Whole validity, back-dating included; two days below what browsers allow.
const LIFE: u64 = 12 * DAY;
/// Certificates begin this long before they are first shown: clocks of viewers run slow.
const BACK_DATED: u64 = HOUR;
/// A certificate is replaced this long before it expires: clocks of viewers run fast, and an
/// agent may sleep through a night.
const RETIRED_EARLY: u64 = DAY;

/// Why certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The data directory cannot be read or written.
    #[error("certificates in the data directory: {0}")]
    Storage(#[from] io::Error),
    /// The certificate could not be made.
    #[error("making a certificate: {0}")]
    Making(#[from] rcgen::Error),
    /// The TLS library does not take it.
    #[error("using a certificate: {0}")]
    Using(#[from] rustls::Error),
}

/// One certificate with its private key.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
    /// When it is first shown.
    since: UnixSeconds,
    not_after: UnixSeconds,
}

impl Certificate {
    /// A certificate to be shown from `since` on.
    fn issue(since: UnixSeconds) -> Result<Self, rcgen::Error> {
        let not_before = since.0.saturating_sub(BACK_DATED);
        let not_after = not_before + LIFE;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        params.not_before = date(not_before);
        params.not_after = date(not_after);
        Ok(Self {
            der: params.self_signed(&key)?.der().to_vec(),
            key: key.serialize_der(),
            since,
            not_after: UnixSeconds(not_after),
        })
    }

    fn hash(&self) -> CertificateHash {
        hash_of(&self.der)
    }

    fn retires(&self) -> UnixSeconds {
        UnixSeconds(self.not_after.0.saturating_sub(RETIRED_EARLY))
    }

    /// The certificate that takes over when this one retires.
    fn successor(&self) -> Result<Self, rcgen::Error> {
        Self::issue(self.retires())
    }
}

/// The pair on disk: what is shown now, what will be.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pair {
    current: Certificate,
    next: Certificate,
}

impl Pair {
    fn issue(now: UnixSeconds) -> Result<Self, rcgen::Error> {
        let current = Certificate::issue(now)?;
        let next = current.successor()?;
        Ok(Self { current, next })
    }

    fn rotated(self) -> Result<Self, rcgen::Error> {
        let next = self.next.successor()?;
        Ok(Self {
            current: self.next,
            next,
        })
    }

    fn fits(&self, now: UnixSeconds) -> bool {
        self.current.since <= now && now < self.current.retires()
    }
}

/// The agent's certificates, kept in its data directory.
#[derive(Debug)]
pub struct Certificates {
    path: PathBuf,
    pair: Pair,
}

impl Certificates {
    /// Those kept in `directory`, brought up to date; made where there are none.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub fn load(directory: &Path, now: UnixSeconds) -> Result<Self, CertificateError> {
        let path = directory.join("certificates.key");
        let kept = match std::fs::read(&path) {
            Ok(bytes) => decode::<Pair>(&bytes).ok(),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let mut certificates = match kept {
            Some(pair) => Self { path, pair },
            None => {
                let pair = Pair::issue(now)?;
                let made = Self { path, pair };
                made.save()?;
                made
            }
        };
        certificates.rotate(now)?;
        Ok(certificates)
    }

    /// Moves on to the next certificate if it is time; whether it did.
    ///
    /// # Errors
    /// The directory cannot be written; the certificates stay as they were.
    pub fn rotate(&mut self, now: UnixSeconds) -> Result<bool, CertificateError> {
        if self.pair.fits(now) {
            return Ok(false);
        }
        let rotated = self.pair.clone().rotated()?;
        self.pair = if rotated.fits(now) {
            rotated
        } else {
            Pair::issue(now)?
        };
        self.save()?;
        Ok(true)
    }

    /// When [`Certificates::rotate`] has something to do.
    pub fn rotation_due(&self) -> UnixSeconds {
        self.pair.current.retires()
    }

    /// Hashes of the certificate in use and of the one that follows.
    pub fn hashes(&self) -> Vec<CertificateHash> {
        vec![self.pair.current.hash(), self.pair.next.hash()]
    }

    /// Hash, certificate and private key (PKCS #8), both in DER, in the order of [`Certificates::hashes`].
    pub(crate) fn with_keys(&self) -> impl Iterator<Item = (CertificateHash, &[u8], &[u8])> {
        let both = [&self.pair.current, &self.pair.next];
        both.into_iter()
            .map(|one| (one.hash(), &one.der[..], &one.key[..]))
    }

    /// How to answer TLS handshakes: QUIC's two doors behind one certificate.
    ///
    /// # Errors
    /// The TLS library does not take the certificate.
    pub fn server_config(&self) -> Result<rustls::ServerConfig, CertificateError> {
        let current = &self.pair.current;
        let chain = vec![CertificateDer::from(current.der.clone())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(current.key.clone()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![ALPN_WEBTRANSPORT.to_vec(), ALPN.to_vec()];
        Ok(config)
    }

    fn save(&self) -> io::Result<()> {
        write_secret(&self.path, &encode(&self.pair))
    }
}

fn date(at: u64) -> OffsetDateTime {
    i64::try_from(at)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_795_000_000);

    #[test]
    fn certificates_live_less_than_browsers_allow_and_are_back_dated() {
        let pair = Pair::issue(NOW).unwrap();
        for one in [&pair.current, &pair.next] {
            let not_before = one.since.0 - BACK_DATED;
            assert!(one.not_after.0 - not_before <= 14 * DAY);
        }
        assert!(pair.next.since < pair.current.not_after);
    }

    #[test]
    fn a_restart_keeps_the_published_hashes() {
        let home = tempfile::tempdir().unwrap();
        let first = Certificates::load(home.path(), NOW).unwrap().hashes();
        let later = Certificates::load(home.path(), NOW.plus(DAY)).unwrap();
        assert_eq!(later.hashes(), first);
    }

    #[test]
    fn rotation_shows_the_certificate_that_was_announced() {
        let home = tempfile::tempdir().unwrap();
        let mut certificates = Certificates::load(home.path(), NOW).unwrap();
        let announced = certificates.hashes()[1];
        assert!(!certificates.rotate(NOW.plus(DAY)).unwrap());
        let due = certificates.rotation_due();
        assert!(certificates.rotate(due).unwrap());
        assert_eq!(certificates.hashes()[0], announced);
        assert!(certificates.rotation_due() > due);
    }

    #[test]
    fn an_agent_that_slept_for_a_month_starts_afresh() {
        let home = tempfile::tempdir().unwrap();
        let old = Certificates::load(home.path(), NOW).unwrap().hashes();
        let woken = Certificates::load(home.path(), NOW.plus(30 * DAY)).unwrap();
        assert!(woken.rotation_due() > NOW.plus(30 * DAY));
        assert!(woken.hashes().iter().all(|hash| !old.contains(hash)));
    }
}
