//! A member that has another place from now on: by the operator's feeds, it has not moved itself.

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::Substream;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::Delivery;
use crate::member::Member;
use crate::place::Region;
use crate::steady::Cause;
use crate::world::World;

impl Delivery {
    /// Has a member found where it is now, and it and its children look for what is nearest.
    pub(crate) fn relocate(&mut self, peer: PeerId, world: &mut World, now: Timestamp) {
        let Some(record) = world.view.get(peer) else {
            return;
        };
        let Some(member) = self.members.get_mut(&peer) else {
            return;
        };
        let (left, plays, home) = (member.region, member.plays, member.home);
        member.region = record.place.region;
        if left != record.place.region {
            self.move_home(home, left, record.place.region);
            if let Some(audience) = self.audiences.get_mut(&left) {
                audience.players -= usize::from(plays);
                if audience.wanting.remove(peer) {
                    let joined = self.audiences.entry(record.place.region).or_default();
                    joined.wanting.insert(peer);
                }
            }
            let joined = self.audiences.entry(record.place.region).or_default();
            joined.players += usize::from(plays);
        }
        self.note_offer(peer, record);
        self.weigh(peer, record);
        self.note_standing(peer, world, now);
        let children = self.members.get(&peer).map(Member::children);
        let children: Vec<PeerId> = children.into_iter().flatten().collect();
        for child in children {
            let member = self.members.get_mut(&child);
            if let Some(feed) = member.and_then(|member| member.feed_mut(peer)) {
                feed.origin = Some(record.place.into());
            }
            self.mark(child, Cause::Improvement);
        }
        self.mark(peer, Cause::Improvement);
    }

    /// An agent takes its home stripe along to another region.
    fn move_home(&mut self, home: Option<(Substream, BitsPerSecond)>, from: Region, to: Region) {
        let Some((home, uplink)) = home else { return };
        if let Some(homes) = self.homes.get_mut(&from) {
            homes.give_back(home, uplink.0);
        }
        self.homes.entry(to).or_default().bring(home, uplink.0);
    }
}
