//! Several real peers, a virtual clock and links with latency. What a shell would do, the world
//! does: signatures with real keys, an origin that answers from the same media.

// With the paths given, the seeded worlds can share this file.
#[path = "world/cast.rs"]
mod cast;
#[path = "world/host.rs"]
mod host;
#[path = "world/media.rs"]
mod media;
#[path = "world/shell.rs"]
mod shell;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use runnel_peer_core::{Input, MediaKind, StreamId, Want, WantId};
use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::ids::Nonce;
use runnel_protocol::peer::Control;
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::time::Timestamp;

pub use host::Host;
pub use media::*;

pub const STRIPES: u8 = 4;
const LATENCY: Duration = Duration::from_millis(20);
const START: u64 = 1_800_000_000;
/// A stream that no peer opened.
const FORGED: StreamId = StreamId(u64::MAX);

/// A peer of the world, by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub usize);

/// What a host does to what passes through its shell.
pub type Tamper = Box<dyn Fn(ProvenChunk) -> Option<ProvenChunk>>;

pub struct World {
    pub now: Timestamp,
    pub hosts: Vec<Host>,
    root: KeyPair,
    tickets: KeyPair,
    pub stream: KeyPair,
    queue: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    inputs: BTreeMap<u64, Input>,
    order: u64,
    epoch: u64,
    /// What the coordinator's tickets are given under, and the oldest that whoever comes may serve.
    pub policy_version: u64,
    wants: u64,
    pub origin_delay: Duration,
    pub origin_up: bool,
    /// Chunks that a peer sent although they are not what the origin has.
    pub unverified: Vec<(At, SegmentKey, u32)>,
    /// How often each host's alarm rang.
    pub wakes: Vec<usize>,
}

impl World {
    pub fn new() -> Self {
        Self {
            now: Timestamp::from_micros(START * 1_000_000),
            hosts: Vec::new(),
            root: KeyPair::from_seed(&[101; 32]),
            tickets: KeyPair::from_seed(&[102; 32]),
            stream: KeyPair::from_seed(&[103; 32]),
            queue: BinaryHeap::new(),
            inputs: BTreeMap::new(),
            order: 0,
            epoch: 0,
            policy_version: 1,
            wants: 0,
            origin_delay: Duration::from_millis(100),
            origin_up: true,
            unverified: Vec::new(),
            wakes: Vec::new(),
        }
    }

    pub fn want(&mut self, at: At, sequence: u64, due: Duration) -> WantId {
        self.want_as(at, sequence, due, false, true)
    }

    pub fn want_as(
        &mut self,
        at: At,
        sequence: u64,
        due_in: Duration,
        urgent: bool,
        live: bool,
    ) -> WantId {
        let want = self.wish(at, sequence, due_in, live);
        self.give(at, Input::Want(Want { urgent, ..want }));
        WantId(self.wants)
    }

    /// The first one of a start, at a site that lets it wait for peers.
    pub fn want_first(&mut self, at: At, sequence: u64, may_wait: Duration) -> WantId {
        let want = Want {
            urgent: true,
            may_wait,
            ..self.wish(at, sequence, Duration::ZERO, true)
        };
        self.give(at, Input::Want(want));
        WantId(self.wants)
    }

    fn wish(&mut self, at: At, sequence: u64, due_in: Duration, live: bool) -> Want {
        self.wants += 1;
        let id = WantId(self.wants);
        self.hosts[at.0].wants.insert(id, sequence);
        Want {
            id,
            content: content(),
            track: track_of(sequence),
            kind: MediaKind::Main,
            sequence: sequence % OTHER_TRACK,
            range: None,
            path: path(sequence),
            due_in,
            duration: Duration::from_secs(2),
            live,
            urgent: false,
            may_wait: Duration::ZERO,
        }
    }

    /// The host's CDN answers this want with the media of `sequence`.
    pub fn adopt(&mut self, at: At, want: WantId, sequence: u64) {
        self.hosts[at.0].wants.insert(want, sequence);
    }

    /// The nonce of the last challenge that a host sent.
    pub fn last_challenge(&self, at: At) -> Nonce {
        self.hosts[at.0].challenged.unwrap()
    }

    /// A host that is frozen neither hears nor says anything; its links stand, and what reaches
    /// it waits.
    pub fn freeze(&mut self, at: At, frozen: bool) {
        self.hosts[at.0].frozen = frozen || self.hosts[at.0].dead;
        if !self.hosts[at.0].frozen {
            let held = core::mem::take(&mut self.hosts[at.0].held);
            held.into_iter().for_each(|input| self.give(at, input));
        }
    }

    #[allow(dead_code, reason = "the seeded worlds, which share this file, use it")]
    pub fn is_frozen(&self, at: At) -> bool {
        self.hosts[at.0].frozen
    }

    /// A host is gone: its links break at the other ends.
    pub fn kill(&mut self, at: At) {
        self.hosts[at.0].frozen = true;
        self.hosts[at.0].dead = true;
        let links: Vec<_> = self.hosts[at.0].links.values().copied().collect();
        for (other, link) in links {
            self.later(other, LATENCY, Input::Closed(link, None));
        }
    }

    /// The `which`th link of a host breaks; both ends hear of it.
    pub fn cut(&mut self, at: At, which: usize) {
        let links = &self.hosts[at.0].links;
        let Some((link, (other, theirs))) = links
            .iter()
            .nth(which % links.len().max(1))
            .map(|(link, far)| (*link, *far))
        else {
            return;
        };
        self.hosts[at.0].links.remove(&link);
        self.hosts[other.0].links.remove(&theirs);
        self.later(at, LATENCY, Input::Closed(link, None));
        self.later(other, LATENCY, Input::Closed(theirs, None));
    }

    pub fn give(&mut self, at: At, input: Input) {
        let now = self.now;
        self.hosts[at.0].peer.handle_input(input, now);
        self.drain(at);
    }

    pub fn later(&mut self, at: At, delay: Duration, input: Input) {
        self.order += 1;
        self.inputs.insert(self.order, input);
        self.queue
            .push(Reverse((self.now + delay, self.order, at.0)));
    }

    /// Lets time pass until `done`, at most `limit`; the time it took.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        let end = self.now + limit;
        while !done(self) {
            let message = self.queue.peek().map(|Reverse((at, _, _))| *at);
            let awake = self
                .hosts
                .iter()
                .enumerate()
                .filter(|(_, host)| !host.frozen);
            let timer = awake
                .filter_map(|(at, host)| host.peer.poll_timeout().map(|(when, _)| (when, at)))
                .min();
            let next = [message, timer.map(|(when, _)| when)]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                break;
            };
            self.now = self.now.max(next);
            if message == Some(next) {
                let Some(Reverse((_, order, at))) = self.queue.pop() else {
                    continue;
                };
                let input = self.inputs.remove(&order).unwrap();
                if !self.hosts[at].frozen {
                    self.give(At(at), input);
                } else if !self.hosts[at].dead {
                    self.hosts[at].held.push(input);
                }
            } else if let Some((_, at)) = timer {
                let now = self.now;
                self.wakes[at] += 1;
                assert!(self.wakes[at] < 1_000_000, "an alarm that never stops");
                self.hosts[at].peer.handle_timeout(now);
                self.drain(At(at));
            }
        }
        self.now.since(start)
    }

    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Says something on a link as if `at` had.
    pub fn forge(&mut self, at: At, message: Control) {
        let ends: Vec<_> = self.hosts[at.0].links.values().copied().collect();
        for (other, link) in ends {
            self.later(other, LATENCY, Input::Control(link, message.clone()));
        }
    }

    /// Pushes the first chunk of a segment to everybody as if `at` did, asked or not.
    #[allow(
        dead_code,
        reason = "the seeded worlds share this file, and have no such liar"
    )]
    pub fn push(&mut self, at: At, sequence: u64) {
        let bytes = media(sequence);
        let header = BulkHeader {
            entry: self.entry(sequence, &bytes),
            request: None,
        };
        let chunk = SegmentTree::new(&bytes).and_then(|tree| tree.chunk(&bytes, 0));
        let ends: Vec<_> = self.hosts[at.0].links.values().copied().collect();
        for (other, link) in ends {
            let (header, chunk) = (Box::new(header.clone()), chunk.clone().unwrap());
            self.later(other, LATENCY, Input::BulkStarted(link, FORGED, header));
            self.later(other, LATENCY, Input::BulkChunk(link, FORGED, chunk));
        }
    }
}
