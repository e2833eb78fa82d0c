//! What is compared with: one stream of quinn between two processes and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use quinn::crypto::rustls::QuicServerConfig;
use ring::rand::{SecureRandom as _, SystemRandom};
use runnel_peer_native::certificates::Certificates;
use runnel_peer_native::dial::dial;
use runnel_peer_native::endpoint::Endpoint;
use runnel_peer_native::limits;
use runnel_protocol::units::UnixSeconds;

use super::cost::{Cost, Watch};

/// What is sent over and over: more than any processor's own cache holds.
const SUPPLY: usize = 64 << 20;
/// What is written at once, as the agent does.
const CHUNK: usize = 64 << 10;
/// Packets read at once, as the agent does.
const PACKETS: usize = 32;

/// Serves streams of as many bytes as asked for, until it is killed. Tells its address.
///
/// # Errors
/// When the port cannot be opened.
pub async fn serve(data: &Path, tell: impl Fn(SocketAddr) -> Result<()>) -> Result<()> {
    let certificates = certificates(data)?;
    let tls = QuicServerConfig::try_from(certificates.server_config()?)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(limits::transport()));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse()?)?;
    tell(endpoint.local_addr()?)?;
    let mut supply = vec![0; SUPPLY];
    let filled = SystemRandom::new().fill(&mut supply);
    filled.ok().context("no random bytes")?;
    let supply = Bytes::from(supply);
    while let Some(incoming) = endpoint.accept().await {
        let supply = supply.clone();
        tokio::spawn(async move { send(incoming.await?, supply).await });
    }
    Ok(())
}

async fn send(connection: quinn::Connection, supply: Bytes) -> Result<()> {
    let (mut stream, mut wish) = connection.accept_bi().await?;
    let mut bytes = [0; 8];
    wish.read_exact(&mut bytes).await?;
    let mut left = usize::try_from(u64::from_le_bytes(bytes))?;
    let mut at = 0;
    while left > 0 {
        let length = CHUNK.min(left);
        stream.write_chunk(supply.slice(at..at + length)).await?;
        at = (at + CHUNK) % SUPPLY;
        left -= length;
    }
    stream.finish()?;
    connection.closed().await;
    Ok(())
}

/// Reads that many bytes from the server, whose process and data directory these are.
///
/// # Errors
/// When they do not come.
pub async fn fetch(from: SocketAddr, bytes: u64, server: u32, data: &Path) -> Result<Cost> {
    let certificates = certificates(data)?;
    let endpoint = Endpoint::bind("127.0.0.1:0".parse()?, &certificates)?;
    let session = dial(endpoint, vec![from], certificates.hashes()).await;
    let session = session.context("no connection")?;
    let connection: &quinn::Connection = &session;
    let watch = Watch::start(server)?;
    let (mut wish, mut stream) = connection.open_bi().await?;
    wish.write_all(&bytes.to_le_bytes()).await?;
    let mut packets = [const { Bytes::new() }; PACKETS];
    let mut came = 0;
    while let Some(filled) = stream.read_chunks(&mut packets).await? {
        let read = packets.iter_mut().take(filled);
        came += read
            .map(|packet| std::mem::take(packet).len())
            .sum::<usize>();
    }
    ensure!(came as u64 == bytes, "{came} bytes came of {bytes}");
    let cost = watch.stop(bytes);
    connection.close(0u32.into(), b"");
    cost
}

/// Both ends use the server's.
fn certificates(data: &Path) -> Result<Certificates> {
    // A second time in this process it is refused, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    std::fs::create_dir_all(data)?;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?;
    Ok(Certificates::load(data, UnixSeconds(now.as_secs()))?)
}
