//! What is done each second, and each time something is dirty.

use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::delivery::{Budget, Delivery};
use crate::explain::What;
use crate::io::Output;
use crate::recruit;
use crate::steady::Cause;

/// Peers looked at per wake-up: a few milliseconds, so that messages get their turn.
const BUDGET: usize = 10_000;
/// Tickets renewed per tick; the spread of their dates keeps the number far below.
const RENEWALS_PER_TICK: usize = 5000;
/// Who wants for a parent is looked at again after this many ticks although nobody got room:
/// bans end and bad names fade without a word (R7).
const RECONSIDER_EVERY: u64 = 5;

/// Groups that nobody belongs to are looked for after this many ticks.
const GROUPS_EVERY: u64 = 60;
/// Everybody's place in the trees is looked at again after this many ticks (R7).
const RECOMPUTE_EVERY: u64 = 300;

impl ControlCenter {
    pub(super) fn on_tick(&mut self, now: Timestamp) {
        let silence = self.world.config.silence();
        for peer in self.world.view.take_silent(silence, now) {
            self.on_silent(peer, now);
        }
        self.ripen(now);
        self.tell_histories(now);
        self.renew(now);
        self.retest(now);
        self.end_overdue(now);
        self.look_after_passes(now);
        self.world.blacklist.decay(now);
        self.world.acquaintances.forget(now);
        self.world.conduct.forget(now);
        if !self.world.judge.is_empty() {
            self.follow_policies(now);
        }
        self.ticks += 1;
        if self.ticks.is_multiple_of(RECONSIDER_EVERY) {
            self.world.growth += 1;
        }
        if self.ticks.is_multiple_of(GROUPS_EVERY) {
            self.tend_groups(now);
        }
        let view = &self.world.view;
        self.world.log.forget(now, |peer| view.get(peer).is_some());
        if self.world.monitor.on_tick(now) {
            self.world.growth += 1;
        }
        self.tend_links(now);
        for id in self.directory.busiest_first(|_| true) {
            self.tend(id, now);
        }
    }

    /// Leases of links are refreshed, and what links do not carry is parted.
    fn tend_links(&mut self, now: Timestamp) {
        if self.world.links.is_empty() {
            return;
        }
        let holders = self.directory.busiest_first(Delivery::holds_leases);
        for id in &holders {
            if let Some(delivery) = self.directory.delivery_mut(*id) {
                delivery.refresh_leases(&mut self.world, now);
            }
        }
        if self.world.links.on_tick(now) {
            self.world.growth += 1;
        }
        for id in &holders {
            if let Some(delivery) = self.directory.delivery(*id) {
                delivery.rank_links(&mut self.world);
            }
        }
        for id in holders {
            if let Some(delivery) = self.directory.delivery_mut(id) {
                delivery.shed(&mut self.world, now);
            }
            self.look_if_dirty(id, now);
        }
        let uses = self.world.links.take_uses(now);
        if !uses.is_empty() {
            self.world.outputs.push_back(Output::LinksUsed(uses));
        }
    }

    pub(super) fn on_silent(&mut self, peer: PeerId, now: Timestamp) {
        self.world.totals.silences += 1;
        self.world.log.note(peer, None, What::Silent, now);
        let contents = self
            .world
            .view
            .get(peer)
            .map(|record| record.contents.clone());
        for content in contents.unwrap_or_default().iter() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.mark_children(peer, Cause::ParentUnfit);
            }
        }
    }

    pub(super) fn renew(&mut self, now: Timestamp) {
        for pairing in self.world.tickets.take_due(RENEWALS_PER_TICK, now) {
            if let Some(delivery) = self.directory.delivery_mut(pairing.content) {
                delivery.renew(pairing.server, pairing.client);
            }
        }
        self.world.tickets.forget_ended(now);
    }

    /// One delivery coordinator's second: helpers that nobody needs go, grants are renewed.
    pub(super) fn tend(&mut self, id: ContentId, now: Timestamp) {
        let idle = self.world.config.idle;
        let Some(delivery) = self.directory.delivery_mut(id) else {
            return;
        };
        if self.ticks.is_multiple_of(RECOMPUTE_EVERY) {
            delivery.reconsider_places();
        }
        delivery.on_tick(&mut self.world, now);
        if delivery.is_idle(idle, now) {
            recruit::dismiss(delivery, &mut self.world, now);
            if delivery.opened == 0 {
                self.retire(id, now);
                return;
            }
        }
        self.grant(id, now);
    }

    pub(super) fn retire(&mut self, id: ContentId, now: Timestamp) {
        let heads = self.directory.delivery(id).into_iter();
        let heads: Vec<PeerId> = heads
            .flat_map(|delivery| delivery.members.keys().copied())
            .collect();
        for head in heads {
            self.on_close(head, id, now);
        }
        self.directory.retire(id);
    }

    pub(super) fn look(&mut self, now: Timestamp) {
        let mut budget = Budget::new(BUDGET);
        self.note_moves();
        self.place_anew(now);
        for id in self.directory.busiest_first(Delivery::has_work) {
            let Some(delivery) = self.directory.delivery_mut(id) else {
                continue;
            };
            if !delivery.look(&mut self.world, &mut budget, now) {
                self.clock.go_on(now);
                break;
            }
        }
        // Trials may wait: they get what the rest leaves of the budget.
        if !self.review_tickets(&mut budget, now) || !self.go_on_with_trials(&mut budget, now) {
            self.clock.go_on(now);
        }
        self.note_moves();
    }

    /// Peers that have more or less to give than before: known wherever they take part (A7).
    pub(super) fn note_moves(&mut self) {
        let mut moved = self.world.view.take_moved();
        moved.append(&mut self.world.moved_elsewhere);
        for peer in moved {
            let Some(record) = self.world.view.get(peer) else {
                continue;
            };
            for content in record.contents.iter() {
                let delivery = self.directory.delivery_mut(content);
                let more = delivery.is_some_and(|delivery| delivery.note_offer(peer, record));
                self.world.growth += u64::from(more);
            }
        }
    }
}
