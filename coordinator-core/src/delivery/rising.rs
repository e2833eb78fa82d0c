//! Agents move up in the tree of their home stripe, where they outclass somebody (R4).

use std::collections::BTreeMap;

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::Substream;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::Delivery;
use crate::assign::Candidate;
use crate::candidates::{HEADS, look_at};
use crate::member::{Feed, Member, Role};
use crate::preempt::{self, Level, Rise, Standing};
use crate::rules::{CAPACITY, LOOPS};
use crate::steady::Cause;
use crate::world::World;

/// Agents that are looked at per tick.
const RISES_PER_TICK: usize = 64;

/// One change: who gets which stripe from whom, and why.
#[derive(Debug, Clone, Copy)]
struct Shift {
    child: PeerId,
    parent: PeerId,
    stripe: Substream,
    cause: Cause,
}

impl Delivery {
    /// An agent may deserve a better place: it came, lost its parent, or offers more than before.
    pub(crate) fn may_rise(&mut self, peer: PeerId, cause: Cause) {
        if self
            .members
            .get(&peer)
            .is_some_and(|member| member.role == Role::Agent)
        {
            let known = self.rising.entry(peer).or_insert(cause);
            *known = (*known).min(cause);
        }
    }

    /// All agents are looked at again: what was right when each of them came may be no more.
    pub(crate) fn reconsider_places(&mut self) {
        let feeders: Vec<PeerId> = self.supply.peers().collect();
        for peer in feeders {
            self.may_rise(peer, Cause::Improvement);
        }
    }

    /// Looks at a bounded number of agents; the others have their turn at the next tick.
    pub(super) fn rise(&mut self, world: &mut World, now: Timestamp) {
        for _ in 0..RISES_PER_TICK {
            let Some((peer, cause)) = self.rising.pop_first() else {
                return;
            };
            self.try_rise(peer, cause, world, now);
        }
    }

    fn try_rise(&mut self, peer: PeerId, cause: Cause, world: &mut World, now: Timestamp) {
        let Some(member) = self.members.get(&peer) else {
            return;
        };
        let Some((home, _)) = member.home.filter(|_| self.permits(member, cause, now)) else {
            return;
        };
        let levels = self.levels(peer, home, world, now);
        let stripe = self.stripe_rate(member);
        let can_feed = world
            .view
            .get(peer)
            .is_some_and(|record| record.uplink.spare() >= stripe);
        let Some(standing) = self.standing(peer, home, world, now) else {
            return;
        };
        match preempt::rise(standing, can_feed, &levels) {
            Some(Rise::Beside { parent }) => {
                self.shift_if_allowed(&[Shift::new(peer, parent, home, cause)], world, now);
            }
            Some(Rise::InsteadOf { parent, displaced }) => {
                let gives_way = cause.of_who_gives_way();
                let shifts = [
                    Shift::new(displaced, peer, home, gives_way),
                    Shift::new(peer, parent, home, cause),
                ];
                self.shift_if_allowed(&shifts, world, now);
            }
            None => {}
        }
    }

    fn standing(
        &self,
        peer: PeerId,
        stripe: Substream,
        world: &World,
        now: Timestamp,
    ) -> Option<Standing> {
        let (member, record) = (self.members.get(&peer)?, world.view.get(peer)?);
        Some(Standing {
            at_home: member.home.is_some_and(|(home, _)| home == stripe),
            known: !record.needs_vouchers(),
            lasting: !record.history.is_brief(now),
            uplink: record.relied_on(self.rate()).0,
        })
    }

    /// The parents above the agent's own one, from the source down, with the agents they feed.
    fn levels(&self, peer: PeerId, stripe: Substream, world: &World, now: Timestamp) -> Vec<Level> {
        let way = self.way_up(peer, stripe).unwrap_or_default();
        let above = way.get(2..).unwrap_or_default().iter().rev();
        let region = self.members.get(&peer).map(|member| member.region);
        let level = |parent: &PeerId| {
            let member = self.members.get(parent)?;
            let fed = member.regular_children.keys().copied();
            let fed: Vec<PeerId> = fed
                .filter(|child| {
                    let child = self.members.get(child);
                    child.map(|child| child.region) == region
                        && child.and_then(|child| child.pusher(stripe)) == Some(*parent)
                })
                .collect();
            let enough = member.role == Role::Head && fed.len() >= HEADS;
            let occupants = fed
                .iter()
                .filter_map(|child| Some((*child, self.standing(*child, stripe, world, now)?)));
            Some(Level {
                parent: *parent,
                has_room: !enough && self.has_room_for(*parent, peer, world, now),
                occupants: occupants.filter(|(child, _)| *child != peer).collect(),
            })
        };
        above.filter_map(level).collect()
    }

    /// Whether a parent could push one stripe more to the child.
    fn has_room_for(&self, parent: PeerId, child: PeerId, world: &World, now: Timestamp) -> bool {
        let Some((member, record)) = self.members.get(&child).zip(world.view.get(parent)) else {
            return false;
        };
        let fits = record.uplink.spare() >= self.stripe_rate(member);
        let objection = look_at(self, world, (child, parent), now).map(|(_, objection)| objection);
        fits && objection.is_some_and(|rule| rule.is_none_or(|rule| rule == LOOPS))
    }

    /// Makes all of these changes, or none where a rule objects to one or somebody has moved too
    /// often. That the place is taken or that the way ran through the other is no objection: that
    /// is what changes.
    fn shift_if_allowed(&mut self, shifts: &[Shift], world: &mut World, now: Timestamp) {
        let allowed = |shift: &Shift| {
            let member = self.members.get(&shift.child)?;
            let (candidate, rule) = look_at(self, world, (shift.child, shift.parent), now)?;
            let fits = rule.is_none_or(|rule| rule == CAPACITY || rule == LOOPS);
            let permits = self.permits(member, shift.cause, now);
            (fits && permits).then(|| (*shift, self.shifted(member, *shift, &candidate)))
        };
        let new = shifts.iter().map(allowed).collect::<Option<Vec<_>>>();
        let Some(new) = new.filter(|new| self.all_fit(new, world)) else {
            return;
        };
        for (shift, feeds) in new {
            self.adopt(shift.child, feeds, &[], world, now);
            self.account(shift.child, Some(shift.cause), world, now);
        }
    }

    /// Whether all of these changes together leave no uplink and no link overdrawn: what gives way was set
    /// aside at an earlier rate.
    fn all_fit(&self, new: &[(Shift, Vec<Feed>)], world: &World) -> bool {
        let mut sums = BTreeMap::<PeerId, (u64, u64)>::new();
        let mut on_links = BTreeMap::<u8, (u64, u64)>::new();
        for (shift, feeds) in new {
            let old = self.members.get(&shift.child);
            for feed in old.into_iter().flat_map(|member| &member.feeds) {
                sums.entry(feed.parent).or_default().0 += feed.reserved.0;
                for place in feed.links.iter() {
                    on_links.entry(place).or_default().0 += feed.reserved.0;
                }
            }
            for feed in feeds {
                sums.entry(feed.parent).or_default().1 += feed.reserved.0;
                for place in feed.links.iter() {
                    on_links.entry(place).or_default().1 += feed.reserved.0;
                }
            }
        }
        let links_carry = on_links.into_iter().all(|(place, (before, after))| {
            after <= before || after - before <= self.leases.room(place, &world.links)
        });
        if !links_carry {
            return false;
        }
        sums.into_iter().all(|(parent, (before, after))| {
            let spare = world.view.get(parent).map(|record| record.uplink.spare().0);
            after <= before || spare.is_some_and(|spare| after - before <= spare)
        })
    }

    /// A member's feeds with one stripe from somebody else.
    fn shifted(&self, member: &Member, shift: Shift, parent: &Candidate) -> Vec<Feed> {
        let one = runnel_protocol::segment::SubstreamSet::EMPTY.with(shift.stripe);
        let rate = self.stripe_rate(member);
        let mut feeds = member.feeds.clone();
        feeds.retain_mut(|feed| {
            let stood_by = feed.substreams.is_empty();
            feed.substreams = feed.substreams.without(one);
            stood_by || !feed.substreams.is_empty()
        });
        match feeds.iter_mut().find(|feed| feed.parent == shift.parent) {
            Some(feed) => feed.substreams = feed.substreams.union(one),
            None => feeds.push(Feed::from(&parent.main(one))),
        }
        for feed in &mut feeds {
            let count = u64::from(feed.substreams.count());
            feed.reserved = BitsPerSecond(rate.0 * count);
        }
        feeds.sort_by_key(|feed| feed.substreams.is_empty());
        feeds
    }
}

impl Shift {
    const fn new(child: PeerId, parent: PeerId, stripe: Substream, cause: Cause) -> Self {
        Self {
            child,
            parent,
            stripe,
            cause,
        }
    }
}
