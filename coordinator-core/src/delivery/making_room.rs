//! An agent that brings at least what it takes is let in before viewers: where all uplinks are
//! given away, a viewer makes room for it, and is fed by it a moment later (R8).

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::Delivery;
use crate::explain::{Parting, What};
use crate::member::{Feed, Role};
use crate::rules::CAPACITY;
use crate::steady::Cause;
use crate::world::World;

impl Delivery {
    /// Takes viewers' places from full parents until all stripes of an agent fit; the agent and
    /// the viewers are planned again in the same look, the agent first.
    pub(super) fn make_room(&mut self, agent: PeerId, world: &mut World, now: Timestamp) {
        let Some(member) = self.members.get(&agent) else {
            return;
        };
        let brings = world
            .view
            .get(agent)
            .is_some_and(|record| record.uplink.offered() >= self.expected(member));
        let mut missing = self.uncovered(member).count();
        if member.role != Role::Agent || !brings || missing == 0 {
            return;
        }
        let full = member.excluded.iter().filter(|one| one.rule == CAPACITY);
        let full: Vec<PeerId> = full.map(|one| one.peer).collect();
        let victims: Vec<(PeerId, Feed)> = full
            .into_iter()
            .flat_map(|parent| self.viewers_of(parent))
            .take_while(|(_, feed)| {
                let more = missing > 0;
                missing = missing.saturating_sub(feed.substreams.count());
                more
            })
            .collect();
        if victims.is_empty() {
            return;
        }
        for (viewer, feed) in victims {
            self.take_place(viewer, &feed, world, now);
        }
        self.mark(agent, Cause::Uncovered);
    }

    /// Viewers to whom a parent pushes, and what.
    fn viewers_of(&self, parent: PeerId) -> impl Iterator<Item = (PeerId, Feed)> {
        let fed = self.members.get(&parent).into_iter();
        let fed = fed.flat_map(|member| &member.light_children);
        fed.filter_map(move |viewer| {
            let feed = self.members.get(viewer)?.feed(parent)?;
            Some((*viewer, feed.clone()))
        })
    }

    fn take_place(&mut self, viewer: PeerId, feed: &Feed, world: &mut World, now: Timestamp) {
        self.release(viewer, feed, world);
        if let Some(member) = self.members.get_mut(&viewer) {
            member.feeds.retain(|other| other.parent != feed.parent);
        }
        let what = What::Dropped(Parting::NeededByAgent);
        let pair = (viewer, feed.parent);
        world.log.note_pair(pair, self.content, what, now);
        self.mark(viewer, Cause::Preempted);
    }
}
