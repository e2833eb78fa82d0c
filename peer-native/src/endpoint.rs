//! One UDP port behind which three doors open: our own QUIC, WebTransport and WebRTC.
//!
//! The port tells QUIC and WebRTC apart, the ALPN of QUIC's handshake the other two; from then on
//! all are a [`Session`](crate::transport::Session), and nothing knows which one it holds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use runnel_peer_core::Caller;
use runnel_protocol::ids::PageOrigin;
use runnel_protocol::meetings::Household;
use runnel_protocol::{ALPN, WEBTRANSPORT_PATH};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tracing::debug;
use web_transport_quinn::Request;
use web_transport_quinn::http::header::ORIGIN;

use crate::addresses::Truncated;
use crate::certificates::{CertificateError, Certificates};
use crate::inbox::{Arrival, Inbox};
use crate::limits;
use crate::port::{Datagram, Port};
use crate::refusals::{Refusal, Refusals};
use crate::transport::Session;
use crate::webrtc;

/// Why the port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address is taken, or not ours.
    #[error("listening on {0}: {1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// The certificate is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS without the cipher that QUIC starts with.
    #[error("TLS for QUIC: {0}")]
    Tls(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// Somebody at the door whose transport stands. Nothing is known of them yet.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) session: Session,
    /// What the transport tells of them.
    pub(crate) caller: Caller,
    /// Their place among the links that there may be, given back when dropped.
    pub(crate) place: OwnedSemaphorePermit,
}

/// The agent's UDP port.
#[derive(Debug, Clone)]
pub struct Endpoint {
    socket: quinn::Endpoint,
    address: SocketAddr,
    port: Port,
    /// What is WebRTC's; whoever greets listens.
    datagrams: Arc<Mutex<mpsc::Receiver<Datagram>>>,
    showcase: Arc<webrtc::Showcase>,
}

impl Endpoint {
    /// Opens the port at `address`; port 0 takes any that is free.
    ///
    /// # Errors
    /// The address is taken or not ours, or the certificate is of no use.
    pub fn bind(address: SocketAddr, certificates: &Certificates) -> Result<Self, EndpointError> {
        let config = server_config(certificates)?;
        let bind = |error| EndpointError::Bind(address, error);
        let (port, datagrams) = Port::bind(address).map_err(bind)?;
        let socket = port.quic(config).map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        Ok(Self {
            socket,
            address,
            port,
            datagrams: Arc::new(datagrams.into()),
            showcase: Arc::new(webrtc::showcase(certificates)),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows the certificate that is now in use to whoever comes next.
    ///
    /// # Errors
    /// The certificate is of no use; the old one stays.
    pub fn show(&self, certificates: &Certificates) -> Result<(), EndpointError> {
        self.socket
            .set_server_config(Some(server_config(certificates)?));
        webrtc::show(&self.showcase, certificates);
        Ok(())
    }

    pub(crate) fn socket(&self) -> &quinn::Endpoint {
        &self.socket
    }

    /// Greets everybody who comes, so many at a time, until the port is closed.
    pub(crate) async fn greet(self, links: usize, inbox: Inbox, refusals: Arc<Refusals>) {
        let places = Arc::new(Semaphore::new(links));
        let handshakes = Arc::new(Semaphore::new(limits::HANDSHAKES));
        let door = webrtc::Door {
            port: self.port.clone(),
            listening: self.address,
            showing: self.showcase.subscribe(),
            places: Arc::clone(&places),
            handshakes: Arc::clone(&handshakes),
            calls: Arc::new(Semaphore::new(limits::CALLS)),
            inbox: inbox.clone(),
            refusals: Arc::clone(&refusals),
        };
        let datagrams = Arc::clone(&self.datagrams);
        let third = tokio::spawn(async move { door.greet(&mut *datagrams.lock().await).await });
        while let Some(incoming) = self.socket.accept().await {
            let greeters = handshakes.clone().try_acquire_owned();
            let (Ok(greeter), Ok(place)) = (greeters, places.clone().try_acquire_owned()) else {
                debug!(from = %Truncated(incoming.remote_address()), "no room, refused");
                refusals.count(Refusal::Full);
                incoming.refuse();
                continue;
            };
            let under_way = limits::HANDSHAKES - handshakes.available_permits();
            let crowded = under_way > limits::HANDSHAKES_ON_TRUST;
            if crowded && !incoming.remote_address_validated() && incoming.may_retry() {
                // An error means that it may not be asked again, which was just ruled out.
                incoming.retry().ok();
                continue;
            }
            let (inbox, refusals) = (inbox.clone(), Arc::clone(&refusals));
            let home = Household::of(incoming.remote_address().ip());
            tokio::spawn(async move {
                let session = shake_hands(incoming).await;
                drop(greeter);
                match session {
                    Some((session, page)) => {
                        let caller = Caller { home, page };
                        let visitor = Visitor {
                            session,
                            caller,
                            place,
                        };
                        inbox.put(Arrival::Visitor(visitor)).await;
                    }
                    None => refusals.count(Refusal::Handshake),
                }
            });
        }
        third.abort();
    }

    /// Waits until everybody has been told that the port closes, at most `patience`.
    pub(crate) async fn close(&self, patience: std::time::Duration) {
        self.socket.close(quinn::VarInt::from_u32(0), b"");
        if timeout(patience, self.socket.wait_idle()).await.is_err() {
            debug!("closed the port without goodbye to everybody");
        }
    }
}

/// Why a visitor got no further than the door.
#[derive(Debug, thiserror::Error)]
enum TurnedAway {
    #[error(transparent)]
    Quic(#[from] quinn::ConnectionError),
    #[error(transparent)]
    WebTransport(#[from] web_transport_quinn::ServerError),
    #[error("asked for a path that is not ours")]
    Path,
}

async fn shake_hands(incoming: quinn::Incoming) -> Option<(Session, Option<PageOrigin>)> {
    let from = Truncated(incoming.remote_address());
    match timeout(limits::HANDSHAKE_TIME, open(incoming)).await {
        Ok(Ok((session, page))) => return Some((session.into(), page)),
        Ok(Err(why)) => debug!(%from, %why, "turned away"),
        Err(_) => debug!(%from, "handshake took too long"),
    }
    None
}

/// The session, and the page that opened it: browsers name it in each CONNECT (W3C WebTransport §5.4).
async fn open(
    incoming: quinn::Incoming,
) -> Result<(web_transport_quinn::Session, Option<PageOrigin>), TurnedAway> {
    let connection = incoming.await?;
    if speaks_natively(&connection) {
        return Ok((web_transport_quinn::Session::raw(connection), None));
    }
    let request = Request::accept(connection).await?;
    if request.url.path() != WEBTRANSPORT_PATH {
        request
            .reject(web_transport_quinn::http::StatusCode::NOT_FOUND)
            .await?;
        return Err(TurnedAway::Path);
    }
    let origin = request.headers.get(ORIGIN);
    let page = origin.map(|origin| PageOrigin::of(origin.as_bytes()));
    Ok((request.ok().await?, page))
}

fn speaks_natively(connection: &quinn::Connection) -> bool {
    connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .is_some_and(|data| data.protocol.as_deref() == Some(ALPN))
}

fn server_config(certificates: &Certificates) -> Result<quinn::ServerConfig, EndpointError> {
    let tls = QuicServerConfig::try_from(certificates.server_config()?)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(limits::transport()));
    limits::admission(&mut config);
    Ok(config)
}
