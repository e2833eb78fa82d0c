//! The delivery coordinator (DCM): one content in one region. It owns who takes part and who
//! feeds whom, marks what is dirty, and has it planned within a budget on each look.

mod planning;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::control::ContentReport;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::announce;
use crate::candidates::Feeders;
use crate::explain::{Cause, What};
use crate::member::{Feed, Member, Role};
use crate::rate::{PeakRate, differs};
use crate::recruit;
use crate::summary::Received;
use crate::view::Record;
use crate::world::World;

/// Members that want for something and are looked at again per tick when somebody got room.
const WANTING_PER_TICK: usize = 200;

/// How much work one wake-up may do; what is left over goes on at the next one.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    pub(crate) fn new(plans: usize) -> Self {
        Self { left: plans }
    }

    /// Takes one plan's worth; `false` when nothing is left.
    pub(crate) fn spend(&mut self) -> bool {
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) content: ContentId,
    pub(crate) stripes: u8,
    pub(crate) members: BTreeMap<PeerId, Member>,
    /// Members that may be able to feed others.
    pub(crate) feeders: BTreeSet<PeerId>,
    /// Members that play, a count.
    pub(crate) players: usize,
    /// What those who play received.
    pub(crate) received: Received,
    peak: PeakRate,
    arrivals: u64,
    /// To be planned: who feeds others first, then in order of arrival.
    dirty: BTreeSet<(Role, u64, PeerId)>,
    /// Members for whom something better can be wished.
    wanting: BTreeSet<PeerId>,
    /// Where the next round over `wanting` begins.
    cursor: Option<PeerId>,
    growth_seen: u64,
    /// Members whose assignment may differ from what they were told.
    pub(crate) untold: BTreeSet<PeerId>,
    /// Since when nobody plays.
    pub(crate) idle_since: Timestamp,
}

impl Delivery {
    pub(crate) fn new(content: ContentId, world: &World, now: Timestamp) -> Self {
        Self {
            content,
            stripes: world.config.stripes,
            members: BTreeMap::new(),
            feeders: BTreeSet::new(),
            players: 0,
            received: Received::default(),
            peak: PeakRate::new(world.config.default_rate, now),
            arrivals: 0,
            dirty: BTreeSet::new(),
            wanting: BTreeSet::new(),
            cursor: None,
            growth_seen: world.growth,
            untold: BTreeSet::new(),
            idle_since: now,
        }
    }

    /// The rate that whoever feeds others has to carry.
    pub(crate) fn rate(&self) -> BitsPerSecond {
        self.peak.value()
    }

    /// The rate that a member is expected to receive at.
    pub(crate) fn expected(&self, member: &Member) -> BitsPerSecond {
        match member.role {
            Role::Viewer if member.rate.0 > 0 => member.rate,
            Role::Viewer | Role::Agent | Role::Head => self.rate(),
        }
    }

    /// What one stripe to a member takes of a parent's uplink.
    pub(crate) fn stripe_rate(&self, member: &Member) -> BitsPerSecond {
        let stripes = u64::from(self.stripes.max(1));
        BitsPerSecond(self.expected(member).0.div_ceil(stripes))
    }

    /// Takes a peer in, or notes that it now plays.
    pub(crate) fn join(
        &mut self,
        peer: PeerId,
        record: &Record,
        opens: Option<bool>,
        now: Timestamp,
    ) {
        let role = role_of(record);
        let arrival = self.arrivals;
        let member = self
            .members
            .entry(peer)
            .or_insert_with(|| Member::new(role, arrival));
        self.arrivals += 1;
        if let Some(plays) = opens {
            member.opened = true;
            self.players += usize::from(plays && !member.plays);
            self.players -= usize::from(!plays && member.plays);
            member.plays = plays;
        }
        self.note_feeder(peer, record);
        self.note_idleness(now);
        self.mark(peer);
    }

    /// Whether the peer may feed others is known anew.
    pub(crate) fn note_feeder(&mut self, peer: PeerId, record: &Record) {
        let Some(member) = self.members.get(&peer) else {
            return;
        };
        let feeds = match member.role {
            Role::Head | Role::Agent => true,
            Role::Viewer => record.uplink.offered().0 > 0,
        };
        if feeds {
            self.feeders.insert(peer);
        } else {
            self.feeders.remove(&peer);
        }
    }

    fn note_idleness(&mut self, now: Timestamp) {
        if self.players > 0 {
            self.idle_since = now;
        }
    }

    /// Lets a peer go: what it held is released, who it fed is planned anew.
    pub(crate) fn leave(&mut self, peer: PeerId, world: &mut World, now: Timestamp) {
        self.note_idleness(now);
        let Some(member) = self.members.remove(&peer) else {
            return;
        };
        self.players -= usize::from(member.plays);
        self.dirty.remove(&(member.role, member.arrival, peer));
        self.wanting.remove(&peer);
        self.feeders.remove(&peer);
        self.untold.remove(&peer);
        for feed in &member.feeds {
            self.release(peer, feed, world);
        }
        for child in member.children() {
            self.orphan(child, peer, world, now);
        }
    }

    fn release(&mut self, child: PeerId, feed: &Feed, world: &mut World) {
        if let Some(record) = world.view.get_mut(feed.parent) {
            record.uplink.release(feed.reserved);
            world.growth += u64::from(feed.reserved.0 > 0);
        }
        if let Some(parent) = self.members.get_mut(&feed.parent) {
            parent.light_children.remove(&child);
            if parent.regular_children.remove(&child) {
                self.untold.insert(feed.parent);
            }
        }
    }

    fn orphan(&mut self, child: PeerId, parent: PeerId, world: &mut World, now: Timestamp) {
        if let Some(member) = self.members.get_mut(&child) {
            member.feeds.retain(|feed| feed.parent != parent);
            let gone = What::Dropped(Cause::Gone);
            world
                .log
                .note_pair((child, parent), self.content, gone, now);
            self.mark(child);
        }
    }

    /// A member has to be planned anew.
    pub(crate) fn mark(&mut self, peer: PeerId) {
        if let Some(member) = self.members.get(&peer) {
            self.dirty.insert((member.role, member.arrival, peer));
        }
    }

    /// All children of a peer have to be planned anew.
    pub(crate) fn mark_children(&mut self, peer: PeerId) {
        let children = self
            .members
            .get(&peer)
            .map(|member| member.children().collect());
        let children: Vec<PeerId> = children.unwrap_or_default();
        children.into_iter().for_each(|child| self.mark(child));
    }

    /// A pair's ticket grows old: whoever lists it is told again, with a new one.
    pub(crate) fn renew(&mut self, server: PeerId, client: PeerId) {
        if self
            .members
            .get(&client)
            .is_some_and(|member| member.feed(server).is_some())
        {
            self.untold.insert(client);
            self.untold.insert(server);
        }
    }

    /// Everybody has to be told again, because of a new certificate.
    pub(crate) fn tell_everybody(&mut self) {
        self.untold.extend(self.members.keys().copied());
    }

    /// Observes what a member says of itself.
    pub(crate) fn on_report(
        &mut self,
        peer: PeerId,
        report: &ContentReport,
        world: &mut World,
        now: Timestamp,
    ) {
        let Some(member) = self.members.get_mut(&peer) else {
            return;
        };
        member.holds = !report.live && !report.tracks.is_empty();
        member.buffer_ms = report.buffer_ms;
        member.stalls = member.stalls.saturating_add(u32::from(report.stalls));
        if !member.plays {
            return;
        }
        self.received.add(report);
        world.totals.received.add(report);
        if report.rate.0 == 0 {
            return;
        }
        member.rate = report.rate;
        self.peak.observe(report.rate, now);
        if member.role == Role::Viewer && differs(member.planned, report.rate) {
            self.mark(peer);
        }
    }

    /// Whether anything waits for a decision or to be told.
    pub(crate) fn has_work(&self) -> bool {
        !self.dirty.is_empty() || !self.untold.is_empty()
    }

    /// Once a second: agents that carry another rate than planned, who wants for a parent.
    pub(crate) fn on_tick(&mut self, world: &mut World, now: Timestamp) {
        self.note_idleness(now);
        let rate = self.rate();
        let outgrown = |peer: &&PeerId| {
            let member = self.members.get(*peer);
            member.is_some_and(|member| member.role == Role::Agent && differs(member.planned, rate))
        };
        let outgrown: Vec<PeerId> = self.feeders.iter().filter(outgrown).copied().collect();
        outgrown.into_iter().for_each(|peer| self.mark(peer));
        if self.growth_seen != world.growth {
            self.mark_wanting(world.growth);
        }
    }

    /// Marks a round of those who want; the next tick goes on where this one ends.
    fn mark_wanting(&mut self, growth: u64) {
        let from = self.cursor.take();
        let rest = self.wanting.iter().copied();
        let round: Vec<PeerId> = rest
            .filter(|peer| from.is_none_or(|from| *peer > from))
            .take(WANTING_PER_TICK)
            .collect();
        if round.len() == WANTING_PER_TICK {
            self.cursor = round.last().copied();
        } else {
            self.growth_seen = growth;
        }
        round.into_iter().for_each(|peer| self.mark(peer));
    }

    /// Plans what is dirty, then tells who has to know; `false` when the budget did not suffice.
    pub(crate) fn look(&mut self, world: &mut World, budget: &mut Budget, now: Timestamp) -> bool {
        recruit::recruit(self, world, now);
        let feeders = Feeders::new(self, world);
        while !self.dirty.is_empty() {
            if !budget.spend() {
                return false;
            }
            if let Some((_, _, peer)) = self.dirty.pop_first() {
                self.plan(peer, &feeders, world, now);
            }
        }
        announce::tell(self, world, budget, now)
    }

    /// Whether viewers lack uplink of agents.
    pub(crate) fn is_short(&self) -> bool {
        let lacks = |peer: &PeerId| {
            let member = self.members.get(peer);
            member.is_some_and(|member| member.role == Role::Viewer && member.plays)
        };
        self.wanting.iter().any(lacks)
    }

    /// Whether somebody has the content to hand out.
    pub(crate) fn has_source(&self) -> bool {
        let mut feeders = self
            .feeders
            .iter()
            .filter_map(|peer| self.members.get(peer));
        feeders.any(|member| member.role != Role::Viewer && member.can_feed())
    }

    /// Whether nobody has played for so long that helpers may go.
    pub(crate) fn is_idle(&self, limit: Duration, now: Timestamp) -> bool {
        self.players == 0 && now.since(self.idle_since) >= limit
    }

    /// The stripes that nobody pushes to a member.
    pub(crate) fn uncovered(&self, member: &Member) -> SubstreamSet {
        SubstreamSet::all(self.stripes).without(member.covered())
    }
}

fn role_of(record: &Record) -> Role {
    if record.waypoint {
        Role::Head
    } else if record.is_regular() {
        Role::Agent
    } else {
        Role::Viewer
    }
}
