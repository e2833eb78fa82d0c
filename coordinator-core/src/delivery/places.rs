//! Where a member stands in each stripe's tree: found by walking up, so that nothing has to be
//! kept true when somebody above changes its parents.

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::Substream;

use super::Delivery;
use crate::member::{Member, Role};
use crate::trees::Depths;

/// Longest way from the source that is looked at; whoever is further away feeds nobody.
const MAX_DEPTH: usize = 64;

impl Delivery {
    /// From the member up to who has the stripe without a parent: itself first. `None` where the
    /// way ends nowhere or is too long.
    pub(super) fn way_up(&self, peer: PeerId, stripe: Substream) -> Option<Vec<PeerId>> {
        let mut way = vec![peer];
        loop {
            let member = self.members.get(way.last()?)?;
            match member.pusher(stripe) {
                Some(parent) if way.len() < MAX_DEPTH => way.push(parent),
                Some(_) => return None,
                None => return self.is_origin(member).then_some(way),
            }
        }
    }

    /// Whether a member has the stripes that nobody pushes to it all the same.
    fn is_origin(&self, member: &Member) -> bool {
        match member.role {
            Role::Head => true,
            Role::Agent => member.holds,
            // Whatever no peer brings it comes from the CDN.
            Role::Viewer => member.plays,
        }
    }

    /// The member's depth in each tree; nowhere in those in which it hangs below `child`. What
    /// comes from a disk or the CDN counts as one hop: only a waypoint is the source.
    pub(crate) fn depths(&self, peer: PeerId, child: PeerId) -> Depths {
        let head = |peer: PeerId| {
            let member = self.members.get(&peer);
            member.is_some_and(|member| member.role == Role::Head)
        };
        let mut depths = Depths::NOWHERE;
        let carries = self.members.get(&peer).map(|member| member.carries);
        for stripe in carries.unwrap_or_default().iter() {
            let way = self
                .way_up(peer, stripe)
                .filter(|way| !way.contains(&child));
            let Some(way) = way else { continue };
            let origin = way.last().copied().unwrap_or(peer);
            let hops = way.len() - usize::from(head(origin));
            depths.set(stripe, u8::try_from(hops).unwrap_or(u8::MAX - 1));
        }
        depths
    }
}
