//! Policies that change, and hours that come at which they say something else (Y4, R7).

use runnel_protocol::ids::ContentId;
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::content::Content;
use crate::described;
use crate::policy::PolicySet;

impl ControlCenter {
    pub(super) fn on_policies(&mut self, set: PolicySet, now: Timestamp) {
        self.world.judge.replace(set);
        self.follow_policies(now);
    }

    pub(super) fn describe(&mut self, id: ContentId, content: Option<&Content>) {
        let facts = content.map(described::content);
        self.world.judge.note_content(id, facts);
    }

    /// Where the policies may say something else than before, all pairs are reviewed, and who wants
    /// for a parent is looked at again.
    pub(super) fn follow_policies(&mut self, now: Timestamp) {
        let turns = self.world.judge.turns(now);
        if core::mem::replace(&mut self.turns, turns) == turns {
            return;
        }
        for id in self.directory.busiest_first(|_| true) {
            if let Some(delivery) = self.directory.delivery_mut(id) {
                delivery.review_all();
            }
        }
        self.world.growth += 1;
        self.clock.look_soon(now);
    }
}
