//! Who takes part: peers that are taken in, and let go with all that they held.

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::time::Timestamp;

use super::Delivery;
use crate::explain::{Parting, What};
use crate::member::{Feed, Member, Role};
use crate::steady::Cause;
use crate::view::Record;
use crate::world::World;

impl Delivery {
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
        let member = self.members.entry(peer).or_insert_with(|| {
            let place = (arrival, self.stripes);
            Member::new(role, record.place.region, place, now)
        });
        self.arrivals += 1;
        if member.role == Role::Agent && member.home.is_none() {
            let uplink = record.uplink.offered();
            let homes = self.homes.entry(member.region).or_default();
            member.home = Some((homes.take(self.stripes, uplink.0), uplink));
        }
        if let Some(plays) = opens {
            self.opened += usize::from(!member.opened);
            member.opened = true;
            let audience = self.audiences.entry(member.region).or_default();
            for players in [&mut self.players, &mut audience.players] {
                *players += usize::from(plays && !member.plays);
                *players -= usize::from(!plays && member.plays);
            }
            member.plays = plays;
            if !plays {
                self.edge.hear(&mut member.live, None);
            }
            self.carry(peer, SubstreamSet::all(self.stripes));
        }
        if self.note_offer(peer, record) {
            self.newcomer_at = Some(now);
        }
        self.weigh(peer, record);
        self.note_idleness(now);
        self.queue(peer);
    }

    /// Lets a peer go: what it held is released, who it fed is planned anew.
    pub(crate) fn leave(&mut self, peer: PeerId, world: &mut World, now: Timestamp) {
        self.depart(peer, &Parting::Gone, world, now);
    }

    /// The same; its children are told why.
    pub(super) fn depart(
        &mut self,
        peer: PeerId,
        why: &Parting,
        world: &mut World,
        now: Timestamp,
    ) {
        self.note_idleness(now);
        let Some(mut member) = self.members.swap_remove(&peer) else {
            return;
        };
        self.players -= usize::from(member.plays);
        self.edge.hear(&mut member.live, None);
        self.narrow -= usize::from(member.carries != SubstreamSet::all(self.stripes));
        self.keep_record(peer, &member.tally, world, now);
        if let Some(seat) = member.seat {
            self.balance.leave(&seat);
        }
        if let Some((home, uplink)) = member.home
            && let Some(homes) = self.homes.get_mut(&member.region)
        {
            homes.give_back(home, uplink.0);
        }
        if let Some(audience) = self.audiences.get_mut(&member.region) {
            audience.players -= usize::from(member.plays);
            audience.wanting.remove(peer);
        }
        self.opened -= usize::from(member.opened);
        self.dirty.remove(&(member.role, member.arrival, peer));
        self.wanting_others.remove(peer);
        self.rising.remove(&peer);
        self.supply.remove(peer);
        self.untold.remove(&peer);
        for feed in &member.feeds {
            world.remember_link(feed.parent, peer, Some(feed.account), now);
            self.release(peer, feed, world);
        }
        for child in member.children() {
            self.orphan((child, peer), why, world, now);
        }
    }

    pub(super) fn release(&mut self, child: PeerId, feed: &Feed, world: &mut World) {
        self.leases.give_back(&(child, feed.parent), feed.links);
        world.view.release(feed.parent, child, feed.reserved);
        world.growth += u64::from(feed.reserved.0 > 0);
        if let Some(parent) = self.members.get_mut(&feed.parent) {
            parent.let_viewer_go(child);
            if parent.let_agent_go(child) {
                self.untold.insert(feed.parent);
            }
        }
    }

    fn orphan(
        &mut self,
        (child, parent): (PeerId, PeerId),
        why: &Parting,
        world: &mut World,
        now: Timestamp,
    ) {
        if let Some(member) = self.members.get_mut(&child) {
            // Who leaves one content may stay in others: its uplink is one account.
            for feed in member.feeds.extract_if(.., |feed| feed.parent == parent) {
                world.remember_link(parent, child, Some(feed.account), now);
                world.view.release(parent, child, feed.reserved);
                self.leases.give_back(&(child, parent), feed.links);
            }
            let gone = What::Dropped(why.clone());
            world
                .log
                .note_pair((child, parent), self.content, gone, now);
            self.mark(child, Cause::ParentGone);
        }
        if let Some(record) = world.view.get(child) {
            self.note_offer(child, record);
        }
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
