//! Sessions: who is let in, proves its key, is welcomed, and goes.

use std::sync::Arc;

use runnel_protocol::control::{
    ClientHello, FromCoordinator, PeerType, Refused, ToCoordinator, Welcome,
};
use runnel_protocol::ids::{ContentId, Nonce, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::passes::Right;
use super::{ControlCenter, Judged};
use crate::capacity::Uplink;
use crate::explain::What;
use crate::family::Families;
use crate::history::History;
use crate::io::{CloseCause, Output, SessionId, Whence};
use crate::kind::Why;
use crate::place::Place;
use crate::record::{Contents, Door, Record};
use crate::token::{Held, Pass, Verdict};

/// Everybody who is sent away at shutdown comes back within this time.
const COME_BACK_WITHIN_MS: u64 = 10_000;

impl ControlCenter {
    pub(super) fn on_opened(&mut self, session: SessionId, from: Whence, now: Timestamp) {
        if self.draining {
            return self.turn_away(session, "the coordinator is going down", 1000);
        }
        if self.sessions.len() >= self.world.config.max_sessions {
            return self.turn_away(session, "the coordinator is full", 30_000);
        }
        match self.admission.admit(&mut self.world.random, now) {
            Ok(()) => {
                let nonce = Nonce(self.world.random.bytes());
                self.sessions.challenge(session, nonce, from, now);
                self.tell(session, FromCoordinator::Challenge(nonce));
            }
            Err(wait) => self.turn_away(session, "many arrive at the same time", wait),
        }
    }

    pub(super) fn turn_away(&mut self, session: SessionId, why: &str, wait_ms: u32) {
        self.world.totals.turned_away += 1;
        self.refuse(session, None, why, Some(wait_ms));
        self.end(session, CloseCause::Busy);
    }

    pub(super) fn tell(&mut self, session: SessionId, message: FromCoordinator) {
        self.world
            .outputs
            .push_back(Output::Send { session, message });
    }

    pub(super) fn refuse(
        &mut self,
        session: SessionId,
        content: Option<ContentId>,
        why: &str,
        wait: Option<u32>,
    ) {
        let refused = Refused {
            content,
            why: why.to_owned(),
            retry_after_ms: wait,
        };
        self.tell(session, FromCoordinator::Refused(refused));
    }

    pub(super) fn end(&mut self, session: SessionId, cause: CloseCause) {
        self.sessions.end(session);
        self.world
            .outputs
            .push_back(Output::Close { session, cause });
    }

    pub(super) fn on_closed(&mut self, session: SessionId, now: Timestamp) {
        if let Some(peer) = self.sessions.remove(session) {
            self.part_with(peer, session, now);
        }
    }

    /// Ends a peer's part in everything, if this is the session it is known by.
    pub(super) fn part_with(&mut self, peer: PeerId, session: SessionId, now: Timestamp) {
        let known = self.world.view.get(peer);
        if known.is_none_or(|record| record.session != session) {
            return;
        }
        let held = known.and_then(|record| record.held.as_ref());
        let provider = held.map(|held| Arc::clone(&held.pass.key.provider));
        let contents = known
            .map(|record| record.contents.clone())
            .unwrap_or_default();
        for content in contents.iter() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.leave(peer, &mut self.world, now);
            }
        }
        if let Some(provider) = provider {
            self.tenants.leave(&provider);
        }
        self.tell_history(peer, now);
        self.world.view.remove(peer);
        self.world.attempts.forget(peer);
        self.world.judge.forget(peer);
        self.world.groups.on_gone(peer, now);
        self.probing.forget(peer);
        self.unvouched.remove(&peer);
        self.world.waypoints.forget_session(peer);
        self.world.log.note(peer, None, What::Left, now);
        self.world.log.on_gone(peer, now);
        self.clock.look_soon(now);
    }

    pub(super) fn on_message(
        &mut self,
        session: SessionId,
        message: ToCoordinator,
        now: Timestamp,
    ) {
        match (self.sessions.peer(session), message) {
            (None, ToCoordinator::Hello(hello)) => self.on_hello(session, hello),
            (Some(peer), message) => self.on_peer_message((session, peer), message, now),
            (None, _) => self.out_of_order(session),
        }
    }

    pub(super) fn on_hello(&mut self, session: SessionId, hello: Box<ClientHello>) {
        match self.sessions.on_hello(session, hello) {
            Some(check) => self.world.outputs.push_back(check),
            None => self.out_of_order(session),
        }
    }

    pub(super) fn out_of_order(&mut self, session: SessionId) {
        if !self.sessions.is_ending(session) {
            self.world.totals.out_of_order += 1;
            self.end(session, CloseCause::OutOfOrder);
        }
    }

    pub(super) fn on_checked(&mut self, session: SessionId, valid: bool, now: Timestamp) {
        if !valid {
            if !self.sessions.is_ending(session) {
                self.world.totals.unproven += 1;
                self.refuse(
                    session,
                    None,
                    "the key is not proven: the signature is wrong",
                    None,
                );
                self.end(session, CloseCause::Unproven);
            }
            return;
        }
        if let Some((key, token)) = self.sessions.on_proven(session) {
            if self.world.config.tokens {
                self.world.outputs.push_back(Output::CheckToken {
                    session,
                    key,
                    token,
                });
            } else {
                self.on_token_checked(session, Verdict::Free, now);
            }
        }
    }

    pub(super) fn welcome(
        &mut self,
        (session, peer): (SessionId, PeerId),
        mut hello: ClientHello,
        from: Whence,
        right: Right,
        now: Timestamp,
    ) {
        if let Some(old) = self.world.view.get(peer).map(|record| record.session) {
            self.part_with(peer, old, now);
            self.end(old, CloseCause::Replaced);
        }
        let judged = self.judge((session, peer), &hello, from.address);
        let (why, endpoints) = self.note_right((session, peer), &right, judged, now);
        let pass = match right {
            Right::Pass(pass) => Some(pass),
            Right::Free | Right::ToEnrol => None,
        };
        if let Some(cap) = pass.as_ref().and_then(|pass| pass.uplink) {
            hello.uplink = hello.uplink.min(cap);
        }
        let version = self.world.view.version(&hello.implementation.version);
        let place = self.world.config.networks.place(from.address);
        let record = record(
            session,
            (from, place),
            hello,
            version,
            (why, endpoints),
            pass,
            (self.world.law.changes(), now),
        );
        let (kind, words, sharing) = (record.kind, record.why(), record.sharing());
        self.world.view.insert(peer, record);
        self.begin_history(peer, session, now);
        self.world.totals.joins += 1;
        self.world.log.note(peer, None, What::Joined(why), now);
        if !sharing.gives() {
            self.world.log.note(peer, None, What::Placed(sharing), now);
        }
        let config = &self.world.config;
        let welcome = Welcome {
            peer,
            kind,
            why: words,
            heartbeat_ms: u32::try_from(config.heartbeat.as_millis()).unwrap_or(u32::MAX),
            root_key: config.root_key,
            ticket_keys: config.ticket_keys.clone(),
            now: now.unix_seconds(),
            policy_floor: self.world.law.floor(),
        };
        self.tell(session, FromCoordinator::Welcome(Box::new(welcome)));
        self.world.groups.on_come(peer, now);
        self.admit(peer, now);
        self.world.growth += u64::from(kind == PeerType::Regular);
        if self.world.waypoints.is_enrolled(peer) {
            self.head_up(peer, now);
        }
        if why != Why::Unvouched {
            self.test(peer, now);
        }
    }

    /// Ends sessions that hold a place without proving a key.
    pub(super) fn end_overdue(&mut self, now: Timestamp) {
        for session in self.sessions.take_overdue(now) {
            self.world.totals.unproven += 1;
            self.refuse(session, None, "the key was not proven in time", Some(5000));
            self.end(session, CloseCause::Unproven);
        }
    }

    pub(super) fn on_drain(&mut self) {
        self.draining = true;
        let uses = self.world.links.take_all_uses();
        self.world.outputs.push_back(Output::LinksUsed(uses));
        for session in self.sessions.ids() {
            if !self.sessions.is_ending(session) {
                let wait = 500 + self.world.random.below(COME_BACK_WITHIN_MS);
                let wait = u32::try_from(wait).ok();
                self.refuse(session, None, "the coordinator is going down", wait);
                self.end(session, CloseCause::Draining);
            }
        }
    }
}

fn record(
    session: SessionId,
    (from, place): (Whence, Place),
    hello: ClientHello,
    version: Arc<str>,
    (why, endpoints): Judged,
    pass: Option<Pass>,
    (changes, now): (u32, Timestamp),
) -> Record {
    let mut record = Record {
        session,
        address: from.address,
        page: from.page,
        families: Families::told_by(&hello, from.address),
        place,
        key: hello.key,
        platform: hello.implementation.platform,
        version,
        kind: why.kind(),
        why,
        waypoint: false,
        door: Door::of(endpoints, hello.certificates),
        uplink: Uplink::new(hello.uplink),
        held: pass.map(|pass| Box::new(Held::new(pass))),
        taken: BitsPerSecond(0),
        partners: 0,
        machine: None,
        last_heard: now,
        changes,
        silent: false,
        codes_tried: 0,
        group_requests: 0,
        history: History::default(),
        contents: Contents::default(),
    };
    record.kind = record.kind_for(why);
    record
}
