//! What the operator vouches for: waypoints, signatures, contents that end.

use std::collections::BTreeMap;

use runnel_protocol::control::{Enrol, FromCoordinator};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::ticket::SignedTicket;
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::announce;
use crate::content::Content;
use crate::explain::What;
use crate::io::{SessionId, SignedStatement};
use crate::waypoints;

impl ControlCenter {
    pub(super) fn on_enrol(
        &mut self,
        session: SessionId,
        peer: PeerId,
        enrol: Enrol,
        now: Timestamp,
    ) {
        let asked = waypoints::on_enrol(
            &mut self.world,
            &self.directory,
            (session, peer),
            enrol,
            now,
        );
        if asked.is_none() {
            self.refuse(
                session,
                None,
                "not enrolled as a waypoint: a one-time code is needed",
                None,
            );
        }
    }

    /// A waypoint that was started with the code it used before is enrolled all the same.
    pub(super) fn on_code_refused(&mut self, session: SessionId, now: Timestamp) {
        let Some(peer) = self.sessions.peer(session) else {
            return;
        };
        if self.world.waypoints.is_enrolled(peer) {
            waypoints::certify(&mut self.world, &self.directory, peer, now);
        } else {
            let why = "the one-time code is wrong, used or expired";
            self.refuse(session, None, why, None);
        }
    }

    pub(super) fn on_enrolled(&mut self, peer: PeerId, contents: Vec<ContentId>, now: Timestamp) {
        self.world.waypoints.enrol(peer, contents);
        if self.world.view.get(peer).is_some() {
            self.vouch(peer, now);
            self.head_up(peer, now);
            self.test(peer, now);
            waypoints::certify(&mut self.world, &self.directory, peer, now);
        }
    }

    /// Who came without a token has enrolled: it is treated as what it is.
    fn vouch(&mut self, peer: PeerId, now: Timestamp) {
        if let Some((why, endpoints)) = self.unvouched.remove(&peer) {
            self.retype(peer, why, endpoints.into_vec(), now);
        }
    }

    /// A connected peer is a waypoint from now on: it leaves what it took part in as an agent
    /// and becomes the head of what it is enrolled for and somebody takes part in.
    pub(super) fn head_up(&mut self, peer: PeerId, now: Timestamp) {
        let left = self.world.view.change(peer, |record| {
            record.waypoint = true;
            record.kind = record.kind_for(record.why);
            core::mem::take(&mut record.contents)
        });
        let Some(left) = left else { return };
        self.world.judge.forget(peer);
        for content in left.iter() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.leave(peer, &mut self.world, now);
            }
        }
        for content in self.world.waypoints.contents(peer).to_vec() {
            if self.directory.delivery(content).is_none() {
                continue;
            }
            self.world.view.enter(peer, content);
            let (Some(delivery), Some(record)) = (
                self.directory.delivery_mut(content),
                self.world.view.get(peer),
            ) else {
                continue;
            };
            delivery.join(peer, record, None, now);
            self.grant(content, now);
        }
        self.world.growth += 1;
        self.world.log.note(peer, None, What::Enrolled, now);
        self.clock.look_soon(now);
    }

    /// Has the content's connected waypoints told to fetch it.
    pub(super) fn grant(&mut self, id: ContentId, now: Timestamp) {
        let Some(content) = self.directory.content(id) else {
            return;
        };
        let connected = |peer: &PeerId| self.world.view.get(*peer).is_some();
        let heads: Vec<PeerId> = self.world.waypoints.of(id).filter(connected).collect();
        waypoints::grant(&mut self.world, content, &heads, now);
    }

    pub(super) fn on_signed(&mut self, statement: SignedStatement, now: Timestamp) {
        match statement {
            SignedStatement::Ticket(ticket) => self.on_ticket(ticket, now),
            SignedStatement::Grant(grant) => {
                let waypoint = grant.body.waypoint;
                self.world.send(waypoint, FromCoordinator::Attest(grant));
            }
            SignedStatement::Certificate(certificate) => {
                let waypoint = certificate.body.waypoint;
                let message = FromCoordinator::Certificate(certificate.clone());
                self.world.send(waypoint, message);
                for content in self.world.waypoints.on_certified(certificate) {
                    if let Some(delivery) = self.directory.delivery_mut(content) {
                        delivery.tell_everybody();
                    }
                }
                self.clock.look_soon(now);
            }
        }
    }

    pub(super) fn on_ticket(&mut self, ticket: SignedTicket, now: Timestamp) {
        let Some(pairing) = self.world.tickets.on_signed(&ticket) else {
            return;
        };
        if let Some(delivery) = self.directory.delivery_mut(pairing.content) {
            announce::tell_one(delivery, &mut self.world, pairing.client, now);
            // The client brings the ticket along; a server with many children is told of several
            // at a time.
            delivery.untold.insert(pairing.server);
            self.clock.look_soon(now);
        }
    }

    pub(super) fn on_registered(&mut self, content: Content, now: Timestamp) {
        let id = content.id();
        let known = self.directory.content(id);
        let moved = known.is_none_or(|known| !known.origins().eq(content.origins()))
            || known.is_some_and(|known| known.master_url != content.master_url);
        let limit = self.world.config.max_contents;
        let described = content.clone();
        if self.directory.register(content, limit) && moved {
            waypoints::on_moved(&mut self.world, &self.directory, id, now);
            if self.directory.delivery(id).is_some() {
                self.grant(id, now);
            }
        }
        if self.directory.content(id).is_some() {
            self.describe(id, Some(&described));
        }
    }

    pub(super) fn on_content_removed(&mut self, id: ContentId, now: Timestamp) {
        self.describe(id, None);
        let Some(mut delivery) = self.directory.remove(id) else {
            return;
        };
        let mut void = BTreeMap::<PeerId, Vec<_>>::new();
        for (pairing, ticket) in self.world.tickets.of_content(id) {
            void.entry(pairing.server).or_default().push(ticket);
            void.entry(pairing.client).or_default().push(ticket);
        }
        for (peer, tickets) in void {
            self.world.send(peer, FromCoordinator::Revoke(tickets));
        }
        let members: Vec<PeerId> = delivery.members.keys().copied().collect();
        for peer in members {
            delivery.leave(peer, &mut self.world, now);
            self.world.view.quit(peer, id);
            let Some(session) = self.world.view.get(peer).map(|record| record.session) else {
                continue;
            };
            self.refuse(session, Some(id), "this content is no longer offered", None);
        }
    }
}
