//! One peer and what its shell knows.

use std::collections::BTreeMap;

use runnel_peer_core::{Delivered, Event, Input, LinkId, Peer, StreamId, WantId};
use runnel_protocol::control::ToCoordinator;
use runnel_protocol::ids::Nonce;
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::Control;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::time::Timestamp;

use super::{At, Tamper};

pub struct Host {
    pub peer: Peer,
    pub key: KeyPair,
    pub delivered: BTreeMap<WantId, Delivered>,
    pub failed: Vec<WantId>,
    /// When each want was fulfilled or failed.
    pub ended: BTreeMap<WantId, Timestamp>,
    pub told: Vec<ToCoordinator>,
    pub events: Vec<Event>,
    pub fetched: Vec<(WantId, Option<(u64, u64)>)>,
    pub demanded: Vec<SegmentKey>,
    pub(super) wants: BTreeMap<WantId, u64>,
    pub(super) links: BTreeMap<LinkId, (At, LinkId)>,
    pub(super) accepted: u64,
    /// Bulk streams opened by this host.
    pub(super) bulks: BTreeMap<u64, Sending>,
    pub(super) streams: u64,
    pub(super) frozen: bool,
    pub(super) dead: bool,
    /// What reached it while it was frozen.
    pub(super) held: Vec<Input>,
    /// How often it reached out to the coordinator, and hung up on it.
    pub connects: usize,
    pub disconnects: usize,
    /// Control messages that it sent.
    pub said: Vec<Control>,
    /// Bytes per second that its line carries; `None` for any number.
    pub line: Option<u64>,
    pub(super) line_free: Timestamp,
    /// Its disk, and how long it takes to read.
    pub disk: BTreeMap<(SegmentKey, u32), ProvenChunk>,
    pub kept: BTreeMap<SegmentKey, SignedEntry>,
    pub(super) challenged: Option<Nonce>,
    pub tamper: Option<Tamper>,
}

/// A bulk stream: where it arrives, and what it carries.
#[derive(Clone, Copy)]
pub(super) struct Sending {
    pub(super) other: At,
    pub(super) link: LinkId,
    pub(super) stream: StreamId,
    pub(super) segment: SegmentKey,
}

impl Host {
    pub(super) fn new(peer: Peer, key: KeyPair, now: Timestamp) -> Self {
        Self {
            peer,
            key,
            delivered: BTreeMap::new(),
            failed: Vec::new(),
            ended: BTreeMap::new(),
            told: Vec::new(),
            events: Vec::new(),
            fetched: Vec::new(),
            demanded: Vec::new(),
            wants: BTreeMap::new(),
            links: BTreeMap::new(),
            accepted: 0,
            bulks: BTreeMap::new(),
            streams: 0,
            frozen: false,
            dead: false,
            held: Vec::new(),
            connects: 0,
            disconnects: 0,
            said: Vec::new(),
            line: None,
            line_free: now,
            disk: BTreeMap::new(),
            kept: BTreeMap::new(),
            challenged: None,
            tamper: None,
        }
    }

    pub fn got(&self, want: WantId) -> Option<Vec<u8>> {
        self.delivered
            .get(&want)
            .map(|delivered| delivered.parts.concat())
    }

    pub fn wanted(&self) -> usize {
        self.wants.len()
    }

    pub fn strikes(&self) -> usize {
        self.told
            .iter()
            .filter(|message| matches!(message, ToCoordinator::Strike(_)))
            .count()
    }

    pub fn links_up(&self) -> usize {
        self.events
            .iter()
            .filter(|event| matches!(event, Event::LinkUp(..)))
            .count()
    }
}
