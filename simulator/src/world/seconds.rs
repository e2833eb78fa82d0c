//! What is looked at once a second: playback is reported, everybody is counted, the checkers look.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_peer_core::Input;
use runnel_protocol::control::Assign;
use runnel_protocol::units::BitsPerSecond;

use super::{Event, World};
use crate::checkers::Checkers;
use crate::node::{At, Fed};
use crate::population::Role;
use crate::tally::SECOND;

/// A change of parents so long after trouble anywhere has no trouble behind it.
const CALM: Duration = Duration::from_secs(30);

impl World {
    pub(super) fn on_second(&mut self) {
        let now = self.now;
        self.later(now + SECOND, Event::Second);
        let mut moment = crate::tally::Moment::default();
        for index in 0..self.nodes.len() {
            let at = At(u32::try_from(index).unwrap_or(u32::MAX));
            if let Some(node) = self.node(at).filter(|node| node.is_honest()) {
                let gives = node.role != Role::Waypoint;
                moment.offered += if gives { node.offers.0 } else { 0 };
            }
            self.report(at, &mut moment);
        }
        self.tally.on_second(now, moment, self.origin.sent);
        self.with_checkers(|checkers, world| checkers.on_second(world));
        self.sample();
    }

    /// A player tells its peer how it is doing.
    fn report(&mut self, at: At, moment: &mut crate::tally::Moment) {
        let now = self.now;
        let titles = &self.library.titles;
        let Some(node) = self.nodes[at.0 as usize].as_deref_mut() else {
            return;
        };
        moment.peers += 1;
        let Some(player) = &mut node.player else {
            return;
        };
        player.notice(now);
        moment.note(player, now);
        let title = &titles[player.title as usize];
        moment.demand += title.renditions[player.rendition].mean_rate();
        let stalls = player.stalls - player.told;
        player.told = player.stalls;
        let playback = Input::Playback {
            content: title.id,
            buffer: player.buffer(now),
            stalls: u16::try_from(stalls).unwrap_or(u16::MAX),
            rate: BitsPerSecond(title.renditions[player.rendition].mean_rate()),
        };
        if self.peers {
            self.give(at, playback);
        }
    }

    pub(super) fn on_assigned(&mut self, at: At, assign: &Assign) {
        let now = self.now;
        let parents: BTreeMap<_, _> = assign
            .parents
            .iter()
            .filter(|parent| !parent.substreams.is_empty())
            .map(|parent| (parent.contact.peer, parent.substreams))
            .collect();
        let fed = Fed {
            epoch: assign.epoch,
            parents,
        };
        let calm = now.since(self.last_trouble) > CALM;
        let titles = &self.library.titles;
        let Some(node) = self.nodes[at.0 as usize].as_deref_mut() else {
            return;
        };
        let life = node.life;
        let (mut goes_back, mut given_up) = (false, None);
        if let Some(player) = &mut node.player {
            let treatment = &assign.treatment;
            let rates = [assign.max_suggested_bitrate, treatment.max_bitrate];
            player.max_bitrate = rates.into_iter().flatten().min();
            let behind = Duration::from_millis(treatment.behind_ms.into());
            let title = &titles[player.title as usize];
            goes_back = player.be_late(title, behind, now);
            given_up = player.waiting.take_if(|_| goes_back);
        }
        let before = node.fed.insert(assign.content, fed);
        let now_fed = &node.fed[&assign.content];
        let moved = before.as_ref().is_some_and(|before| {
            before
                .parents
                .keys()
                .any(|parent| !now_fed.parents.contains_key(parent))
        });
        let epochs = (before.map(|before| before.epoch), assign.epoch);
        self.checkers.epochs.assigned(at, epochs);
        if moved {
            self.tally.on_reassigned(calm);
        }
        if let Some(asked) = given_up {
            self.give(at, Input::Abandon(asked.want));
        }
        if goes_back {
            self.later(now, Event::Play(at, life));
        }
    }

    /// The checkers that look at everybody do so every few seconds, less often where many are.
    fn sample(&mut self) {
        let passed = self.now.since(crate::title::START).as_secs();
        let every = 5 + self.nodes.len() as u64 / 500;
        if !passed.is_multiple_of(every) {
            return;
        }
        self.with_checkers(Checkers::look);
    }

    /// Lets the checkers look at everything.
    pub(super) fn with_checkers(&mut self, look: impl FnOnce(&mut Checkers, &Self)) {
        let mut checkers = core::mem::take(&mut self.checkers);
        look(&mut checkers, self);
        self.checkers = checkers;
    }
}
