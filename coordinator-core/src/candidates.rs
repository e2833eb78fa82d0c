//! Feasible parents of a child, pruned by the rules: what `assign` chooses from (A1, A2).

mod links;

use core::cmp::Reverse;
use core::net::SocketAddr;
use std::sync::Arc;

use runnel_protocol::control::{Platform, Source};
use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::{Substream, SubstreamSet};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::assign::{Candidate, Class};
use crate::capacity::Rung;
use crate::delivery::Delivery;
use crate::family::{Family, Speaks};
use crate::member::{Excluded, MAX_EXCLUSIONS, Member, Role};
use crate::policy::{Ruling, Strictness, Verdict};
use crate::reach::{Nearness, offered};
use crate::rules::{CAPACITY, Objection, Pair, Reach, first_objection};
use crate::supply::Area;
use crate::table::Table;
use crate::trees::{Depths, have_room};
use crate::view::Record;
use crate::world::World;

/// Agents of a region to which waypoints hand each stripe, where others can feed the rest: two, so that losing
/// one loses no more than half, and the operator's bytes stay at two copies.
pub(crate) const HEADS: usize = 2;
/// Candidates from which the best are chosen.
const WIDEST: usize = 16;
/// Candidates after which no more are taken from the child's own site, and from its network:
/// what is beyond has a chance as well, so that one place that fails does not take all parents.
const FROM_SITE: usize = 6;
const FROM_NETWORK: usize = 11;
/// Networks next to the child's that are looked at, and candidates taken from each.
const MAX_NEIGHBOURS: usize = 64;
const FROM_NEIGHBOUR: usize = 2;
/// Waypoints looked at.
const MAX_HEADS: usize = 8;
/// Other regions that are looked at.
const MAX_ABROAD: usize = 8;
/// Looks at each, two agents at a time, until those found cover all stripes.
const MAX_LOOKS_ABROAD: usize = 4;
/// Times the rate that an agent has to offer, to feed other regions than its own.
const WIDE: u64 = 2;
/// Looks in one area at members that no rule lets through, and at those too narrow for a stripe:
/// the latter only so that the child can be told why.
const MAX_FRUITLESS: usize = 48;
const MAX_NARROW: usize = 8;
/// Agents looked at for each stripe that are interior in it, nearest to the source.
const NEAREST: usize = 3;
/// Peers remembered that soft policies are against, in case there is nobody else.
const MAX_SOFTLY_DENIED: usize = 64;
/// Ancestors looked at before a pair is taken for a loop to be safe.
const MAX_ANCESTORS: usize = 4096;

/// What the search found.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) excluded: Vec<Excluded>,
    /// Candidates that a soft policy is against: it gave way, since there is nobody else.
    pub(crate) relaxed: Vec<(PeerId, Arc<Ruling>)>,
    /// Peers looked at, themselves and their ancestors.
    pub(crate) work: usize,
}

/// The candidates for `child`; its present parents are looked at first.
pub(crate) fn gather(
    delivery: &Delivery,
    world: &World,
    child: PeerId,
    now: Timestamp,
) -> Option<Gathered> {
    let mut search = Search::new(delivery, world, child, now)?;
    search.run();
    search.found.work = search.seen.len() + search.upstream.len();
    Some(search.found)
}

/// One pair as a candidate, and the first rule that objects to it; `None` where one of the two
/// takes no part.
pub(crate) fn look_at(
    delivery: &Delivery,
    world: &World,
    (child, parent): (PeerId, PeerId),
    now: Timestamp,
) -> Option<(Candidate, Option<&'static str>)> {
    let mut search = Search::new(delivery, world, child, now)?;
    let (member, record) = (delivery.members.get(&parent)?, world.view.get(parent)?);
    let loops = search.is_fed_by_child(parent, member);
    let pair = search.pair(parent, member, record, loops);
    let spare = pair.spare.saturating_sub(pair.kept);
    let rule = first_objection(&pair).map(|(rule, _)| rule);
    let candidate = search.candidate(member, &pair, (spare, search.room(spare)));
    Some((candidate, rule))
}

struct Search<'a> {
    delivery: &'a Delivery,
    world: &'a World,
    child: PeerId,
    member: &'a Member,
    record: &'a Record,
    stripe: BitsPerSecond,
    /// Whether viewers give up their places for it.
    goes_first: bool,
    now: Timestamp,
    /// Soft policies of this rank and all later ones give way.
    relaxed_from: Option<u16>,
    /// Peers that nothing but a soft policy was seen to be against.
    softly_denied: Vec<(PeerId, Arc<Ruling>)>,
    /// Who was looked at.
    seen: Table<PeerId, ()>,
    /// Peers that the child is known not to feed.
    upstream: Table<PeerId, ()>,
    found: Gathered,
}

impl<'a> Search<'a> {
    fn new(
        delivery: &'a Delivery,
        world: &'a World,
        child: PeerId,
        now: Timestamp,
    ) -> Option<Self> {
        let (member, record) = (delivery.members.get(&child)?, world.view.get(child)?);
        Some(Self {
            delivery,
            world,
            child,
            member,
            record,
            stripe: delivery.stripe_rate(member),
            goes_first: delivery.goes_first(member, record),
            now,
            relaxed_from: None,
            softly_denied: Vec::new(),
            seen: Table::default(),
            upstream: Table::default(),
            found: Gathered::default(),
        })
    }

    fn run(&mut self) {
        self.seen.insert(self.child, ());
        let member = self.member;
        for feed in &member.feeds {
            self.consider(feed.parent);
        }
        let supply = &self.delivery.supply;
        for (head, _) in supply.widest(Role::Head, Area::Anywhere).take(MAX_HEADS) {
            self.consider(head);
        }
        self.look_at_fellows();
        let [site, network, region] = Area::around(self.record.place);
        self.look_at(Role::Agent, site, FROM_SITE);
        self.look_at(Role::Agent, network, FROM_NETWORK);
        self.look_next_door();
        if self.member.role == Role::Agent {
            self.look_near_the_source();
        }
        self.look_at(Role::Agent, region, WIDEST);
        self.look_abroad();
        if self.member.role == Role::Agent {
            self.look_at(Role::Viewer, Area::Anywhere, WIDEST);
        }
        self.relax();
    }

    /// Where policies leave nobody, soft ones give way, the last ranks first (A6).
    fn relax(&mut self) {
        let nobody = |found: &Gathered| found.candidates.iter().all(|one| one.room == 0);
        let mut denied = core::mem::take(&mut self.softly_denied);
        denied.sort_by_key(|(_, ruling)| Reverse(ruling.rank));
        for equals in denied.chunk_by(|(_, one), (_, other)| one.rank == other.rank) {
            if !nobody(&self.found) {
                return;
            }
            self.relaxed_from = equals.first().map(|(_, ruling)| ruling.rank);
            for (parent, ruling) in equals {
                self.found.excluded.retain(|one| one.peer != *parent);
                self.judge(*parent);
                self.found.relaxed.push((*parent, Arc::clone(ruling)));
            }
        }
    }

    /// Who belongs to a group of the child's may be anywhere.
    fn look_at_fellows(&mut self) {
        for fellow in self.world.groups.fellows(self.child) {
            if self.found.candidates.len() >= WIDEST {
                return;
            }
            self.consider(fellow);
        }
    }

    /// Networks that the child's own is linked with are nearer than the rest of its region, among
    /// which a few of them would not be found.
    fn look_next_door(&mut self) {
        let networks = self.world.config.networks.neighbours(self.record.place);
        for network in networks.take(MAX_NEIGHBOURS) {
            let enough = (self.found.candidates.len() + FROM_NEIGHBOUR).min(FROM_NETWORK);
            self.look_at(Role::Agent, Area::Network(network), enough);
        }
    }

    /// Who feeds others is to stand high up: the widest are those who came last, below everybody
    /// else, and a crowd would become a chain.
    fn look_near_the_source(&mut self) {
        let (supply, region) = (&self.delivery.supply, self.record.place.region);
        for stripe in SubstreamSet::all(self.delivery.stripes).iter() {
            for peer in supply.nearest_to_source(region, stripe).take(NEAREST) {
                self.consider(peer);
            }
        }
    }

    /// Where its own region's agents have too little room, a child may be fed by wide ones of
    /// other regions: for what the waypoints have no room for either (S3).
    fn look_abroad(&mut self) {
        if self.covers(|one| one.class == Class::Preferred) {
            return;
        }
        let delivery = self.delivery;
        let regions = delivery.supply.regions_besides(self.record.place.region);
        for region in regions.take(MAX_ABROAD) {
            for _ in 0..MAX_LOOKS_ABROAD {
                let enough = (self.found.candidates.len() + 2).min(WIDEST);
                self.look_at(Role::Agent, Area::Region(region), enough);
                if self.covers(|one| one.source == Source::Peer) {
                    break;
                }
            }
        }
    }

    fn covers(&self, kind: impl Fn(&&Candidate) -> bool) -> bool {
        let all = SubstreamSet::all(self.delivery.stripes);
        have_room(all, self.found.candidates.iter().filter(kind))
    }

    fn is_wide(&self, peer: PeerId) -> bool {
        let wide = self.delivery.rate().0.saturating_mul(WIDE);
        let record = self.world.view.get(peer);
        record.is_some_and(|record| record.uplink.offered().0 >= wide)
    }

    /// The widest of an area, until there are `enough` candidates.
    fn look_at(&mut self, role: Role, area: Area, enough: usize) {
        let here = Area::Region(self.record.place.region);
        let abroad = matches!(area, Area::Region(_)) && area != here;
        let (mut fruitless, mut narrow) = (0, 0);
        let delivery = self.delivery;
        for (peer, rung) in delivery.supply.widest(role, area) {
            let before = self.found.candidates.len();
            narrow += usize::from(rung < Rung::of(self.stripe));
            if before >= enough || fruitless > MAX_FRUITLESS || narrow > MAX_NARROW {
                break;
            }
            if self.seen.contains_key(&peer) {
                continue;
            }
            if !abroad || self.is_wide(peer) {
                self.consider(peer);
            }
            fruitless += usize::from(self.found.candidates.len() == before);
        }
    }

    fn consider(&mut self, parent: PeerId) {
        if self.seen.insert(parent, ()).is_none() {
            self.judge(parent);
        }
    }

    /// Makes somebody a candidate, or keeps the first objection.
    fn judge(&mut self, parent: PeerId) {
        let (Some(member), Some(record)) = (
            self.delivery.members.get(&parent),
            self.world.view.get(parent),
        ) else {
            return;
        };
        let loops = self.is_fed_by_child(parent, member);
        let pair = self.pair(parent, member, record, loops);
        let objection = first_objection(&pair);
        let rule = objection.as_ref().map(|(rule, _)| *rule);
        let stands_by = member.role == Role::Head && rule == Some(CAPACITY);
        if objection.is_none() || stands_by {
            let spare = pair.spare.saturating_sub(pair.kept);
            let room = if stands_by { 0 } else { self.room(spare) };
            let room = room.min(self.room_on_links(&pair));
            let candidate = self.candidate(member, &pair, (spare, room));
            self.found.candidates.push(candidate);
        }
        let ruling = objection.as_ref().and_then(|(_, one)| one.ruling());
        if let Some(ruling) = ruling
            && ruling.strictness == Strictness::Soft
            && self.softly_denied.len() < MAX_SOFTLY_DENIED
        {
            self.softly_denied.push((parent, Arc::clone(ruling)));
        }
        if let Some((rule, objection)) = objection
            && self.found.excluded.len() < MAX_EXCLUSIONS
        {
            self.found.excluded.push(Excluded {
                peer: parent,
                rule,
                objection,
            });
        }
    }

    fn candidate(
        &self,
        member: &Member,
        pair: &Pair<'_>,
        (spare, room): (BitsPerSecond, u8),
    ) -> Candidate {
        let (parent, record) = (pair.parent, pair.parent_record);
        Candidate {
            peer: parent,
            source: record.source(),
            score: pair.score,
            friend: self.world.groups.bond(self.child, parent).friends,
            class: self.class(member, record),
            near: Nearness::between(
                (record.address, record.place),
                (self.record.address, self.record.place),
                &self.world.config.networks,
            ),
            trouble: record.trouble(self.now),
            room,
            crowded: record.uplink.spare() < self.stripe,
            short_of_links: !pair.linked && record.is_short_of_links(),
            stands_by: !self.record.is_regular() || member.can_stand_by(self.child),
            spare: spare.0,
            counted: self.delivery.counted(record, spare).0,
            pushes: self.member.feed(parent).map(|feed| feed.substreams),
            depths: match self.member.role {
                Role::Agent => self.delivery.depths(parent, self.child),
                Role::Head | Role::Viewer => Depths::NOWHERE,
            },
            carries: member.carries,
            home: member.home.map(|(home, _)| home),
            network: record.place.network,
            dear: self.dear(parent, member),
            links: pair.links,
            gave_way: pair.gave_way,
        }
    }

    fn room(&self, spare: BitsPerSecond) -> u8 {
        let stripes = spare.0 / self.stripe.0.max(1);
        u8::try_from(stripes)
            .unwrap_or(u8::MAX)
            .min(self.delivery.stripes)
    }

    fn pair<'b>(&self, parent: PeerId, member: &Member, record: &'b Record, loops: bool) -> Pair<'b>
    where
        Self: 'b,
    {
        let feed = self.member.feed(parent);
        let own = feed.map_or(BitsPerSecond(0), |feed| feed.reserved);
        let child = self.child;
        let siblings = member.regular_children.len();
        let verdict = self.ask_policies(parent, record);
        let (links, ruling) = (verdict.links, verdict.denial(self.relaxed_from).cloned());
        let gave_way = self.gives_way(links, feed);
        Pair {
            child,
            child_record: self.record,
            parent,
            parent_record: record,
            current: feed.is_some(),
            reach: self.reach(parent, record),
            holds: member.can_feed(),
            loops,
            regular_children: siblings - usize::from(member.regular_children.contains_key(&child)),
            linked: feed.is_some() || self.world.view.are_partners(child, parent),
            ban: self.world.blacklist.ban(child, parent, self.now),
            distrusted: self.world.conduct.is_distrusted(parent, record, self.now),
            met_enough: self.world.acquaintances.exhausted(
                (self.record, record),
                self.world.config.meetings_per_hour,
                self.now,
            ),
            congested: self.world.monitor.congestion(
                record.place.network,
                self.record.place.network,
                self.now,
            ),
            ruling,
            score: verdict.score,
            shortage: self.shortage(links, gave_way),
            links,
            gave_way,
            spare: record
                .uplink
                .spare_with(own.saturating_add(self.given_up(member))),
            kept: self.kept(member),
            stripe: self.stripe,
            hesitation: self.world.config.hesitation(),
            now: self.now,
        }
    }

    /// What the policies say about a parent.
    fn ask_policies(&self, peer: PeerId, parent: &Record) -> Verdict {
        let world = self.world;
        let viewer = world.describe(self.child, self.record);
        let ends = (&viewer, &world.describe(peer, parent));
        world.verdict((self.child, peer), ends, self.delivery.content, self.now)
    }

    /// A lightweight end is never dialled, so the other one's addresses have to do; two regular
    /// peers try both ways.
    fn reach(&self, peer: PeerId, parent: &Record) -> Reach {
        let downward = || self.reach_of((self.child, self.record), parent);
        let upward = || self.reach_of((peer, parent), self.record);
        match downward() {
            Reach::Yes => Reach::Yes,
            Reach::NoAddress => upward(),
            found @ Reach::AnotherFamily(_) => match upward() {
                Reach::Yes => Reach::Yes,
                Reach::NoAddress | Reach::AnotherFamily(_) => found,
            },
        }
    }

    /// Whether `caller` can dial `owner`, as far as is known.
    fn reach_of(&self, (peer, caller): (PeerId, &Record), owner: &Record) -> Reach {
        let told = told_endpoints(owner, caller);
        let Some(first) = told.first() else {
            return Reach::NoAddress;
        };
        let in_vain = self.world.attempts.are_in_vain(peer, self.now);
        let can = |endpoint: &SocketAddr| match caller.families.speaks(Family::of(endpoint.ip())) {
            Speaks::Yes => true,
            Speaks::Perhaps => !in_vain,
            Speaks::No => false,
        };
        if told.iter().any(can) {
            Reach::Yes
        } else {
            Reach::AnotherFamily(Family::of(first.ip()))
        }
    }

    /// Whether everything that a candidate receives comes through the child. An agent may stand
    /// above another in one tree and below it in the next one; what a viewer takes it takes from
    /// anybody, so nothing at all may come back to it.
    fn is_fed_by_child(&mut self, parent: PeerId, member: &Member) -> bool {
        let childless = self.member.children().next().is_none();
        match self.member.role {
            _ if childless || member.role == Role::Head => false,
            Role::Agent => self.delivery.depths(parent, self.child).is_nowhere(),
            Role::Head | Role::Viewer => self.loops(parent),
        }
    }

    /// The stripes that a waypoint hands to enough agents already. Where uplink is short there is no
    /// enough: whatever an agent with one stripe takes from others is missing below them.
    fn dear(&self, peer: PeerId, parent: &Member) -> SubstreamSet {
        let all = SubstreamSet::all(self.delivery.stripes);
        if parent.role != Role::Head || self.member.carries != all {
            return SubstreamSet::EMPTY;
        }
        let others = parent.regular_children.keys();
        let others = others.filter(|agent| self.is_rival(**agent));
        let sets: Vec<SubstreamSet> = others
            .filter_map(|agent| Some(self.delivery.members.get(agent)?.feed(peer)?.substreams))
            .collect();
        let given = |stripe: &Substream| sets.iter().filter(|set| set.contains(*stripe)).count();
        all.iter()
            .filter(|stripe| given(stripe) >= HEADS)
            .fold(SubstreamSet::EMPTY, SubstreamSet::with)
    }

    /// What a parent's viewers would give up for the child.
    fn given_up(&self, parent: &Member) -> BitsPerSecond {
        if self.goes_first {
            parent.given_to_viewers
        } else {
            BitsPerSecond(0)
        }
    }

    /// What a waypoint keeps from viewers: one copy for agents, less what agents use already.
    fn kept(&self, parent: &Member) -> BitsPerSecond {
        match (self.member.role, parent.role) {
            (Role::Viewer, Role::Head) => {
                self.delivery.rate().saturating_sub(parent.given_to_agents)
            }
            (Role::Viewer | Role::Agent | Role::Head, Role::Viewer | Role::Agent | Role::Head) => {
                BitsPerSecond(0)
            }
        }
    }

    /// Whether the child feeds `parent`, directly or through others.
    fn loops(&mut self, parent: PeerId) -> bool {
        if self.member.children().next().is_none() {
            return false;
        }
        let known = self.upstream.len();
        let mut open = vec![parent];
        while let Some(next) = open.pop() {
            let member = self.delivery.members.get(&next);
            for feed in member.iter().flat_map(|member| &member.feeds) {
                if feed.parent == self.child || self.upstream.len() - known >= MAX_ANCESTORS {
                    // Who was met on this way may be fed by the child.
                    self.upstream.truncate(known);
                    return true;
                }
                if self.upstream.insert(feed.parent, ()).is_none() {
                    open.push(feed.parent);
                }
            }
        }
        false
    }

    /// Another agent of the child's region.
    fn is_rival(&self, agent: PeerId) -> bool {
        let member = self.delivery.members.get(&agent);
        let near = member.is_some_and(|member| member.region == self.member.region);
        agent != self.child && near
    }

    fn class(&self, parent: &Member, record: &Record) -> Class {
        match (self.member.role, parent.role) {
            (_, Role::Agent) if record.place.region != self.record.place.region => {
                Class::LastResort
            }
            (_, Role::Agent) | (Role::Agent, Role::Head) => Class::Preferred,
            (Role::Viewer | Role::Head, Role::Head) => Class::IfNeeded,
            (_, Role::Viewer) => Class::LastResort,
        }
    }
}

/// The addresses at which `caller` is to dial `owner`, those first of whose family it certainly has one; none
/// where the owner never accepts.
pub(crate) fn contact_endpoints(owner: &Record, caller: &Record) -> Vec<SocketAddr> {
    let speaks = |endpoint: &SocketAddr| caller.families.speaks(Family::of(endpoint.ip()));
    let mut endpoints = told_endpoints(owner, caller);
    endpoints.retain(|endpoint| speaks(endpoint) != Speaks::No);
    endpoints.sort_by_key(|endpoint| speaks(endpoint) != Speaks::Yes);
    endpoints
}

/// The addresses of `owner` that `caller` may learn.
fn told_endpoints(owner: &Record, caller: &Record) -> Vec<SocketAddr> {
    if !owner.is_regular() {
        return Vec::new();
    }
    let browser = caller.platform == Platform::Browser;
    offered(owner.endpoints(), owner.address, caller.address, browser)
}

/// What `Objection` a present parent met, if any.
pub(crate) fn objection_to(excluded: &[Excluded], parent: PeerId) -> Option<&Objection> {
    let found = excluded.iter().find(|one| one.peer == parent);
    found.map(|one| &one.objection)
}
