//! Stand-ins for audiences that are too large for real peers: they speak the same messages to the
//! same control center; their media is a flow, computed once a second.
//!
//! What a stand-in leaves out: chunks, proofs and signatures (all are taken for good), latency
//! within a tree, loss, queues. A child gets of its parent what the parent has and can send; what
//! is missing comes from the CDN as far as that goes.

mod cdn;
mod flow;
mod player;
mod talk;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use runnel_coordinator_core::SessionId;
use runnel_protocol::ids::{PeerId, PublicKey};
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::time::Timestamp;

use crate::bounds::Bounds;
use crate::checkers::Verdict;
use crate::digest::Digest;
use crate::office::Office;
use crate::population::{Population, Role};
use crate::run::{Outcome, guests};
use crate::scenario::Scenario;
use crate::tally::{Moment, Second};
use crate::title::START;

/// How finely messages are dealt with.
const STEP: Duration = Duration::from_millis(100);
/// Steps in a second.
const STEPS: u64 = 10;

/// What a stand-in is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Absent,
    /// The session is being made.
    Coming,
    There,
    Gone,
}

/// One guest, in some 90 bytes.
#[derive(Debug, Clone, Default)]
struct StandIn {
    state: State,
    role: Option<Role>,
    session: u32,
    beat: u32,
    title: u32,
    player: player::Player,
    /// Parents and the stripes that each pushes.
    parents: Box<[(u32, SubstreamSet)]>,
    joined_ms: u32,
    /// Stalls told to the control center already.
    told: u16,
    /// Bytes since the last heartbeat: from peers, waypoints, the CDN.
    got: [u32; 3],
}

/// A run with stand-ins.
pub(crate) struct Crowd {
    scenario: Arc<Scenario>,
    population: Population,
    seed: u64,
    peers: bool,
    now: Timestamp,
    end: Timestamp,
    steps: u64,
    office: Office,
    stand_ins: Vec<StandIn>,
    /// Who comes when; the last comes first.
    arrivals: Vec<(Timestamp, u32)>,
    retries: BTreeMap<Timestamp, Vec<u32>>,
    departures: BTreeMap<Timestamp, Vec<u32>>,
    ids: Vec<PeerId>,
    /// Those who may feed others. Only looked up.
    feeders: HashMap<PeerId, u32>,
    outbox: Vec<(u32, runnel_protocol::control::ToCoordinator)>,
    /// Whose addresses the control center is testing.
    probed: Vec<(SessionId, Vec<SocketAddr>)>,
    heartbeat: Duration,
    stripes: u8,
    flow: flow::Flow,
    seconds: Vec<Second>,
    second: Second,
    startups: Vec<Duration>,
    joins: u64,
    reassigned: u64,
    digest: Digest,
    counts: BTreeMap<&'static str, u64>,
    messages: u64,
}

impl Crowd {
    pub(crate) fn new(scenario: &Arc<Scenario>, seed: u64, peers: bool) -> Self {
        let population = Population::of(scenario, seed);
        let mut office = Office::new(scenario, &population.titles, population.guests.len(), seed);
        office.believe_everybody();
        if peers {
            office.start(START);
        }
        let guests = population.guests.iter().zip(0u32..);
        let mut arrivals: Vec<_> = guests
            .filter(|(guest, _)| peers || guest.role == Role::Viewer)
            .map(|(guest, index)| (START + guest.arrives, index))
            .collect();
        arrivals.sort_unstable_by(|one, other| other.cmp(one));
        let count = population.guests.len();
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        let settings = &scenario.coordinator;
        Self {
            scenario: Arc::clone(scenario),
            seed,
            peers,
            now: START,
            end: START + scenario.duration(),
            steps: 0,
            office,
            stand_ins: vec![StandIn::default(); count],
            arrivals,
            retries: BTreeMap::new(),
            departures: BTreeMap::new(),
            ids: (0..number)
                .map(|index| PeerId::of(&key(seed, index)))
                .collect(),
            feeders: HashMap::new(),
            outbox: Vec::new(),
            probed: Vec::new(),
            heartbeat: Duration::from_millis(settings.heartbeat_ms.unwrap_or(1000)),
            stripes: settings.stripes(),
            flow: flow::Flow::new(count, settings.stripes()),
            seconds: Vec::new(),
            second: Second::default(),
            startups: Vec::new(),
            joins: 0,
            reassigned: 0,
            digest: Digest::default(),
            counts: BTreeMap::new(),
            messages: 0,
            population,
        }
    }

    /// Plays a second; whether it is over.
    pub(crate) fn step(&mut self) -> bool {
        for _ in 0..STEPS {
            let next = self.now + STEP;
            self.wake_center(next);
            self.now = next;
            self.come();
            self.go();
            if self.peers {
                self.talk();
            }
            self.steps += 1;
        }
        self.move_media();
        self.close_second();
        self.now >= self.end
    }

    /// How much of it is done, 0 to 1.
    pub(crate) fn done(&self) -> f64 {
        self.now.since(START).as_secs_f64() / self.end.since(START).as_secs_f64()
    }

    fn come(&mut self) {
        while self.arrivals.last().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((_, index)) = self.arrivals.pop() {
                self.arrive(index);
            }
        }
        while let Some(first) = self.retries.first_entry()
            && *first.key() <= self.now
        {
            for index in first.remove() {
                self.connect(index);
            }
        }
    }

    fn arrive(&mut self, index: u32) {
        let guest = &self.population.guests[index as usize];
        let stand_in = &mut self.stand_ins[index as usize];
        stand_in.role = Some(guest.role);
        stand_in.state = State::Coming;
        stand_in.title = guest.title;
        stand_in.player = player::Player::of(&self.population.titles[guest.title as usize]);
        stand_in.joined_ms = millis(self.now.since(START));
        if guest.role == Role::Viewer {
            self.joins += 1;
            self.second.joins += 1;
        }
        if let Some(leaves) = guest.leaves {
            self.departures
                .entry(START + leaves)
                .or_default()
                .push(index);
        }
        if self.peers {
            self.connect(index);
        } else {
            self.stand_ins[index as usize].state = State::There;
        }
    }

    fn go(&mut self) {
        while let Some(first) = self.departures.first_entry()
            && *first.key() <= self.now
        {
            for index in first.remove() {
                self.stand_ins[index as usize].state = State::Gone;
                self.stand_ins[index as usize].parents = Box::default();
                self.disconnect(index);
            }
        }
    }

    fn close_second(&mut self) {
        let mut second = core::mem::take(&mut self.second);
        second.at = self.now.since(START).as_secs();
        second.moment = self.moment();
        self.digest.note(&[
            second.from_peers,
            second.from_cdn,
            second.moment.stalls,
            second.reassigned,
        ]);
        self.seconds.push(second);
    }

    fn moment(&self) -> Moment {
        let mut moment = Moment::default();
        let guests = &self.population.guests;
        for (stand_in, guest) in self.stand_ins.iter().zip(guests) {
            if !matches!(stand_in.state, State::There | State::Coming) {
                continue;
            }
            moment.peers += 1;
            if guest.role != Role::Waypoint && self.peers {
                moment.offered += guest.offers.0;
            }
            if guest.role == Role::Viewer {
                let title = &self.population.titles[stand_in.title as usize];
                moment.players += 1;
                moment.starting += u64::from(!stand_in.player.started);
                moment.stalled +=
                    u64::from(stand_in.player.started && stand_in.player.buffer <= 0.0);
                moment.demand += title.renditions[stand_in.player.rendition as usize].mean_rate();
                moment.stalls += u64::from(stand_in.player.stalls);
            }
        }
        moment
    }

    /// What came of it.
    pub(crate) fn finish(self) -> Outcome {
        let stalls = self
            .stand_ins
            .iter()
            .map(|one| u64::from(one.player.stalls))
            .sum();
        let stalled: f64 = self
            .stand_ins
            .iter()
            .map(|one| f64::from(one.player.stalled_s))
            .sum();
        let verdict = self.reservations();
        let mut startups = self.startups;
        startups.sort_unstable();
        let mut counts = self.counts;
        counts.insert("messages", self.messages);
        let mut outcome = Outcome {
            name: format!("{} (stand-ins)", self.scenario.name),
            seed: self.seed,
            digest: self.digest.value(),
            guests: guests(&self.population),
            seconds: self.seconds,
            warmup_s: self.scenario.warmup_s,
            sites: 0,
            placed: (Vec::new(), 0),
            stalls,
            stalled: Duration::from_secs_f64(stalled),
            twin_stalls: None,
            twin_stalled: None,
            startups,
            joins: self.joins,
            repairs: Vec::new(),
            unrepaired: 0,
            reassigned: (self.reassigned, 0),
            causes: self.office.reassignments(),
            depths: Vec::new(),
            counts,
            crossings: Vec::new(),
            unbound_offload: None,
            verdicts: vec![verdict],
            bounds: Bounds::default(),
            cost: 0.0,
            events: self.messages,
        };
        outcome.assess(&self.scenario, &self.population);
        outcome
    }

    fn reservations(&self) -> Verdict {
        let mut verdict = Verdict::new("I8 reservations fit");
        for peer in self
            .office
            .center()
            .into_iter()
            .flat_map(|center| center.peers())
        {
            verdict.expect(peer.reserved <= peer.uplink, || {
                format!(
                    "{} has {:?} reserved of {:?}",
                    peer.peer, peer.reserved, peer.uplink
                )
            });
        }
        verdict
    }
}

fn key(seed: u64, index: u32) -> PublicKey {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&seed.to_le_bytes())
        .update(&index.to_le_bytes());
    PublicKey(*hasher.finalize().as_bytes())
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
