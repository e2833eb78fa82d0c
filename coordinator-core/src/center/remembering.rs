//! Histories: begun when somebody comes, told while it stays and when it goes, forgotten on request.

use runnel_protocol::control::Platform;
use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::history::{History, Past, Profile, Remembered, profile_of};
use crate::io::{Output, SessionId};
use crate::vouching::Vouchers;

impl ControlCenter {
    /// Somebody comes: who may feed others is expected to be like its kind until its own past is
    /// found, for which nothing waits.
    pub(super) fn begin_history(&mut self, peer: PeerId, session: SessionId, now: Timestamp) {
        let world = &mut self.world;
        let networks = &world.config.networks;
        let Some(record) = world.view.get_mut(peer) else {
            return;
        };
        let native = record.platform == Platform::Native;
        if !native && record.uplink.offered().0 == 0 {
            return;
        }
        let estimate = world
            .chronicle
            .profiles
            .estimate(&profile_of(record, networks));
        let vouchers = if world.config.vouching {
            Vouchers::NONE
        } else {
            Vouchers::ALL
        };
        record.history = History::begin(estimate, vouchers, now);
        world.chronicle.follow(peer, session, now);
        if native && world.config.history {
            world.outputs.push_back(Output::Recall(peer));
        }
    }

    pub(super) fn on_profiles(&mut self, profiles: &[Profile]) {
        for profile in profiles {
            let known = &mut self.world.chronicle.profiles;
            known.add(&profile.name, &profile.figures);
        }
    }

    /// It may have gone again meanwhile.
    pub(super) fn on_recalled(&mut self, peer: PeerId, past: &Past, now: Timestamp) {
        let returns = self.world.chronicle.returns(past, now);
        if let Some(record) = self.world.view.get_mut(peer) {
            record.history.recall(past, returns);
        }
    }

    /// Whoever stays for long is told of in pieces.
    pub(super) fn tell_histories(&mut self, now: Timestamp) {
        for (peer, session) in self.world.chronicle.take_due(now) {
            let record = self.world.view.get(peer);
            if record.is_some_and(|record| record.session == session) {
                self.tell_history(peer, now);
                self.world.chronicle.follow(peer, session, now);
            }
        }
    }

    /// What is new of a peer is to be kept, and its kind is known better.
    pub(super) fn tell_history(&mut self, peer: PeerId, now: Timestamp) {
        let world = &mut self.world;
        let Some(record) = world.view.get_mut(peer) else {
            return;
        };
        let Some(figures) = record.history.tell(now) else {
            return;
        };
        let native = record.platform == Platform::Native;
        let profile = profile_of(record, &world.config.networks);
        world.chronicle.profiles.add(&profile, &figures);
        if world.config.history {
            let remembered = Remembered {
                peer: native.then_some(peer),
                profile,
                figures,
                at: now,
            };
            let output = Output::Remember(Box::new(remembered));
            world.outputs.push_back(output);
        }
    }

    /// What is known of a peer is forgotten, and what was counted for its next transfer records.
    pub(super) fn forget(&mut self, peer: PeerId, now: Timestamp) {
        let Some(record) = self.world.view.get_mut(peer) else {
            return;
        };
        record.history.forget(now);
        let contents = record.contents.clone();
        for content in contents.iter() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.forget_tally(peer, now);
            }
        }
    }
}
