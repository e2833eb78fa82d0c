//! The owner: routes what happens to the room that knows what to do, and decides nothing itself.

use crate::sorted::{SortedMap, SortedSet};
use core::time::Duration;
use std::collections::VecDeque;

use runnel_protocol::control::{Assign, Offence, OriginGrant, Parent, ToCoordinator};
use runnel_protocol::ids::{ContentId, PeerId, PublicKey, TrackId};
use runnel_protocol::manifest::{SignedEntry, StreamKeyCertificate};
use runnel_protocol::meetings::Meetings;
use runnel_protocol::peer::{CloseReason, Control};
use runnel_protocol::segment::{SegmentKey, SubstreamSet};
use runnel_protocol::signature::Signature;
use runnel_protocol::ticket::Ticket;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::UnixSeconds;

use crate::allowance::Allowances;
use crate::buffer::Buffer;
use crate::config::{AGENT, Config};
use crate::entropy::Entropy;
use crate::fetch::Fetches;
use crate::heartbeat::Ledger;
use crate::input::{CheckId, Input, LinkId, LoadId, MediaKind, SignId};
use crate::links::{Links, Validity};
use crate::output::{Event, Output};
use crate::playout::Pace;
use crate::push::Subscription;
use crate::restored::Restored;
use crate::serve::Asking;
use crate::session::{Redo, Session};
use crate::timeline::Timeline;
use crate::upload::Uploads;
use crate::verify::Verifier;

/// How often slow matters are looked at: expiry, retirement, redials.
const UPKEEP: Duration = Duration::from_secs(1);
/// Most signatures that are being checked at a time.
const MAX_CHECKS: usize = 1024;

/// Why [`Peer::handle_timeout`] wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeoutReason {
    /// The coordinator has to be reached again, or took too long.
    Session,
    /// A heartbeat is due.
    Heartbeat,
    /// Somebody takes too long to prove himself.
    Handshake,
    /// A segment has to be had elsewhere.
    Need,
    /// The uplink has room again.
    Uplink,
    /// Expiry, retirement, redials.
    Upkeep,
}

/// What this peer knows of a content.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) stripes: u8,
    /// How long a start may wait for peers; `None` until the coordinator has said it.
    pub(crate) start_wait: Option<Duration>,
    pub(crate) assign: Option<Assign>,
    /// Parents of the assignment before: they go on until a successor's link stands.
    pub(crate) former: Vec<Parent>,
    /// Until then a standby leaves the work to those who were named together with it.
    pub(crate) head_start: Option<Timestamp>,
    /// What the player plays, per parallel stream.
    pub(crate) playing: SortedMap<MediaKind, Playing>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Playing {
    pub(crate) track: TrackId,
    /// Nothing before it has to be pushed.
    pub(crate) from: u64,
    pub(crate) live: bool,
    /// Not followed from then on, unless something of it is wanted again.
    pub(crate) until: Timestamp,
}

/// What a verdict on a signature is for.
#[derive(Debug)]
pub(crate) enum Checking {
    StreamKey(StreamKeyCertificate),
    Entry(LinkId, SignedEntry),
    Restored(SignedEntry),
    Hello(LinkId, Option<Ticket>),
    Ticket(LinkId, Ticket),
    Grant(OriginGrant),
}

/// What a signature is for.
#[derive(Debug)]
pub(crate) enum Signing {
    Coordinator,
    Link(LinkId),
}

/// A peer. See the crate's documentation for the contract.
#[derive(Debug)]
pub struct Peer {
    pub(crate) config: Config,
    pub(crate) entropy: Entropy,
    pub(crate) session: Session,
    pub(crate) contents: SortedMap<ContentId, Content>,
    pub(crate) links: Links,
    /// Viewers that came within the last hour.
    pub(crate) meetings: Meetings,
    /// Peers that misbehaved, until when nothing is had to do with them.
    pub(crate) banned: SortedMap<PeerId, Timestamp>,
    /// Dials per assigned peer: how many, and when the last one began.
    pub(crate) attempts: SortedMap<PeerId, (u32, Timestamp)>,
    pub(crate) verifier: Verifier,
    pub(crate) timeline: Timeline,
    pub(crate) buffer: Buffer,
    pub(crate) fetches: Fetches,
    pub(crate) pace: Pace,
    pub(crate) uploads: Uploads,
    /// What is left of the tickets under which this peer serves.
    pub(crate) allowances: Allowances,
    /// When the uplink or a ticket allows the next chunk.
    pub(crate) uplink_due: Option<Timestamp>,
    pub(crate) ledger: Ledger,
    /// What children subscribed to.
    pub(crate) children: SortedMap<(LinkId, ContentId, TrackId), Subscription>,
    /// What this peer subscribed to.
    pub(crate) subscribed: SortedMap<(LinkId, ContentId, TrackId), SubstreamSet>,
    /// Waypoints: what the shell was told to poll.
    pub(crate) demanded: SortedSet<(ContentId, TrackId)>,
    /// Children's requests for segments whose entry is not known yet.
    pub(crate) asking: Vec<Asking>,
    pub(crate) restored: Restored,
    /// Reads under way; as many at most as chunks are in flight.
    pub(crate) loads: SortedMap<LoadId, (SegmentKey, u32)>,
    pub(crate) checks: SortedMap<CheckId, Checking>,
    signs: SortedMap<SignId, Signing>,
    pub(crate) consent: bool,
    pub(crate) draining: bool,
    pub(crate) outputs: VecDeque<Output>,
    named: u64,
    upkeep: Timestamp,
}

impl Peer {
    /// A peer that does nothing until it is given consent. `seed` must be good entropy: nonces
    /// come from it.
    pub fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Self {
        Self {
            entropy: Entropy::new(seed),
            session: Session::new(config.join_token.clone()),
            contents: SortedMap::new(),
            links: Links::default(),
            meetings: Meetings::default(),
            banned: SortedMap::new(),
            attempts: SortedMap::new(),
            verifier: Verifier::new(config.most_segments()),
            timeline: Timeline::default(),
            buffer: Buffer::new(config.memory, config.has_disk()),
            fetches: Fetches::default(),
            pace: Pace::default(),
            uploads: Uploads::new(config.uplink, now),
            allowances: Allowances::default(),
            uplink_due: None,
            ledger: Ledger::new(now),
            children: SortedMap::new(),
            subscribed: SortedMap::new(),
            demanded: SortedSet::new(),
            asking: Vec::new(),
            restored: Restored::new(),
            loads: SortedMap::new(),
            checks: SortedMap::new(),
            signs: SortedMap::new(),
            consent: false,
            draining: false,
            outputs: VecDeque::new(),
            named: 0,
            upkeep: now,
            config,
        }
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input, now: Timestamp) {
        match input {
            // No page's shell says so: nothing of what follows from it is compiled into the page.
            Input::Group(request) => {
                let message = self.session.on_group(request);
                self.tell(message);
            }
            Input::Reachable { .. }
            | Input::Enrol(_)
            | Input::Close(_)
            | Input::Accepted(..)
            | Input::Loaded(..)
            | Input::Restored { .. }
            | Input::Attested { .. }
            | Input::Ladder(..)
            | Input::Machine(_)
            | Input::Unattainable(_)
                if !AGENT => {}
            Input::CoordinatorConnected => self.session.on_connected(now),
            Input::Coordinator(message) => self.on_coordinator(message, now),
            Input::CoordinatorLost => {
                self.ledger.stop();
                self.session.on_lost(&mut self.entropy, now);
            }
            Input::Token(token) => {
                let message = self.session.on_token(token, &mut self.entropy, now);
                self.tell(message);
            }
            Input::Reachable {
                endpoints,
                certificates,
            } => {
                let message = self.session.set_reachable(endpoints, certificates);
                self.tell(message);
            }
            Input::Enrol(enrol) => {
                let message = self.session.enrol(enrol);
                self.tell(message);
            }
            Input::Open { content, plays } => {
                let message = self.session.open(content, plays);
                self.tell(message);
            }
            Input::Close(content) => self.on_close(content, now),
            Input::Consent { peers, uplink } => self.on_consent(peers, uplink, now),
            Input::Playback {
                content,
                buffer,
                stalls,
                rate,
            } => {
                let playing = self.ledger.playing(content);
                playing.buffer = Some(buffer);
                playing.rate = rate;
                playing.stalled(stalls);
            }
            Input::Want(want) => self.on_want(want, now),
            Input::CdnTook(took) => self.pace.cdn.tell(took),
            Input::Abandon(want) => self.on_abandon(want, now),
            Input::PlayedFromCdn { content, bytes } => {
                self.ledger
                    .playing(content)
                    .count(runnel_protocol::control::Source::Cdn, bytes);
            }
            Input::Accepted(link, caller) => self.on_accepted(link, caller, now),
            Input::Connected(link) => self.on_transport(link),
            Input::DialFailed(link) => self.on_link_down(link, None, now),
            Input::Control(link, message) => self.on_control(link, message, now),
            Input::Malformed(link) => self.strike(link, Offence::Malformed, None, now),
            Input::Closed(link, reason) => self.on_link_down(link, reason, now),
            Input::BulkStarted(link, stream, header) => {
                self.on_stream(link, stream, *header, now);
            }
            Input::BulkChunk(link, stream, chunk) => self.on_stream_chunk(link, stream, chunk, now),
            Input::BulkEnded(link, stream) => self.on_stream_end(link, stream, now),
            Input::Written(link, bulk) => self.uploads.on_written(link, bulk),
            Input::Checked(check, valid) => self.on_checked(check, valid, now),
            Input::Signed(sign, signature) => self.on_signed(sign, signature),
            Input::Fetched(fetch, bytes) => self.on_fetched(fetch, &bytes),
            Input::FetchDone(fetch) => self.on_fetch_done(fetch, now),
            Input::FetchFailed(fetch) => self.on_fetch_failed(fetch, now),
            Input::Loaded(load, chunk) => self.on_loaded(load, chunk, now),
            Input::Restored { entry, chunks } => self.on_restored(entry, chunks, now),
            Input::Attested { entry, chunks } => self.on_attested(entry, chunks, now),
            Input::Machine(machine) => self.ledger.machine = machine,
            Input::Ladder(content, ladder) => self.ledger.playing(content).ladder = ladder,
            Input::Unattainable(segment) => self.on_unattainable(&segment),
            Input::Drain => self.on_drain(),
        }
        self.pump_uploads(now);
    }

    /// Does what time has made due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        match self.session.on_timeout(&mut self.entropy, now) {
            Some(Redo::Connect) => self.output(Output::ConnectCoordinator),
            Some(Redo::Disconnect) => self.output(Output::DisconnectCoordinator),
            None => {}
        }
        if self.ledger.timeout().is_some_and(|due| due <= now) {
            self.send_heartbeat(now);
        }
        for link in self.links.overdue(now) {
            self.hang_up(link, CloseReason::Idle, now);
        }
        self.advance_all(now);
        if self.upkeep + UPKEEP <= now {
            self.upkeep = now;
            self.keep_up(now);
        }
        self.pump_uploads(now);
    }

    /// The next side effect to carry out; `None` when there is nothing more to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, TimeoutReason)> {
        let upkeep = self.consent || !self.fetches.needs.is_empty();
        [
            (self.session.timeout(), TimeoutReason::Session),
            (self.ledger.timeout(), TimeoutReason::Heartbeat),
            (self.links.next_overdue(), TimeoutReason::Handshake),
            (self.next_need(), TimeoutReason::Need),
            (self.uplink_due, TimeoutReason::Uplink),
            (upkeep.then(|| self.upkeep + UPKEEP), TimeoutReason::Upkeep),
        ]
        .into_iter()
        .filter_map(|(at, reason)| at.map(|at| (at, reason)))
        .min()
    }

    /// Bytes of media in memory, for the shell's own account.
    pub fn memory(&self) -> usize {
        self.buffer.memory()
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn send(&mut self, link: LinkId, message: Control) {
        self.outputs.push_back(Output::Send(link, message));
    }

    pub(crate) fn tell(&mut self, message: impl IntoIterator<Item = ToCoordinator>) {
        self.outputs
            .extend(message.into_iter().map(Output::ToCoordinator));
    }

    /// The date by which tickets, entries and certificates are judged.
    pub(crate) fn date(&self, now: Timestamp) -> UnixSeconds {
        self.session.date(now)
    }

    /// By what this peer judges tickets of links that stand.
    pub(crate) fn validity(&self, now: Timestamp) -> Validity {
        Validity {
            own: self.config.key,
            date: self.date(now),
            floor: self.session.policy_floor(now),
        }
    }

    /// By what it judges those that are presented.
    pub(crate) fn validity_of_new(&self, now: Timestamp) -> Validity {
        Validity {
            floor: self.session.policy_floor_for_new(),
            ..self.validity(now)
        }
    }

    /// A number that names something between core and shell, used once.
    pub(crate) fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    /// Whether another signature may be checked. Verdicts come at once in an agent, soon in a
    /// browser; whoever floods us with entries has to wait for them.
    pub(crate) fn has_room_for_checks(&self) -> bool {
        self.checks.len() < MAX_CHECKS
    }

    pub(crate) fn check(
        &mut self,
        key: PublicKey,
        message: Vec<u8>,
        signature: Signature,
        purpose: Checking,
    ) {
        let check = CheckId(self.name());
        self.checks.insert(check, purpose);
        self.output(Output::Check {
            check,
            key,
            message,
            signature,
        });
    }

    pub(crate) fn sign(&mut self, message: Vec<u8>, purpose: Signing) {
        let sign = SignId(self.name());
        self.signs.insert(sign, purpose);
        self.output(Output::Sign(sign, message));
    }

    fn on_checked(&mut self, check: CheckId, valid: bool, now: Timestamp) {
        match (self.checks.remove(&check), valid) {
            (Some(Checking::Restored(_) | Checking::Hello(..) | Checking::Grant(_)), _)
                if !AGENT => {}
            (Some(Checking::StreamKey(certificate)), true) => {
                self.verifier.trust_stream_key(certificate);
            }
            (Some(Checking::Entry(link, entry)), _) => {
                self.on_entry_checked(link, entry, valid, now)
            }
            (Some(Checking::Restored(entry)), _) => self.on_recalled(entry, valid, now),
            (Some(Checking::Hello(link, ticket)), _) => {
                self.on_hello_checked(link, ticket, valid, now);
            }
            (Some(Checking::Ticket(link, ticket)), true) => {
                if let Some(link) = self.links.get_mut(link) {
                    link.grant(ticket);
                }
            }
            (Some(Checking::Ticket(link, _)), false) => {
                self.hang_up(link, CloseReason::Unauthorised, now);
            }
            (Some(Checking::Grant(grant)), true) => self.output(Output::Attest(grant)),
            (Some(Checking::StreamKey(_) | Checking::Grant(_)), false) | (None, _) => {}
        }
    }

    fn on_signed(&mut self, sign: SignId, signature: Signature) {
        match self.signs.remove(&sign) {
            Some(Signing::Coordinator) if !self.session.is_proving() => {}
            Some(Signing::Coordinator) => {
                let uplink = self.uploads.rate();
                let hello = self.session.hello(&self.config, uplink, signature);
                self.tell([hello]);
            }
            Some(Signing::Link(link)) => self.say_hello(link, signature),
            None => {}
        }
    }
}
