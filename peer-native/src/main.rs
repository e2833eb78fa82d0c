//! `runnel-agent`: the agent as a program.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use runnel_peer_core::Event;
use runnel_peer_native::agent::Agent;
use runnel_peer_native::config::{Config, Flags};
use runnel_protocol::control::PeerType;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("RUNNEL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match run(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runnel-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    let config = Config::load(flags)?;
    let mut terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("waiting for SIGINT")?;
    let (agent, mut events) = Agent::start(config).await?;
    say(&format!("listening on {}", agent.address()))?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            event = events.recv() => match event {
                Ok(event) => tell(&event)?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            },
        }
    }
    agent.stop().await;
    Ok(())
}

fn tell(event: &Event) -> io::Result<()> {
    if let Event::Joined { peer, kind, why } = event {
        let kind = match kind {
            PeerType::Regular => "regular",
            PeerType::Lightweight => "lightweight",
        };
        say(&format!("joined as {kind} peer {peer}: {why}"))?;
    }
    Ok(())
}

/// What other programs read: one line, at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
