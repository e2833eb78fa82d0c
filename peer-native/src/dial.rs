//! Connecting to other agents: by address and certificate hash, no names, no authorities.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, TransportErrorCode};
use runnel_protocol::ids::CertificateHash;
use runnel_protocol::pinned::{SERVER_NAME, trusting};
use tokio::time::timeout;
use tracing::debug;
use web_transport_quinn::Session;

use crate::addresses::Truncated;
use crate::endpoint::Endpoint;
use crate::limits;

/// Time for one address before the next is tried; a round trip around the world takes 0.3 s.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Why nobody was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undialled {
    /// Nobody answers, or somebody else does.
    #[error("no answer")]
    NoAnswer,
    /// The port has no room for another connection: whoever is there can be reached, later.
    #[error("no room there")]
    Refused,
}

/// Connects to the first of `addresses` that answers with a certificate of `hashes`. What comes of it is a
/// plain QUIC connection: nobody has proven anything yet.
///
/// # Errors
/// None of them does.
pub async fn dial(
    endpoint: Endpoint,
    addresses: Vec<SocketAddr>,
    hashes: Vec<CertificateHash>,
) -> Result<Session, Undialled> {
    let config = client_config(hashes).ok_or(Undialled::NoAnswer)?;
    let mut outcome = Undialled::NoAnswer;
    for address in addresses {
        match timeout(ATTEMPT, attempt(&endpoint, &config, address)).await {
            Ok(Ok(connection)) => return Ok(Session::raw(connection)),
            Ok(Err(Undialled::NoAnswer)) => {}
            Ok(Err(refused)) => outcome = refused,
            Err(_) => debug!(to = %Truncated(address), "no answer"),
        }
    }
    Err(outcome)
}

async fn attempt(
    endpoint: &Endpoint,
    config: &quinn::ClientConfig,
    address: SocketAddr,
) -> Result<quinn::Connection, Undialled> {
    let connecting = endpoint
        .socket()
        .connect_with(config.clone(), address, SERVER_NAME);
    let connecting = connecting.map_err(|why| {
        debug!(to = %Truncated(address), %why, "dial failed");
        Undialled::NoAnswer
    })?;
    connecting.await.map_err(|why| {
        debug!(to = %Truncated(address), %why, "dial failed");
        let refused = matches!(
            &why,
            ConnectionError::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED
        );
        if refused {
            Undialled::Refused
        } else {
            Undialled::NoAnswer
        }
    })
}

/// TLS that trusts these certificates and nothing else; `None` only if the cryptographic
/// library lacks what QUIC requires, which a test would have shown.
fn client_config(hashes: Vec<CertificateHash>) -> Option<quinn::ClientConfig> {
    let tls = trusting(hashes).ok()?;
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).ok()?));
    config.transport_config(Arc::new(limits::transport()));
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::Certificates;
    use crate::inbox::{Arrival, Inbox};
    use crate::transport;
    use runnel_protocol::units::UnixSeconds;

    fn agent() -> (Endpoint, Certificates, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let certificates = Certificates::load(home.path(), UnixSeconds(1_795_000_000)).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let endpoint = Endpoint::bind(any, &certificates).unwrap();
        (endpoint, certificates, home)
    }

    #[tokio::test]
    async fn an_agent_is_reached_by_address_and_hash() {
        let (server, certificates, _server_home) = agent();
        let (client, _, _client_home) = agent();
        let (inbox, mut door) = Inbox::new();
        tokio::spawn(server.clone().greet(8, inbox, Arc::default()));

        let session = dial(client, vec![server.address()], certificates.hashes()).await;
        let Some(Arrival::Visitor(visitor)) = door.recv().await else {
            panic!("nobody came");
        };
        let transport::Session::Quic(came) = visitor.session else {
            panic!("by another door");
        };
        let from = came.remote_address();
        assert_eq!(from.ip(), server.address().ip());
        session.unwrap().close(0, b"");
    }

    #[tokio::test]
    async fn a_certificate_that_was_not_announced_is_refused() {
        let (server, _, _server_home) = agent();
        let (client, certificates, _client_home) = agent();
        let (inbox, _door) = Inbox::new();
        tokio::spawn(server.clone().greet(8, inbox, Arc::default()));

        let session = dial(client, vec![server.address()], certificates.hashes()).await;
        assert_eq!(session.err(), Some(Undialled::NoAnswer));
    }

    #[tokio::test]
    async fn a_port_without_room_says_so() {
        let (server, certificates, _server_home) = agent();
        let (client, _, _client_home) = agent();
        let (inbox, _door) = Inbox::new();
        tokio::spawn(server.clone().greet(0, inbox, Arc::default()));

        let session = dial(client, vec![server.address()], certificates.hashes()).await;
        assert_eq!(session.err(), Some(Undialled::Refused));
    }

    #[tokio::test]
    async fn a_rotated_certificate_is_shown_without_a_restart() {
        let (server, mut certificates, _server_home) = agent();
        let (client, _, _client_home) = agent();
        let (inbox, mut door) = Inbox::new();
        tokio::spawn(server.clone().greet(8, inbox, Arc::default()));

        let next = certificates.hashes()[1];
        let due = certificates.rotation_due();
        assert!(certificates.rotate(due).unwrap());
        server.show(&certificates).unwrap();
        let session = dial(client, vec![server.address()], vec![next]).await;
        assert!(session.is_ok());
        assert!(door.recv().await.is_some());
    }
}
