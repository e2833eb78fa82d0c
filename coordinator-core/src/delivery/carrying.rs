//! How much of a content an agent is to have that watches nothing.
//!
//! What an agent takes to pass it on is missing elsewhere: where uplink is short, one stripe for many
//! children brings most.

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::SubstreamSet;

use super::Delivery;
use crate::member::Role;
use crate::place::Region;
use crate::steady::Cause;
use crate::supply::Area;
use crate::view::Record;
use crate::world::World;

impl Delivery {
    /// An agent that plays nothing is to have its home stripe alone.
    pub(crate) fn narrow(&mut self, agent: PeerId, record: &Record) {
        if let Some(member) = self.members.get_mut(&agent)
            && let Some((home, _)) = member.home
        {
            member.carries = SubstreamSet::EMPTY.with(home);
            self.weigh(agent, record);
        }
    }

    /// A region's agents are to have all stripes.
    pub(crate) fn widen(&mut self, region: Region, world: &World) {
        let all = SubstreamSet::all(self.stripes);
        let agents = self.supply.widest(Role::Agent, Area::Region(region));
        let agents: Vec<PeerId> = agents.map(|(peer, _)| peer).collect();
        for agent in agents {
            let Some(record) = world.view.get(agent) else {
                continue;
            };
            if let Some(member) = self.members.get_mut(&agent)
                && core::mem::replace(&mut member.carries, all) != all
            {
                self.weigh(agent, record);
                self.mark(agent, Cause::Uncovered);
            }
        }
    }
}
