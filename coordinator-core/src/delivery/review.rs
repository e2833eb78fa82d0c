//! Asking of each pair whether the policies still allow it, within the budget of a look (Y4).

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::{Budget, Delivery};
use crate::member::{Member, Role};
use crate::policy::Treatment;
use crate::steady::Cause;
use crate::world::World;

impl Delivery {
    /// The policies may say something else than before.
    pub(crate) fn review_all(&mut self) {
        self.unreviewed = self.members.len();
    }

    /// Marks members that have a parent which a policy forbids, and those who get nothing from
    /// anybody, or did; `false` when the budget did not suffice. It goes from the last to the first: whoever leaves meanwhile has the last one put in
    /// its place, and nobody is passed over.
    pub(super) fn review(
        &mut self,
        world: &mut World,
        budget: &mut Budget,
        now: Timestamp,
    ) -> bool {
        self.unreviewed = self.unreviewed.min(self.members.len());
        while self.unreviewed > 0 {
            if budget.is_spent() {
                return false;
            }
            self.unreviewed -= 1;
            let Some((peer, member)) = self.members.get_index(self.unreviewed) else {
                continue;
            };
            budget.spend(1 + member.feeds.len());
            let peer = *peer;
            let turned = member.barred != self.is_barred(peer, member, world, now);
            let treated = self.treatment(peer, member, world, now).fingerprint();
            let moved = member.treated != treated;
            if turned || self.is_forbidden(peer, member, world, now) {
                self.mark(peer, Cause::Policy);
            }
            self.follow_links(peer, world, now);
            if moved {
                self.note_standing(peer, world, now);
            }
        }
        true
    }

    /// How the policies have a member treated, whoever feeds it. Waypoints are no viewers.
    pub(crate) fn treatment(
        &self,
        peer: PeerId,
        member: &Member,
        world: &World,
        now: Timestamp,
    ) -> Treatment {
        let known = world.known(peer).filter(|_| member.role != Role::Head);
        let treatment = known.map_or_else(Treatment::default, |known| {
            world.judge.treatment(&known, self.content, now)
        });
        if self.enforce {
            return treatment;
        }
        // Peers are refused all the same.
        Treatment {
            refused: None,
            ..treatment
        }
    }

    /// Whether a policy has a member neither get nor give anything. Waypoints are no viewers.
    fn is_barred(&self, peer: PeerId, member: &Member, world: &World, now: Timestamp) -> bool {
        let known = world.known(peer).filter(|_| member.role != Role::Head);
        known.is_some_and(|known| world.bars(&known, self.content, now))
    }

    /// Follows how the policies rank a member, and whether they bar it: whoever gets and gives
    /// nothing is no burden to the uplinks and no help to anybody.
    pub(crate) fn note_standing(&mut self, peer: PeerId, world: &World, now: Timestamp) {
        let Some(member) = self.members.get(&peer) else {
            return;
        };
        let barred = self.is_barred(peer, member, world, now);
        let treatment = self.treatment(peer, member, world, now);
        let treated = treatment.fingerprint();
        if (barred, treated) == (member.barred, member.treated) {
            return;
        }
        if let Some(member) = self.members.get_mut(&peer) {
            (member.barred, member.treated) = (barred, treated);
            member.priority = treatment.priority;
        }
        self.untold.insert(peer);
        if let Some(record) = world.view.get(peer) {
            self.weigh(peer, record);
            self.note_offer(peer, record);
        }
    }

    fn is_forbidden(&self, peer: PeerId, member: &Member, world: &World, now: Timestamp) -> bool {
        let mut feeds = member.feeds.iter();
        feeds.any(|feed| world.forbids((peer, feed.parent), self.content, now))
    }
}
