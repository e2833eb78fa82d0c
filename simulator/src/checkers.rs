//! What must hold whatever happens: one invariant a file, checked all the time.

pub(crate) mod bounded;
pub(crate) mod bytes;
pub(crate) mod caps;
pub(crate) mod credits;
pub(crate) mod crossings;
pub(crate) mod ejections;
pub(crate) mod ends;
pub(crate) mod epochs;
pub(crate) mod favoured;
pub(crate) mod lawful;
pub(crate) mod liveness;
pub(crate) mod pairs;
pub(crate) mod preferred;
pub(crate) mod punctual;
pub(crate) mod reservations;
pub(crate) mod same;
pub(crate) mod sites;
pub(crate) mod tickets;
pub(crate) mod treated;
pub(crate) mod verified;
pub(crate) mod ways;

use runnel_coordinator_core::PolicySet;
use runnel_peer_core::Delivered;
use runnel_protocol::control::FromCoordinator;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use self::lawful::Hears;
use crate::atlas::Known;
use crate::node::{At, Node};
use crate::player::Shown;
use crate::population::Role;
use crate::title::Title;
use crate::world::World;

/// Violations told in words; more are counted.
const TOLD: usize = 5;

/// What a checker found.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Which invariant.
    pub name: &'static str,
    /// How often it was evaluated.
    pub evaluations: u64,
    /// How often it did not hold.
    pub violations: u64,
    /// The first of these, in words.
    pub words: Vec<String>,
}

impl Verdict {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            evaluations: 0,
            violations: 0,
            words: Vec::new(),
        }
    }

    /// Evaluates once.
    pub(crate) fn expect(&mut self, holds: bool, words: impl FnOnce() -> String) {
        self.evaluations += 1;
        if !holds {
            self.violations += 1;
            if self.words.len() < TOLD {
                self.words.push(words());
            }
        }
    }

    /// Adds what the same checker found elsewhere.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.evaluations += other.evaluations;
        self.violations += other.violations;
        let room = TOLD.saturating_sub(self.words.len());
        self.words.extend(other.words.iter().take(room).cloned());
    }
}

/// All checkers that look on while a run goes on.
#[derive(Debug, Default)]
pub(crate) struct Checkers {
    pub(crate) bytes: bytes::Bytes,
    pub(crate) verified: verified::Verified,
    pub(crate) pairs: pairs::Pairs,
    pub(crate) caps: caps::Caps,
    pub(crate) ends: ends::Ends,
    pub(crate) reservations: reservations::Reservations,
    pub(crate) epochs: epochs::Epochs,
    pub(crate) bounded: bounded::Bounded,
    pub(crate) credits: credits::Credits,
    pub(crate) ejections: ejections::Ejections,
    pub(crate) tickets: tickets::Tickets,
    pub(crate) liveness: liveness::Liveness,
    /// These have something to say only where there are policies.
    pub(crate) lawful: lawful::Lawful,
    pub(crate) crossings: crossings::Crossings,
    pub(crate) treated: treated::Treated,
    pub(crate) preferred: preferred::Preferred,
    pub(crate) favoured: favoured::Favoured,
    /// And this one where there are sites.
    pub(crate) sites: sites::Sites,
    /// And this one where a way between two systems becomes narrow.
    pub(crate) ways: ways::Ways,
}

impl Checkers {
    pub(crate) fn on_arrive(&mut self, at: At, node: &Node, now: Timestamp) {
        self.caps.offers(at, node.offers, now);
        self.pairs.arrives(node.id, node.role);
    }

    pub(crate) fn on_offer(&mut self, at: At, uplink: BitsPerSecond, now: Timestamp) {
        self.caps.offers(at, uplink, now);
    }

    pub(crate) fn on_sent(&mut self, at: At, bytes: u64, now: Timestamp) {
        self.caps.sent(at, bytes, now);
    }

    pub(crate) fn on_dialled(&mut self, to: Role, reachable: bool) {
        self.pairs.dialled(to, reachable);
    }

    pub(crate) fn on_told(&mut self, world: &World, to: PeerId, message: &FromCoordinator) {
        if let FromCoordinator::Assign(assign) = message {
            self.pairs.assigned(to, assign);
            self.ejections.told(world, &self.lawful, assign);
            self.ways.told(world, to, assign);
            self.preferred.told(world, &mut self.lawful, to, assign);
            self.tickets.told(&world.office.ticket_key(), to, assign);
        }
    }

    pub(crate) fn on_policies(&mut self, set: &PolicySet, titles: &[Title], now: Timestamp) {
        self.crossings.change(set, now);
        self.lawful.change(set.clone(), titles, now);
    }

    /// Bytes move from one, which hears so much of the control center, to another.
    pub(crate) fn on_carried(
        &mut self,
        ends: (&Known<'_>, &Known<'_>),
        hears: Hears,
        (content, bytes): (ContentId, u64),
        now: Timestamp,
    ) {
        self.sites.carried(ends, hears, now);
        let links = self.lawful.carried(ends, hears, content, now);
        let known = self.lawful.is_known(now);
        self.crossings.carried(links, bytes, known, now);
    }

    /// A segment reached a viewer who came at `joined`.
    pub(crate) fn on_shown(
        &mut self,
        viewer: &Known<'_>,
        shown: (&Title, &Shown),
        times: (Timestamp, Timestamp),
    ) {
        self.treated.shown(&mut self.lawful, viewer, shown, times);
    }

    /// A segment reached a viewer, in this rendition.
    pub(crate) fn on_got(
        &mut self,
        world: &World,
        at: At,
        delivered: &Delivered,
        rendition: usize,
    ) {
        if self.lawful.prefers() {
            let got = (delivered, rendition);
            self.favoured.got(&mut self.lawful, world, at, got);
        }
    }

    /// A second is over.
    pub(crate) fn on_second(&mut self, world: &World) {
        self.preferred.note(world, &self.lawful);
    }

    /// Looks at everybody.
    pub(crate) fn look(&mut self, world: &World) {
        self.pairs.look(world);
        self.reservations.look(world);
        self.bounded.look(world);
        self.ends.look(world);
        self.ejections.look(world, &self.lawful);
        self.liveness.look(world);
        self.ways.look(world.now);
        self.crossings.look(world.now);
    }

    pub(crate) fn verdicts(self) -> Vec<Verdict> {
        let always = vec![
            self.bytes.verdict,
            self.verified.verdict,
            self.pairs.verdict,
            self.caps.verdict,
            self.ends.verdict,
            self.reservations.verdict,
            self.epochs.verdict,
            self.bounded.verdict,
            self.credits.verdict,
            self.ejections.verdict,
            self.tickets.verdict,
            self.liveness.verdict,
        ];
        let others = [
            self.lawful.verdict,
            self.crossings.verdict,
            self.treated.verdict,
            self.preferred.verdict,
            self.favoured.verdict,
            self.sites.verdict,
            self.ways.verdict,
        ];
        let others = others.into_iter().filter(|one| one.evaluations > 0);
        always.into_iter().chain(others).collect()
    }
}
