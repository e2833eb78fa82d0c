//! What is known of each peer: observed here, decided elsewhere.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::control::{PeerType, Platform, Source};
use runnel_protocol::ids::{CertificateHash, ContentId, PeerId, PublicKey};
use runnel_protocol::time::Timestamp;

use crate::capacity::Uplink;
use crate::io::SessionId;

/// Accusers remembered per peer.
const MAX_ACCUSERS: usize = 8;
/// Distinct accusers within [`ACCUSED_FOR`] that make a peer unfit for everybody: a single liar
/// cannot take an agent away from the others.
const ACCUSERS_TO_DISTRUST: usize = 3;
const ACCUSED_FOR: Duration = Duration::from_secs(600);
/// Attempts in a row that failed, each by another peer's word, before nobody is sent there.
const HOPELESS: u16 = 5;
/// How long such a series counts.
const HOPELESS_FOR: Duration = Duration::from_secs(60);

/// One peer.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) session: SessionId,
    /// Where it comes from, as the socket sees it.
    pub(crate) address: IpAddr,
    pub(crate) key: PublicKey,
    pub(crate) platform: Platform,
    pub(crate) version: String,
    pub(crate) kind: PeerType,
    /// Why it is of that kind.
    pub(crate) why: &'static str,
    /// The operator's own.
    pub(crate) waypoint: bool,
    pub(crate) endpoints: Vec<SocketAddr>,
    pub(crate) certificates: Vec<CertificateHash>,
    pub(crate) uplink: Uplink,
    pub(crate) last_heard: Timestamp,
    pub(crate) silent: bool,
    /// One-time codes presented in this session.
    pub(crate) codes_tried: u8,
    pub(crate) history: History,
    /// What it takes part in.
    pub(crate) contents: BTreeSet<ContentId>,
}

impl Record {
    /// Whose money a byte from it costs.
    pub(crate) const fn source(&self) -> Source {
        if self.waypoint {
            Source::Waypoint
        } else {
            Source::Peer
        }
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.kind == PeerType::Regular
    }
}

/// How a peer has done as a parent in this session (N2, in small).
#[derive(Debug, Default)]
pub(crate) struct History {
    connected: u16,
    failed: u16,
    failed_in_a_row: u16,
    last_failure: Option<Timestamp>,
    accusers: Vec<(PeerId, Timestamp)>,
}

impl History {
    pub(crate) fn on_connected(&mut self) {
        self.connected = self.connected.saturating_add(1);
        self.failed_in_a_row = 0;
    }

    pub(crate) fn on_failed(&mut self, now: Timestamp) {
        self.failed = self.failed.saturating_add(1);
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.last_failure = Some(now);
    }

    /// Remembers an accusation; true where it makes the peer distrusted.
    pub(crate) fn on_accused(&mut self, by: PeerId, now: Timestamp) -> bool {
        let before = self.is_distrusted(now);
        self.accusers
            .retain(|(who, at)| *who != by && now.since(*at) < ACCUSED_FOR);
        if self.accusers.len() == MAX_ACCUSERS {
            self.accusers.remove(0);
        }
        self.accusers.push((by, now));
        !before && self.is_distrusted(now)
    }

    pub(crate) fn is_distrusted(&self, now: Timestamp) -> bool {
        let recent = self
            .accusers
            .iter()
            .filter(|(_, at)| now.since(*at) < ACCUSED_FOR);
        recent.count() >= ACCUSERS_TO_DISTRUST
    }

    pub(crate) fn is_hopeless(&self, now: Timestamp) -> bool {
        self.failed_in_a_row >= HOPELESS
            && self
                .last_failure
                .is_some_and(|at| now.since(at) < HOPELESS_FOR)
    }

    /// Share of attempts that failed, in quarters: breaks ties only.
    pub(crate) fn trouble(&self) -> u8 {
        let all = u32::from(self.connected) + u32::from(self.failed);
        let quarters = (u32::from(self.failed) * 4).checked_div(all);
        quarters
            .and_then(|value| u8::try_from(value).ok())
            .unwrap_or(0)
    }
}

/// All peers with a session.
#[derive(Debug, Default)]
pub(crate) struct View {
    peers: BTreeMap<PeerId, Record>,
    regular: BTreeSet<PeerId>,
    /// When to look next whether a peer is silent: one entry a peer, moved lazily, so that a
    /// heartbeat costs no reordering.
    watch: BTreeSet<(Timestamp, PeerId)>,
    /// Nobody counts as silent before this: the coordinator itself did not listen.
    excused_until: Option<Timestamp>,
}

impl View {
    pub(crate) fn insert(&mut self, peer: PeerId, record: Record) {
        self.watch.insert((record.last_heard, peer));
        if record.is_regular() {
            self.regular.insert(peer);
        }
        self.peers.insert(peer, record);
    }

    pub(crate) fn remove(&mut self, peer: PeerId) -> Option<Record> {
        self.regular.remove(&peer);
        self.peers.remove(&peer)
    }

    /// Regular peers.
    pub(crate) fn regulars(&self) -> impl Iterator<Item = (PeerId, &Record)> {
        self.regular
            .iter()
            .filter_map(|peer| Some((*peer, self.peers.get(peer)?)))
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Record> {
        self.peers.get(&peer)
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Record> {
        self.peers.get_mut(&peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Record)> {
        self.peers.iter().map(|(peer, record)| (*peer, record))
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// The peer lives; true where it had been silent.
    pub(crate) fn on_heard(&mut self, peer: PeerId, now: Timestamp) -> bool {
        let Some(record) = self.peers.get_mut(&peer) else {
            return false;
        };
        record.last_heard = now;
        core::mem::take(&mut record.silent)
    }

    /// The coordinator slept: what it did not hear is not the peers' fault.
    pub(crate) fn excuse_everybody(&mut self, until: Timestamp) {
        self.excused_until = Some(until);
    }

    /// Marks and returns the peers that have just become silent.
    pub(crate) fn take_silent(&mut self, limit: Duration, now: Timestamp) -> Vec<PeerId> {
        let mut silent = Vec::new();
        if self.excused_until.is_some_and(|until| now < until) {
            return silent;
        }
        while let Some((at, peer)) = self.watch.first().copied().filter(|(at, _)| *at <= now) {
            self.watch.remove(&(at, peer));
            let Some(record) = self.peers.get_mut(&peer) else {
                continue;
            };
            if !record.silent && now.since(record.last_heard) >= limit {
                record.silent = true;
                silent.push(peer);
            }
            let base = if record.silent {
                now
            } else {
                record.last_heard
            };
            self.watch.insert((base + limit, peer));
        }
        silent
    }
}
