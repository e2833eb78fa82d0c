//! TLS towards peers: they are known by the hashes of their certificates, not by names or authorities.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme,
};

use crate::ALPN;
use crate::ids::CertificateHash;

/// The name inside agents' certificates; nobody checks it.
pub const SERVER_NAME: &str = "runnel";

/// SHA-256 of a certificate in DER.
pub fn hash_of(der: &[u8]) -> CertificateHash {
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, der);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    CertificateHash(hash)
}

/// TLS 1.3 for our own QUIC ([`ALPN`]) that trusts a certificate of `hashes` and nothing else.
///
/// # Errors
/// The cryptographic library lacks what TLS 1.3 requires.
pub fn trusting(hashes: Vec<CertificateHash>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Arc::new(Pinned {
        hashes,
        provider: Arc::clone(&provider),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Trusts a certificate because its hash was named, and for no other reason.
#[derive(Debug)]
struct Pinned {
    hashes: Vec<CertificateHash>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.hashes.contains(&hash_of(end_entity)) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    /// QUIC has no TLS 1.2 (RFC 9001 §4.2).
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
