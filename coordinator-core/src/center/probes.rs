//! The type of a peer by test: what it says, what was tested, and what follows from it (P3, P8).

use core::net::{IpAddr, SocketAddr};

use runnel_protocol::control::{ClientHello, FromCoordinator, LinkResult, Outcome, PeerType};
use runnel_protocol::ids::{CertificateHash, PeerId};
use runnel_protocol::time::Timestamp;

use super::{ControlCenter, Judged};
use crate::explain::What;
use crate::family::Family;
use crate::io::{Output, SessionId};
use crate::kind::{self, Named, Why};
use crate::reach::is_usable;
use crate::world::World;

impl ControlCenter {
    /// What a newcomer is taken for until it is tested, and where others may connect to it.
    pub(super) fn judge(
        &mut self,
        whose: (SessionId, PeerId),
        hello: &ClientHello,
        address: IpAddr,
    ) -> Judged {
        match kind::judge(&hello.implementation) {
            Some(why) => (why, Box::new([])),
            None => self.judge_ways(whose, (&hello.endpoints, &hello.certificates), address),
        }
    }

    /// What an agent that names these addresses and certificates is taken for.
    pub(super) fn judge_ways(
        &mut self,
        (session, peer): (SessionId, PeerId),
        (endpoints, certificates): (&[SocketAddr], &[CertificateHash]),
        address: IpAddr,
    ) -> Judged {
        if let Some(why) = kind::lacks(endpoints, certificates) {
            self.probing.forget(peer);
            return (why, Box::new([]));
        }
        let usable = endpoints.iter().copied().filter(is_usable);
        let usable: Box<[SocketAddr]> = usable.collect();
        if !self.world.config.probe {
            return (Why::Believed, usable);
        }
        self.probing.note(peer, session, address, usable);
        let named = self.named(peer);
        let why = match (named.local.is_empty(), named.tested.is_empty()) {
            (false, _) => Why::InItsNetwork,
            (true, false) => Why::NotTestedYet,
            (true, true) => Why::ForeignAddress,
        };
        (why, named.local.into())
    }

    /// Has a peer tested that named something that may be, and was not reached yet.
    pub(super) fn test(&mut self, peer: PeerId, now: Timestamp) {
        let record = self.world.view.get(peer);
        let is_known = record.is_none_or(|record| record.why.is_reached());
        if !is_known && !self.named(peer).tested.is_empty() {
            self.probing.ask(peer);
            self.begin_tests(now);
        }
    }

    /// Tests that have come due.
    pub(super) fn retest(&mut self, now: Timestamp) {
        self.probing.on_tick(now);
        self.begin_tests(now);
    }

    /// Somebody could not connect: if that goes on, the test has the last word.
    pub(super) fn doubt(&mut self, peer: PeerId, now: Timestamp) {
        let record = self.world.view.get(peer);
        let doubtful =
            record.is_some_and(|one| one.why.is_reached() && one.history.is_hopeless(now));
        if doubtful {
            self.probing.on_complaint(peer, now);
            self.begin_tests(now);
        }
    }

    /// What an agent's attempt to connect to somebody says of its own network.
    pub(super) fn on_dialled(&mut self, peer: PeerId, outcome: &Outcome, now: Timestamp) {
        let ends = (self.world.view.get(peer), self.world.view.get(outcome.peer));
        let (Some(own), Some(other)) = ends else {
            return;
        };
        if own.address == other.address || own.why.is_reached() {
            return;
        }
        match outcome.result {
            LinkResult::Connected { .. } if self.probing.on_way_out(peer) => {
                self.probing.ask(peer);
                self.begin_tests(now);
            }
            LinkResult::Failed
                if other.why.is_reached()
                    && !other.history.is_hopeless(now)
                    && own.families.reaches(other.endpoints()) =>
            {
                self.probing.on_no_way_out(peer);
                let is_judged = matches!(
                    own.why,
                    Why::InItsNetwork | Why::OnlyInItsNetwork(_) | Why::NotReached(_)
                );
                if is_judged && self.probing.has_no_way_out(peer) {
                    self.retype(peer, Why::NoUdp, Vec::new(), now);
                }
            }
            LinkResult::Connected { .. }
            | LinkResult::Failed
            | LinkResult::Lost
            | LinkResult::Stalled
            | LinkResult::Full => {}
        }
    }

    pub(super) fn begin_tests(&mut self, now: Timestamp) {
        while let Some(peer) = self.probing.next(&mut self.world.random, now) {
            let endpoints = self.named(peer).tested;
            if let Some(record) = self.world.view.get(peer) {
                self.world.outputs.push_back(Output::Probe {
                    session: record.session,
                    endpoints,
                    certificates: record.certificates().to_vec(),
                });
            }
        }
    }

    /// What a peer names, by what may be done with it.
    pub(super) fn named(&self, peer: PeerId) -> Named {
        let waypoint = self.world.waypoints.is_enrolled(peer);
        let known = self.probing.named(peer);
        known.map_or_else(Named::default, |(named, from)| {
            kind::sort(named, from, waypoint)
        })
    }

    pub(super) fn on_probed(&mut self, session: SessionId, reached: &[SocketAddr], now: Timestamp) {
        let World { view, random, .. } = &mut self.world;
        // What others have found out as well needs no second test.
        let is_believed = |peer| {
            view.get(peer)
                .is_some_and(|one| one.why.is_reached() && !one.history.is_hopeless(now))
        };
        let was_reached = !reached.is_empty();
        let verdict = self
            .probing
            .on_verdict(session, was_reached, is_believed, random, now);
        if let Some((peer, _)) = verdict
            && was_reached
            && let Some(record) = self.world.view.get_mut(peer)
        {
            record.history.on_reached();
        }
        if let Some((peer, true)) = verdict {
            let Named { mut tested, local } = self.named(peer);
            if let Some(first) = tested.first().copied() {
                let shut = shut_family(&tested, reached);
                tested.retain(|endpoint| reached.contains(endpoint));
                let why = match (shut, tested.is_empty(), local.is_empty()) {
                    (Some(shut), false, _) => Why::ReachedBut(shut.into()),
                    (None, false, _) => Why::Reached,
                    (_, true, _) if self.probing.has_no_way_out(peer) => Why::NoUdp,
                    (_, true, false) => Why::OnlyInItsNetwork(first.into()),
                    (_, true, true) => Why::NotReached(first.into()),
                };
                if why.kind() == PeerType::Regular {
                    tested.extend(local);
                }
                self.retype(peer, why, tested, now);
            }
        }
        self.begin_tests(now);
    }

    /// Where everybody is told to connect, without what only its neighbours are told.
    fn reached(&self, peer: PeerId) -> Vec<SocketAddr> {
        let record = self.world.view.get(peer);
        let Some(record) = record.filter(|record| record.why.is_reached()) else {
            return Vec::new();
        };
        let local = self.named(peer).local;
        let mut reached = record.endpoints().to_vec();
        reached.retain(|endpoint| !local.contains(endpoint));
        reached
    }

    /// Tells a peer what it is taken for.
    pub(super) fn tell_type(&mut self, peer: PeerId) {
        let reached = self.reached(peer);
        if let Some(record) = self.world.view.get(peer) {
            let (kind, why) = (record.kind, record.why());
            self.world
                .send(peer, FromCoordinator::Type { kind, why, reached });
        }
    }

    /// A peer is treated as this from now on, and others are told these addresses.
    pub(super) fn retype(
        &mut self,
        peer: PeerId,
        why: Why,
        endpoints: Vec<SocketAddr>,
        now: Timestamp,
    ) {
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let (before, turns) = (record.why, record.kind != record.kind_for(why));
        if before == why && record.endpoints() == endpoints {
            return;
        }
        self.world.view.change(peer, |record| {
            record.kind = record.kind_for(why);
            record.why = why;
            record.set_endpoints(endpoints);
        });
        // Policies may ask for the type.
        self.world.judge.forget(peer);
        let contents = self.world.view.get(peer).map(|one| one.contents.clone());
        for content in contents.unwrap_or_default().iter() {
            let Some(delivery) = self.directory.delivery_mut(content) else {
                continue;
            };
            if turns {
                delivery.retype(peer, &mut self.world, now);
            } else {
                delivery.readdress(peer);
            }
        }
        if before != why {
            self.world.log.note(peer, None, What::Retyped(why), now);
            self.tell_type(peer);
        }
        self.world.growth += 1;
        self.clock.look_soon(now);
    }
}

/// An address of a family of which none was reached, where one of the other family was.
fn shut_family(tested: &[SocketAddr], reached: &[SocketAddr]) -> Option<SocketAddr> {
    let is_open = |family| reached.iter().any(|one| Family::of(one.ip()) == family);
    let mut shut = tested.iter().filter(|one| !is_open(Family::of(one.ip())));
    shut.next().copied()
}
