//! Everything at once, one event after the other: real peers, the real control center, lines,
//! a CDN, and what goes wrong.

mod arrivals;
mod attesting;
mod control;
mod fetching;
mod links;
mod mishaps;
mod outputs;
mod playing;
mod seconds;

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use runnel_coordinator_core::{Input as CenterInput, SessionId};
use runnel_peer_core::{FetchId, Input};
use runnel_protocol::control::ToCoordinator;
use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::atlas::Known;
use crate::checkers::Checkers;
use crate::digest::Digest;
use crate::library::{Library, Place};
use crate::network::Network;
use crate::node::{At, Node};
use crate::office::Office;
use crate::origin::Origin;
use crate::population::{Guest, Population};
use crate::scenario::{Fault, Scenario};
use crate::signatures::Signatures;
use crate::tally::Tally;
use crate::title::START;

pub(crate) use control::right_of;

/// A guest, as checkers know it.
fn known<'a>(guests: &'a [Guest], scenario: &'a Scenario, (peer, at): (PeerId, At)) -> Known<'a> {
    Known {
        peer,
        guest: &guests[at.0 as usize],
        scenario,
    }
}

/// What is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    Arrive(At),
    Depart(At),
    Alarm(At, u32),
    Input(At, u32, Box<Input>),
    /// Media stands before the receiver's line: so many bytes.
    Reach(At, u32, u64, Box<Input>),
    Play(At, u32),
    /// The CDN begins to answer.
    Serve(At, u32, FetchId),
    /// A player looks how the CDN's answer comes on.
    Look(At, u32, FetchId),
    /// Some answer of the CDN may be complete.
    Cdn,
    /// The CDN's answer stands before the receiver's line.
    Download(At, u32, FetchId),
    FetchPart(At, u32, FetchId, Option<Bytes>, bool),
    Follow(At, u32, u32, u8),
    Attest(At, u32, Place),
    Opened(SessionId),
    Closed(SessionId),
    ToCenter(SessionId, Box<ToCoordinator>),
    /// The control center learns where it reached somebody.
    Probed(SessionId, Vec<SocketAddr>),
    CenterWake,
    Begin(usize),
    /// Other policies come into force.
    Policies,
    /// The operator's file of sites says something else.
    Sites,
    End(usize),
    /// Links of somebody who has been silent for too long break.
    Idle(At, u32),
    Second,
}

/// The world of one run.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) end: Timestamp,
    scenario: Arc<Scenario>,
    seed: u64,
    /// Whether peers may be used at all: not in the twin.
    peers: bool,
    wheel: crate::wheel::Wheel<Event>,
    guests: Arc<Vec<Guest>>,
    nodes: Vec<Option<Box<Node>>>,
    lives: Vec<u32>,
    /// Who goes by which name.
    names: BTreeMap<PeerId, At>,
    /// Who can be dialled where.
    places: BTreeMap<SocketAddr, At>,
    pub(crate) library: Library,
    pub(crate) office: Office,
    pub(crate) origin: Origin,
    pub(crate) network: Network,
    pub(crate) signatures: Signatures,
    pub(crate) checkers: Checkers,
    pub(crate) tally: Tally,
    pub(crate) digest: Digest,
    pub(crate) faults: Vec<Fault>,
    /// Whom each fault befell, and what has to be put right at its end.
    befallen: Vec<Vec<At>>,
    /// Share of the control center's messages that come twice, and late.
    duplicates: f64,
    dice: crate::dice::Dice,
    last_trouble: Timestamp,
    /// When the CDN is looked at next.
    cdn_wakes: Option<Timestamp>,
}

impl World {
    pub(crate) fn new(
        scenario: &Arc<Scenario>,
        population: &Population,
        seed: u64,
        peers: bool,
    ) -> Self {
        let now = START;
        let guests = Arc::new(population.guests.clone());
        let faults = crate::faults::all(scenario, seed);
        let mut world = Self {
            now,
            end: now + scenario.duration(),
            scenario: Arc::clone(scenario),
            seed,
            peers,
            wheel: crate::wheel::Wheel::new(),
            nodes: guests.iter().map(|_| None).collect(),
            lives: vec![0; guests.len()],
            names: BTreeMap::new(),
            places: BTreeMap::new(),
            office: Office::new(scenario, &population.titles, guests.len(), seed),
            library: Library::new(population.titles.clone()),
            origin: Origin::new(&scenario.origin, seed, now),
            network: Network::new(seed),
            signatures: Signatures::default(),
            checkers: Checkers::default(),
            tally: Tally::new(scenario, now),
            digest: Digest::default(),
            befallen: vec![Vec::new(); faults.len()],
            faults,
            guests,
            duplicates: 0.0,
            dice: crate::dice::Dice::of(seed, "world", 0),
            last_trouble: now,
            cdn_wakes: None,
        };
        world.begin();
        world
    }

    /// Lets time pass, at most to the end of the run.
    pub(crate) fn run_until(&mut self, until: Timestamp) {
        let until = until.min(self.end);
        while let Some((at, event)) = self.wheel.pop_until(until) {
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = until;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.now >= self.end
    }

    /// Events so far.
    pub(crate) const fn events(&self) -> u64 {
        self.wheel.count()
    }

    fn begin(&mut self) {
        let start = self.now;
        if self.peers {
            self.office.start(start);
        }
        let guests = Arc::clone(&self.guests);
        for (guest, at) in guests.iter().zip(0..) {
            if self.peers || guest.watches {
                self.later(start + guest.arrives, Event::Arrive(At(at)));
            }
        }
        for index in 0..self.faults.len() {
            let fault = &self.faults[index];
            let (begins, over) = (start + fault.at(), fault.over());
            self.later(begins, Event::Begin(index));
            if let Some(over) = over {
                self.later(start + over, Event::End(index));
            }
        }
        for change in crate::scenario::changes(&self.scenario.policy) {
            self.later(start + change, Event::Policies);
        }
        for change in crate::scenario::site_changes(&self.scenario.site) {
            self.later(start + change, Event::Sites);
        }
        self.later(start + crate::tally::SECOND, Event::Second);
        self.center_settle();
    }

    fn on_policies(&mut self) {
        let passed = self.now.since(START);
        let set = crate::scenario::in_force(&self.scenario.policy, passed);
        self.checkers
            .on_policies(&set, &self.library.titles, self.now);
        if self.peers {
            self.office.enforce(set, self.now);
            self.last_trouble = self.now;
            self.center_settle();
        }
    }

    fn on_sites(&mut self) {
        let passed = self.now.since(START);
        let scenario = Arc::clone(&self.scenario);
        for site in &scenario.site {
            let sharing = crate::scenario::sharing(&scenario.site, &site.name, passed);
            self.checkers.sites.change(&site.name, sharing, self.now);
        }
        if self.peers {
            let feeds = crate::atlas::feeds(&scenario, passed);
            self.office.follow(feeds, self.now);
            self.last_trouble = self.now;
            self.center_settle();
        }
    }

    fn later(&mut self, at: Timestamp, event: Event) {
        self.wheel.push(at, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(at) => self.on_arrive(at),
            Event::Depart(at) => self.on_depart(at),
            Event::Alarm(at, life) => self.on_alarm(at, life),
            Event::Input(at, life, input) => self.on_input(at, life, *input),
            Event::Reach(at, life, bytes, input) => self.on_reach(at, life, bytes, input),
            Event::Serve(at, life, fetch) => self.on_serve(at, life, fetch),
            Event::Look(at, life, fetch) => self.on_look(at, life, fetch),
            Event::Cdn => self.on_cdn(),
            Event::Download(at, life, fetch) => self.on_download(at, life, fetch),
            Event::Play(at, life) => self.on_play(at, life),
            Event::FetchPart(at, life, fetch, bytes, last) => {
                self.on_fetch_part(at, life, fetch, bytes, last);
            }
            Event::Follow(at, life, title, rendition) => self.on_follow(at, life, title, rendition),
            Event::Attest(at, life, place) => self.on_attest(at, life, place),
            Event::Opened(session) => self.on_opened(session),
            Event::Closed(session) => self.on_closed(session),
            Event::ToCenter(session, message) => self.on_message(session, *message),
            Event::Probed(session, reached) => {
                self.center_input(CenterInput::Probed { session, reached });
            }
            Event::CenterWake => self.on_center_wake(),
            Event::Begin(index) => self.on_fault(index),
            Event::Policies => self.on_policies(),
            Event::Sites => self.on_sites(),
            Event::End(index) => self.on_fault_over(index),
            Event::Idle(at, life) => self.on_idle(at, life),
            Event::Second => self.on_second(),
        }
    }

    pub(crate) fn node(&self, at: At) -> Option<&Node> {
        self.nodes[at.0 as usize].as_deref()
    }

    fn node_mut(&mut self, at: At) -> Option<&mut Node> {
        self.nodes[at.0 as usize].as_deref_mut()
    }

    /// The node, if it still is in this life.
    fn alive(&mut self, at: At, life: u32) -> Option<&mut Node> {
        self.node_mut(at).filter(|node| node.life == life)
    }

    /// A peer that is there, as checkers know it.
    pub(crate) fn known(&self, peer: PeerId) -> Option<Known<'_>> {
        let at = *self.names.get(&peer)?;
        Some(known(&self.guests, &self.scenario, (peer, at)))
    }

    /// Whoever goes by this name, while it is there.
    pub(crate) fn named(&self, peer: PeerId) -> Option<&Node> {
        self.node(*self.names.get(&peer)?)
    }

    /// Two different nodes at once.
    fn both(&mut self, one: At, other: At) -> Option<(&mut Node, &mut Node)> {
        let pair = [one.0 as usize, other.0 as usize];
        let [one, other] = self.nodes.get_disjoint_mut(pair).ok()?;
        Some((one.as_deref_mut()?, other.as_deref_mut()?))
    }

    /// Everybody who is there, in order.
    pub(crate) fn present(&self) -> impl Iterator<Item = (At, &Node)> {
        let nodes = self.nodes.iter().zip(0..);
        nodes.filter_map(|(node, at)| Some((At(at), node.as_deref()?)))
    }

    /// Something reaches a peer at this time.
    fn input_later(&mut self, to: At, at: Timestamp, input: Input) {
        let Some(life) = self.node(to).map(|node| node.life) else {
            return;
        };
        self.later(at, Event::Input(to, life, Box::new(input)));
    }

    fn on_input(&mut self, at: At, life: u32, input: Input) {
        if self.alive(at, life).is_some() {
            self.note_arrival(at, &input);
            self.give(at, input);
        }
    }

    /// Something reaches a peer now; one that hangs will hear of it later.
    fn give(&mut self, at: At, input: Input) {
        let now = self.now;
        let Some(node) = self.node_mut(at) else {
            return;
        };
        if node.hung {
            node.held.push(input);
            return;
        }
        let local = node.clock(now);
        node.peer.handle_input(input, local);
        self.settle(at);
    }

    /// When everybody should play again: so long after the last fault is over.
    pub(crate) fn calm_from(&self, recovery: core::time::Duration) -> core::time::Duration {
        let recovery = self
            .scenario
            .target
            .recovery_s
            .map_or(recovery, core::time::Duration::from_secs);
        crate::faults::all_over(&self.faults) + recovery
    }

    fn on_alarm(&mut self, at: At, life: u32) {
        let now = self.now;
        let Some(node) = self.alive(at, life) else {
            return;
        };
        node.alarm = None;
        if node.hung {
            return;
        }
        let local = node.clock(now);
        node.peer.handle_timeout(local);
        self.settle(at);
    }

    /// Carries out what a peer asks for, then sets its alarm.
    fn settle(&mut self, at: At) {
        while let Some(output) = self.node_mut(at).and_then(|node| node.peer.poll_output()) {
            self.carry_out(at, output);
        }
        let now = self.now;
        let Some(node) = self.node_mut(at) else {
            return;
        };
        let Some(due) = node.alarm_due().map(|due| due.max(now)) else {
            return;
        };
        if node.alarm.is_none_or(|set| due < set) {
            node.alarm = Some(due);
            let life = node.life;
            self.later(due, Event::Alarm(at, life));
        }
    }
}
