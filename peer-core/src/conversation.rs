//! What this peer and the coordinator tell each other, and what ends: consent, contents, the
//! session. `session` knows whether it may be said.

use crate::sorted::SortedMap;
use core::time::Duration;

use runnel_protocol::control::{
    FromCoordinator, LinkResult, Offence, Outcome, Strike, ToCoordinator, Welcome,
};
use runnel_protocol::group::GroupNews;
use runnel_protocol::ids::{ContentId, KeyId, PeerId, TrackId};
use runnel_protocol::peer::{CloseReason, Control, Decline};
use runnel_protocol::segment::{MAX_SUBSTREAMS, SegmentKey, Substream};
use runnel_protocol::signature::Statement;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::assignment::{HANDOVER, peers};
use crate::config::AGENT;
use crate::heartbeat::Numbers;
use crate::input::LinkId;
use crate::links::Links;
use crate::output::{Event, Output};
use crate::peer::{Checking, Peer, Signing};
use crate::session::Session;
use crate::timeline::Timeline;

/// Heartbeats are this much rarer where nothing is live (5 s for 1 s, H1).
const VOD_FACTOR: u32 = 5;

impl Peer {
    pub(crate) fn on_coordinator(&mut self, message: FromCoordinator, now: Timestamp) {
        if !self.consent {
            return;
        }
        match message {
            FromCoordinator::Challenge(nonce) if self.session.is_proving() => {
                self.sign(Session::possession(nonce), Signing::Coordinator);
            }
            FromCoordinator::Welcome(welcome) if self.session.is_proving() => {
                self.on_welcome(*welcome, now);
            }
            FromCoordinator::Challenge(_) | FromCoordinator::Welcome(_) => {}
            FromCoordinator::Opened(opened) => {
                let content = self.contents.entry(opened.content).or_default();
                content.stripes = opened.stripes.clamp(1, MAX_SUBSTREAMS);
                let wait = Duration::from_millis(opened.start_wait_ms.into());
                content.start_wait = Some(wait);
                self.hurry(opened.content, wait, now);
                self.event(Event::Opened(opened.content, opened.name));
            }
            FromCoordinator::Refused(refused) => {
                if refused.content.is_none() {
                    let pause = refused
                        .retry_after_ms
                        .map(u64::from)
                        .map(Duration::from_millis);
                    self.ledger.stop();
                    self.session.on_refused(pause, &mut self.entropy, now);
                    if pause.is_none() {
                        self.output(Output::RenewToken);
                    }
                    self.output(Output::DisconnectCoordinator);
                }
                self.event(Event::Refused(refused));
            }
            FromCoordinator::Group(news) => {
                if let GroupNews::Joined {
                    invitation: Some(own),
                    ..
                } = &news
                {
                    self.session.keep_invitation(*own);
                }
                self.event(Event::Group(news));
            }
            FromCoordinator::TokenDue { .. } => self.output(Output::RenewToken),
            FromCoordinator::Assign(assign) => self.on_assign(*assign, now),
            FromCoordinator::Revoke(tickets) => self.on_revoke(&tickets, now),
            FromCoordinator::Attest(_)
            | FromCoordinator::Certificate(_)
            | FromCoordinator::Type { .. }
                if !AGENT => {}
            FromCoordinator::Type { kind, why, reached } => {
                self.event(Event::Typed { kind, why, reached });
            }
            FromCoordinator::Attest(grant) => {
                let keys = self.session.ticket_keys();
                let key = keys.iter().find(|key| KeyId::of(key) == grant.key);
                if let Some(key) = key.copied() {
                    let message = grant.body.message();
                    self.check(key, message, grant.signature, Checking::Grant(grant.body));
                }
            }
            FromCoordinator::Certificate(certificate) => {
                self.session.on_certified();
                self.check_stream_key(&certificate);
                self.output(Output::Certified(certificate));
            }
            // A newer coordinator may say more than this version understands.
            _ => {}
        }
    }

    fn on_welcome(&mut self, welcome: Welcome, now: Timestamp) {
        self.event(Event::Joined {
            peer: welcome.peer,
            kind: welcome.kind,
            why: welcome.why.clone(),
        });
        let first = self.session.on_welcome(welcome, now);
        self.tell(first);
        self.ledger
            .start(now + self.entropy.jittered(self.session.heartbeat_interval()));
    }

    pub(crate) fn on_consent(&mut self, peers: bool, uplink: BitsPerSecond, now: Timestamp) {
        self.uploads.set_rate(uplink, now);
        if uplink == BitsPerSecond(0) {
            for (bulk, job) in self.uploads.take_all() {
                self.end(bulk, &job, Decline::NotAllowed);
            }
        }
        if peers && !self.consent {
            self.consent = true;
            if self.session.start() {
                self.output(Output::ConnectCoordinator);
            }
        } else if !peers && self.consent {
            self.consent = false;
            self.session.stop();
            self.ledger.stop();
            self.tell([ToCoordinator::Leave]);
            self.output(Output::DisconnectCoordinator);
            for content in self.contents.values_mut() {
                content.assign = None;
                content.former.clear();
            }
            self.hang_up_all(CloseReason::Revoked, now);
            self.advance_all(now);
        }
    }

    pub(crate) fn on_close(&mut self, content: ContentId, now: Timestamp) {
        let message = self.session.close(content);
        self.tell(message);
        let gone = self.contents.remove(&content);
        self.children.retain(|(_, of, _), _| *of != content);
        for (bulk, job) in self.uploads.take_content(content) {
            self.end(bulk, &job, Decline::NotHere);
        }
        self.resubscribe(content, now);
        for peer in gone.and_then(|gone| gone.assign).iter().flat_map(peers) {
            self.retire(peer, now + HANDOVER);
        }
        self.buffer.forget(content);
        self.timeline.forget(content);
        self.ledger.forget(content);
    }

    /// Says goodbye: children look for others while what is under way still goes out.
    pub(crate) fn on_drain(&mut self) {
        self.draining = true;
        self.session.stop();
        self.ledger.stop();
        self.tell([ToCoordinator::Leave]);
        let ready: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| link.is_ready())
            .map(|(id, _)| id)
            .collect();
        ready
            .into_iter()
            .for_each(|link| self.send(link, Control::Drain));
    }

    pub(crate) fn send_heartbeat(&mut self, now: Timestamp) {
        let mut interval = self.session.heartbeat_interval();
        let plays_live = self
            .contents
            .values()
            .flat_map(|content| content.playing.values())
            .any(|playing| playing.live);
        if !plays_live
            && self.children.is_empty()
            && self.config.has_origin()
            && !self.config.is_waypoint()
        {
            interval *= VOD_FACTOR;
        }
        let next = now + self.entropy.jittered(interval);
        let details = Details {
            links: &self.links,
            timeline: &self.timeline,
        };
        let uplink = self.uploads.rate();
        let heartbeat = self.ledger.take(uplink, next, now, &details);
        self.tell([ToCoordinator::Heartbeat(Box::new(heartbeat))]);
    }

    /// A peer sent what an honest one cannot send: it is dropped at once and reported.
    pub(crate) fn strike(
        &mut self,
        link: LinkId,
        offence: Offence,
        segment: Option<SegmentKey>,
        now: Timestamp,
    ) {
        let Some(peer) = self.links.get(link).map(|link| link.peer) else {
            return;
        };
        let reason = match offence {
            Offence::Malformed => CloseReason::Malformed,
            Offence::BadChunk | Offence::BadEntry | Offence::Fork => CloseReason::Polluted,
        };
        if let Some(peer) = peer {
            self.ban(peer, now);
            let ticketed = self.links.get(link).and_then(|link| link.tickets.first());
            let content = segment
                .map(|segment| segment.content)
                .or_else(|| ticketed.map(|ticket| ticket.content))
                .or_else(|| self.content_of(peer));
            if let Some(content) = content {
                self.accuse(peer, offence, content, segment);
            }
        } else {
            self.event(Event::TurnedAway(link, reason));
        }
        self.hang_up(link, reason, now);
    }

    /// Reports a peer that misbehaved.
    pub(crate) fn accuse(
        &mut self,
        peer: PeerId,
        offence: Offence,
        content: ContentId,
        segment: Option<SegmentKey>,
    ) {
        let strike = Strike {
            content,
            peer,
            offence,
            segment,
        };
        self.tell([ToCoordinator::Strike(strike.clone())]);
        self.event(Event::Struck(strike));
    }

    pub(crate) fn report(&mut self, peer: PeerId, result: LinkResult) {
        if let Some(content) = self.content_of(peer) {
            self.tell([ToCoordinator::Outcome(Outcome {
                content,
                peer,
                result,
            })]);
        }
    }
}

/// The parts that a heartbeat looks up.
struct Details<'a> {
    links: &'a Links,
    timeline: &'a Timeline,
}

impl crate::heartbeat::Details for Details<'_> {
    fn numbers(&self, peer: PeerId, content: ContentId) -> (Numbers, Numbers) {
        let link = self
            .links
            .ready_to(peer)
            .and_then(|link| self.links.get(link));
        let of = |counts: &SortedMap<(ContentId, Substream), u64>| {
            let those = counts
                .iter()
                .filter(|((in_content, _), _)| *in_content == content);
            those
                .map(|((_, stripe), count)| (*stripe, *count))
                .collect()
        };
        link.map_or_else(Default::default, |link| {
            (of(&link.received), of(&link.sent))
        })
    }

    fn tracks(&self, content: ContentId) -> Vec<(TrackId, u64)> {
        self.timeline.tracks(content).take(64).collect()
    }
}
