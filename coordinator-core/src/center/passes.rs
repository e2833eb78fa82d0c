//! Join tokens: who is let in by one, who has to bring another in time, and whose session ends.

use runnel_protocol::control::{FromCoordinator, Platform};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use super::{ControlCenter, Judged};
use crate::content::Content;
use crate::explain::What;
use crate::io::{CloseCause, Output, SessionId};
use crate::kind::Why;
use crate::tenants::Crowded;
use crate::token::{ASK_AGAIN, ENROL_WITHIN, Held, KeyName, Pass, TokenRefusal, Verdict};

/// By what right a peer is let in.
#[derive(Debug)]
pub(super) enum Right {
    /// None is asked for, or the operator has enrolled it.
    Free,
    /// By this token.
    Pass(Pass),
    /// None, and it may do nothing but enrol.
    ToEnrol,
}

/// Peers whose tokens are looked after per tick; who is left over waits for the next one.
const DUE_PER_TICK: usize = 10_000;

impl ControlCenter {
    /// The verdict on whoever asks to be let in, or on a renewal.
    pub(super) fn on_token_checked(
        &mut self,
        session: SessionId,
        verdict: Verdict,
        now: Timestamp,
    ) {
        if let Some(peer) = self.sessions.peer(session) {
            return self.on_renewal(peer, verdict, now);
        }
        let Some((peer, hello, from)) = self.sessions.proven(session) else {
            return;
        };
        let (hello, from) = (hello.clone(), *from);
        let is_page = hello.implementation.platform == Platform::Browser;
        let right = match verdict {
            Verdict::Free => Right::Free,
            Verdict::Pass(pass) => match self.admit_of_provider(peer, &pass, now) {
                Ok(()) => Right::Pass(*pass),
                Err(crowded) => return self.hold_off(session, crowded),
            },
            Verdict::Missing if self.world.waypoints.is_enrolled(peer) => Right::Free,
            // A waypoint enrols once it is let in; pages never do.
            Verdict::Missing if !is_page => Right::ToEnrol,
            Verdict::Missing => return self.turn_down(session, TokenRefusal::Missing),
            Verdict::Refused(refusal) => return self.turn_down(session, refusal),
        };
        self.sessions.join(session, peer);
        self.welcome((session, peer), hello, from, right, now);
    }

    /// Whether a provider's audience may grow by one more.
    fn admit_of_provider(
        &mut self,
        peer: PeerId,
        pass: &Pass,
        now: Timestamp,
    ) -> Result<(), Crowded> {
        let returns = self.world.view.get(peer).is_some();
        let random = &mut self.world.random;
        self.tenants.admit(&pass.key.provider, returns, random, now)
    }

    /// Has one of a provider's audience come again: what it would have taken of the common door is
    /// left to others.
    fn hold_off(&mut self, session: SessionId, crowded: Crowded) {
        self.admission.give_back();
        let (why, wait) = match crowded {
            Crowded::Rate(wait) => (
                "many of this provider's viewers arrive at the same time",
                wait,
            ),
            Crowded::Sessions(wait) => ("this provider's share of the coordinator is taken", wait),
        };
        self.turn_away(session, why, wait);
    }

    /// Notes by what right a peer is in, and when that ends; what it is treated as by this right.
    pub(super) fn note_right(
        &mut self,
        (session, peer): (SessionId, PeerId),
        right: &Right,
        judged: Judged,
        now: Timestamp,
    ) -> Judged {
        self.expelled.remove(&peer);
        match right {
            Right::Free => judged,
            Right::Pass(pass) => {
                let at = pass.ask_at().max(now);
                self.passes_due.insert(at, (peer, session));
                self.tenants.enter(&pass.key.provider, now);
                judged
            }
            Right::ToEnrol => {
                self.unvouched.insert(peer, judged);
                self.passes_due.insert(now + ENROL_WITHIN, (peer, session));
                (Why::Unvouched, Box::new([]))
            }
        }
    }

    /// Nobody is let in for this reason; another token may help.
    fn turn_down(&mut self, session: SessionId, refusal: TokenRefusal) {
        self.world.totals.refused_tokens.count(refusal);
        self.refuse(session, None, &refusal.to_string(), None);
        self.end(session, CloseCause::Unauthorised);
    }

    /// A peer that is in presents a token: it is to be verified.
    pub(super) fn on_token(&mut self, session: SessionId, peer: PeerId, token: String) {
        if let Some(record) = self.world.view.get(peer) {
            self.world.outputs.push_back(Output::CheckToken {
                session,
                key: record.key,
                token: Some(token),
            });
        }
    }

    fn on_renewal(&mut self, peer: PeerId, verdict: Verdict, now: Timestamp) {
        match verdict {
            Verdict::Pass(pass) => self.take_pass(peer, *pass, now),
            Verdict::Refused(refusal) => {
                self.world.totals.refused_tokens.count(refusal);
                // The one that it has is good until it expires.
                let record = self.world.view.get_mut(peer);
                if let Some(held) = record.and_then(|record| record.held.as_mut()) {
                    held.refused = Some(refusal);
                }
            }
            Verdict::Free | Verdict::Missing => {}
        }
    }

    /// A peer that is in has another token from now on. Who came without, as waypoints do, has no
    /// use for one.
    fn take_pass(&mut self, peer: PeerId, pass: Pass, now: Timestamp) {
        let Some(record) = self.world.view.get_mut(peer) else {
            return;
        };
        let session = record.session;
        let Some(held) = &mut record.held else {
            return;
        };
        let known = held.pass.attributes != pass.attributes;
        self.tenants.leave(&held.pass.key.provider);
        self.tenants.enter(&pass.key.provider, now);
        self.passes_due
            .insert(pass.ask_at().max(now), (peer, session));
        **held = Held::new(pass);
        let offered = record.uplink.offered();
        let contents = record.contents.clone();
        self.on_uplink(peer, offered, now);
        for content in contents.iter() {
            if !self.may_open(peer, content) {
                self.refuse_content(session, content);
                self.on_close(peer, content, now);
            } else if let Some(delivery) = self.directory.delivery_mut(content).filter(|_| known) {
                delivery.review_all();
            }
        }
        if known {
            self.world.judge.forget(peer);
            self.admit(peer, now);
            self.unreviewed = self.world.tickets.pair_count();
            self.world.growth += 1;
            self.clock.look_soon(now);
        }
    }

    /// Whether a peer's token covers a content that is offered.
    pub(super) fn may_open(&self, peer: PeerId, id: ContentId) -> bool {
        let known = self.world.view.get(peer).zip(self.directory.content(id));
        known.is_none_or(|(record, Content { name, provider, .. })| {
            record.may_take_part(name, provider)
        })
    }

    pub(super) fn refuse_content(&mut self, session: SessionId, content: ContentId) {
        let peer = self.sessions.peer(session);
        let record = peer.and_then(|peer| self.world.view.get(peer));
        let refusal = match record {
            Some(record) if record.held.is_none() => TokenRefusal::Missing,
            Some(_) | None => TokenRefusal::Content,
        };
        self.world.totals.refused_tokens.count(refusal);
        self.refuse(session, Some(content), &refusal.to_string(), None);
    }

    /// Asks for tokens in place of those that end, and ends the sessions that brought none.
    pub(super) fn look_after_passes(&mut self, now: Timestamp) {
        for (peer, session) in self.passes_due.take_due(DUE_PER_TICK, now) {
            let Some(record) = self.world.view.get(peer) else {
                continue;
            };
            if record.session != session {
                continue;
            }
            match &record.held {
                Some(held) if held.pass.session_ends() <= now => {
                    let refusal = held.refused.unwrap_or(TokenRefusal::Expired);
                    self.expel(peer, session, refusal, now);
                }
                Some(held) if held.pass.ask_at() <= now => {
                    let ends = held.pass.session_ends();
                    let within = u32::try_from(ends.since(now).as_millis()).unwrap_or(u32::MAX);
                    let again = (now + ASK_AGAIN).min(ends);
                    self.passes_due.insert(again, (peer, session));
                    self.tell(session, FromCoordinator::TokenDue { within_ms: within });
                }
                // It has been renewed: that has a date of its own.
                Some(_) => {}
                None if self.unvouched.contains_key(&peer) => {
                    self.expel(peer, session, TokenRefusal::Missing, now);
                }
                None => {}
            }
        }
    }

    /// These keys are known from now on, and no others: whoever came by another, or without one
    /// where one is asked for, comes again with a token or not at all.
    pub(super) fn on_trusted_keys(&mut self, keys: &[KeyName], now: Timestamp) {
        self.tenants.follow(keys.iter().map(|key| &key.provider));
        let expelled: Vec<_> = self
            .world
            .view
            .iter()
            .filter_map(|(peer, record)| {
                let refusal = match &record.held {
                    Some(held) => {
                        (!keys.contains(&held.pass.key)).then_some(TokenRefusal::Withdrawn)
                    }
                    None if record.waypoint || self.unvouched.contains_key(&peer) => None,
                    None => (!keys.is_empty()).then_some(TokenRefusal::Missing),
                };
                refusal.map(|refusal| (peer, record.session, refusal))
            })
            .collect();
        for (peer, session, refusal) in expelled {
            self.expel(peer, session, refusal, now);
        }
    }

    /// Ends a session and all that was granted to or by its peer.
    fn expel(&mut self, peer: PeerId, session: SessionId, refusal: TokenRefusal, now: Timestamp) {
        self.world.totals.refused_tokens.count(refusal);
        self.world
            .log
            .note(peer, None, What::Expelled(refusal), now);
        self.part_with(peer, session, now);
        self.refuse(session, None, &refusal.to_string(), None);
        self.end(session, CloseCause::Unauthorised);
        // One review of all pairs serves everybody who is expelled meanwhile.
        self.expelled.insert(peer);
        self.unreviewed = self.world.tickets.pair_count();
        self.clock.look_soon(now);
    }
}
