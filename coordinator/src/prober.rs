//! Connects back to the addresses that peers name, to see whether others can (P3b).
//!
//! A handshake that shows a certificate which the peer named in its session proves that its key
//! answers there: TLS 1.3 signs both ends' fresh randomness with it. Nothing is said over the
//! connection. Native QUIC and WebTransport share one UDP port and one endpoint on an agent, so
//! the former stands for both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig};
use quinn::{ConnectError, ConnectionError, TransportConfig, VarInt};
use runnel_protocol::ids::CertificateHash;
use runnel_protocol::pinned::{SERVER_NAME, trusting};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::measure;

/// Time for one address: a handshake around the world with two packets lost takes less.
const PATIENCE: Duration = Duration::from_secs(3);
/// After so many addresses at which nobody was reached, and none at which somebody was, the fault
/// may be this machine's.
const SUSPICIOUS: u32 = 16;

/// Why there is no prober.
#[derive(Debug, thiserror::Error)]
pub enum ProberError {
    /// The system gives no UDP port, of neither family.
    #[error("no UDP port to test peers from: {0}; probe = false believes them instead")]
    Port(#[source] std::io::Error),
    /// TLS lacks what QUIC requires.
    #[error("TLS for testing peers: {0}")]
    Tls(#[from] rustls::Error),
    /// The same.
    #[error("TLS for testing peers: {0}")]
    Cipher(#[from] NoInitialCipherSuite),
}

/// What became of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Reached,
    /// Somebody answered, with another certificate or another protocol.
    AnotherAnswers,
    NoAnswer,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::AnotherAnswers => "another_answers",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// Ports of each family to test peers from, in turn. A router that begins to forward a port goes on treating what comes
/// from where it has just turned somebody away as it did then: for 30 s on Linux (`nf_conntrack_udp_timeout`), and each
/// packet counts anew. So the next test of a peer comes from another port.
const PORTS: usize = 32;

/// Ports to test peers from, of as many families as this machine has. How many tests there are at
/// a time is the control center's bound.
#[derive(Debug, Clone)]
pub(crate) struct Prober {
    four: Arc<[quinn::Endpoint]>,
    six: Arc<[quinn::Endpoint]>,
    /// Tests so far.
    turn: Arc<AtomicUsize>,
    /// Addresses tested before the first one at which somebody was reached.
    in_vain: Arc<AtomicU32>,
    stop: CancellationToken,
}

impl Prober {
    /// Opens the ports; tests end when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Result<Self, ProberError> {
        let four = open(Ipv4Addr::UNSPECIFIED.into());
        let six = open(Ipv6Addr::UNSPECIFIED.into()).unwrap_or_default();
        let four = match four {
            Err(error) if six.is_empty() => return Err(ProberError::Port(error)),
            four => four.unwrap_or_default(),
        };
        let prober = Self {
            four,
            six,
            turn: Arc::default(),
            in_vain: Arc::default(),
            stop,
        };
        // What TLS lacks is found now, not with the first peer.
        config(Vec::new())?;
        Ok(prober)
    }

    /// At which of `endpoints` somebody answers with one of `certificates`.
    pub(crate) async fn probe(
        &self,
        endpoints: Vec<SocketAddr>,
        certificates: Vec<CertificateHash>,
    ) -> Vec<SocketAddr> {
        let Ok(config) = config(certificates) else {
            return Vec::new();
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let attempts = endpoints
            .iter()
            .map(|endpoint| self.attempt(&config, *endpoint, turn));
        let outcomes = futures_util::future::join_all(attempts).await;
        let reached = endpoints.iter().zip(outcomes);
        reached
            .filter(|(_, outcome)| *outcome == Outcome::Reached)
            .map(|(endpoint, _)| *endpoint)
            .collect()
    }

    async fn attempt(
        &self,
        config: &quinn::ClientConfig,
        endpoint: SocketAddr,
        turn: usize,
    ) -> Outcome {
        let ports = if endpoint.is_ipv4() {
            &self.four
        } else {
            &self.six
        };
        let port = ports.get(turn % PORTS);
        let attempt = timeout(PATIENCE, connect(port, config.clone(), endpoint));
        let outcome = tokio::select! {
            outcome = attempt => outcome.unwrap_or(Outcome::NoAnswer),
            () = self.stop.cancelled() => return Outcome::NoAnswer,
        };
        measure::probed(outcome.name());
        self.count(outcome);
        outcome
    }

    /// Says once if nobody at all is ever reached.
    fn count(&self, outcome: Outcome) {
        if outcome == Outcome::Reached {
            self.in_vain.store(u32::MAX / 2, Ordering::Relaxed);
        } else if self.in_vain.fetch_add(1, Ordering::Relaxed) == SUSPICIOUS - 1 {
            tracing::warn!(
                "not one of {SUSPICIOUS} agents' addresses could be connected to: let UDP out, or \
                 believe agents with probe = false"
            );
        }
    }
}

/// All ports of the family of `any`.
fn open(any: IpAddr) -> std::io::Result<Arc<[quinn::Endpoint]>> {
    let one = |_| quinn::Endpoint::client(SocketAddr::new(any, 0));
    (0..PORTS).map(one).collect()
}

async fn connect(
    port: Option<&quinn::Endpoint>,
    config: quinn::ClientConfig,
    to: SocketAddr,
) -> Outcome {
    let connecting = port
        .ok_or(ConnectError::EndpointStopping)
        .and_then(|port| port.connect_with(config, to, SERVER_NAME));
    let Ok(connecting) = connecting else {
        return Outcome::NoAnswer;
    };
    match connecting.await {
        Ok(connection) => {
            connection.close(VarInt::from_u32(0), b"");
            Outcome::Reached
        }
        Err(
            ConnectionError::TransportError(_)
            | ConnectionError::VersionMismatch
            | ConnectionError::ApplicationClosed(_),
        ) => Outcome::AnotherAnswers,
        Err(_) => Outcome::NoAnswer,
    }
}

/// TLS that takes these certificates and nothing else.
fn config(hashes: Vec<CertificateHash>) -> Result<quinn::ClientConfig, ProberError> {
    let tls = trusting(hashes)?;
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = TransportConfig::default();
    // Whoever answers may send nothing beyond the handshake.
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None);
    config.transport_config(Arc::new(transport));
    Ok(config)
}
