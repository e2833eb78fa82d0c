//! Several real peers, a virtual clock and links with latency. What a shell would do, the world
//! does: signatures with real keys, an origin that answers from the same media.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use runnel_peer_core::{
    Config, Delivered, Event, Input, LinkId, MediaKind, Output, Peer, StreamId, Want, WantId,
};
use runnel_protocol::control::{
    Assign, Child, Contact, FromCoordinator, Implementation, Parent, PeerType, Platform, Source,
    ToCoordinator, Welcome,
};
use runnel_protocol::ids::{ContentId, Nonce, PathHash, PeerId, TicketId, TrackId};
use runnel_protocol::manifest::{Entry, SignedEntry, StreamKeyCertificate};
use runnel_protocol::peer::{CloseReason, Control};
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::{SegmentKey, SubstreamSet, chunk_count};
use runnel_protocol::signature::Signed;
use runnel_protocol::signing::{KeyPair, verify};
use runnel_protocol::ticket::{SignedTicket, Ticket};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};

pub const STRIPES: u8 = 4;
const LATENCY: Duration = Duration::from_millis(20);
const START: u64 = 1_800_000_000;
const LENGTH: usize = 5 * 65_536 + 1000;

/// A peer of the world, by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub usize);

/// What a host does to what passes through its shell.
pub type Tamper = Box<dyn Fn(ProvenChunk) -> Option<ProvenChunk>>;

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
    wants: BTreeMap<WantId, u64>,
    links: BTreeMap<LinkId, (At, LinkId)>,
    accepted: u64,
    /// Bulk streams opened by this host.
    bulks: BTreeMap<u64, Sending>,
    streams: u64,
    frozen: bool,
    dead: bool,
    /// What reached it while it was frozen.
    held: Vec<Input>,
    /// How often it reached out to the coordinator, and hung up on it.
    pub connects: usize,
    pub disconnects: usize,
    /// Control messages that it sent.
    pub said: Vec<Control>,
    /// Bytes per second that its line carries; `None` for any number.
    pub line: Option<u64>,
    line_free: Timestamp,
    /// Its disk, and how long it takes to read.
    pub disk: BTreeMap<(SegmentKey, u32), ProvenChunk>,
    pub kept: BTreeMap<SegmentKey, SignedEntry>,
    challenged: Option<Nonce>,
    pub tamper: Option<Tamper>,
}

/// A bulk stream: where it arrives, and what it carries.
#[derive(Clone, Copy)]
struct Sending {
    other: At,
    link: LinkId,
    stream: StreamId,
    segment: SegmentKey,
}

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
    wants: u64,
    pub origin_delay: Duration,
    pub origin_up: bool,
    /// Chunks that a peer sent although they are not what the origin has.
    pub unverified: Vec<(At, SegmentKey, u32)>,
    /// How often each host's alarm rang.
    pub wakes: Vec<usize>,
}

pub fn content() -> ContentId {
    ContentId::of("live")
}

pub fn track() -> TrackId {
    runnel_protocol::segment::TrackAttributes::ALONE.id()
}

pub fn path(sequence: u64) -> PathHash {
    PathHash::of_url(&format!("https://origin.example/seg{sequence}.ts"))
}

/// Five and a half chunks, different for each sequence.
pub fn media(sequence: u64) -> Bytes {
    let mut bytes = vec![0; LENGTH];
    media_of(sequence).fill(&mut bytes);
    bytes.into()
}

fn media_of(place: u64) -> blake3::OutputReader {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.to_le_bytes()).finalize_xof()
}

/// Segments of the world have a place: a million for each track and generation, then the sequence.
pub const OTHER_TRACK: u64 = 1_000_000;
pub const NEXT_GENERATION: u64 = 10_000_000;

pub fn key(place: u64) -> SegmentKey {
    SegmentKey {
        content: content(),
        track: track_of(place),
        generation: u32::try_from(place / NEXT_GENERATION).unwrap(),
        sequence: place % OTHER_TRACK,
        range: None,
    }
}

pub fn track_of(place: u64) -> TrackId {
    match place % NEXT_GENERATION / OTHER_TRACK {
        0 => track(),
        other => TrackId([other as u8; 16]),
    }
}

/// The place of a segment; the reverse of [`key`].
pub fn place(segment: &SegmentKey) -> u64 {
    let track = (0..9).map(|number| number * OTHER_TRACK);
    let track = track
        .into_iter()
        .find(|track| track_of(*track) == segment.track);
    u64::from(segment.generation) * NEXT_GENERATION + track.unwrap() + segment.sequence
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
            wants: 0,
            origin_delay: Duration::from_millis(100),
            origin_up: true,
            unverified: Vec::new(),
            wakes: Vec::new(),
        }
    }

    pub fn viewer(&mut self) -> At {
        self.add(Platform::Browser, |config| config.origin = true)
    }

    pub fn agent(&mut self) -> At {
        self.add(Platform::Native, |_| {})
    }

    pub fn waypoint(&mut self) -> At {
        self.add(Platform::Native, |config| config.waypoint = true)
    }

    pub fn add(&mut self, platform: Platform, adjust: impl FnOnce(&mut Config)) -> At {
        let seed = [u8::try_from(self.hosts.len()).unwrap() + 1; 32];
        let key = KeyPair::from_seed(&seed);
        let accepts = platform == Platform::Native;
        let mut config = Config {
            key: key.public(),
            implementation: Implementation {
                version: "test".into(),
                platform,
                accepts,
            },
            uplink: BitsPerSecond::from_kilobits(50_000),
            root_key: None,
            join_token: None,
            origin: false,
            waypoint: false,
            disk: false,
            memory: Config::BROWSER_MEMORY,
            max_links: 32,
            max_handshakes: 8,
        };
        adjust(&mut config);
        let uplink = config.uplink;
        self.hosts.push(Host {
            peer: Peer::new(config, seed, self.now),
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
            line_free: self.now,
            disk: BTreeMap::new(),
            kept: BTreeMap::new(),
            challenged: None,
            tamper: None,
        });
        self.wakes.push(0);
        let at = At(self.hosts.len() - 1);
        self.give(
            at,
            Input::Consent {
                peers: true,
                uplink,
            },
        );
        self.give(at, Input::CoordinatorConnected);
        self.give(
            at,
            Input::Coordinator(FromCoordinator::Challenge(Nonce([7; 32]))),
        );
        self.welcome(at);
        at
    }

    pub fn welcome(&mut self, at: At) {
        let welcome = Welcome {
            peer: self.id(at),
            kind: PeerType::Regular,
            why: "test".into(),
            heartbeat_ms: 1000,
            root_key: self.root.public(),
            ticket_keys: vec![self.tickets.public()],
            now: self.now.unix_seconds(),
        };
        self.give(
            at,
            Input::Coordinator(FromCoordinator::Welcome(Box::new(welcome))),
        );
    }

    pub fn id(&self, at: At) -> PeerId {
        PeerId::of(&self.hosts[at.0].key.public())
    }

    pub fn ticket(&self, server: At, client: At) -> Ticket {
        let date = self.now.unix_seconds();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.now.as_micros().to_le_bytes());
        (id[8], id[9]) = (server.0 as u8, client.0 as u8);
        Ticket {
            id: TicketId(id),
            server: self.hosts[server.0].key.public(),
            client: self.hosts[client.0].key.public(),
            content: content(),
            tracks: vec![],
            rate: BitsPerSecond::from_kilobits(100_000),
            bytes: 1 << 40,
            policy_version: 1,
            establish_before: date.plus(60),
            not_after: date.plus(900),
        }
    }

    pub fn sign_ticket(&self, ticket: Ticket) -> SignedTicket {
        self.tickets.sign(ticket)
    }

    /// The parent side of an assignment.
    pub fn parent(&self, parent: At, child: At, source: Source, substreams: u16) -> Parent {
        let ticket = self.sign_ticket(self.ticket(parent, child));
        Parent {
            contact: self.contact(parent, ticket, true),
            source,
            substreams: SubstreamSet(substreams),
            why: "test".into(),
        }
    }

    /// `dial` says whether whoever gets this contact is to dial it.
    pub fn contact(&self, peer: At, ticket: SignedTicket, dial: bool) -> Contact {
        let place = format!("127.0.0.1:{}", peer.0 + 1).parse().unwrap();
        let endpoints = if dial { vec![place] } else { vec![] };
        Contact {
            peer: self.id(peer),
            endpoints,
            certificates: vec![],
            ticket,
        }
    }

    pub fn certificate(&self) -> Signed<StreamKeyCertificate> {
        let date = self.now.unix_seconds();
        self.root.sign(StreamKeyCertificate {
            key: self.stream.public(),
            waypoint: PeerId([9; 16]),
            contents: vec![content()],
            origins: vec!["https://origin.example".into()],
            issued: UnixSeconds(date.0 - 10),
            expires: date.plus(3600),
        })
    }

    pub fn assign(&mut self, to: At, parents: Vec<Parent>) {
        self.assign_with(to, parents, vec![]);
    }

    pub fn assign_with(&mut self, to: At, parents: Vec<Parent>, children: Vec<Child>) {
        self.epoch += 1;
        let assign = Assign {
            epoch: self.epoch,
            content: content(),
            stripes: STRIPES,
            parents,
            children,
            stream_keys: vec![self.certificate()],
            why: String::new(),
        };
        self.give(
            to,
            Input::Coordinator(FromCoordinator::Assign(Box::new(assign))),
        );
    }

    pub fn entry(&self, sequence: u64, bytes: &Bytes) -> SignedEntry {
        let tree = SegmentTree::new(bytes).unwrap();
        let date = self.now.unix_seconds();
        self.stream.sign(Entry {
            segment: key(sequence),
            discontinuity: 0,
            length: tree.length(),
            root: tree.root(),
            path: path(sequence),
            issued: date,
            expires: date.plus(3600),
        })
    }

    /// The waypoint has fetched and signed a segment.
    pub fn publish(&mut self, waypoint: At, sequence: u64) {
        let bytes = media(sequence);
        let tree = SegmentTree::new(&bytes).unwrap();
        let chunks =
            (0..chunk_count(tree.length())).map(|index| tree.chunk(&bytes, index).unwrap());
        let attested = Input::Attested {
            entry: self.entry(sequence, &bytes),
            chunks: chunks.collect(),
        };
        self.give(waypoint, attested);
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
        self.wants += 1;
        let id = WantId(self.wants);
        self.hosts[at.0].wants.insert(id, sequence);
        let want = Want {
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
            urgent,
        };
        self.give(at, Input::Want(want));
        id
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

    fn drain(&mut self, at: At) {
        let mut outputs: VecDeque<_> = VecDeque::new();
        loop {
            while let Some(output) = self.hosts[at.0].peer.poll_output() {
                outputs.push_back(output);
            }
            let Some(output) = outputs.pop_front() else {
                break;
            };
            self.carry_out(at, output);
        }
    }

    fn carry_out(&mut self, at: At, output: Output) {
        match output {
            Output::Check {
                check,
                key,
                message,
                signature,
            } => {
                let valid = verify(&key, &message, &signature);
                let now = self.now;
                self.hosts[at.0]
                    .peer
                    .handle_input(Input::Checked(check, valid), now);
            }
            Output::Sign(sign, message) => {
                let signature = self.hosts[at.0].key.sign_message(&message);
                let now = self.now;
                self.hosts[at.0]
                    .peer
                    .handle_input(Input::Signed(sign, signature), now);
            }
            Output::ToCoordinator(message) => self.hosts[at.0].told.push(message),
            Output::Event(event) => self.hosts[at.0].events.push(event),
            Output::Dial(link, contact) => self.dial(at, link, &contact),
            Output::Send(link, message) => {
                if let Control::Challenge(challenge) = &message {
                    self.hosts[at.0].challenged = Some(challenge.nonce);
                }
                self.hosts[at.0].said.push(message.clone());
                if let Some((other, theirs)) = self.far_end(at, link) {
                    self.later(other, LATENCY, Input::Control(theirs, message));
                }
            }
            Output::Hangup(link, reason) => self.hang_up(at, link, reason),
            Output::OpenBulk {
                link, bulk, header, ..
            } => {
                let Some((other, theirs)) = self.far_end(at, link) else {
                    return;
                };
                self.hosts[at.0].streams += 1;
                let stream = StreamId(self.hosts[at.0].streams);
                let sending = Sending {
                    other,
                    link: theirs,
                    stream,
                    segment: header.entry.body.segment,
                };
                self.hosts[at.0].bulks.insert(bulk.0, sending);
                let delay = self.line_delay(at, 0);
                self.later(other, delay, Input::BulkStarted(theirs, stream, header));
            }
            Output::SendChunk(link, bulk, chunk) => {
                let delay = self.line_delay(at, chunk.data().len() as u64);
                let written = (delay - LATENCY).max(Duration::from_millis(1));
                self.later(at, written, Input::Written(link, bulk));
                let Some(sending) = self.hosts[at.0].bulks.get(&bulk.0).copied() else {
                    return;
                };
                let Sending {
                    other,
                    link: theirs,
                    stream,
                    segment,
                } = sending;
                let chunk = chunk.chunk().clone();
                self.inspect(at, segment, &chunk);
                let sent = match &self.hosts[at.0].tamper {
                    Some(tamper) => tamper(chunk),
                    None => Some(chunk),
                };
                if let Some(chunk) = sent {
                    self.later(other, delay, Input::BulkChunk(theirs, stream, chunk));
                }
            }
            Output::FinishBulk(_, bulk) | Output::ResetBulk(_, bulk) => {
                if let Some(sending) = self.hosts[at.0].bulks.remove(&bulk.0) {
                    let ended = Input::BulkEnded(sending.link, sending.stream);
                    let delay = self.line_delay(at, 0);
                    self.later(sending.other, delay, ended);
                }
            }
            Output::Fetch { fetch, want, part } => {
                self.hosts[at.0].fetched.push((want, part));
                let delay = self.origin_delay;
                if !self.origin_up {
                    return self.later(at, delay, Input::FetchFailed(fetch));
                }
                let bytes = media(self.hosts[at.0].wants[&want]);
                let bytes = match part {
                    Some((offset, length)) => {
                        bytes.slice(offset as usize..(offset + length) as usize)
                    }
                    None => bytes,
                };
                self.later(at, delay, Input::Fetched(fetch, bytes));
                self.later(at, delay, Input::FetchDone(fetch));
            }
            Output::Deliver(want, delivered) => {
                self.hosts[at.0].ended.insert(want, self.now);
                self.hosts[at.0].delivered.insert(want, delivered);
            }
            Output::Fail(want) => {
                self.hosts[at.0].ended.insert(want, self.now);
                self.hosts[at.0].failed.push(want);
            }
            Output::DemandSegment(segment) => self.hosts[at.0].demanded.push(segment),
            Output::ConnectCoordinator => self.hosts[at.0].connects += 1,
            Output::DisconnectCoordinator => self.hosts[at.0].disconnects += 1,
            Output::Store(entry, chunk) => {
                let segment = entry.body.segment;
                let chunk = chunk.chunk().clone();
                self.hosts[at.0].kept.insert(segment, entry);
                self.hosts[at.0].disk.insert((segment, chunk.index), chunk);
            }
            Output::Load(load, segment, index) => {
                let chunk = self.hosts[at.0].disk.get(&(segment, index)).cloned();
                self.later(at, Duration::from_millis(2), Input::Loaded(load, chunk));
            }
            Output::Discard(segment, index) => {
                self.hosts[at.0].disk.remove(&(segment, index));
            }
            _ => {}
        }
    }

    /// When bytes that `at` sends now arrive: after those before them, and the way.
    fn line_delay(&mut self, at: At, bytes: u64) -> Duration {
        let now = self.now;
        let host = &mut self.hosts[at.0];
        let Some(line) = host.line else {
            return LATENCY;
        };
        let takes = Duration::from_micros(bytes * 1_000_000 / line);
        host.line_free = host.line_free.max(now) + takes;
        host.line_free.since(now) + LATENCY
    }

    /// What a peer sends is to be what the origin has.
    fn inspect(&mut self, at: At, segment: SegmentKey, chunk: &ProvenChunk) {
        let mut expected = vec![0; chunk.data.len()];
        let start = u64::from(chunk.index) * 65_536;
        let mut bytes = media_of(place(&segment));
        bytes.set_position(start);
        bytes.fill(&mut expected);
        if expected != chunk.data || start + expected.len() as u64 > LENGTH as u64 {
            self.unverified.push((at, segment, chunk.index));
        }
    }

    fn dial(&mut self, at: At, link: LinkId, contact: &Contact) {
        let other = At(usize::from(contact.endpoints[0].port()) - 1);
        if self.hosts[other.0].frozen {
            return;
        }
        self.hosts[other.0].accepted += 1;
        let theirs = LinkId::accepted(self.hosts[other.0].accepted);
        self.hosts[at.0].links.insert(link, (other, theirs));
        self.hosts[other.0].links.insert(theirs, (at, link));
        self.later(other, LATENCY, Input::Accepted(theirs));
        self.later(at, LATENCY, Input::Connected(link));
    }

    fn hang_up(&mut self, at: At, link: LinkId, reason: CloseReason) {
        if let Some((other, theirs)) = self.hosts[at.0].links.remove(&link) {
            self.hosts[other.0].links.remove(&theirs);
            self.later(other, LATENCY, Input::Closed(theirs, Some(reason)));
        }
    }

    fn far_end(&self, at: At, link: LinkId) -> Option<(At, LinkId)> {
        self.hosts[at.0].links.get(&link).copied()
    }

    /// Says something on a link as if `at` had.
    pub fn forge(&mut self, at: At, message: Control) {
        let ends: Vec<_> = self.hosts[at.0].links.values().copied().collect();
        for (other, link) in ends {
            self.later(other, LATENCY, Input::Control(link, message.clone()));
        }
    }
}

impl Host {
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
