//! The agent's child: a peer with a player that asks for segments and forgets them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use runnel_peer_core::{Event, Input, MediaKind, Want, WantId};
use runnel_peer_native::agent::Events;
use runnel_peer_native::config::Config;
use runnel_peer_native::player::{Answer, Player};
use runnel_protocol::ids::ContentId;
use runnel_protocol::units::BitsPerSecond;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::cost::{Cost, Watch};
use super::{BANDWIDTH, SEGMENT};
use crate::media::noise;

/// Segments asked for at a time: half of what the peer holds in memory.
const OUTSTANDING: u64 = 4;
/// So high that no ticket slows anything down: 10 Gbit/s.
const RATE: BitsPerSecond = BitsPerSecond(10_000_000_000);
const PATIENCE: Duration = Duration::from_secs(60);
/// Why there is no answer.
const NOBODY: &str = "the peer has stopped";

/// How the child reaches its coordinator, and where it may keep its key.
#[derive(Clone, Debug)]
pub struct Home {
    /// `ws://…/v1/peer`.
    pub coordinator: String,
    /// A directory of its own.
    pub data: PathBuf,
}

impl Home {
    fn config(self, content: &str) -> Result<Config> {
        Ok(Config {
            coordinator: self.coordinator,
            data: self.data,
            listen: "127.0.0.1:0".parse()?,
            content: vec![content.to_owned()],
            uplink_kbps: 0,
            ..Config::default()
        })
    }
}

/// Takes the first so many segments on demand from whoever the coordinator assigns.
///
/// # Errors
/// When a segment does not come, or not from an agent.
pub async fn take(home: Home, segments: u64, server: u32) -> Result<Cost> {
    let (mut player, mut events) = Player::start(home.config("vod")?).await?;
    let content = ContentId::of("vod");
    let linked = timeout(PATIENCE, ready(&player, &mut events, content)).await;
    linked.context("no agent within a minute")??;
    let watch = Watch::start(server)?;
    let (mut asked, mut came, mut bytes) = (0, BTreeSet::new(), 0);
    while (came.len() as u64) < segments {
        while asked < segments && asked < came.len() as u64 + OUTSTANDING {
            player.want(want(content, asked)).await;
            asked += 1;
        }
        match player.answer().await.context(NOBODY)? {
            Answer::Failed(want) => bail!("segment {} did not come", want.0),
            Answer::Delivered(want, segment) => {
                let length: usize = segment.parts.iter().map(bytes::Bytes::len).sum();
                ensure!(
                    length as u64 == SEGMENT,
                    "segment {} of {length} bytes",
                    want.0
                );
                ensure!(segment.from_waypoints == 0, "bytes came from the waypoint");
                came.insert(want);
                bytes += length as u64;
            }
        }
    }
    let cost = watch.stop(bytes);
    player.stop().await;
    cost
}

/// Waits for an agent whose ticket allows enough.
async fn ready(player: &Player, events: &mut Events, content: ContentId) -> Result<()> {
    let (mut linked, mut wide) = (false, false);
    while !(linked && wide) {
        match events.recv().await {
            Ok(Event::Opened(..)) => playing(player, content).await,
            Ok(Event::LinkUp(_, _, Some(runnel_protocol::control::Source::Peer))) => linked = true,
            Ok(Event::Assigned(assign)) => {
                let mut tickets = assign
                    .parents
                    .iter()
                    .map(|parent| &parent.contact.ticket.body);
                wide = tickets.all(|ticket| ticket.rate >= RATE) && !assign.parents.is_empty();
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => bail!(NOBODY),
        }
    }
    // The new ticket is on its way to the agent.
    sleep(Duration::from_millis(200)).await;
    Ok(())
}

async fn playing(player: &Player, content: ContentId) {
    let playback = Input::Playback {
        content,
        buffer: Duration::from_secs(10),
        stalls: 0,
        rate: RATE,
    };
    player.tell(playback).await;
}

fn want(content: ContentId, sequence: u64) -> Want {
    Want {
        id: WantId(sequence),
        content,
        track: noise::track(BANDWIDTH),
        kind: MediaKind::Main,
        sequence,
        range: None,
        path: noise::path("vod", sequence),
        due_in: PATIENCE,
        duration: Duration::from_secs(2),
        live: false,
        urgent: false,
        may_wait: Duration::ZERO,
    }
}

/// Follows the live stream for so many seconds, from a sequence on.
///
/// # Errors
/// When the peer cannot start.
pub async fn follow(home: Home, from: u64, seconds: u64) -> Result<()> {
    let (mut player, _) = Player::start(home.config("live")?).await?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let content = ContentId::of("live");
    // The peer has to know the content before it can be asked for any of it.
    sleep(Duration::from_secs(2)).await;
    playing(&player, content).await;
    let live = Want {
        live: true,
        ..want(content, from)
    };
    player.want(live).await;
    loop {
        tokio::select! {
            answer = player.answer() => drop(answer.context(NOBODY)?),
            () = sleep_until(end) => break,
        }
    }
    player.stop().await;
    Ok(())
}
