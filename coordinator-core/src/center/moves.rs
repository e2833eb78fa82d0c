//! Feeds that change: peers that have another place, or other rights, than before (Y4).

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::explain::What;
use crate::place::{Feeds, Place};

/// Peers that are placed anew with one look: a few milliseconds, so that whoever lost a parent does not wait.
const PLACED_PER_LOOK: usize = 5000;

impl ControlCenter {
    /// Policies are asked anew at once, since they ask the feeds; peers are placed anew by and by.
    pub(super) fn on_feeds(&mut self, feeds: Feeds, now: Timestamp) {
        self.world.config.networks.follow(feeds);
        self.world.judge.begin_anew();
        self.unplaced = self.world.view.len();
        self.follow_policies(now);
    }

    /// Gives a round of peers the places that they have by the feeds in force; once all have theirs, pairs
    /// are reviewed. From the last to the first: whoever leaves meanwhile has the last one put in its place,
    /// and nobody is passed over.
    pub(super) fn place_anew(&mut self, now: Timestamp) {
        let left = self.unplaced.min(self.world.view.len());
        if left == 0 {
            return;
        }
        self.unplaced = left.saturating_sub(PLACED_PER_LOOK);
        for index in (self.unplaced..left).rev() {
            let Some((peer, record)) = self.world.view.at(index) else {
                continue;
            };
            let place = self.world.config.networks.place(record.address);
            if place != record.place {
                self.move_to(peer, place, now);
            }
        }
        if self.unplaced == 0 {
            self.review_pairs(now);
        } else {
            self.clock.go_on(now);
        }
    }

    fn move_to(&mut self, peer: PeerId, place: Place, now: Timestamp) {
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let (kind, sharing, contents) = (record.kind, record.sharing(), record.contents.clone());
        self.world.view.change(peer, |record| {
            record.place = place;
            record.kind = record.kind_for(record.why);
        });
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let (turns, allowed) = (record.kind != kind, record.sharing());
        for content in contents.iter() {
            let Some(delivery) = self.directory.delivery_mut(content) else {
                continue;
            };
            if turns {
                delivery.retype(peer, &mut self.world, now);
            }
            delivery.relocate(peer, &mut self.world, now);
        }
        if allowed != sharing {
            self.world.log.note(peer, None, What::Placed(allowed), now);
            self.tell_type(peer);
        }
        self.world.growth += 1;
    }
}
