//! What goes wrong, and how it is put right.

use core::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::units::BitsPerSecond;

use super::World;
use super::links::{IDLE, idle_check};
use crate::dice::Dice;
use crate::node::{At, Vice};
use crate::population::Role;
use crate::scenario::{Fault, Kind, Target};

impl World {
    pub(super) fn on_fault(&mut self, index: usize) {
        let fault = self.faults[index].clone();
        self.last_trouble = self.now;
        let chosen = self.chosen(index, &fault);
        let everywhere = matches!(
            fault.kind,
            Kind::CoordinatorDown | Kind::DuplicateAndLate | Kind::CdnOutage | Kind::Backbone
        );
        if everywhere || !chosen.is_empty() {
            self.tally.count(fault.kind.name());
        }
        let strength = fault.strength.unwrap_or(fault.kind.default_strength());
        if everywhere {
            self.befall_everybody(fault.kind, strength);
        }
        for at in &chosen {
            self.befall(*at, &fault, strength);
        }
        self.befallen[index] = chosen;
    }

    fn befall_everybody(&mut self, kind: Kind, strength: f64) {
        if !self.peers && kind != Kind::CdnOutage {
            return;
        }
        match kind {
            Kind::CoordinatorDown => self.lose_coordinator(),
            Kind::DuplicateAndLate => self.duplicates = strength,
            Kind::CdnOutage => self.origin.outages += 1,
            Kind::Backbone => {
                let rate = BitsPerSecond(times(1_000_000, strength));
                self.network.backbone((0, 1), Some(rate), self.now);
                self.note_way(true);
            }
            Kind::Crash
            | Kind::Hang
            | Kind::Leave
            | Kind::Lie
            | Kind::Drip
            | Kind::Freeride
            | Kind::Loss
            | Kind::Latency
            | Kind::OneWay
            | Kind::RateCollapse
            | Kind::Shrink
            | Kind::BetterNode => {}
        }
    }

    /// Regions of which no system is told are many networks, between which there are many ways.
    fn note_way(&mut self, narrow: bool) {
        let mut both = self.scenario.region.iter().take(2);
        if both.all(|region| region.asn.is_some()) {
            self.checkers.ways.turns((0, 1), narrow, self.now);
        }
    }

    fn befall(&mut self, at: At, fault: &Fault, strength: f64) {
        if matches!(
            fault.kind,
            Kind::Crash | Kind::Hang | Kind::Leave | Kind::OneWay | Kind::Drip | Kind::Freeride
        ) {
            self.note_parent_gone(at);
        }
        let now = self.now;
        let lasts = fault.for_s.map(Duration::from_secs_f64);
        let Some(node) = self.node_mut(at) else {
            return;
        };
        let life = node.life;
        match fault.kind {
            Kind::Crash => self.remove(at, false),
            Kind::Leave => self.on_depart(at),
            Kind::Hang => {
                node.hung = true;
                self.later(now + IDLE, idle_check(at, life));
            }
            Kind::Lie | Kind::Drip | Kind::Freeride => {
                node.vice = Vice::of(fault.kind, strength).unwrap_or_default();
            }
            Kind::Loss => node.line.loss = strength,
            Kind::Latency => node.line.access += Duration::from_millis(times(1, strength)),
            Kind::OneWay => {
                node.line.mute_until = now + lasts.unwrap_or(Duration::from_secs(3600));
                self.later(now + IDLE, idle_check(at, life));
            }
            Kind::RateCollapse => node.line.up = BitsPerSecond(times(node.line.up.0, strength)),
            Kind::Shrink => self.offer(at, BitsPerSecond(times(self.offered(at), strength))),
            Kind::CoordinatorDown
            | Kind::DuplicateAndLate
            | Kind::CdnOutage
            | Kind::Backbone
            | Kind::BetterNode => {}
        }
    }

    fn offered(&self, at: At) -> u64 {
        self.node(at).map_or(0, |node| node.offers.0)
    }

    /// Its user lets others have more or less from now on.
    fn offer(&mut self, at: At, uplink: BitsPerSecond) {
        let now = self.now;
        if let Some(node) = self.node_mut(at) {
            node.offers = uplink;
            self.checkers.on_offer(at, uplink, now);
            self.give(
                at,
                Input::Consent {
                    peers: true,
                    uplink,
                },
            );
        }
    }

    pub(super) fn on_fault_over(&mut self, index: usize) {
        let fault = self.faults[index].clone();
        self.last_trouble = self.now;
        match fault.kind {
            Kind::CoordinatorDown if self.peers => {
                if !self.office.is_open() {
                    self.office.start(self.now);
                    self.center_settle();
                }
            }
            Kind::DuplicateAndLate => self.duplicates = 0.0,
            Kind::CdnOutage => self.origin.outages = self.origin.outages.saturating_sub(1),
            Kind::Backbone => {
                self.network.backbone((0, 1), None, self.now);
                self.note_way(false);
            }
            Kind::CoordinatorDown
            | Kind::Crash
            | Kind::Hang
            | Kind::Leave
            | Kind::Lie
            | Kind::Drip
            | Kind::Freeride
            | Kind::Loss
            | Kind::Latency
            | Kind::OneWay
            | Kind::RateCollapse
            | Kind::Shrink
            | Kind::BetterNode => {}
        }
        for at in core::mem::take(&mut self.befallen[index]) {
            self.put_right(at, fault.kind);
        }
    }

    fn put_right(&mut self, at: At, kind: Kind) {
        let guest = self.guests[at.0 as usize].clone();
        if kind == Kind::Crash || kind == Kind::Leave {
            let gone = guest
                .leaves
                .is_some_and(|leaves| crate::title::START + leaves <= self.now);
            if !gone && self.node(at).is_none() {
                self.on_arrive(at);
            }
            return;
        }
        let Some(node) = self.node_mut(at) else {
            return;
        };
        match kind {
            Kind::Hang => {
                node.hung = false;
                let held = core::mem::take(&mut node.held);
                held.into_iter().for_each(|input| self.give(at, input));
                let life = self.node(at).map(|node| node.life);
                life.into_iter().for_each(|life| self.on_alarm(at, life));
            }
            Kind::Lie | Kind::Drip | Kind::Freeride => node.vice = guest.vice,
            Kind::Loss => node.line.loss = guest.loss,
            Kind::Latency => node.line.access = guest.access,
            Kind::RateCollapse => node.line.up = guest.up,
            Kind::Shrink => self.offer(at, guest.offers),
            Kind::Crash
            | Kind::Leave
            | Kind::OneWay
            | Kind::CoordinatorDown
            | Kind::DuplicateAndLate
            | Kind::CdnOutage
            | Kind::Backbone
            | Kind::BetterNode => {}
        }
    }

    fn lose_coordinator(&mut self) {
        if !self.office.is_open() {
            return;
        }
        for (at, life) in self.office.stop() {
            let lost = self.lost_at(at);
            if let Some(node) = self.alive(at, life) {
                node.session = None;
                self.input_later(at, lost, Input::CoordinatorLost);
            }
        }
    }

    /// Whom it befalls: those of the fault's kind who are there, by the fault's own dice.
    fn chosen(&self, index: usize, fault: &Fault) -> Vec<At> {
        let mut dice = Dice::of(self.seed, "fault", index as u64);
        let fits = |at: At| {
            let guest = &self.guests[at.0 as usize];
            match fault.who {
                Target::Agents | Target::BusiestAgents | Target::ShakyAgents => {
                    guest.role == Role::Agent
                }
                Target::Viewers => guest.role == Role::Viewer,
                Target::Waypoints => guest.role == Role::Waypoint,
                Target::FirstRegion => guest.region == 0,
            }
        };
        let mut found: Vec<(u64, At)> = self
            .present()
            .filter(|(at, node)| fits(*at) && !node.hung)
            .map(|(at, _)| {
                let order = if fault.who == Target::BusiestAgents {
                    u64::MAX - self.tally.served(at)
                } else if fault.who == Target::ShakyAgents {
                    Dice::of(self.seed, "shaky", at.0.into()).roll()
                } else {
                    dice.roll()
                };
                (order, at)
            })
            .collect();
        found.sort_unstable();
        let count = match fault.share {
            Some(share) => usize::try_from(times(found.len() as u64, share)).unwrap_or_default(),
            None => fault.count as usize,
        };
        found.truncate(count);
        found.into_iter().map(|(_, at)| at).collect()
    }

    /// Whoever is fed by it is going to need another: from here on it is measured how long it takes.
    /// Of what is on demand nobody waits for anything but players, whom their parents keep waiting.
    pub(super) fn note_parent_gone(&mut self, at: At) {
        let Some(id) = self.node(at).map(|node| node.id) else {
            return;
        };
        let mut orphans = Vec::new();
        for (child, node) in self.present() {
            let plays = node.player.is_some();
            let waits = |content| plays || self.library.is_live(content);
            let fed = node.fed.iter().filter(|(content, _)| waits(**content));
            for (content, fed) in fed {
                let stripes = fed.parents.get(&id).copied().unwrap_or_default();
                if !stripes.is_empty() {
                    orphans.push((child, *content, stripes));
                }
            }
        }
        for (child, content, stripes) in orphans {
            self.tally
                .on_orphaned(child, at, content, stripes, self.now);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "rates and counts; a negative factor becomes 0"
)]
fn times(number: u64, factor: f64) -> u64 {
    (number as f64 * factor).round() as u64
}
