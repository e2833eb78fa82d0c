//! Somebody who watches without a browser: a lightweight peer that plays several contents at once and
//! asks for segment after segment, until one comes from a peer or its patience is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use runnel_peer_core::{Event, Input, MediaKind, Want, WantId};
use runnel_peer_native::config::Config;
use runnel_peer_native::player::{Answer, Player};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::units::BitsPerSecond;
use runnel_tests::media::noise;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::town::BANDWIDTH;

/// How often somebody without an answer asks again.
pub(crate) const AGAIN: Duration = Duration::from_millis(250);
/// How long the player has still to play when it asks.
pub(crate) const DUE: Duration = Duration::from_secs(4);

/// What became of one content.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From the moment at which the content was opened to the first byte that a peer brought.
    pub(crate) from_peer: Option<Duration>,
    pub(crate) bytes_from_waypoint: u64,
    /// Segments that only the CDN could have brought.
    pub(crate) failed: u64,
}

/// What became of everything.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) peer: Option<PeerId>,
    pub(crate) contents: BTreeMap<String, Seen>,
    /// Everybody whom the coordinator ever named as parent or child.
    pub(crate) named: BTreeSet<PeerId>,
}

struct Watching {
    name: String,
    opened: Instant,
    next: u64,
    asked: Option<WantId>,
    seen: Seen,
}

/// Watches until every content has brought something from a peer, `patience` at most.
pub(crate) async fn watch(config: Config, patience: Duration) -> Result<Account> {
    let wanted = config.content.len();
    let (mut player, mut events) = Player::start(config).await?;
    let mut account = Account::default();
    let mut watching: BTreeMap<ContentId, Watching> = BTreeMap::new();
    let mut clock = interval(AGAIN);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wants = 0;
    let end = Instant::now() + patience;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(Event::Opened(id, name)) => {
                    player.tell(playing(id)).await;
                    watching.insert(id, Watching::new(name));
                }
                Ok(event) => account.note(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => anyhow::bail!("the peer has stopped"),
            },
            answer = player.answer() => {
                let answer = answer.context("the peer has stopped")?;
                watching.values_mut().for_each(|one| one.on_answer(&answer));
            }
            _ = clock.tick() => for (id, one) in &mut watching {
                if let Some(want) = one.want(*id, &mut wants) {
                    player.want(want).await;
                }
            },
            () = sleep_until(end) => break,
        }
        let fed = watching.values().filter(|one| one.seen.from_peer.is_some());
        if fed.count() == wanted {
            break;
        }
    }
    player.stop().await;
    let seen = watching.into_values().map(|one| (one.name, one.seen));
    account.contents = seen.collect();
    Ok(account)
}

impl Account {
    fn note(&mut self, event: Event) {
        match event {
            Event::Joined { peer, .. } => self.peer = Some(peer),
            Event::Assigned(assign) => {
                let parents = assign.parents.iter().map(|parent| parent.contact.peer);
                let children = assign.children.iter().map(|child| child.contact.peer);
                self.named.extend(parents.chain(children));
            }
            _ => {}
        }
    }
}

impl Watching {
    fn new(name: String) -> Self {
        Self {
            name,
            opened: Instant::now(),
            next: 0,
            asked: None,
            seen: Seen::default(),
        }
    }

    fn want(&mut self, content: ContentId, wants: &mut u64) -> Option<Want> {
        if self.asked.is_some() || self.seen.from_peer.is_some() {
            return None;
        }
        let (sequence, id) = (self.next, WantId(*wants));
        *wants += 1;
        self.next += 1;
        self.asked = Some(id);
        Some(segment(id, content, &self.name, sequence))
    }

    fn on_answer(&mut self, answer: &Answer) {
        let (Answer::Delivered(want, _) | Answer::Failed(want)) = answer;
        if self.asked != Some(*want) {
            return;
        }
        self.asked = None;
        match answer {
            Answer::Failed(_) => self.seen.failed += 1,
            Answer::Delivered(_, segment) => {
                self.seen.bytes_from_waypoint += segment.from_waypoints;
                if segment.from_peers > 0 {
                    self.seen.from_peer = Some(self.opened.elapsed());
                }
            }
        }
    }
}

/// A segment of the content of this name, as a player with a full buffer asks for it.
pub(crate) fn segment(id: WantId, content: ContentId, name: &str, sequence: u64) -> Want {
    Want {
        id,
        content,
        track: noise::track(BANDWIDTH),
        kind: MediaKind::Main,
        sequence,
        range: None,
        path: noise::path(name, sequence),
        due_in: DUE,
        duration: Duration::from_secs(2),
        live: false,
        urgent: false,
        may_wait: Duration::ZERO,
    }
}

/// That a content is played.
pub(crate) fn playing(content: ContentId) -> Input {
    Input::Playback {
        content,
        buffer: Duration::from_secs(10),
        stalls: 0,
        rate: BitsPerSecond(BANDWIDTH),
    }
}
