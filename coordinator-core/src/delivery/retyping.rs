//! A member that is of another type from now on.

use runnel_protocol::control::PeerType;
use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::Delivery;
use crate::announce;
use crate::explain::{Parting, What};
use crate::member::{Member, Role};
use crate::steady::Cause;
use crate::view::Record;
use crate::world::World;

impl Delivery {
    /// Gives a member the part that its new type has: its children look for others, it goes on
    /// receiving what it asked for. Who was only called in to feed others is let go.
    pub(crate) fn retype(&mut self, peer: PeerId, world: &mut World, now: Timestamp) {
        let (Some(member), Some(kind)) = (
            self.members.get(&peer),
            world.view.get(peer).map(|record| record.kind),
        ) else {
            return;
        };
        if member.role == Role::Head {
            // It stays what it is, and agents it can dial itself.
            self.mark_children(peer, Cause::ParentUnfit);
            return self.readdress(peer);
        }
        let (opened, plays, epoch) = (member.opened, member.plays, member.epoch);
        self.depart(peer, &Parting::Retyped(kind), world, now);
        if !opened && kind == PeerType::Lightweight {
            let epoch = now.as_micros().max(epoch + 1);
            let why = world.view.get(peer).map(Record::why).unwrap_or_default();
            world.send(peer, announce::dismissal(self, epoch, &why));
            let content = Some(self.content);
            world.log.note(peer, content, What::Closed, now);
            world.view.quit(peer, self.content);
            return;
        }
        if let Some(record) = world.view.get(peer) {
            self.join(peer, record, opened.then_some(plays), now);
        }
        if let Some(member) = self.members.get_mut(&peer) {
            member.epoch = epoch;
        }
    }

    /// Whoever dials a member is to be told its addresses anew.
    pub(crate) fn readdress(&mut self, peer: PeerId) {
        let Some(member) = self.members.get(&peer) else {
            return;
        };
        let linked = |member: &Member| -> Vec<PeerId> {
            let parents = member.feeds.iter().map(|feed| feed.parent);
            parents.chain(member.children()).collect()
        };
        self.untold.extend(linked(member));
    }
}
