//! Connecting to other agents: by address and certificate hash, no names, no authorities.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
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

/// Connects to the first of `addresses` that answers with a certificate of `hashes`; `None` if
/// none does. What comes of it is a plain QUIC connection: nobody has proven anything yet.
pub async fn dial(
    endpoint: Endpoint,
    addresses: Vec<SocketAddr>,
    hashes: Vec<CertificateHash>,
) -> Option<Session> {
    let config = client_config(hashes)?;
    for address in addresses {
        match timeout(ATTEMPT, attempt(&endpoint, &config, address)).await {
            Ok(Some(connection)) => return Some(Session::raw(connection)),
            Ok(None) => {}
            Err(_) => debug!(to = %Truncated(address), "no answer"),
        }
    }
    None
}

async fn attempt(
    endpoint: &Endpoint,
    config: &quinn::ClientConfig,
    address: SocketAddr,
) -> Option<quinn::Connection> {
    let connecting = endpoint
        .socket()
        .connect_with(config.clone(), address, SERVER_NAME);
    let outcome = match connecting {
        Ok(connecting) => connecting.await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    outcome
        .inspect_err(|why| debug!(to = %Truncated(address), why, "dial failed"))
        .ok()
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
        assert!(session.is_none());
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
        assert!(session.is_some());
        assert!(door.recv().await.is_some());
    }
}
