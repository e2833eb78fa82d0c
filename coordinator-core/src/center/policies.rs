//! Policies that change, and hours that come at which they say something else (Y4, R7).

use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::content::Content;
use crate::delivery::Budget;
use crate::described;
use crate::policy::PolicySet;
use crate::tickets::Pairing;

impl ControlCenter {
    pub(super) fn on_policies(&mut self, mut set: PolicySet, now: Timestamp) {
        self.world.links.replace(&mut set, now);
        self.world.judge.replace(set);
        self.follow_policies(now);
    }

    pub(super) fn describe(&mut self, id: ContentId, content: Option<&Content>) {
        let facts = content.map(described::content);
        self.world.judge.note_content(id, facts);
    }

    /// How long a viewer's first picture may wait for peers.
    pub(super) fn start_wait_ms(&self, peer: PeerId, content: ContentId, now: Timestamp) -> u16 {
        let world = &self.world;
        let known = world.known(peer);
        let treatment = known.map(|known| world.judge.treatment(&known, content, now));
        let wait = treatment.unwrap_or_default().start_wait;
        u16::try_from(wait.as_millis()).unwrap_or(u16::MAX)
    }

    /// Where the policies may say something else than before, all pairs are reviewed, and who wants
    /// for a parent is looked at again.
    pub(super) fn follow_policies(&mut self, now: Timestamp) {
        let turns = self.world.judge.turns(now);
        if core::mem::replace(&mut self.turns, turns) == turns {
            return;
        }
        self.review_pairs(now);
    }

    /// Has it asked of all pairs whether they may stand.
    pub(super) fn review_pairs(&mut self, now: Timestamp) {
        // Nobody has been told anything by those before.
        if self.world.totals.joins > 0 {
            self.world.law.change();
        }
        for id in self.directory.busiest_first(|_| true) {
            if let Some(delivery) = self.directory.delivery_mut(id) {
                delivery.review_all();
            }
        }
        self.unreviewed = self.world.tickets.pair_count();
        self.world.growth += 1;
        self.clock.look_soon(now);
    }

    /// Voids what was granted to pairs that are parted and that a policy forbids, lately or long
    /// ago: a parent that is left hands over for ten seconds, and its ticket lasts for minutes.
    /// `false` when the budget did not suffice.
    pub(super) fn review_tickets(&mut self, budget: &mut Budget, now: Timestamp) -> bool {
        self.unreviewed = self.unreviewed.min(self.world.tickets.pair_count());
        while self.unreviewed > 0 {
            if budget.is_spent() {
                return false;
            }
            budget.spend(1);
            self.unreviewed -= 1;
            let pairing = self.world.tickets.pair_at(self.unreviewed);
            if let Some(pairing) = pairing.filter(|pairing| !self.is_fed(pairing))
                && (self.is_expelled(&pairing) || self.is_forbidden(&pairing, now))
            {
                self.world.revoke(&pairing);
            }
        }
        self.expelled.clear();
        if core::mem::take(&mut self.review_again) {
            self.unreviewed = self.world.tickets.pair_count();
        }
        self.unreviewed == 0
    }

    /// Has it asked of pairs with tickets whether they may stand. Peers have it done, so a review that is under
    /// way goes on to its end: nobody keeps it from getting there.
    pub(super) fn review_tickets_too(&mut self, now: Timestamp) {
        if self.unreviewed > 0 {
            self.review_again = true;
        } else {
            self.unreviewed = self.world.tickets.pair_count();
        }
        self.clock.look_soon(now);
    }

    /// Pairs that feed are reviewed by their delivery coordinator, which knows what gave way.
    fn is_fed(&self, pairing: &Pairing) -> bool {
        let delivery = self.directory.delivery(pairing.content);
        let client = delivery.and_then(|delivery| delivery.members.get(&pairing.client));
        client.is_some_and(|client| client.feed(pairing.server).is_some())
    }

    fn is_expelled(&self, pairing: &Pairing) -> bool {
        self.expelled.contains(&pairing.client) || self.expelled.contains(&pairing.server)
    }

    fn is_forbidden(&self, pairing: &Pairing, now: Timestamp) -> bool {
        let pair = (pairing.client, pairing.server);
        self.world.forbids(pair, pairing.content, now)
    }
}
