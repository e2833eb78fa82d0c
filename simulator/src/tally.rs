//! What is measured while a run goes on.

mod repairs;
mod second;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use runnel_peer_core::Delivered;
use runnel_protocol::ids::ContentId;
use runnel_protocol::segment::{SegmentKey, SubstreamSet};
use runnel_protocol::time::Timestamp;

use crate::library::Place;
use crate::node::At;
use crate::player::Player;
use crate::population::Role;
use crate::scenario::Scenario;
use repairs::{Owed, Repairs};
pub(crate) use second::Moment;
pub use second::Second;

/// How often everybody is counted.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Segments whose attestation is remembered.
const REMEMBERED: usize = 8192;

/// Chunks that arrived at one distance from the source.
#[derive(Debug, Clone, Copy, Default)]
pub struct Depth {
    /// How many.
    pub chunks: u64,
    /// Time since they were attested, in all, in microseconds.
    pub micros: u64,
    /// The longest.
    pub longest: u64,
}

/// What comes later than this was asked for later: on demand, not live.
const MOST_LATENCY: Duration = Duration::from_secs(30);

/// All measurements of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    start: Timestamp,
    pub(crate) seconds: Vec<Second>,
    /// The second that goes on.
    current: Second,
    last_origin: u64,
    /// From joining to the first picture.
    pub(crate) startups: Vec<Duration>,
    pub(crate) joins: u64,
    pub(crate) stalls: u64,
    pub(crate) stalled: Duration,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    served: BTreeMap<At, u64>,
    leaving: BTreeSet<At>,
    pub(crate) repairs: Repairs,
    pub(crate) depths: Vec<Depth>,
    attested: BTreeMap<SegmentKey, Timestamp>,
    order: VecDeque<SegmentKey>,
    played: BTreeSet<Place>,
    /// Better nodes on their way to a place next to a waypoint, since when; and times of those
    /// that are there.
    placing: BTreeMap<At, Timestamp>,
    placed: Vec<Duration>,
    pub(crate) reassigned: u64,
    pub(crate) voluntary: u64,
}

impl Tally {
    pub(crate) fn new(scenario: &Scenario, now: Timestamp) -> Self {
        Self {
            start: now,
            seconds: Vec::new(),
            current: Second::default(),
            last_origin: 0,
            startups: Vec::new(),
            joins: 0,
            stalls: 0,
            stalled: Duration::ZERO,
            counts: BTreeMap::new(),
            served: BTreeMap::new(),
            leaving: BTreeSet::new(),
            repairs: Repairs::new(scenario.coordinator.stripes()),
            depths: Vec::new(),
            attested: BTreeMap::new(),
            order: VecDeque::new(),
            played: BTreeSet::new(),
            placing: BTreeMap::new(),
            placed: Vec::new(),
            reassigned: 0,
            voluntary: 0,
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, what: &'static str, amount: u64) {
        *self.counts.entry(what).or_default() += amount;
    }

    pub(crate) fn count_if(&mut self, happened: bool, what: &'static str) {
        if happened {
            self.count(what);
        }
    }

    pub(crate) fn on_join(&mut self, _: Timestamp) {
        self.joins += 1;
        self.current.joins += 1;
    }

    pub(crate) fn on_started(&mut self, joined: Timestamp, now: Timestamp) {
        self.startups.push(now.since(joined));
        self.current.startup_us += micros(now.since(joined));
        self.current.starts += 1;
    }

    /// A viewer has gone, with what it went through.
    pub(crate) fn on_left(&mut self, player: &Player, now: Timestamp) {
        self.stalls += player.stalls;
        self.stalled += player.stalled_until(now);
        if player.started.is_none() {
            self.count("viewers who left before the first picture");
        }
    }

    pub(crate) fn is_leaving(&self, at: At) -> bool {
        self.leaving.contains(&at)
    }

    pub(crate) fn on_leaving(&mut self, at: At) {
        self.leaving.insert(at);
    }

    pub(crate) fn on_gone(&mut self, at: At) {
        self.leaving.remove(&at);
        self.served.remove(&at);
        self.repairs.on_gone(at);
    }

    pub(crate) fn on_sent(&mut self, at: At, role: Role, bytes: u64) {
        *self.served.entry(at).or_default() += bytes;
        match role {
            Role::Waypoint => self.current.waypoints_sent += bytes,
            Role::Agent | Role::Viewer => self.current.peers_sent += bytes,
        }
    }

    /// Bytes that somebody has sent, since they came.
    pub(crate) fn served(&self, at: At) -> u64 {
        self.served.get(&at).copied().unwrap_or_default()
    }

    pub(crate) const fn on_cdn(&mut self, bytes: u64) {
        self.current.cdn_to_players += bytes;
    }

    /// Media passes a site's firewall, inwards.
    pub(crate) const fn on_entered(&mut self, bytes: u64) {
        self.current.entered += bytes;
    }

    pub(crate) const fn on_waypoint_fetch(&mut self, bytes: u64) {
        self.current.cdn_to_waypoints += bytes;
    }

    pub(crate) fn on_delivered(&mut self, delivered: &Delivered, place: Place) {
        self.current.from_peers += delivered.from_peers;
        self.current.from_waypoints += delivered.from_waypoints;
        self.current.from_cdn += delivered.from_cdn;
        self.current.rescued += u64::from(delivered.rescued);
        if self.played.insert(place) {
            let bytes: usize = delivered.parts.iter().map(bytes::Bytes::len).sum();
            self.current.one_copy += bytes as u64;
        }
    }

    /// A better node comes.
    pub(crate) fn on_asks(&mut self, at: At, now: Timestamp) {
        self.placing.insert(at, now);
    }

    /// How long better nodes took to their places, and how many are on their way still.
    pub(crate) fn placed(&self) -> (Vec<Duration>, usize) {
        (self.placed.clone(), self.placing.len())
    }

    pub(crate) fn on_attested(&mut self, segment: &SegmentKey, now: Timestamp) {
        if self.attested.contains_key(segment) {
            return;
        }
        self.attested.insert(*segment, now);
        self.order.push_back(*segment);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.attested.remove(&oldest);
        }
    }

    pub(crate) fn on_chunk(
        &mut self,
        (at, from): (At, At),
        segment: &SegmentKey,
        index: u32,
        (depth, asked): (u32, Option<Timestamp>),
        now: Timestamp,
    ) {
        let Some(attested) = self.attested.get(segment).copied() else {
            return;
        };
        if depth == 1
            && let Some(since) = self.placing.remove(&at)
        {
            self.placed.push(now.since(since));
        }
        let owed = asked.map_or(Owed::Pushed(attested), Owed::Asked);
        self.repairs.on_chunk((at, from), segment, index, owed, now);
        if now.since(attested) > MOST_LATENCY {
            return;
        }
        let depth = depth as usize;
        if self.depths.len() <= depth && depth < 64 {
            self.depths.resize(depth + 1, Depth::default());
        }
        if let Some(row) = self.depths.get_mut(depth) {
            let took = micros(now.since(attested));
            row.chunks += 1;
            row.micros += took;
            row.longest = row.longest.max(took);
        }
    }

    /// Its parent is gone: from here on it is measured how long it goes without.
    pub(crate) fn on_orphaned(
        &mut self,
        child: At,
        parent: At,
        content: ContentId,
        stripes: SubstreamSet,
        now: Timestamp,
    ) {
        self.repairs
            .on_orphaned(child, parent, content, stripes, now);
    }

    /// Somebody got other parents; in calm times nothing but choice can be behind it.
    pub(crate) const fn on_reassigned(&mut self, calm: bool) {
        self.reassigned += 1;
        self.voluntary += calm as u64;
        self.current.reassigned += 1;
    }

    pub(crate) fn on_second(&mut self, now: Timestamp, moment: Moment, origin_sent: u64) {
        let mut second = core::mem::take(&mut self.current);
        second.at = now.since(self.start).as_secs();
        second.moment = moment;
        second.cdn_sent = origin_sent - self.last_origin;
        self.last_origin = origin_sent;
        self.seconds.push(second);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
