//! The control center: owns everything, routes messages to whoever decides, holds no policy.

use core::net::IpAddr;
use core::time::Duration;

use runnel_protocol::control::{
    ClientHello, ContentLocator, Enrol, FromCoordinator, Heartbeat, Open, Opened, Outcome, Refused,
    Strike, ToCoordinator, Welcome,
};
use runnel_protocol::ids::{ContentId, Nonce, PeerId};
use runnel_protocol::ticket::SignedTicket;
use runnel_protocol::time::Timestamp;

use crate::admission::Admission;
use crate::announce;
use crate::capacity::Uplink;
use crate::clock::{Clock, Reason};
use crate::config::Config;
use crate::delivery::Budget;
use crate::directory::Directory;
use crate::explain::What;
use crate::io::{CloseCause, Input, Output, SessionId, SignedStatement};
use crate::kind;
use crate::reach::is_usable;
use crate::recruit;
use crate::repair;
use crate::sessions::Sessions;
use crate::summary::{self, ContentSummary, PairExplanation, PeerExplanation, PeerSummary, Totals};
use crate::view::{History, Record};
use crate::waypoints;
use crate::world::World;

/// Members planned or told per wake-up: a few milliseconds, so that messages get their turn.
const BUDGET: usize = 500;
/// Tickets renewed per tick; the spread of their dates keeps the number far below.
const RENEWALS_PER_TICK: usize = 5000;
/// A tick that comes this late means that the coordinator itself did not run.
const OVERSLEPT: Duration = Duration::from_secs(1);
/// Who wants for a parent is looked at again after this many ticks although nobody got room:
/// bans end and bad names fade without a word (R7).
const RECONSIDER_EVERY: u64 = 5;
/// Everybody who is sent away at shutdown comes back within this time.
const COME_BACK_WITHIN_MS: u64 = 10_000;

/// The control center.
///
/// After every call of `handle_input` and `handle_timeout`, drain [`Self::poll_output`] to `None`
/// and ask [`Self::poll_timeout`] anew. `now` never runs backwards.
pub struct ControlCenter {
    world: World,
    sessions: Sessions,
    admission: Admission,
    directory: Directory,
    clock: Clock,
    ticks: u64,
    draining: bool,
}

impl ControlCenter {
    /// A control center without contents. The seed must be good entropy: nonces come from it.
    pub fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Self {
        Self {
            admission: Admission::new(config.admissions_per_second, now),
            world: World::new(config, seed),
            sessions: Sessions::default(),
            directory: Directory::default(),
            clock: Clock::new(now),
            ticks: 0,
            draining: false,
        }
    }

    /// Takes in what happened. Never blocks, and nonsense from outside is dropped and counted.
    pub fn handle_input(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::SessionOpened { session, address } => self.on_opened(session, address, now),
            Input::SessionClosed(session) => self.on_closed(session, now),
            Input::Received { session, message } => self.on_message(session, message, now),
            Input::SignatureChecked { session, valid } => self.on_checked(session, valid, now),
            Input::WaypointEnrolled { peer, contents } => self.on_enrolled(peer, contents, now),
            Input::CodeRefused(session) => self.on_code_refused(session, now),
            Input::Signed(statement) => self.on_signed(statement, now),
            Input::ContentRegistered(content) => {
                let limit = self.world.config.max_contents;
                self.directory.register(content, limit);
            }
            Input::ContentRemoved(content) => self.on_content_removed(content, now),
            Input::Drain => self.on_drain(),
        }
    }

    /// Does what is due; a spurious call does nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let (due, _) = self.clock.next();
        match self.clock.take_due(now) {
            Some(Reason::Tick) => {
                if now.since(due) > OVERSLEPT {
                    let silence = self.world.config.silence();
                    self.world.view.excuse_everybody(now + silence);
                }
                self.on_tick(now);
                self.look(now);
            }
            Some(Reason::Look) => self.look(now),
            None => {}
        }
    }

    /// What the shell has to do next; drain to `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.world.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Reason)> {
        Some(self.clock.next())
    }

    // Sessions.

    fn on_opened(&mut self, session: SessionId, address: IpAddr, now: Timestamp) {
        if self.draining {
            return self.turn_away(session, "the coordinator is going down", 1000);
        }
        if self.sessions.len() >= self.world.config.max_sessions {
            return self.turn_away(session, "the coordinator is full", 30_000);
        }
        match self.admission.admit(&mut self.world.random, now) {
            Ok(()) => {
                let nonce = Nonce(self.world.random.bytes());
                self.sessions.challenge(session, nonce, address);
                self.tell(session, FromCoordinator::Challenge(nonce));
            }
            Err(wait) => self.turn_away(session, "many arrive at the same time", wait),
        }
    }

    fn turn_away(&mut self, session: SessionId, why: &str, wait_ms: u32) {
        self.world.totals.turned_away += 1;
        self.refuse(session, None, why, Some(wait_ms));
        self.end(session, CloseCause::Busy);
    }

    fn tell(&mut self, session: SessionId, message: FromCoordinator) {
        self.world
            .outputs
            .push_back(Output::Send { session, message });
    }

    fn refuse(
        &mut self,
        session: SessionId,
        content: Option<ContentId>,
        why: &str,
        wait: Option<u32>,
    ) {
        let refused = Refused {
            content,
            why: why.to_owned(),
            retry_after_ms: wait,
        };
        self.tell(session, FromCoordinator::Refused(refused));
    }

    fn end(&mut self, session: SessionId, cause: CloseCause) {
        self.sessions.end(session);
        self.world
            .outputs
            .push_back(Output::Close { session, cause });
    }

    fn on_closed(&mut self, session: SessionId, now: Timestamp) {
        if let Some(peer) = self.sessions.remove(session) {
            self.part_with(peer, session, now);
        }
    }

    /// Ends a peer's part in everything, if this is the session it is known by.
    fn part_with(&mut self, peer: PeerId, session: SessionId, now: Timestamp) {
        let known = self.world.view.get(peer);
        if known.is_none_or(|record| record.session != session) {
            return;
        }
        let contents = known
            .map(|record| record.contents.clone())
            .unwrap_or_default();
        for content in contents {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.leave(peer, &mut self.world, now);
            }
        }
        self.world.view.remove(peer);
        self.world.waypoints.forget_session(peer);
        self.world.log.note(peer, None, What::Left, now);
        self.world.log.on_gone(peer, now);
        self.clock.look_soon(now);
    }

    fn on_message(&mut self, session: SessionId, message: ToCoordinator, now: Timestamp) {
        match (self.sessions.peer(session), message) {
            (None, ToCoordinator::Hello(hello)) => self.on_hello(session, hello),
            (Some(peer), message) => self.on_peer_message((session, peer), message, now),
            (None, _) => self.out_of_order(session),
        }
    }

    fn on_hello(&mut self, session: SessionId, hello: Box<ClientHello>) {
        match self.sessions.on_hello(session, hello) {
            Some(check) => self.world.outputs.push_back(check),
            None => self.out_of_order(session),
        }
    }

    fn out_of_order(&mut self, session: SessionId) {
        if !self.sessions.is_ending(session) {
            self.world.totals.out_of_order += 1;
            self.end(session, CloseCause::OutOfOrder);
        }
    }

    fn on_checked(&mut self, session: SessionId, valid: bool, now: Timestamp) {
        if !valid {
            if !self.sessions.is_ending(session) {
                self.world.totals.unproven += 1;
                self.refuse(
                    session,
                    None,
                    "the key is not proven: the signature is wrong",
                    None,
                );
                self.end(session, CloseCause::Unproven);
            }
            return;
        }
        if let Some((peer, hello, address)) = self.sessions.on_proven(session) {
            self.welcome((session, peer), *hello, address, now);
        }
    }

    fn welcome(
        &mut self,
        (session, peer): (SessionId, PeerId),
        hello: ClientHello,
        address: IpAddr,
        now: Timestamp,
    ) {
        if let Some(old) = self.world.view.get(peer).map(|record| record.session) {
            self.part_with(peer, old, now);
            self.end(old, CloseCause::Replaced);
        }
        let (kind, why) = kind::judge(&hello);
        let record = record(session, address, hello, (kind, why), now);
        self.world.view.insert(peer, record);
        self.world.totals.joins += 1;
        self.world
            .log
            .note(peer, None, What::Joined { kind, why }, now);
        let config = &self.world.config;
        let welcome = Welcome {
            peer,
            kind,
            why: why.to_owned(),
            heartbeat_ms: u32::try_from(config.heartbeat.as_millis()).unwrap_or(u32::MAX),
            root_key: config.root_key,
            ticket_keys: config.ticket_keys.clone(),
            now: now.unix_seconds(),
        };
        self.tell(session, FromCoordinator::Welcome(Box::new(welcome)));
        self.world.growth += 1;
        if self.world.waypoints.is_enrolled(peer) {
            self.head_up(peer, now);
        }
    }

    fn on_drain(&mut self) {
        self.draining = true;
        for session in self.sessions.ids() {
            if !self.sessions.is_ending(session) {
                let wait = 500 + self.world.random.below(COME_BACK_WITHIN_MS);
                let wait = u32::try_from(wait).ok();
                self.refuse(session, None, "the coordinator is going down", wait);
                self.end(session, CloseCause::Draining);
            }
        }
    }

    // Messages of proven peers.

    fn on_peer_message(
        &mut self,
        (session, peer): (SessionId, PeerId),
        message: ToCoordinator,
        now: Timestamp,
    ) {
        self.on_heard(peer, now);
        match message {
            ToCoordinator::Enrol(enrol) => self.on_enrol(session, peer, enrol, now),
            ToCoordinator::Open(open) => self.on_open(session, peer, &open, now),
            ToCoordinator::Close(content) => self.on_close(peer, content, now),
            ToCoordinator::Heartbeat(beat) => self.on_heartbeat(peer, &beat, now),
            ToCoordinator::Outcome(outcome) => self.on_outcome(peer, &outcome, now),
            ToCoordinator::Strike(strike) => self.on_strike(peer, &strike, now),
            ToCoordinator::Leave => {
                self.part_with(peer, session, now);
                self.end(session, CloseCause::Left);
            }
            ToCoordinator::Hello(_) | _ => self.out_of_order(session),
        }
    }

    fn on_heard(&mut self, peer: PeerId, now: Timestamp) {
        if self.world.view.on_heard(peer, now) {
            self.world.growth += 1;
            self.world.log.note(peer, None, What::Spoke, now);
        }
    }

    fn on_open(&mut self, session: SessionId, peer: PeerId, open: &Open, now: Timestamp) {
        let Some(id) = self.directory.find(&open.content) else {
            let asked = asked_for(&open.content);
            return self.refuse(
                session,
                Some(asked),
                "this content is not offered here",
                None,
            );
        };
        let limit = self.world.config.contents_per_peer;
        let Some(record) = self.world.view.get_mut(peer) else {
            return;
        };
        if record.contents.len() >= limit && !record.contents.contains(&id) {
            return self.refuse(session, Some(id), "too many contents at a time", None);
        }
        record.contents.insert(id);
        self.directory.in_charge(id, &mut self.world, now);
        if let (Some(delivery), Some(record)) =
            (self.directory.delivery_mut(id), self.world.view.get(peer))
        {
            delivery.join(peer, record, Some(open.plays), now);
        }
        self.world.growth += 1;
        self.world
            .log
            .note(peer, Some(id), What::Opened { plays: open.plays }, now);
        let name = self
            .directory
            .content(id)
            .map(|content| content.name.clone());
        let opened = Opened {
            content: id,
            name: name.unwrap_or_default(),
            stripes: self.world.config.stripes,
        };
        self.tell(session, FromCoordinator::Opened(opened));
        self.grant(id, now);
        self.clock.look_soon(now);
    }

    fn on_close(&mut self, peer: PeerId, content: ContentId, now: Timestamp) {
        let Some(record) = self.world.view.get_mut(peer) else {
            return;
        };
        if !record.contents.remove(&content) {
            return;
        }
        if let Some(delivery) = self.directory.delivery_mut(content) {
            delivery.leave(peer, &mut self.world, now);
        }
        self.world.log.note(peer, Some(content), What::Closed, now);
        self.clock.look_soon(now);
    }

    fn on_heartbeat(&mut self, peer: PeerId, beat: &Heartbeat, now: Timestamp) {
        self.world.totals.heartbeats += 1;
        if let Some(uplink) = beat.uplink {
            self.on_uplink(peer, uplink, now);
        }
        for report in &beat.contents {
            self.world.totals.from_peers += report.from_peers;
            self.world.totals.from_waypoints += report.from_waypoints;
            self.world.totals.from_cdn += report.from_cdn;
            if let Some(delivery) = self.directory.delivery_mut(report.content) {
                delivery.on_report(peer, report, now);
            }
            self.look_if_dirty(report.content, now);
        }
        for report in &beat.parents {
            if let Some(delivery) = self.directory.delivery_mut(report.content) {
                repair::on_parent_report(delivery, &mut self.world, peer, report, now);
            }
            self.look_if_dirty(report.content, now);
        }
    }

    fn look_if_dirty(&mut self, content: ContentId, now: Timestamp) {
        if self
            .directory
            .delivery(content)
            .is_some_and(crate::delivery::Delivery::has_work)
        {
            self.clock.look_soon(now);
        }
    }

    fn on_uplink(
        &mut self,
        peer: PeerId,
        offered: runnel_protocol::units::BitsPerSecond,
        now: Timestamp,
    ) {
        let Some(record) = self.world.view.get_mut(peer) else {
            return;
        };
        if record.uplink.offered() == offered {
            return;
        }
        record.uplink.offer(offered);
        let overdrawn = record.uplink.is_overdrawn();
        self.world.growth += 1;
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        for content in record.contents.clone() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.note_feeder(peer, record);
                if overdrawn {
                    delivery.mark_children(peer);
                }
            }
        }
        self.clock.look_soon(now);
    }

    fn on_outcome(&mut self, peer: PeerId, outcome: &Outcome, now: Timestamp) {
        let delivery = self.directory.delivery_mut(outcome.content);
        let related = delivery.is_some_and(|delivery| {
            repair::on_outcome(delivery, &mut self.world, peer, outcome, now)
        });
        self.world.totals.unrelated_reports += u64::from(!related);
        self.look_if_dirty(outcome.content, now);
    }

    fn on_strike(&mut self, peer: PeerId, strike: &Strike, now: Timestamp) {
        let delivery = self.directory.delivery_mut(strike.content);
        let related = delivery.is_some_and(|delivery| {
            repair::on_strike(delivery, &mut self.world, peer, strike, now)
        });
        self.world.totals.unrelated_reports += u64::from(!related);
        self.look_if_dirty(strike.content, now);
    }

    // Waypoints and signatures.

    fn on_enrol(&mut self, session: SessionId, peer: PeerId, enrol: Enrol, now: Timestamp) {
        let asked = waypoints::on_enrol(
            &mut self.world,
            &self.directory,
            (session, peer),
            enrol,
            now,
        );
        if asked.is_none() {
            self.refuse(
                session,
                None,
                "not enrolled as a waypoint: a one-time code is needed",
                None,
            );
        }
    }

    /// A waypoint that was started with the code it used before is enrolled all the same.
    fn on_code_refused(&mut self, session: SessionId, now: Timestamp) {
        let Some(peer) = self.sessions.peer(session) else {
            return;
        };
        if self.world.waypoints.is_enrolled(peer) {
            waypoints::certify(&mut self.world, &self.directory, peer, now);
        } else {
            let why = "the one-time code is wrong, used or expired";
            self.refuse(session, None, why, None);
        }
    }

    fn on_enrolled(&mut self, peer: PeerId, contents: Vec<ContentId>, now: Timestamp) {
        self.world.waypoints.enrol(peer, contents);
        if self.world.view.get(peer).is_some() {
            self.head_up(peer, now);
            waypoints::certify(&mut self.world, &self.directory, peer, now);
        }
    }

    /// A connected peer is a waypoint from now on: it leaves what it took part in as an agent
    /// and becomes the head of what it is enrolled for and somebody takes part in.
    fn head_up(&mut self, peer: PeerId, now: Timestamp) {
        let Some(record) = self.world.view.get_mut(peer) else {
            return;
        };
        record.waypoint = true;
        for content in core::mem::take(&mut record.contents) {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.leave(peer, &mut self.world, now);
            }
        }
        for content in self.world.waypoints.contents(peer).to_vec() {
            let (Some(delivery), Some(record)) = (
                self.directory.delivery_mut(content),
                self.world.view.get_mut(peer),
            ) else {
                continue;
            };
            record.contents.insert(content);
            delivery.join(peer, record, None, now);
            self.grant(content, now);
        }
        self.world.growth += 1;
        self.world.log.note(peer, None, What::Enrolled, now);
        self.clock.look_soon(now);
    }

    /// Has the content's connected waypoints told to fetch it.
    fn grant(&mut self, id: ContentId, now: Timestamp) {
        let Some(content) = self.directory.content(id) else {
            return;
        };
        let connected = |peer: &PeerId| self.world.view.get(*peer).is_some();
        let heads: Vec<PeerId> = self.world.waypoints.of(id).filter(connected).collect();
        waypoints::grant(&mut self.world, content, &heads, now);
    }

    fn on_signed(&mut self, statement: SignedStatement, now: Timestamp) {
        match statement {
            SignedStatement::Ticket(ticket) => self.on_ticket(ticket, now),
            SignedStatement::Grant(grant) => {
                let waypoint = grant.body.waypoint;
                self.world.send(waypoint, FromCoordinator::Attest(grant));
            }
            SignedStatement::Certificate(certificate) => {
                let waypoint = certificate.body.waypoint;
                let message = FromCoordinator::Certificate(certificate.clone());
                self.world.send(waypoint, message);
                for content in self.world.waypoints.on_certified(certificate) {
                    if let Some(delivery) = self.directory.delivery_mut(content) {
                        delivery.tell_everybody();
                    }
                }
                self.clock.look_soon(now);
            }
        }
    }

    fn on_ticket(&mut self, ticket: SignedTicket, now: Timestamp) {
        let Some(pairing) = self.world.tickets.on_signed(ticket) else {
            return;
        };
        if let Some(delivery) = self.directory.delivery_mut(pairing.content) {
            announce::tell_one(delivery, &mut self.world, pairing.client, now);
            announce::tell_one(delivery, &mut self.world, pairing.server, now);
        }
    }

    fn on_content_removed(&mut self, id: ContentId, now: Timestamp) {
        let Some(mut delivery) = self.directory.remove(id) else {
            return;
        };
        let mut void = std::collections::BTreeMap::<PeerId, Vec<_>>::new();
        for (pairing, ticket) in self.world.tickets.of_content(id) {
            void.entry(pairing.server).or_default().push(ticket);
            void.entry(pairing.client).or_default().push(ticket);
        }
        for (peer, tickets) in void {
            self.world.send(peer, FromCoordinator::Revoke(tickets));
        }
        let members: Vec<PeerId> = delivery.members.keys().copied().collect();
        for peer in members {
            delivery.leave(peer, &mut self.world, now);
            let Some(record) = self.world.view.get_mut(peer) else {
                continue;
            };
            record.contents.remove(&id);
            let session = record.session;
            self.refuse(session, Some(id), "this content is no longer offered", None);
        }
    }

    // Time.

    fn on_tick(&mut self, now: Timestamp) {
        let silence = self.world.config.silence();
        for peer in self.world.view.take_silent(silence, now) {
            self.on_silent(peer, now);
        }
        self.renew(now);
        self.world.blacklist.decay(now);
        self.ticks += 1;
        if self.ticks.is_multiple_of(RECONSIDER_EVERY) {
            self.world.growth += 1;
        }
        let view = &self.world.view;
        self.world.log.forget(now, |peer| view.get(peer).is_some());
        for id in self.directory.busiest_first() {
            self.tend(id, now);
        }
    }

    fn on_silent(&mut self, peer: PeerId, now: Timestamp) {
        self.world.totals.silences += 1;
        self.world.log.note(peer, None, What::Silent, now);
        let contents = self
            .world
            .view
            .get(peer)
            .map(|record| record.contents.clone());
        for content in contents.unwrap_or_default() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.mark_children(peer);
            }
        }
    }

    fn renew(&mut self, now: Timestamp) {
        for pairing in self.world.tickets.take_due(RENEWALS_PER_TICK, now) {
            if let Some(delivery) = self.directory.delivery_mut(pairing.content) {
                delivery.renew(pairing.server, pairing.client);
            }
        }
        self.world.tickets.forget_ended(now);
    }

    /// One delivery coordinator's second: helpers that nobody needs go, grants are renewed.
    fn tend(&mut self, id: ContentId, now: Timestamp) {
        let idle = self.world.config.idle;
        let Some(delivery) = self.directory.delivery_mut(id) else {
            return;
        };
        delivery.on_tick(&mut self.world, now);
        if delivery.is_idle(idle, now) {
            recruit::dismiss(delivery, &mut self.world, now);
            if delivery.members.values().all(|member| !member.opened) {
                self.retire(id, now);
                return;
            }
        }
        self.grant(id, now);
    }

    fn retire(&mut self, id: ContentId, now: Timestamp) {
        let heads = self.directory.delivery(id).into_iter();
        let heads: Vec<PeerId> = heads
            .flat_map(|delivery| delivery.members.keys().copied())
            .collect();
        for head in heads {
            self.on_close(head, id, now);
        }
        self.directory.retire(id);
    }

    fn look(&mut self, now: Timestamp) {
        let mut budget = Budget::new(BUDGET);
        for id in self.directory.busiest_first() {
            let Some(delivery) = self.directory.delivery_mut(id) else {
                continue;
            };
            if delivery.has_work() && !delivery.look(&mut self.world, &mut budget, now) {
                self.clock.go_on(now);
                return;
            }
        }
    }

    // Looking in.

    /// All connected peers, in the order of their ids.
    pub fn peers(&self) -> impl Iterator<Item = PeerSummary> {
        self.world
            .view
            .iter()
            .map(|(peer, record)| summary::peer(peer, record))
    }

    /// Number of connected peers whose key is proven.
    pub fn peer_count(&self) -> usize {
        self.world.view.len()
    }

    /// Number of tickets in force.
    pub fn ticket_count(&self) -> usize {
        self.world.tickets.len()
    }

    /// All registered contents.
    pub fn contents(&self) -> Vec<ContentSummary> {
        summary::contents(&self.directory)
    }

    /// Why a peer is where it is; `None` where it is not known.
    pub fn explain_peer(&self, peer: PeerId) -> Option<PeerExplanation> {
        summary::explain_peer(&self.world, &self.directory, peer)
    }

    /// Why two peers are a pair or not; `None` where one is not known.
    pub fn explain_pair(
        &self,
        one: PeerId,
        other: PeerId,
        now: Timestamp,
    ) -> Option<PairExplanation> {
        summary::explain_pair(&self.world, &self.directory, (one, other), now)
    }

    /// Counters since the start.
    pub fn totals(&self) -> Totals {
        self.world.totals
    }
}

/// The id that a content would have if it were registered as it was asked for: a refusal of one
/// content must not look like one of the whole session.
fn asked_for(locator: &ContentLocator) -> ContentId {
    match locator {
        ContentLocator::Name(text) | ContentLocator::MasterUrl(text) => ContentId::of(text),
        ContentLocator::Id(id) => *id,
    }
}

fn record(
    session: SessionId,
    address: IpAddr,
    hello: ClientHello,
    (kind, why): (runnel_protocol::control::PeerType, &'static str),
    now: Timestamp,
) -> Record {
    Record {
        session,
        address,
        key: hello.key,
        platform: hello.implementation.platform,
        version: hello.implementation.version,
        kind,
        why,
        waypoint: false,
        endpoints: hello.endpoints.into_iter().filter(is_usable).collect(),
        certificates: hello.certificates,
        uplink: Uplink::new(hello.uplink),
        last_heard: now,
        silent: false,
        history: History::default(),
        contents: std::collections::BTreeSet::new(),
    }
}
