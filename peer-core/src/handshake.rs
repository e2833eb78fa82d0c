//! Proving who is there before anything else is said.

use runnel_protocol::control::LinkResult;
use runnel_protocol::ids::{KeyId, Nonce, PeerId, PublicKey};
use runnel_protocol::meetings::meetings_per_hour;
use runnel_protocol::peer::{Challenge, CloseReason, Control, Hello, Possession};
use runnel_protocol::signature::{Signature, Statement};
use runnel_protocol::ticket::{SignedTicket, Ticket};
use runnel_protocol::time::{Timestamp, millis};

use crate::config::AGENT;
use crate::input::{Caller, LinkId};
use crate::links::{State, plausible, screen};
use crate::output::Event;
use crate::peer::{Checking, Peer, Signing};

impl Peer {
    /// Somebody is at the door: he has to sign a nonce before anything else.
    pub(crate) fn on_accepted(&mut self, link: LinkId, caller: Caller, now: Timestamp) {
        let nonce = Nonce(self.entropy.bytes());
        let welcome = self.consent && !self.draining;
        let admitted = if welcome {
            self.links.accept(link, nonce, &self.config, now)
        } else {
            Err(CloseReason::Draining)
        };
        match admitted {
            Ok(()) => {
                if let Some(link) = self.links.get_mut(link) {
                    link.caller = caller;
                }
                let key = self.config.key;
                self.send(link, Control::Challenge(Challenge { nonce, key }));
            }
            Err(reason) => {
                self.event(Event::TurnedAway(link, reason));
                self.output(crate::output::Output::Hangup(link, reason));
            }
        }
    }

    /// A dialled transport stands; the acceptor speaks first.
    pub(crate) fn on_transport(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(link)
            && matches!(link.state, State::Dialling)
        {
            link.state = State::AwaitingChallenge;
        }
    }

    pub(crate) fn on_challenge(&mut self, id: LinkId, challenge: &Challenge, now: Timestamp) {
        let acceptor = PeerId::of(&challenge.key);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let expected = link.peer == Some(acceptor);
        let ticket = link.presenting.first().map(|ticket| ticket.body.id);
        // The transport may report the connection after the challenge that came over it.
        let waiting = matches!(link.state, State::Dialling | State::AwaitingChallenge);
        match ticket {
            Some(ticket) if expected && waiting => {
                link.key = Some(challenge.key);
                link.state = State::Proving;
                let possession = Possession {
                    nonce: challenge.nonce,
                    acceptor,
                    ticket,
                };
                self.sign(possession.message(), Signing::Link(id));
            }
            Some(_) | None => self.turn_away(id, CloseReason::Unauthorised, now),
        }
    }

    pub(crate) fn say_hello(&mut self, id: LinkId, signature: Signature) {
        let key = self.config.key;
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.state = State::AwaitingWelcome;
        let tickets = link.presenting.clone();
        self.send(
            id,
            Control::Hello(Hello {
                key,
                tickets,
                signature,
            }),
        );
    }

    pub(crate) fn on_hello(&mut self, id: LinkId, hello: Hello, now: Timestamp) {
        let validity = self.validity_of_new(now);
        let own = self.config.key;
        let dialler = PeerId::of(&hello.key);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let (State::AwaitingHello { nonce }, true) = (&link.state, AGENT) else {
            return self.turn_away(id, CloseReason::Malformed, now);
        };
        let nonce = *nonce;
        link.peer = Some(dialler);
        link.key = Some(hello.key);
        let caller = link.caller;
        let banned = self.banned.contains_key(&dialler) || self.has_revoked(&hello.tickets);
        let foreign = !hello.tickets.iter().all(|one| caller.may_bring(&one.body));
        let signers = self.signers(&hello.tickets);
        let (Ok(()), Some(signers), false) =
            (screen(&hello, &validity), signers, banned || foreign)
        else {
            return self.turn_away(id, CloseReason::Unauthorised, now);
        };
        if let Some(link) = self.links.get_mut(id) {
            let count = u32::try_from(hello.tickets.len()).unwrap_or(u32::MAX);
            link.state = State::Judging {
                pending: count.saturating_add(1),
            };
        }
        let first = hello.tickets[0].body.id;
        let possession = Possession {
            nonce,
            acceptor: PeerId::of(&own),
            ticket: first,
        };
        self.check(
            hello.key,
            possession.message(),
            hello.signature,
            Checking::Hello(id, None),
        );
        for (ticket, signer) in hello.tickets.into_iter().zip(signers) {
            let message = ticket.body.message();
            let purpose = Checking::Hello(id, Some(ticket.body));
            self.check(signer, message, ticket.signature, purpose);
        }
    }

    fn has_revoked(&self, tickets: &[SignedTicket]) -> bool {
        let mut tickets = tickets.iter();
        tickets.any(|ticket| self.allowances.is_revoked(ticket.body.id))
    }

    /// The coordinator's keys that are said to have signed these tickets; `None` if one is not
    /// the coordinator's.
    fn signers(&self, tickets: &[SignedTicket]) -> Option<Vec<PublicKey>> {
        let keys = self.session.ticket_keys();
        let signer = |ticket: &SignedTicket| {
            keys.iter()
                .find(|key| KeyId::of(key) == ticket.key)
                .copied()
        };
        tickets.iter().map(signer).collect()
    }

    pub(crate) fn on_hello_checked(
        &mut self,
        id: LinkId,
        ticket: Option<Ticket>,
        valid: bool,
        now: Timestamp,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let State::Judging { pending } = &mut link.state else {
            return;
        };
        if !valid {
            return self.turn_away(id, CloseReason::Unauthorised, now);
        }
        *pending -= 1;
        let done = *pending == 0;
        if done && !self.meets(id, now) {
            return self.turn_away(id, CloseReason::Full, now);
        }
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        ticket.into_iter().for_each(|ticket| link.grant(ticket));
        if done {
            self.send(id, Control::Welcome);
            self.on_ready(id, now);
        }
    }

    /// Whether whoever has proven itself at the door is none too many: a waypoint may know everybody,
    /// and who is assigned is no viewer.
    fn meets(&mut self, id: LinkId, now: Timestamp) -> bool {
        let link = self.links.get(id);
        let Some((peer, home)) = link.and_then(|link| Some((link.peer?, link.caller.home?))) else {
            return true;
        };
        if !AGENT || self.config.waypoint || self.content_of(peer).is_some() {
            return true;
        }
        let most = meetings_per_hour(self.config.uplink);
        let admits = self.meetings.admits(home, most, now);
        if admits {
            self.meetings.meet(home, now);
        }
        admits
    }

    pub(crate) fn on_link_welcome(&mut self, id: LinkId, now: Timestamp) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if !matches!(link.state, State::AwaitingWelcome) {
            return self.turn_away(id, CloseReason::Malformed, now);
        }
        for ticket in core::mem::take(&mut link.presenting) {
            link.grant(ticket.body);
        }
        self.on_ready(id, now);
    }

    /// Another ticket on a standing link.
    pub(crate) fn on_present(&mut self, id: LinkId, ticket: SignedTicket, now: Timestamp) {
        let validity = self.validity_of_new(now);
        let link = self.links.get(id);
        let foreign = link.is_some_and(|link| !link.caller.may_bring(&ticket.body));
        let other = link.and_then(|link| link.key).filter(|_| !foreign);
        let signer = self
            .signers(core::slice::from_ref(&ticket))
            .and_then(|keys| keys.first().copied());
        match (other, signer) {
            (Some(other), Some(signer))
                if plausible(&ticket.body, &other, false, &validity)
                    && !self.has_revoked(core::slice::from_ref(&ticket)) =>
            {
                let message = ticket.body.message();
                let purpose = Checking::Ticket(id, ticket.body);
                self.check(signer, message, ticket.signature, purpose);
            }
            _ => self.turn_away(id, CloseReason::Unauthorised, now),
        }
    }

    fn on_ready(&mut self, id: LinkId, now: Timestamp) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let took = now.since(link.since);
        (link.state, link.since, link.heard) = (State::Ready, now, now);
        let Some(peer) = link.peer else { return };
        let source = self
            .content_of(peer)
            .and_then(|content| self.parent(content, peer));
        let source = source.map(|parent| parent.source);
        if !id.is_accepted() {
            let after_ms = millis(took);
            self.report(peer, LinkResult::Connected { after_ms });
        }
        self.event(Event::LinkUp(id, peer, source));
        let own = PeerId::of(&self.config.key);
        if let Some(loser) = self.links.duplicate(own, peer) {
            self.hang_up(loser, CloseReason::Duplicate, now);
        }
        self.introduce_again(peer, now);
        self.resubscribe_all(now);
        self.advance_all(now);
    }

    fn turn_away(&mut self, id: LinkId, reason: CloseReason, now: Timestamp) {
        self.event(Event::TurnedAway(id, reason));
        self.hang_up(id, reason, now);
    }
}
