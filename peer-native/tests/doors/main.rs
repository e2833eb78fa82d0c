//! Real agents on loopback, between a coordinator and viewers that are spoken by hand.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a story that meets the unexpected ends"
)]

mod coordinator;
mod delivery;
mod hostile;
mod origin;
mod strangers;
mod viewer;
mod webrtc;
mod webtransport;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use coordinator::Coordinator;
use runnel_peer_core::Event;
use runnel_peer_native::agent::{Agent, Events};
use runnel_peer_native::config::Config;
use runnel_protocol::control::ClientHello;
use runnel_protocol::ids::{ContentId, PeerId};
use tempfile::TempDir;

/// Longest wait for anything here; all of it takes milliseconds on a quiet machine.
async fn within<T>(future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), future).await;
    waited.expect("it happens in time")
}

fn content() -> ContentId {
    ContentId::of("show")
}

/// A running agent that the coordinator has let in.
struct Running {
    agent: Agent,
    events: Events,
    peer: PeerId,
    hello: ClientHello,
}

impl Running {
    async fn start(coordinator: &Coordinator, data: &Path, waypoint: bool) -> Self {
        let config = Config {
            waypoint: waypoint.then(|| "code".to_owned()),
            private_origins: vec!["127.0.0.1".to_owned()],
            ..config(coordinator, data)
        };
        let (agent, mut events) = Agent::start(config).await.unwrap();
        let peer = joined(&mut events).await;
        let hello = coordinator.hello(peer);
        Self {
            agent,
            events,
            peer,
            hello,
        }
    }

    /// Waits for what `pick` is looking for.
    async fn event<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        within(next(&mut self.events, pick)).await
    }
}

fn config(coordinator: &Coordinator, data: &Path) -> Config {
    Config {
        coordinator: coordinator.url(),
        listen: "127.0.0.1:0".parse().unwrap(),
        data: data.to_owned(),
        uplink_kbps: 1_000_000,
        ..Config::default()
    }
}

/// The name under which the coordinator lets a peer in.
async fn joined(events: &mut Events) -> PeerId {
    let joined = next(events, |event| match event {
        Event::Joined { peer, .. } => Some(*peer),
        _ => None,
    });
    within(joined).await
}

async fn next<T>(events: &mut Events, pick: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = events.recv().await.expect("the agent runs");
        if let Some(picked) = pick(&event) {
            return picked;
        }
    }
}

/// One agent and its coordinator.
async fn lone_agent() -> (Coordinator, Running, TempDir) {
    let coordinator = Coordinator::start(content()).await;
    let home = tempfile::tempdir().unwrap();
    let agent = Running::start(&coordinator, home.path(), false).await;
    (coordinator, agent, home)
}
