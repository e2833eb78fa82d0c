//! Transfer records: when one is told.

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::Delivery;
use crate::io::Output;
use crate::transfer::Tally;
use crate::world::World;

impl Delivery {
    /// A member's record ends here: it goes, or another one begins.
    pub(super) fn keep_record(
        &self,
        peer: PeerId,
        tally: &Tally,
        world: &mut World,
        now: Timestamp,
    ) {
        let (name, provider) = &self.names;
        let whose = (peer, self.content);
        if let Some(transfer) = tally.close(whose, (name, provider), now) {
            world
                .outputs
                .push_back(Output::Transferred(Box::new(transfer)));
        }
    }

    /// A member's next record begins now: it wants nothing kept of what was.
    pub(crate) fn forget_tally(&mut self, peer: PeerId, now: Timestamp) {
        if let Some(member) = self.members.get_mut(&peer) {
            *member.tally = Tally::new(now);
        }
    }

    /// Whoever stays for long is told of in pieces.
    pub(crate) fn tell_long_tally(&mut self, peer: PeerId, world: &mut World, now: Timestamp) {
        let Some(member) = self.members.get_mut(&peer) else {
            return;
        };
        if member.tally.is_long(now) {
            let tally = core::mem::replace(&mut *member.tally, Tally::new(now));
            self.keep_record(peer, &tally, world, now);
        }
    }
}
