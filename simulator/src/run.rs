//! One scenario, one seed: played, with its twin, to an outcome.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_coordinator_core::{Cause, Reassignments};
use runnel_protocol::time::Timestamp;

use crate::bounds::{Bounds, number};
use crate::checkers::crossings::Crossing;
use crate::checkers::{Verdict, punctual, same};
use crate::crowd::Crowd;
use crate::population::Population;
use crate::scenario::Scenario;
use crate::tally::{Depth, Second};
use crate::world::World;

/// A run under way.
pub struct Run {
    scenario: Arc<Scenario>,
    population: Population,
    world: World,
    seed: u64,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The scenario's name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// Everything that happened, in one number.
    pub digest: u64,
    /// How many came: waypoints, agents, viewers.
    pub guests: (usize, usize, usize),
    /// Each second of it.
    pub seconds: Vec<Second>,
    /// Length of the transient, in seconds.
    pub warmup_s: u64,
    /// Sites of their own, a count.
    pub sites: usize,
    /// Time until a better node got its data from a waypoint, of each that did; and how many did
    /// not.
    pub placed: (Vec<Duration>, usize),
    /// Stalls, and the time that pictures stood still.
    pub stalls: u64,
    /// See `stalls`.
    pub stalled: Duration,
    /// Stalls of the twin, whose peers are off.
    pub twin_stalls: Option<u64>,
    /// Time of these.
    pub twin_stalled: Option<Duration>,
    /// From joining to the first picture, sorted.
    pub startups: Vec<Duration>,
    /// Viewers who came.
    pub joins: u64,
    /// From a parent's failure to data from another peer, sorted.
    pub repairs: Vec<Duration>,
    /// Children that got no data from another peer any more: the CDN carried them.
    pub unrepaired: u64,
    /// Peers that lost a parent by decision: in all, and in calm times.
    pub reassigned: (u64, u64),
    /// Changes of parents as the control center counted them, by cause.
    pub causes: Reassignments,
    /// Chunks by their distance from a waypoint.
    pub depths: Vec<Depth>,
    /// What was counted: faults that took effect, false chunks, and the like.
    pub counts: BTreeMap<&'static str, u64>,
    /// What ran over links that policies limit.
    pub crossings: Vec<Crossing>,
    /// The offload of the same evening without policies.
    pub unbound_offload: Option<f64>,
    /// What the checkers found.
    pub verdicts: Vec<Verdict>,
    /// What nobody can do better than.
    pub bounds: Bounds,
    /// Price of all bytes of CDN and waypoints.
    pub cost: f64,
    /// Events of the simulation.
    pub events: u64,
}

/// How a scenario is played.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Its seed.
    pub seed: u64,
    /// Whether the twin, whose peers are off, is played as well.
    pub twin: bool,
    /// Stand-ins instead of real peers: by the scenario's own limit where it is not said.
    pub stand_ins: Option<bool>,
}

/// Plays a scenario and, if asked, its twin. `progress` hears how much of all is done, 0 to 1.
pub fn play(scenario: &Arc<Scenario>, manner: Manner, mut progress: impl FnMut(f64)) -> Outcome {
    let parts = if manner.twin { 2.0 } else { 1.0 };
    let mut outcome = play_one(scenario, manner, true, |done| progress(done / parts));
    if manner.twin && scenario.has_rules() {
        let unbound = Arc::new((**scenario).clone().without_policies());
        let unbound = play_one(&unbound, manner, true, |_| {});
        outcome.unbound_offload = Some(unbound.offload());
    }
    if manner.twin {
        let twin = play_one(scenario, manner, false, |done| {
            progress((1.0 + done) / parts)
        });
        outcome.compare(&twin);
    }
    outcome
}

fn play_one(
    scenario: &Arc<Scenario>,
    manner: Manner,
    peers: bool,
    mut progress: impl FnMut(f64),
) -> Outcome {
    let many = scenario.audience.viewers > scenario.real_viewers;
    if manner.stand_ins.unwrap_or(many) {
        let mut crowd = Crowd::new(scenario, manner.seed, peers);
        while !crowd.step() {
            progress(crowd.done());
        }
        return crowd.finish();
    }
    let mut run = Run::new(scenario, manner.seed, peers);
    while !run.step() {
        progress(run.done());
    }
    run.finish()
}

impl Run {
    /// At its beginning; `peers` is off for the twin.
    pub fn new(scenario: &Arc<Scenario>, seed: u64, peers: bool) -> Self {
        let population = Population::of(scenario, seed);
        let world = World::new(scenario, &population, seed, peers);
        Self {
            scenario: Arc::clone(scenario),
            population,
            world,
            seed,
        }
    }

    /// Plays a second; whether it is over.
    pub fn step(&mut self) -> bool {
        let next = self.world.now + Duration::from_secs(1);
        self.world.run_until(next);
        self.world.is_over()
    }

    /// How much of it is done, 0 to 1.
    pub fn done(&self) -> f64 {
        let since = |at: Timestamp| at.since(crate::title::START).as_secs_f64();
        since(self.world.now) / since(self.world.end)
    }

    /// What came of it.
    pub fn finish(mut self) -> Outcome {
        let mut checkers = core::mem::take(&mut self.world.checkers);
        checkers.look(&self.world);
        let world = self.world;
        let world_events = world.events();
        let now = world.now;
        let players: Vec<_> = world
            .present()
            .filter_map(|(_, node)| node.player.as_ref())
            .collect();
        let stalls = players.iter().map(|player| player.stalls).sum::<u64>();
        let stalled = players
            .iter()
            .map(|player| player.stalled_until(now))
            .sum::<Duration>();
        let mut counts = world.tally.counts.clone();
        counts.insert("packets sent again", world.network.lost);
        counts.insert("signatures computed", world.signatures.computed);
        counts.insert("ejections judged", checkers.ejections.judged);
        let mut outcome = Outcome {
            name: self.scenario.name.clone(),
            seed: self.seed,
            digest: world.digest.value(),
            guests: guests(&self.population),
            warmup_s: self.scenario.warmup_s,
            sites: self.scenario.sites(),
            placed: world.tally.placed(),
            stalls: stalls + world.tally.stalls,
            stalled: stalled + world.tally.stalled,
            twin_stalls: None,
            twin_stalled: None,
            startups: sorted(world.tally.startups),
            joins: world.tally.joins,
            repairs: sorted(world.tally.repairs.times.clone()),
            unrepaired: world.tally.repairs.unrepaired() as u64 + world.tally.repairs.left,
            reassigned: (world.tally.reassigned, world.tally.voluntary),
            causes: world.office.reassignments(),
            depths: world.tally.depths,
            counts,
            crossings: checkers.crossings.crossings(),
            unbound_offload: None,
            verdicts: checkers.verdicts(),
            bounds: Bounds::default(),
            cost: 0.0,
            events: world_events,
            seconds: world.tally.seconds,
        };
        outcome.assess(&self.scenario, &self.population);
        outcome
    }
}

pub(crate) fn guests(population: &Population) -> (usize, usize, usize) {
    use crate::population::Role;
    (
        population.count(Role::Waypoint),
        population.count(Role::Agent),
        population.count(Role::Viewer),
    )
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

impl Outcome {
    /// The seconds after the transient.
    pub fn settled(&self) -> &[Second] {
        let after = self
            .seconds
            .iter()
            .position(|second| second.at > self.warmup_s);
        &self.seconds[after.unwrap_or(0)..]
    }

    /// Peers' share of all bytes that players got, without the transient.
    pub fn offload(&self) -> f64 {
        share(self.settled())
    }

    /// The same, of the transient alone.
    pub fn transient_offload(&self) -> f64 {
        let settled = self.settled().len();
        share(&self.seconds[..self.seconds.len() - settled])
    }

    /// Copies that the CDN sent of what was played, without the transient.
    pub fn copies(&self) -> f64 {
        let sent: u64 = self.settled().iter().map(|second| second.cdn_sent).sum();
        let one: u64 = self.settled().iter().map(|second| second.one_copy).sum();
        number(sent) / number(one.max(1))
    }

    /// Copies that entered each site of its own of what was played, without the transient; `None`
    /// where there is no such site.
    pub fn copies_entering(&self) -> Option<f64> {
        let entered: u64 = self.settled().iter().map(|second| second.entered).sum();
        let one: u64 = self.settled().iter().map(|second| second.one_copy).sum();
        let sites = u64::try_from(self.sites).ok().filter(|sites| *sites > 0)?;
        Some(number(entered) / number((one * sites).max(1)))
    }

    /// The longest that a better node took to its place; `None` without one, endless where it
    /// never got there.
    pub fn placed_s(&self) -> Option<f64> {
        let (times, missing) = &self.placed;
        let longest = times.iter().max().map(Duration::as_secs_f64);
        if *missing > 0 {
            Some(f64::INFINITY)
        } else {
            longest
        }
    }

    /// Time in which so many in a hundred had data again after a failure; `None` without any.
    pub fn repair(&self, percent: usize) -> Option<Duration> {
        percentile(&self.repairs, percent)
    }

    /// Time in which so many in a hundred had a picture.
    pub fn startup(&self, percent: usize) -> Option<Duration> {
        percentile(&self.startups, percent)
    }

    /// Share of viewers who had a picture within 2 s.
    pub fn playing_within_2_s(&self) -> f64 {
        let quick = self
            .startups
            .partition_point(|took| *took <= Duration::from_secs(2));
        number(quick as u64) / number(self.joins.max(1))
    }

    /// Changes of parents behind which the control center saw neither churn nor failure nor
    /// policy, per peer and hour.
    pub fn reassignments_per_peer_hour(&self) -> f64 {
        let peer_seconds: u64 = self.seconds.iter().map(|second| second.moment.peers).sum();
        number(self.causes.voluntary()) * 3600.0 / number(peer_seconds.max(1))
    }

    /// Changes of parents by recorded cause, without those that never occurred.
    pub fn causes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = Cause::ALL.into_iter();
        all.map(|cause| (cause.name(), self.causes.of(cause)))
            .filter(|(_, count)| *count > 0)
    }

    /// Kinds of fault that befell somebody.
    pub fn kinds_of_fault(&self) -> usize {
        let names = crate::scenario::Kind::ALL.map(crate::scenario::Kind::name);
        names
            .iter()
            .filter(|name| self.counts.contains_key(*name))
            .count()
    }

    /// How often an invariant did not hold.
    pub fn violations(&self) -> u64 {
        self.verdicts.iter().map(|verdict| verdict.violations).sum()
    }

    /// Plays it once more: the digest is to be the same.
    pub fn repeat(&mut self, scenario: &Arc<Scenario>, manner: Manner) {
        let again = play_one(scenario, manner, true, |_| {});
        self.verdicts.push(same::compare(self.digest, again.digest));
    }

    /// Sets beside it what was possible, and what it cost.
    pub(crate) fn assess(&mut self, scenario: &Scenario, population: &Population) {
        self.bounds = Bounds::of(scenario, population, self.settled());
        self.cost = self.price(scenario);
    }

    fn compare(&mut self, twin: &Self) {
        self.verdicts.push(punctual::compare(self, twin));
        (self.twin_stalls, self.twin_stalled) = (Some(twin.stalls), Some(twin.stalled));
    }

    fn price(&self, scenario: &Scenario) -> f64 {
        let cdn: u64 = self.seconds.iter().map(|second| second.cdn_sent).sum();
        let waypoints: u64 = self
            .seconds
            .iter()
            .map(|second| second.waypoints_sent)
            .sum();
        let gigabytes = |bytes| number(bytes) / 1e9;
        gigabytes(cdn) * scenario.origin.cost_per_gb
            + gigabytes(waypoints) * scenario.waypoints.cost_per_gb
    }
}

fn share(seconds: &[Second]) -> f64 {
    let peers: u64 = seconds.iter().map(|second| second.from_peers).sum();
    let all: u64 = seconds.iter().map(Second::received).sum();
    number(peers) / number(all.max(1))
}

fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}
