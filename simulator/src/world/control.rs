//! Between the peers and the control center.

use core::net::SocketAddr;
use core::time::Duration;

use runnel_coordinator_core::{
    Allowed, Attributes, Input as CenterInput, KeyName, Output as CenterOutput, Pass, SessionId,
    Verdict,
};
use runnel_peer_core::Input;
use runnel_protocol::control::{FromCoordinator, ToCoordinator};
use runnel_protocol::time::Timestamp;

use super::{Event, World};
use crate::node::{At, Node};
use crate::population::{Guest, Role};

/// The control center's server gives up on an address after this.
const PROBE: Duration = Duration::from_secs(3);

impl World {
    /// A peer reaches out for the control center.
    pub(super) fn connect(&mut self, at: At) {
        let Some(node) = self.node(at) else {
            return;
        };
        let (life, way) = (node.life, node.line.to_exchange());
        let round_trip = self.now.max(node.line.mute_until) + way * 2;
        if !self.office.is_open() {
            return self.later(
                round_trip,
                Event::Input(at, life, Box::new(Input::CoordinatorLost)),
            );
        }
        let session = self.office.open(at, life);
        if let Some(node) = self.node_mut(at) {
            node.session = Some(session);
        }
        self.later(round_trip, Event::Opened(session));
    }

    pub(super) fn disconnect(&mut self, at: At) {
        let Some(node) = self.node_mut(at) else {
            return;
        };
        if let Some(session) = node.session.take() {
            let way = node.line.to_exchange();
            let last = node.to_center;
            self.later((self.now + way).max(last), Event::Closed(session));
        }
    }

    pub(super) fn on_opened(&mut self, session: SessionId) {
        let Some((at, life)) = self.office.behind(session) else {
            return;
        };
        if self
            .alive(at, life)
            .is_none_or(|node| node.session != Some(session))
        {
            return;
        }
        let address = self.guests[at.0 as usize].address;
        self.give(at, Input::CoordinatorConnected);
        self.center_input(CenterInput::SessionOpened {
            session,
            from: address.into(),
        });
    }

    pub(super) fn on_closed(&mut self, session: SessionId) {
        if self.office.close(session).is_some() {
            self.center_input(CenterInput::SessionClosed(session));
        }
    }

    /// A peer speaks; what it says arrives in order.
    pub(super) fn tell_center(&mut self, at: At, message: ToCoordinator) {
        let now = self.now;
        let Some(node) = self.node_mut(at) else {
            return;
        };
        let Some(session) = node.session else {
            return;
        };
        let way = node.line.to_exchange();
        let start = now.max(node.line.mute_until);
        let arrives = Node::in_order(&mut node.to_center, start + way);
        self.later(arrives, Event::ToCenter(session, Box::new(message)));
    }

    pub(super) fn on_message(&mut self, session: SessionId, message: ToCoordinator) {
        let Some((at, _)) = self.office.behind(session) else {
            return;
        };
        self.digest
            .note(&[self.now.as_micros(), 1, u64::from(at.0)]);
        if let Some(from) = self.node(at).map(|node| node.id) {
            self.checkers.credits.heard(from, &message);
        }
        self.center_input(CenterInput::Received { session, message });
    }

    pub(super) fn center_input(&mut self, input: CenterInput) {
        self.office.handle_input(input, self.now);
        self.center_settle();
    }

    pub(super) fn on_center_wake(&mut self) {
        self.office.wake = None;
        self.office.handle_timeout(self.now);
        self.center_settle();
    }

    /// Carries out what the control center asks for, then sets its alarm.
    pub(super) fn center_settle(&mut self) {
        while let Some(output) = self.office.poll_output(self.now) {
            self.carry_out_for_center(output);
        }
        if let Some(due) = self.office.timeout()
            && self.office.wake.is_none_or(|set| due < set)
        {
            self.office.wake = Some(due);
            self.later(due.max(self.now), Event::CenterWake);
        }
    }

    fn carry_out_for_center(&mut self, output: CenterOutput) {
        match output {
            CenterOutput::Send { session, message } => self.tell_peer(session, message),
            CenterOutput::Close { session, .. } => {
                if let Some((at, life)) = self.office.close(session) {
                    let lost = self.lost_at(at);
                    self.later(
                        lost,
                        Event::Input(at, life, Box::new(Input::CoordinatorLost)),
                    );
                    self.forget_session(at, life, session);
                }
                self.office
                    .handle_input(CenterInput::SessionClosed(session), self.now);
            }
            CenterOutput::CheckSignature {
                session,
                key,
                message,
                signature,
            } => {
                let valid = self.signatures.check(&key, &message, &signature);
                let verdict = CenterInput::SignatureChecked { session, valid };
                self.office.handle_input(verdict, self.now);
            }
            CenterOutput::Probe {
                session, endpoints, ..
            } => self.probe(session, endpoints),
            CenterOutput::CheckToken { session, .. } => {
                if let Some((at, _)) = self.office.behind(session) {
                    let verdict = right_of(&self.guests[at.0 as usize], self.provider(), self.now);
                    let checked = CenterInput::TokenChecked { session, verdict };
                    self.office.handle_input(checked, self.now);
                }
            }
            CenterOutput::Sign(_)
            | CenterOutput::RedeemCode { .. }
            | CenterOutput::Transferred(_)
            | CenterOutput::Recall(_)
            | CenterOutput::Remember(_)
            | CenterOutput::Tried { .. }
            | CenterOutput::KeepGroup(_)
            | CenterOutput::ForgetGroup(_)
            | CenterOutput::LinksUsed(_) => {}
        }
    }

    /// Who minted everybody's token: there is one where there are tokens.
    fn provider(&self) -> &str {
        &self.library.title(0).provider
    }

    /// A handshake with each of these, as in [`World::dial`].
    fn probe(&mut self, session: SessionId, mut endpoints: Vec<SocketAddr>) {
        let now = self.now;
        let mut answered = now + PROBE;
        endpoints.retain(|endpoint| {
            let Some(at) = self.places.get(endpoint).copied() else {
                return false;
            };
            let reachable = self.guests[at.0 as usize].reachable;
            let node = self.node(at).filter(|node| !node.hung);
            let node = node.filter(|node| node.line.mute_until <= now && reachable);
            if let Some(node) = node {
                answered = now + node.line.to_exchange() * 2;
            }
            node.is_some()
        });
        if endpoints.is_empty() {
            self.tally.count("tests that reached nobody");
        }
        self.later(answered, Event::Probed(session, endpoints));
    }

    fn forget_session(&mut self, at: At, life: u32, session: SessionId) {
        if let Some(node) = self.alive(at, life)
            && node.session == Some(session)
        {
            node.session = None;
        }
    }

    /// When a peer learns that its session is gone.
    pub(super) fn lost_at(&self, at: At) -> Timestamp {
        let way = self.node(at).map(|node| node.line.to_exchange());
        self.now + way.unwrap_or_default()
    }

    fn tell_peer(&mut self, session: SessionId, message: FromCoordinator) {
        let Some((at, life)) = self.office.behind(session) else {
            return;
        };
        if let Some(to) = self.node(at).map(|node| node.id) {
            self.with_checkers(|checkers, world| checkers.on_told(world, to, &message));
        }
        let now = self.now;
        if matches!(message, FromCoordinator::Welcome(_))
            && let Some(node) = self.node_mut(at)
        {
            node.welcomed = Some((session, now, node.welcomed.is_some()));
        }
        let arrives = self.lost_at(at);
        self.digest
            .note(&[self.now.as_micros(), 2, u64::from(at.0)]);
        if self.duplicates > 0.0 && is_repeatable(&message) && self.dice.happens(self.duplicates) {
            let late = self.dice.millis(100, 3000);
            let again = Input::Coordinator(message.clone());
            self.tally.count("messages twice and late");
            self.later(arrives + late, Event::Input(at, life, Box::new(again)));
        }
        let input = Input::Coordinator(message);
        self.later(arrives, Event::Input(at, life, Box::new(input)));
    }
}

/// By what right a guest comes: waypoints enrol, everybody else has a token for the evening.
pub(crate) fn right_of(guest: &Guest, provider: &str, now: Timestamp) -> Verdict {
    if guest.role == Role::Waypoint {
        return Verdict::Missing;
    }
    Verdict::Pass(Box::new(Pass {
        key: KeyName {
            provider: provider.into(),
            id: "one".into(),
        },
        contents: vec![Allowed::read("*")],
        expires: now.unix_seconds().plus(24 * 3600),
        uplink: None,
        attributes: Attributes {
            account: guest.account.as_deref().map(str::to_owned),
            plan: guest.plan.as_deref().map(str::to_owned),
            age: guest.age,
            groups: Vec::new(),
        },
    }))
}

/// What a network in between may deliver again after a reconnection; the handshake is not.
fn is_repeatable(message: &FromCoordinator) -> bool {
    matches!(
        message,
        FromCoordinator::Assign(_) | FromCoordinator::Attest(_) | FromCoordinator::Opened(_)
    )
}
