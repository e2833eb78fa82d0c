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

/// How many of those who play say that they play at a live edge, and how many that they do not: most
/// of them are believed.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    live: usize,
    stored: usize,
}

impl Edge {
    /// Somebody who has `said` something, or nothing yet, now says something else.
    pub(super) fn hear(&mut self, said: &mut Option<bool>, says: Option<bool>) {
        let before = core::mem::replace(said, says);
        self.live -= usize::from(before == Some(true));
        self.stored -= usize::from(before == Some(false));
        self.live += usize::from(says == Some(true));
        self.stored += usize::from(says == Some(false));
    }
}

impl Delivery {
    /// Whether it is live.
    pub(crate) const fn is_live(&self) -> bool {
        self.edge.live > self.edge.stored
    }

    /// An agent that plays nothing is to have its home stripe alone.
    pub(crate) fn narrow(&mut self, agent: PeerId, record: &Record) {
        let home = self.members.get(&agent).and_then(|member| member.home);
        if let Some((home, _)) = home
            && self.carry(agent, SubstreamSet::EMPTY.with(home))
        {
            self.weigh(agent, record);
        }
    }

    /// A member is to have these stripes; whether that is something else than before.
    pub(super) fn carry(&mut self, peer: PeerId, stripes: SubstreamSet) -> bool {
        let Some(member) = self.members.get_mut(&peer) else {
            return false;
        };
        let before = core::mem::replace(&mut member.carries, stripes);
        let all = SubstreamSet::all(self.stripes);
        self.narrow -= usize::from(before != all);
        self.narrow += usize::from(stripes != all);
        before != stripes
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
            if self.carry(agent, all) {
                self.weigh(agent, record);
                self.mark(agent, Cause::Uncovered);
            }
        }
    }
}
