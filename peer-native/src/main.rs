//! `runnel-agent`: the agent as a program.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use runnel_peer_core::Event;
use runnel_peer_native::agent::{Agent, thumbprint};
use runnel_peer_native::config::{Config, Errand, Flags};
use runnel_peer_native::doctor::{State, examine};
use runnel_protocol::control::PeerType;
use runnel_protocol::ids::PeerId;
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
        Ok(code) => code,
        Err(error) => {
            eprintln!("runnel-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let config = Config::load(flags)?;
    if flags.print_key() {
        say(&thumbprint(&config)?)?;
    } else if flags.errand() == Some(Errand::Doctor) {
        return see_the_doctor(config).await;
    } else {
        serve(config).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn see_the_doctor(config: Config) -> anyhow::Result<ExitCode> {
    let mut said = Ok(());
    let worst = examine(config, |finding| {
        if said.is_ok() {
            said = say(&finding.to_string());
        }
    });
    let worst = worst.await;
    said?;
    Ok(ExitCode::from(match worst {
        State::Good => 0,
        State::Poor => 1,
        State::Bad => 2,
    }))
}

/// Is an agent until it is asked to end.
async fn serve(config: Config) -> anyhow::Result<()> {
    let mut teller = Teller {
        waypoint: config.waypoint.is_some(),
        peer: None,
    };
    let mut terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("waiting for SIGINT")?;
    let (agent, mut events) = Agent::start(config).await?;
    say(&format!("listening on {}", agent.address()))?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            event = events.recv() => match event {
                Ok(event) => teller.tell(event)?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            },
        }
    }
    agent.stop().await;
    Ok(())
}

/// Says what became of the agent.
struct Teller {
    waypoint: bool,
    peer: Option<PeerId>,
}

impl Teller {
    fn tell(&mut self, event: Event) -> io::Result<()> {
        if let Event::Joined { peer, kind, why } = event {
            self.peer = Some(peer);
            return say_joined(peer, kind, &why);
        }
        if let Event::Typed { kind, why, .. } = event
            && let Some(peer) = self.peer
        {
            if self.waypoint && kind == PeerType::Lightweight {
                tracing::error!("this waypoint is of no use to web pages: {why}");
            }
            return say_joined(peer, kind, &why);
        }
        Ok(())
    }
}

/// Said again whenever the type changes: who waits for an agent reads on until it is regular.
fn say_joined(peer: PeerId, kind: PeerType, why: &str) -> io::Result<()> {
    let kind = match kind {
        PeerType::Regular => "regular",
        PeerType::Lightweight => "lightweight",
    };
    say(&format!("joined as {kind} peer {peer}: {why}"))
}

/// What other programs read: one line, at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
