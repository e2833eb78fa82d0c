//! Planning one member: candidates, choice, reservations, reasons.

use std::sync::Arc;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::Delivery;
use crate::assign::Choice;
use crate::candidates::{gather, objection_to};
use crate::explain::{Parting, What};
use crate::member::{Excluded, Feed, Member, Role};
use crate::policy::Ruling;
use crate::recruit;
use crate::steady::Cause;
use crate::world::World;

impl Delivery {
    /// Plans one member; how many peers were looked at for it.
    pub(super) fn plan(&mut self, child: PeerId, world: &mut World, now: Timestamp) -> usize {
        let is_head = |member: &Member| member.role == Role::Head;
        if self.members.get(&child).is_none_or(is_head) {
            self.untold.insert(child);
            return 1;
        }
        self.note_standing(child, world, now);
        if self.members.get(&child).is_some_and(|member| member.out) {
            self.cut_off(child, world, now);
            recruit::recruit_fellow(child, self, world, now);
            return 1;
        }
        let Some(gathered) = gather(self, world, child, now) else {
            return 1;
        };
        let stays = self.can_stay(child, &gathered.candidates);
        let above = self.pusher_at_home(child);
        let choices = self.choose(child, gathered.candidates, world);
        let feeds = self.feeds(child, &choices);
        let cause = self.cause(child, &feeds, stays);
        let feeds = self.permitted(child, feeds, cause, now);
        let changed = cause.filter(|_| self.would_change(child, &feeds));
        self.make_room(child, &feeds, world, now);
        self.note_relaxed(child, &feeds, &gathered.relaxed, world, now);
        self.adopt(child, feeds, &gathered.excluded, world, now);
        self.account(child, changed, world, now);
        if let Some(member) = self.members.get_mut(&child) {
            member.excluded = gathered.excluded;
        }
        if self.pusher_at_home(child) != above {
            self.may_rise(child, Cause::Promoted);
        }
        if self.wants(child) {
            recruit::recruit_fellow(child, self, world, now);
        }
        gathered.work
    }

    /// Keeps which soft policies gave way to which new parents (A6).
    fn note_relaxed(
        &self,
        child: PeerId,
        feeds: &[Feed],
        relaxed: &[(PeerId, Arc<Ruling>)],
        world: &mut World,
        now: Timestamp,
    ) {
        let member = self.members.get(&child);
        let is_new = |parent| member.is_some_and(|member| member.feed(parent).is_none());
        for (parent, ruling) in relaxed {
            if feeds.iter().any(|feed| feed.parent == *parent) && is_new(*parent) {
                let what = What::Relaxed(Arc::clone(ruling));
                let pair = (child, *parent);
                world.log.note_pair(pair, self.content, what, now);
            }
        }
    }

    fn pusher_at_home(&self, peer: PeerId) -> Option<PeerId> {
        let member = self.members.get(&peer)?;
        member.pusher(member.home?.0)
    }

    /// The choices as feeds; what is known of a link that stays is kept.
    pub(super) fn feeds(&self, child: PeerId, choices: &[Choice]) -> Vec<Feed> {
        let Some(member) = self.members.get(&child) else {
            return Vec::new();
        };
        let stripe = self.stripe_rate(member);
        let feed = |choice: &Choice| {
            let old = member.feed(choice.parent);
            let mut feed = old.cloned().unwrap_or_else(|| Feed::from(choice));
            if feed.substreams != choice.substreams {
                (feed.substreams, feed.why) = (choice.substreams, choice.why);
            }
            feed.class = choice.class;
            (feed.links, feed.gave_way) = (choice.links, choice.gave_way);
            feed.reserved = BitsPerSecond(stripe.0 * u64::from(choice.substreams.count()));
            feed
        };
        choices.iter().map(feed).collect()
    }

    /// Replaces a member's parents: reservations, children lists and reasons follow.
    pub(super) fn adopt(
        &mut self,
        child: PeerId,
        mut feeds: Vec<Feed>,
        excluded: &[Excluded],
        world: &mut World,
        now: Timestamp,
    ) {
        for feed in &mut feeds {
            let parent = world.view.get(feed.parent);
            feed.origin = parent.map(|record| record.place.into());
        }
        let Some(member) = self.members.get_mut(&child) else {
            return;
        };
        let old = core::mem::replace(&mut member.feeds, feeds.clone());
        let regular = member.role == Role::Agent;
        let expected = self.members.get(&child).map(|member| self.expected(member));
        self.move_reservations(child, &old, &feeds, world);
        let gone = |feed: &&Feed| feeds.iter().all(|other| other.parent != feed.parent);
        let is_new = |feed: &&Feed| old.iter().all(|other| other.parent != feed.parent);
        for feed in feeds.iter().filter(is_new) {
            world.introduce(child, feed.parent, now);
        }
        for feed in old.iter().filter(gone) {
            world.remember_link(feed.parent, child, Some(feed.account), now);
        }
        for feed in &feeds {
            self.enter_child(child, regular, feed);
        }
        if regular {
            self.note_places(child, old.iter().chain(&feeds), world);
        }
        self.explain(child, &old, &feeds, excluded, world, now);
        self.untold.insert(child);
        if let Some(member) = self.members.get_mut(&child) {
            member.planned = expected.unwrap_or_default();
        }
        self.note_wishes(child, &old);
        if let Some(record) = world.view.get(child) {
            self.weigh(child, record);
            let more = self.note_offer(child, record);
            world.growth += u64::from(more);
        }
    }

    /// An agent has another place in the trees, and these parents more or less room for others.
    fn note_places<'a>(
        &mut self,
        agent: PeerId,
        feeds: impl Iterator<Item = &'a Feed>,
        world: &World,
    ) {
        let home = self.members.get(&agent).and_then(|member| member.home);
        let way = home.and_then(|(home, _)| self.way_up(agent, home));
        let hops = way.and_then(|way| u8::try_from(way.len() - 1).ok());
        if let Some(member) = self.members.get_mut(&agent) {
            member.level = hops.unwrap_or(u8::MAX);
        }
        for parent in feeds.map(|feed| feed.parent) {
            if let Some(record) = world.view.get(parent) {
                self.note_offer(parent, record);
            }
        }
    }

    /// Whether something better can be wished for a member, which had `old` parents.
    /// Whether a member that nobody bars could be fed better.
    pub(crate) fn wants(&self, peer: PeerId) -> bool {
        let wants = |member: &Member| !member.out && !member.barred && !member.is_content();
        self.members.get(&peer).is_some_and(wants)
    }

    fn note_wishes(&mut self, child: PeerId, old: &[Feed]) {
        let Some(member) = self.members.get(&child) else {
            return;
        };
        let audience = self.audiences.entry(member.region).or_default();
        let (its, other) = if member.role == Role::Viewer && member.plays {
            (&mut audience.wanting, &mut self.wanting_others)
        } else {
            (&mut self.wanting_others, &mut audience.wanting)
        };
        let covered = |feeds: &[Feed]| {
            feeds
                .iter()
                .map(|feed| feed.substreams.count())
                .sum::<u32>()
        };
        if covered(&member.feeds) > covered(old) {
            its.on_helped();
        }
        other.remove(child);
        if member.out || member.barred || member.is_content() {
            its.remove(child);
        } else {
            its.insert(child);
        }
    }

    /// New reservations first, then the old ones go: growth is noted only where a parent is left
    /// for good, so that planning the same again wakes nobody.
    pub(super) fn move_reservations(
        &mut self,
        child: PeerId,
        old: &[Feed],
        new: &[Feed],
        world: &mut World,
    ) {
        self.rebook(child, old, new, world);
        for feed in new {
            world.view.reserve(feed.parent, child, feed.reserved);
        }
        for feed in old {
            if new.iter().any(|other| other.parent == feed.parent) {
                world.view.release(feed.parent, child, feed.reserved);
            } else {
                self.release(child, feed, world);
            }
        }
    }

    pub(super) fn enter_child(&mut self, child: PeerId, regular: bool, feed: &Feed) {
        let Some(member) = self.members.get_mut(&feed.parent) else {
            return;
        };
        if !regular {
            member.take_viewer(child, feed);
            return;
        }
        if member.take_agent(child, feed) {
            self.untold.insert(feed.parent);
        }
    }

    pub(super) fn explain(
        &self,
        child: PeerId,
        old: &[Feed],
        new: &[Feed],
        excluded: &[Excluded],
        world: &mut World,
        now: Timestamp,
    ) {
        for feed in old {
            if new.iter().all(|other| other.parent != feed.parent) {
                let cause = objection_to(excluded, feed.parent);
                let cause =
                    cause.map_or(Parting::Better, |cause| Parting::Objection(cause.clone()));
                let what = What::Dropped(cause);
                world
                    .log
                    .note_pair((child, feed.parent), self.content, what, now);
            }
        }
        for feed in new {
            let same =
                |other: &Feed| other.parent == feed.parent && other.substreams == feed.substreams;
            if !old.iter().any(same) {
                let stripes = feed.substreams.count();
                let what = What::Fed {
                    stripes,
                    chosen: feed.why,
                };
                world
                    .log
                    .note_pair((child, feed.parent), self.content, what, now);
            }
        }
        if new.is_empty() && !old.is_empty() {
            world
                .log
                .note(child, Some(self.content), What::NoParent, now);
        }
    }
}
