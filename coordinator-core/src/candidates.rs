//! Feasible parents of a child, pruned by the rules: what `assign` chooses from (A1, A2).

use core::cmp::Reverse;
use std::collections::BTreeSet;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::assign::{Candidate, Class};
use crate::delivery::Delivery;
use crate::member::{Excluded, MAX_EXCLUSIONS, Member, Role};
use crate::reach::{Nearness, offered};
use crate::rules::{CAPACITY, Objection, Pair, first_objection};
use crate::view::Record;
use crate::world::World;

/// Agents that a waypoint feeds directly, where others can feed the rest: two, so that losing
/// one loses no more than half, and the operator's bytes stay below two copies.
const HEADS: usize = 2;
/// The widest agents that no rule objects to, from which the nearest are taken.
const WIDEST: usize = 16;
/// Most candidates looked at for one child.
const MAX_LOOKED_AT: usize = 256;
/// Ancestors looked at before a pair is taken for a loop to be safe.
const MAX_ANCESTORS: usize = 4096;

/// Who might feed others, best first; made once per look.
pub(crate) struct Feeders {
    order: Vec<PeerId>,
}

impl Feeders {
    /// Waypoints, then agents by spare uplink, then viewers who upload; of each kind those last
    /// that cannot feed anybody at present.
    pub(crate) fn new(delivery: &Delivery, world: &World) -> Self {
        let mut keyed: Vec<(Role, bool, Reverse<BitsPerSecond>, PeerId)> = delivery
            .feeders
            .iter()
            .filter_map(|peer| {
                let member = delivery.members.get(peer)?;
                let record = world.view.get(*peer)?;
                let idle = record.silent || !member.can_feed();
                Some((member.role, idle, Reverse(record.uplink.spare()), *peer))
            })
            .collect();
        keyed.sort_unstable();
        Self {
            order: keyed.into_iter().map(|(_, _, _, peer)| peer).collect(),
        }
    }
}

/// What the search found.
pub(crate) struct Gathered {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) excluded: Vec<Excluded>,
}

/// The candidates for `child`; its present parents are looked at first.
pub(crate) fn gather(
    delivery: &Delivery,
    world: &World,
    child: PeerId,
    feeders: &Feeders,
    now: Timestamp,
) -> Option<Gathered> {
    let member = delivery.members.get(&child)?;
    let search = Search {
        delivery,
        world,
        child,
        member,
        record: world.view.get(child)?,
        stripe: delivery.stripe_rate(member),
        now,
    };
    Some(search.run(feeders))
}

struct Search<'a> {
    delivery: &'a Delivery,
    world: &'a World,
    child: PeerId,
    member: &'a Member,
    record: &'a Record,
    stripe: BitsPerSecond,
    now: Timestamp,
}

impl Search<'_> {
    fn run(&self, feeders: &Feeders) -> Gathered {
        let mut found = Gathered {
            candidates: Vec::new(),
            excluded: Vec::new(),
        };
        let present = self.member.feeds.iter().map(|feed| feed.parent);
        let others = feeders
            .order
            .iter()
            .copied()
            .filter(|peer| self.member.feed(*peer).is_none());
        for parent in present.chain(others).take(MAX_LOOKED_AT) {
            if found.candidates.len() >= WIDEST {
                break;
            }
            if parent != self.child {
                self.consider(parent, &mut found);
            }
        }
        found
    }

    fn consider(&self, parent: PeerId, found: &mut Gathered) {
        let (Some(member), Some(record)) = (
            self.delivery.members.get(&parent),
            self.world.view.get(parent),
        ) else {
            return;
        };
        let pair = self.pair(parent, member, record);
        let objection = first_objection(&pair);
        let stands_by =
            member.role == Role::Head && objection.is_some_and(|(rule, _)| rule == CAPACITY);
        if objection.is_none() || stands_by {
            let spare = pair.spare.saturating_sub(pair.kept);
            let room = if stands_by { 0 } else { self.room(spare) };
            found
                .candidates
                .push(self.candidate(parent, member, record, (spare, room)));
        }
        if let Some((rule, objection)) = objection
            && found.excluded.len() < MAX_EXCLUSIONS
        {
            found.excluded.push(Excluded {
                peer: parent,
                rule,
                objection,
            });
        }
    }

    fn candidate(
        &self,
        parent: PeerId,
        member: &Member,
        record: &Record,
        (spare, room): (BitsPerSecond, u8),
    ) -> Candidate {
        Candidate {
            peer: parent,
            source: record.source(),
            class: self.class(parent, member),
            near: Nearness::between(record.address, self.record.address),
            trouble: record.history.trouble(),
            room,
            spare: spare.0,
            pushes: self.member.feed(parent).map(|feed| feed.substreams),
        }
    }

    fn room(&self, spare: BitsPerSecond) -> u8 {
        let stripes = spare.0 / self.stripe.0.max(1);
        u8::try_from(stripes)
            .unwrap_or(u8::MAX)
            .min(self.delivery.stripes)
    }

    fn pair<'b>(&'b self, parent: PeerId, member: &Member, record: &'b Record) -> Pair<'b> {
        let feed = self.member.feed(parent);
        let own = feed.map_or(BitsPerSecond(0), |feed| feed.reserved);
        let child = self.child;
        let siblings = member.regular_children.len();
        Pair {
            child,
            child_record: self.record,
            parent,
            parent_record: record,
            current: feed.is_some(),
            reachable: self.reachable(record),
            holds: member.can_feed(),
            loops: self.delivery.is_fed_by(parent, child),
            regular_children: siblings - usize::from(member.regular_children.contains(&child)),
            ban: self.world.blacklist.ban(child, parent, self.now),
            spare: record.uplink.spare_with(own),
            kept: self.kept(parent, member),
            stripe: self.stripe,
            hesitation: self.world.config.hesitation(),
            now: self.now,
        }
    }

    /// A lightweight end is never dialled, so the other one's addresses have to do; two regular
    /// peers try both ways.
    fn reachable(&self, parent: &Record) -> bool {
        let downward = || !contact_endpoints(parent, self.record).is_empty();
        let upward = || !contact_endpoints(self.record, parent).is_empty();
        downward() || upward()
    }

    /// What a waypoint keeps from viewers: one copy for agents, less what agents use already.
    fn kept(&self, peer: PeerId, parent: &Member) -> BitsPerSecond {
        match (self.member.role, parent.role) {
            (Role::Viewer, Role::Head) => {
                let used = self.heads_of(peer, parent).map(|(_, reserved)| reserved);
                let used = used.fold(BitsPerSecond(0), BitsPerSecond::saturating_add);
                self.delivery.rate().saturating_sub(used)
            }
            (Role::Viewer | Role::Agent | Role::Head, Role::Viewer | Role::Agent | Role::Head) => {
                BitsPerSecond(0)
            }
        }
    }

    /// Agents that a waypoint feeds, and with how much.
    fn heads_of<'b>(
        &'b self,
        waypoint: PeerId,
        member: &'b Member,
    ) -> impl Iterator<Item = (PeerId, BitsPerSecond)> + 'b {
        member.regular_children.iter().filter_map(move |agent| {
            let feed = self.delivery.members.get(agent)?.feed(waypoint)?;
            (feed.reserved.0 > 0).then_some((*agent, feed.reserved))
        })
    }

    fn class(&self, peer: PeerId, parent: &Member) -> Class {
        match (self.member.role, parent.role) {
            (_, Role::Agent) => Class::Preferred,
            (Role::Viewer | Role::Head, Role::Head) => Class::IfNeeded,
            (Role::Agent, Role::Head) => {
                let others = self
                    .heads_of(peer, parent)
                    .filter(|(agent, _)| *agent != self.child);
                if others.count() < HEADS {
                    Class::Preferred
                } else {
                    Class::IfNeeded
                }
            }
            (_, Role::Viewer) => Class::LastResort,
        }
    }
}

/// The addresses at which `caller` may dial `owner`; none where the owner never accepts.
pub(crate) fn contact_endpoints(owner: &Record, caller: &Record) -> Vec<core::net::SocketAddr> {
    if !owner.is_regular() {
        return Vec::new();
    }
    let browser = !caller.is_regular();
    offered(&owner.endpoints, owner.address, caller.address, browser)
}

impl Delivery {
    /// Whether `peer` receives the content from `source`, directly or through others.
    pub(crate) fn is_fed_by(&self, peer: PeerId, source: PeerId) -> bool {
        let has_children = |member: &Member| member.children().next().is_some();
        if !self.members.get(&source).is_some_and(has_children) {
            return false;
        }
        let mut seen = BTreeSet::new();
        let mut open = vec![peer];
        while let Some(next) = open.pop() {
            let feeds = self
                .members
                .get(&next)
                .map(|member| member.feeds.as_slice());
            for feed in feeds.unwrap_or_default() {
                if feed.parent == source || seen.len() >= MAX_ANCESTORS {
                    return true;
                }
                if seen.insert(feed.parent) {
                    open.push(feed.parent);
                }
            }
        }
        false
    }
}

/// What `Objection` a present parent met, if any.
pub(crate) fn objection_to(excluded: &[Excluded], parent: PeerId) -> Option<Objection> {
    let found = excluded.iter().find(|one| one.peer == parent);
    found.map(|one| one.objection)
}
