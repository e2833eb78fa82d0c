//! An agent that brings at least what it takes is let in before viewers: where its place is taken,
//! viewers make room for it, and are fed by it a moment later (R8).

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::Delivery;
use crate::explain::{Parting, What};
use crate::member::Feed;
use crate::steady::Cause;
use crate::world::World;

impl Delivery {
    /// Takes viewers' places from the parents that an agent is to have, until all of it fits;
    /// the viewers are planned again in the same look.
    pub(super) fn make_room(
        &mut self,
        agent: PeerId,
        feeds: &[Feed],
        world: &mut World,
        now: Timestamp,
    ) {
        let known = self.members.get(&agent).zip(world.view.get(agent));
        if !known.is_some_and(|(member, record)| self.goes_first(member, record)) {
            return;
        }
        for feed in feeds {
            while !self.fits(agent, feed, world)
                && let Some((viewer, place)) = self.viewer_of(feed.parent)
            {
                self.take_place(viewer, &place, world, now);
            }
        }
        self.make_room_on_links(agent, feeds, world, now);
    }

    /// Whether a parent's uplink carries this feed in place of what it gives to the agent now.
    fn fits(&self, agent: PeerId, feed: &Feed, world: &World) -> bool {
        let present = self.members.get(&agent);
        let own = present.and_then(|member| member.feed(feed.parent));
        let own = own.map(|own| own.reserved).unwrap_or_default();
        let parent = world.view.get(feed.parent);
        parent.is_some_and(|record| record.uplink.spare_with(own) >= feed.reserved)
    }

    /// One of the viewers to whom a parent pushes, and what.
    fn viewer_of(&self, parent: PeerId) -> Option<(PeerId, Feed)> {
        let (viewer, _) = self.members.get(&parent)?.light_children.last_key_value()?;
        let feed = self.members.get(viewer)?.feed(parent)?;
        Some((*viewer, feed.clone()))
    }

    pub(super) fn take_place(
        &mut self,
        viewer: PeerId,
        feed: &Feed,
        world: &mut World,
        now: Timestamp,
    ) {
        self.let_go(viewer, feed, world);
        let what = What::Dropped(Parting::NeededByAgent);
        let pair = (viewer, feed.parent);
        world.log.note_pair(pair, self.content, what, now);
        self.mark(viewer, Cause::Preempted);
    }
}
