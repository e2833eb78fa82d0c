//! Messages of peers whose key is proven.

use core::time::Duration;

use runnel_protocol::control::{
    ContentLocator, FromCoordinator, Heartbeat, Open, Opened, Outcome, Strike, ToCoordinator,
};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::ControlCenter;
use crate::delivery::Delivery;
use crate::explain::What;
use crate::io::{CloseCause, SessionId};
use crate::repair;
use crate::steady::Cause;

impl ControlCenter {
    pub(super) fn on_peer_message(
        &mut self,
        (session, peer): (SessionId, PeerId),
        message: ToCoordinator,
        now: Timestamp,
    ) {
        self.on_heard(peer, now);
        match message {
            ToCoordinator::Enrol(enrol) => self.on_enrol(session, peer, enrol, now),
            ToCoordinator::Open(open) => self.on_open(session, peer, &open, now),
            ToCoordinator::Close(content) => self.on_close(peer, content, now),
            ToCoordinator::Heartbeat(beat) => self.on_heartbeat(peer, &beat, now),
            ToCoordinator::Outcome(outcome) => self.on_outcome(peer, &outcome, now),
            ToCoordinator::Strike(strike) => self.on_strike(peer, &strike, now),
            ToCoordinator::Token(token) => self.on_token(session, peer, token),
            ToCoordinator::Group(request) => self.on_group((session, peer), request, now),
            ToCoordinator::Reachable(named) => self.on_reachable((session, peer), &named, now),
            ToCoordinator::Leave => {
                self.part_with(peer, session, now);
                self.end(session, CloseCause::Left);
            }
            ToCoordinator::Hello(_) | _ => self.out_of_order(session),
        }
    }

    pub(super) fn on_heard(&mut self, peer: PeerId, now: Timestamp) {
        if self.world.view.on_heard(peer, now) {
            self.world.growth += 1;
            self.world.log.note(peer, None, What::Spoke, now);
        }
    }

    pub(super) fn on_open(
        &mut self,
        session: SessionId,
        peer: PeerId,
        open: &Open,
        now: Timestamp,
    ) {
        let Some(id) = self.directory.find(&open.content) else {
            let asked = asked_for(&open.content);
            return self.refuse(
                session,
                Some(asked),
                "this content is not offered here",
                None,
            );
        };
        let limit = self.world.config.contents_per_peer;
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        if record.contents.len() >= limit && !record.contents.contains(id) {
            return self.refuse(session, Some(id), "too many contents at a time", None);
        }
        if !self.may_open(peer, id) {
            return self.refuse_content(session, id);
        }
        self.world.view.enter(peer, id);
        self.directory.in_charge(id, &mut self.world, now);
        if let (Some(delivery), Some(record)) =
            (self.directory.delivery_mut(id), self.world.view.get(peer))
        {
            delivery.join(peer, record, Some(open.plays), now);
            delivery.note_standing(peer, &self.world, now);
            self.world.growth += u64::from(record.uplink.offered().0 > 0);
        }
        self.tell_fellows(peer);
        self.world
            .log
            .note(peer, Some(id), What::Opened { plays: open.plays }, now);
        let name = self
            .directory
            .content(id)
            .map(|content| content.name.clone());
        let opened = Opened {
            content: id,
            name: name.unwrap_or_default(),
            stripes: self.world.config.stripes,
            start_wait_ms: self.start_wait_ms(peer, id, now),
        };
        self.tell(session, FromCoordinator::Opened(opened));
        self.grant(id, now);
        self.clock.look_soon(now);
    }

    pub(super) fn on_close(&mut self, peer: PeerId, content: ContentId, now: Timestamp) {
        if !self.world.view.quit(peer, content) {
            return;
        }
        if let Some(delivery) = self.directory.delivery_mut(content) {
            delivery.leave(peer, &mut self.world, now);
        }
        self.world.log.note(peer, Some(content), What::Closed, now);
        self.clock.look_soon(now);
    }

    pub(super) fn on_heartbeat(&mut self, peer: PeerId, beat: &Heartbeat, now: Timestamp) {
        self.world.totals.heartbeats += 1;
        if let Some(uplink) = beat.uplink {
            self.on_uplink(peer, uplink, now);
        }
        if let Some(record) = self.world.view.get_mut(peer) {
            record.on_machine(beat);
        }
        let covers = Duration::from_millis(beat.covers_ms.into());
        for report in &beat.contents {
            if let Some(delivery) = self.directory.delivery_mut(report.content) {
                let account = (report, covers);
                delivery.on_report(peer, account, &mut self.world, now);
                delivery.tell_long_tally(peer, &mut self.world, now);
            }
            self.look_if_dirty(report.content, now);
        }
        for report in &beat.children {
            if let Some(delivery) = self.directory.delivery_mut(report.content) {
                repair::on_child_report(delivery, peer, report);
            }
        }
        for report in &beat.parents {
            if let Some(delivery) = self.directory.delivery_mut(report.content) {
                let account = (report, covers);
                repair::on_parent_report(delivery, &mut self.world, peer, account, now);
            }
            self.look_if_dirty(report.content, now);
        }
    }

    pub(super) fn look_if_dirty(&mut self, content: ContentId, now: Timestamp) {
        if self
            .directory
            .delivery(content)
            .is_some_and(Delivery::has_work)
        {
            self.clock.look_soon(now);
        }
    }

    /// A peer says what it offers: less is believed at once, more once it has stood for a while.
    pub(super) fn on_uplink(&mut self, peer: PeerId, said: BitsPerSecond, now: Timestamp) {
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let believed = record.uplink.offered();
        let said = record.within_cap(said);
        let offered = self.world.offers.hear(peer, said, believed, now);
        if offered != believed {
            self.believe(peer, offered, now);
        }
    }

    /// Offers that rose and have stood long enough.
    pub(super) fn ripen(&mut self, now: Timestamp) {
        while let Some((peer, offered)) = self.world.offers.next_ripe(now) {
            self.believe(peer, offered, now);
        }
    }

    fn believe(&mut self, peer: PeerId, offered: BitsPerSecond, now: Timestamp) {
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let rises = offered > record.uplink.offered();
        self.world
            .view
            .change(peer, |record| record.uplink.offer(offered));
        self.world.view.note_moved(peer);
        self.world.growth += 1;
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        for content in record.contents.iter() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.weigh(peer, record);
                if record.uplink.is_overdrawn() {
                    delivery.mark_children(peer, Cause::ParentUnfit);
                }
                if rises {
                    delivery.may_rise(peer, Cause::Improvement);
                }
            }
        }
        self.clock.look_soon(now);
    }

    pub(super) fn on_outcome(&mut self, peer: PeerId, outcome: &Outcome, now: Timestamp) {
        let delivery = self.directory.delivery_mut(outcome.content);
        let related = delivery.is_some_and(|delivery| {
            repair::on_outcome(delivery, &mut self.world, peer, outcome, now)
        });
        self.world.totals.unrelated_reports += u64::from(!related);
        if related {
            self.on_dialled(peer, outcome, now);
        }
        self.doubt(outcome.peer, now);
        self.look_if_dirty(outcome.content, now);
    }

    pub(super) fn on_strike(&mut self, peer: PeerId, strike: &Strike, now: Timestamp) {
        let delivery = self.directory.delivery_mut(strike.content);
        let related = delivery.is_some_and(|delivery| {
            repair::on_strike(delivery, &mut self.world, peer, strike, now)
        });
        self.world.totals.unrelated_reports += u64::from(!related);
        self.look_if_dirty(strike.content, now);
    }
}

/// The id that a content would have if it were registered as it was asked for: a refusal of one
/// content must not look like one of the whole session.
fn asked_for(locator: &ContentLocator) -> ContentId {
    match locator {
        ContentLocator::Name(text) | ContentLocator::MasterUrl(text) => ContentId::of(text),
        ContentLocator::Id(id) => *id,
    }
}
