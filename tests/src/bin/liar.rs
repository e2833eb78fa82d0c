//! `runnel-liar`: an agent that joins like any other and then lies, for the stories about peers
//! that do. It prints what `runnel-agent` prints.

#![expect(
    clippy::print_stdout,
    reason = "what other programs read is its product"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use runnel_peer_core::Event;
use runnel_peer_native::config::Config;
use runnel_tests::liar::{Liar, Lie};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tracing_subscriber::EnvFilter;

/// An agent that lies.
#[derive(Debug, Parser)]
struct Flags {
    /// The coordinator's WebSocket.
    #[arg(long)]
    coordinator: String,
    /// Folder for keys and cache.
    #[arg(long)]
    data: PathBuf,
    /// Where it lies to whoever comes; others are told to dial exactly this.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File with a provider's join token, where the coordinator asks for one.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// What it joins for from the start. Repeatable.
    #[arg(long)]
    content: Vec<String>,
    /// What it says it may upload, kbit/s.
    #[arg(long)]
    uplink_kbps: u64,
    /// How it lies.
    #[arg(long, value_enum)]
    lie: Lie,
    /// A file with media that is not what anybody asks for.
    #[arg(long)]
    foreign: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_env("RUNNEL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let flags = Flags::parse();
    let foreign = std::fs::read(&flags.foreign).context("no foreign media")?;
    let config = Config {
        coordinator: flags.coordinator,
        data: flags.data,
        listen: flags.listen,
        token_file: flags.token_file,
        content: flags.content,
        uplink_kbps: flags.uplink_kbps,
        ..Config::default()
    };
    let (liar, mut events) = Liar::start(config, flags.lie, foreign).await?;
    println!("listening on {}", liar.address()?);
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            event = events.recv() => match event {
                Ok(Event::Joined { peer, why, .. }) => {
                    println!("joined as regular peer {peer}: {why}");
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
        }
    }
    liar.stop().await;
    Ok(())
}
