//! Grants that run over links which operators limit: booked, moved, and parted where a link
//! carries less than what runs over it (Y3).

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::Delivery;
use crate::assign::{self, Candidate, Choice};
use crate::explain::{Parting, What};
use crate::member::{Feed, Member, Role};
use crate::policy::LinkSet;
use crate::rules::Objection;
use crate::steady::Cause;
use crate::tickets::Pairing;
use crate::view::Record;
use crate::world::World;

impl Delivery {
    /// What a child may use of a link, bit/s: what is left, and what it uses there already.
    pub(crate) fn room_on(&self, place: u8, member: &Member, world: &World) -> u64 {
        let own = own_on(place, &member.feeds);
        self.leases.room(place, &world.links).saturating_add(own)
    }

    /// Who feeds a child, of those who can. Parents that together would take more of a link than
    /// it has left are chosen again, with less room for the last of them.
    pub(super) fn choose(
        &self,
        child: PeerId,
        mut candidates: Vec<Candidate>,
        world: &World,
    ) -> Vec<Choice> {
        let member = self.members.get(&child);
        let home = member.and_then(|member| member.home);
        let known = member.zip(world.view.get(child));
        let carries = member.map(|member| member.carries).unwrap_or_default();
        let choose = |candidates| match home {
            Some((home, _)) => assign::choose_for_agent(carries, home, candidates),
            None => assign::choose(self.stripes, candidates),
        };
        if candidates.iter().all(|one| one.links.is_empty()) {
            return choose(candidates);
        }
        loop {
            let choices = choose(candidates.clone());
            let overrun = known.and_then(|known| self.overrun(known, &choices, world));
            let Some((parent, room)) = overrun else {
                return choices;
            };
            candidates.retain(|one| one.peer != parent || room > 0);
            if let Some(one) = candidates.iter_mut().find(|one| one.peer == parent) {
                one.room = room;
            }
        }
    }

    /// The first of these parents for whose stripes some link has no room beside those of the ones
    /// before, and for how many of them it has.
    fn overrun(
        &self,
        (member, record): (&Member, &Record),
        choices: &[Choice],
        world: &World,
    ) -> Option<(PeerId, u8)> {
        let goes_first = self.goes_first(member, record);
        let stripe = self.stripe_rate(member).0.max(1);
        let binding = |choice: &Choice, place| {
            choice.links.contains(place) && !(choice.gave_way && world.links.is_soft(place))
        };
        let all = choices.iter().map(|choice| choice.links);
        let all = all.fold(LinkSet::EMPTY, LinkSet::union);
        all.iter().find_map(|place| {
            let mut left = self.room_on(place, member, world);
            if goes_first {
                left = left.saturating_add(self.leases.given_to_viewers(place));
            }
            let over = choices.iter().filter(|choice| binding(choice, place));
            over.map(|choice| {
                let takes = stripe * u64::from(choice.substreams.count());
                let room = u8::try_from(left / stripe).unwrap_or(u8::MAX);
                let fits = takes <= left;
                left = left.saturating_sub(takes);
                (choice.parent, fits, room)
            })
            .find_map(|(parent, fits, room)| (!fits).then_some((parent, room)))
        })
    }

    /// What a child's feeds have booked on links follows them.
    pub(super) fn rebook(&mut self, child: PeerId, old: &[Feed], new: &[Feed], world: &mut World) {
        for feed in old.iter().filter(|feed| !feed.links.is_empty()) {
            let now = new.iter().find(|other| other.parent == feed.parent);
            let now = now.map_or(LinkSet::EMPTY, |now| now.links);
            self.leases
                .give_back(&(child, feed.parent), feed.links.without(now));
        }
        let member = self.members.get(&child);
        let role = member.map_or(Role::Viewer, |member| member.role);
        for feed in new.iter().filter(|feed| !feed.links.is_empty()) {
            let pair = (child, feed.parent);
            // Who stands by brings nothing as long as nobody fails.
            if feed.reserved.0 == 0 {
                self.leases.give_back(&pair, feed.links);
                continue;
            }
            let links = (&mut world.links, self.content);
            self.leases
                .book((pair, role), feed.links, feed.reserved, links);
        }
    }

    /// Has what a member is fed with booked where the policies say that it runs.
    pub(super) fn follow_links(&mut self, child: PeerId, world: &mut World, now: Timestamp) {
        let Some(member) = self.members.get(&child) else {
            return;
        };
        let none = member.feeds.iter().all(|feed| feed.links.is_empty());
        if none && world.links.is_empty() {
            return;
        }
        let old = member.feeds.clone();
        let mut feeds = old.clone();
        for feed in &mut feeds {
            feed.links = self.links_between(child, feed.parent, world, now);
        }
        let links =
            |feeds: &[Feed]| -> Vec<LinkSet> { feeds.iter().map(|one| one.links).collect() };
        if links(&old) == links(&feeds) {
            return;
        }
        self.rebook(child, &old, &feeds, world);
        if let Some(member) = self.members.get_mut(&child) {
            member.feeds = feeds;
        }
    }

    fn links_between(
        &self,
        child: PeerId,
        parent: PeerId,
        world: &World,
        now: Timestamp,
    ) -> LinkSet {
        let Some((child, parent)) = world.known(child).zip(world.known(parent)) else {
            return LinkSet::EMPTY;
        };
        let verdict = world.judge.verdict(&child, &parent, self.content, now);
        verdict.links
    }

    /// Once a second: tells what it uses of each link.
    pub(crate) fn refresh_leases(&mut self, world: &mut World, now: Timestamp) {
        self.leases.refresh(self.content, &mut world.links, now);
    }

    /// Tells of links that carry less than what runs over them whom it feeds there.
    pub(crate) fn rank_links(&self, world: &mut World) {
        let priority = |child: &PeerId| {
            let member = self.members.get(child);
            member.map_or(0, |member| member.priority)
        };
        for place in self.leases.places() {
            if world.links.is_overrun(place) {
                let ranks = self.leases.ranks(place, priority);
                world.links.note_ranks(place, self.content, ranks);
            }
        }
    }

    /// Parts pairs, in the order in which members go to the CDN, until links carry what is left.
    pub(crate) fn shed(&mut self, world: &mut World, now: Timestamp) {
        for place in self.leases.places() {
            let Some(most) = world.links.cut_back(place, self.content) else {
                continue;
            };
            let mut pairs = self.leases.pairs(place);
            pairs.retain(|pair| self.is_bound(*pair, place, world));
            pairs.sort_by_key(|(child, parent)| {
                let seat = self.members.get(child).and_then(|member| member.seat);
                (seat, *parent)
            });
            for pair in pairs {
                if !self.leases.exceeds(place, most) {
                    break;
                }
                self.part_from(pair, place, world, now);
            }
            let links = (&mut world.links, self.content);
            self.leases.shrink(place, most, links);
        }
    }

    /// Whether a link's limit holds for a pair: a soft one may have given way to it.
    fn is_bound(&self, (child, parent): (PeerId, PeerId), place: u8, world: &World) -> bool {
        let feed = self
            .members
            .get(&child)
            .and_then(|member| member.feed(parent));
        feed.is_some_and(|feed| !(feed.gave_way && world.links.is_soft(place)))
    }

    fn part_from(
        &mut self,
        (child, parent): (PeerId, PeerId),
        place: u8,
        world: &mut World,
        now: Timestamp,
    ) {
        let member = self.members.get(&child);
        let Some((stripe, feed)) = member.and_then(|member| {
            let feed = member.feed(parent)?.clone();
            Some((self.stripe_rate(member), feed))
        }) else {
            return;
        };
        self.let_go(child, &feed, world);
        if let Some(shortage) = world.links.shortage(place, 0, stripe) {
            let why = Parting::Objection(Objection::NoLinkRoom(shortage));
            let pair = (child, parent);
            let what = What::Dropped(why);
            world.log.note_pair(pair, self.content, what, now);
        }
        self.account(child, Some(Cause::Policy), world, now);
        self.mark(child, Cause::Policy);
        world.revoke(&Pairing {
            content: self.content,
            server: parent,
            client: child,
        });
    }

    /// Takes one parent from a member.
    pub(super) fn let_go(&mut self, child: PeerId, feed: &Feed, world: &mut World) {
        self.release(child, feed, world);
        if let Some(member) = self.members.get_mut(&child) {
            member.feeds.retain(|other| other.parent != feed.parent);
        }
    }

    /// Takes viewers' places on links for an agent that goes before them.
    pub(super) fn make_room_on_links(
        &mut self,
        agent: PeerId,
        feeds: &[Feed],
        world: &mut World,
        now: Timestamp,
    ) {
        let all = feeds.iter().map(|feed| feed.links);
        for place in all.fold(LinkSet::EMPTY, LinkSet::union).iter() {
            let needs = own_on(place, feeds);
            let fits = |delivery: &Self, world: &World| {
                let member = delivery.members.get(&agent);
                member.is_none_or(|member| delivery.room_on(place, member, world) >= needs)
            };
            while !fits(self, world)
                && let Some((viewer, parent)) = self.leases.some_viewer(place)
            {
                let member = self.members.get(&viewer);
                let Some(feed) = member.and_then(|member| member.feed(parent)).cloned() else {
                    break;
                };
                self.take_place(viewer, &feed, world, now);
            }
        }
    }
}

/// What feeds have booked on a link together, bit/s.
fn own_on(place: u8, feeds: &[Feed]) -> u64 {
    let over = feeds.iter().filter(|feed| feed.links.contains(place));
    over.map(|feed| feed.reserved.0).sum()
}
