//! A guest that is there: the real peer, and what a shell keeps for it.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use runnel_coordinator_core::SessionId;
use runnel_peer_core::{BulkId, Config, FetchId, Input, LinkId, Peer, StreamId};
use runnel_protocol::control::{Implementation, Platform};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::peer::max_links;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{SegmentKey, Substream, SubstreamSet};
use runnel_protocol::signature::Signed;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::dice::Dice;
use crate::library::Place;
use crate::network::Line;
use crate::player::Player;
use crate::population::{Guest, Role};
use crate::scenario::Kind;

/// Limits of the real shells: media in memory, links, links that have not proven themselves.
const AGENT_MEMORY: usize = 64 * 1024 * 1024;
const AGENT_HANDSHAKES: usize = 32;
const PAGE_LINKS: usize = 16;
const PAGE_HANDSHAKES: usize = 8;

/// A guest, by its place in the population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At(pub(crate) u32);

/// The other end of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Far {
    pub(crate) at: At,
    pub(crate) link: LinkId,
    /// What is sent arrives in order: nothing before these.
    pub(crate) control: Timestamp,
    pub(crate) bulk: Timestamp,
}

/// A bulk stream under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    pub(crate) link: LinkId,
    pub(crate) stream: StreamId,
    pub(crate) place: Option<Place>,
    pub(crate) content: ContentId,
}

/// What a peer does that it should not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Vice {
    /// Share of chunks that it changes.
    pub(crate) lies: f64,
    /// Share of chunks that it swallows.
    pub(crate) swallows: f64,
}

impl Vice {
    /// What somebody does who is befallen by such a fault; `None` for those that are no vices.
    pub(crate) fn of(kind: Kind, strength: f64) -> Option<Self> {
        let (lies, swallows) = match kind {
            Kind::Lie => (strength, 0.0),
            Kind::Drip => (0.0, 1.0 - strength),
            Kind::Freeride => (0.0, 1.0),
            Kind::Crash
            | Kind::Hang
            | Kind::Leave
            | Kind::Loss
            | Kind::Latency
            | Kind::OneWay
            | Kind::RateCollapse
            | Kind::Shrink
            | Kind::CoordinatorDown
            | Kind::DuplicateAndLate
            | Kind::CdnOutage
            | Kind::Backbone
            | Kind::BetterNode => return None,
        };
        Some(Self { lies, swallows })
    }
}

/// The part of an assignment that says who feeds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fed {
    pub(crate) epoch: u64,
    pub(crate) parents: BTreeMap<PeerId, SubstreamSet>,
}

/// What only waypoints keep.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) certificate: Option<Signed<StreamKeyCertificate>>,
    pub(crate) granted: BTreeSet<ContentId>,
    /// Titles and renditions that somebody plays, and the next sequence to fetch.
    pub(crate) followed: BTreeMap<(u32, u8), u64>,
    pub(crate) fetched: BTreeSet<Place>,
}

/// A guest that is there.
pub(crate) struct Node {
    pub(crate) peer: Peer,
    pub(crate) key: KeyPair,
    pub(crate) id: PeerId,
    pub(crate) role: Role,
    /// Which of its lives this is: what was meant for an earlier one is dropped.
    pub(crate) life: u32,
    pub(crate) line: Line,
    skew_s: i64,
    pub(crate) alarm: Option<Timestamp>,
    pub(crate) links: BTreeMap<LinkId, Far>,
    pub(crate) accepted: u64,
    pub(crate) bulks: BTreeMap<BulkId, Sending>,
    pub(crate) streams: u64,
    /// What it asked the CDN for: the bytes that are to come.
    pub(crate) fetches: BTreeMap<FetchId, Bytes>,
    pub(crate) disk: BTreeMap<(SegmentKey, u32), ProvenChunk>,
    pub(crate) session: Option<SessionId>,
    /// In which session the control center last let it in, when, and whether it had before.
    pub(crate) welcomed: Option<(SessionId, Timestamp, bool)>,
    pub(crate) to_center: Timestamp,
    pub(crate) player: Option<Player>,
    pub(crate) desk: Option<Desk>,
    pub(crate) stream_key: KeyPair,
    /// While it hangs, what reaches it waits.
    pub(crate) hung: bool,
    pub(crate) held: Vec<Input>,
    pub(crate) vice: Vice,
    pub(crate) dice: Dice,
    pub(crate) fed: BTreeMap<ContentId, Fed>,
    /// Links from the waypoint in each stripe's tree, as its last chunk came.
    pub(crate) depths: BTreeMap<(ContentId, Substream), u32>,
    /// Streams that arrive: what they carry, from whom.
    pub(crate) arriving: BTreeMap<(LinkId, StreamId), (SegmentKey, At)>,
    pub(crate) offers: BitsPerSecond,
    /// Arriving streams that it wants no more of.
    pub(crate) stopped: BTreeSet<(LinkId, StreamId)>,
}

impl Node {
    pub(crate) fn new(guest: &Guest, at: At, life: u32, seed: u64, now: Timestamp) -> Self {
        let mut dice = Dice::of(seed, "node", u64::from(at.0));
        let key = KeyPair::from_seed(&entropy(&mut dice));
        let stream_key = KeyPair::from_seed(&entropy(&mut dice));
        let mut inner = Dice::of(seed, "peer", u64::from(at.0) << 32 | u64::from(life));
        let local = clock(guest.skew_s, now);
        Self {
            peer: Peer::new(config(guest, &key), entropy(&mut inner), local),
            id: PeerId::of(&key.public()),
            key,
            role: guest.role,
            life,
            line: Line::of(guest, now),
            skew_s: guest.skew_s,
            alarm: None,
            links: BTreeMap::new(),
            accepted: 0,
            bulks: BTreeMap::new(),
            streams: 0,
            fetches: BTreeMap::new(),
            disk: BTreeMap::new(),
            session: None,
            welcomed: None,
            to_center: now,
            player: None,
            desk: (guest.role == Role::Waypoint).then(Desk::default),
            stream_key,
            hung: false,
            held: Vec::new(),
            vice: guest.vice,
            dice,
            fed: BTreeMap::new(),
            depths: BTreeMap::new(),
            arriving: BTreeMap::new(),
            offers: guest.offers,
            stopped: BTreeSet::new(),
        }
    }

    /// Whether it gives what it offers, as far as it means to.
    pub(crate) fn is_honest(&self) -> bool {
        self.vice == Vice::default() && !self.hung
    }

    /// What its own clock says.
    pub(crate) fn clock(&self, now: Timestamp) -> Timestamp {
        clock(self.skew_s, now)
    }

    /// When its own alarm rings, by the true clock.
    pub(crate) fn alarm_due(&self) -> Option<Timestamp> {
        let (local, _) = self.peer.poll_timeout()?;
        Some(clock(-self.skew_s, local))
    }

    /// Whether this is a chunk of a stream that it wants no more of.
    pub(crate) fn is_stopped(&self, input: &Input) -> bool {
        if let Input::BulkChunk(link, stream, _) = input {
            self.stopped.contains(&(*link, *stream))
        } else {
            false
        }
    }

    /// What arrives after what was sent before on the same way.
    pub(crate) fn in_order(last: &mut Timestamp, arrives: Timestamp) -> Timestamp {
        *last = (*last).max(arrives);
        *last
    }
}

fn clock(skew_s: i64, now: Timestamp) -> Timestamp {
    let skew = Duration::from_secs(skew_s.unsigned_abs());
    if skew_s < 0 { now - skew } else { now + skew }
}

fn entropy(dice: &mut Dice) -> [u8; 32] {
    let mut bytes = [0; 32];
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&dice.roll().to_le_bytes());
    }
    bytes
}

fn config(guest: &Guest, key: &KeyPair) -> Config {
    let native = guest.role != Role::Viewer;
    Config {
        key: key.public(),
        implementation: Implementation {
            version: "runnel-simulate".into(),
            platform: if native {
                Platform::Native
            } else {
                Platform::Browser
            },
            accepts: native,
        },
        uplink: guest.offers,
        root_key: None,
        join_token: None,
        origin: guest.watches,
        waypoint: guest.role == Role::Waypoint,
        disk: native,
        memory: if native {
            AGENT_MEMORY
        } else {
            Config::BROWSER_MEMORY
        },
        max_links: if native {
            max_links(guest.offers)
        } else {
            PAGE_LINKS
        },
        max_handshakes: if native {
            AGENT_HANDSHAKES
        } else {
            PAGE_HANDSHAKES
        },
    }
}

/// A chunk with one wrong byte, as a liar sends it.
pub(crate) fn falsified(chunk: &ProvenChunk) -> ProvenChunk {
    let mut data = chunk.data.to_vec();
    if let Some(byte) = data.first_mut() {
        *byte ^= 1;
    }
    ProvenChunk {
        data: Bytes::from(data),
        ..chunk.clone()
    }
}
