//! A lying agent: an honest one that joins, receives and proves, behind a door of our own that
//! changes the media on its way out. Its visitors shake hands with the agent itself, so everything
//! but the media is genuine, and no program that people run has a switch for lying.

mod lie;
mod relay;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use runnel_peer_native::agent::{Agent, Events};
use runnel_peer_native::certificates::Certificates;
use runnel_peer_native::config::Config;
use runnel_peer_native::dial::dial;
use runnel_peer_native::endpoint::Endpoint;
use runnel_peer_native::limits;
use runnel_protocol::ids::PeerId;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::UnixSeconds;
use runnel_protocol::{ALPN, WEBTRANSPORT_PATH};
use web_transport_quinn::{Request, Session};

use lie::Liar as Teller;
pub use lie::Lie;

/// Any free port of this machine.
const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// A running liar. Others know it by the address of its door.
#[derive(Debug)]
pub struct Liar {
    agent: Agent,
    door: quinn::Endpoint,
}

impl Liar {
    /// Starts an agent with this configuration and lies to whoever comes for media at the address
    /// that it names; the agent itself takes another. `foreign` is the media that
    /// [`Lie::Rendition`] and [`Lie::Forge`] send.
    ///
    /// # Errors
    /// When the data directory or the ports cannot be used.
    pub async fn start(mut config: Config, lie: Lie, foreign: Vec<u8>) -> Result<(Self, Events)> {
        take_the_largest_name(&config.data)?;
        let certificates = Certificates::load(&config.data, today()?)?;
        let door = quinn::Endpoint::server(server_config(&certificates)?, config.listen)?;
        config.listen = LOOPBACK.into();
        config.advertise = vec![door.local_addr()?];
        let (agent, events) = Agent::start(config).await?;
        let way = Way {
            endpoint: Endpoint::bind(LOOPBACK.into(), &certificates)?,
            agent: agent.address(),
            certificates,
        };
        let teller = Arc::new(Teller::new(lie, foreign)?);
        tokio::spawn(greet(door.clone(), Arc::new(way), teller));
        Ok((Self { agent, door }, events))
    }

    /// Where its door is.
    ///
    /// # Errors
    /// When the port is gone.
    pub fn address(&self) -> Result<std::net::SocketAddr> {
        Ok(self.door.local_addr()?)
    }

    /// Leaves in order.
    pub async fn stop(self) {
        self.agent.stop().await;
        self.door.close(quinn::VarInt::from_u32(0), b"");
    }
}

/// From the door to the honest agent behind it.
struct Way {
    endpoint: Endpoint,
    agent: std::net::SocketAddr,
    certificates: Certificates,
}

async fn greet(door: quinn::Endpoint, way: Arc<Way>, teller: Arc<Teller>) {
    while let Some(incoming) = door.accept().await {
        let (way, teller) = (Arc::clone(&way), Arc::clone(&teller));
        tokio::spawn(async move {
            let visitor = shake_hands(incoming).await?;
            let Way {
                endpoint, agent, ..
            } = &*way;
            let hashes = way.certificates.hashes();
            let agent = dial(endpoint.clone(), vec![*agent], hashes).await;
            relay::relay(visitor, agent.context("no way to the agent")?, teller).await;
            anyhow::Ok(())
        });
    }
}

async fn shake_hands(incoming: quinn::Incoming) -> Result<Session> {
    let connection = incoming.await?;
    let handshake = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok());
    if handshake.is_some_and(|data| data.protocol.as_deref() == Some(ALPN)) {
        return Ok(Session::raw(connection));
    }
    let request = Request::accept(connection).await?;
    ensure!(request.url.path() == WEBTRANSPORT_PATH, "another path");
    Ok(request.ok().await?)
}

fn server_config(certificates: &Certificates) -> Result<quinn::ServerConfig> {
    let tls = QuicServerConfig::try_from(certificates.server_config()?)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(limits::transport()));
    Ok(config)
}

/// Draws the key of a liar whose data directory has none. Of two agents that dial each other, the link
/// made by the smaller name survives: whoever has the largest is always visited, through the door where
/// the lies are told.
///
/// # Errors
/// When it cannot be written.
pub fn take_the_largest_name(data: &Path) -> Result<()> {
    let file = data.join("identity.key");
    if file.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(data)?;
    let random = ring::rand::SystemRandom::new();
    loop {
        let seed: [u8; 32] = ring::rand::generate(&random)
            .ok()
            .context("no entropy")?
            .expose();
        let name = PeerId::of(&KeyPair::from_seed(&seed).public());
        if name.0.starts_with(&[0xff]) && name.0[1] >= 0xf0 {
            return Ok(std::fs::write(file, seed)?);
        }
    }
}

fn today() -> Result<UnixSeconds> {
    let since: Duration = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(UnixSeconds(since.as_secs()))
}
