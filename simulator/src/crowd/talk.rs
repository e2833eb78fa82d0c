//! What stand-ins and the control center say to each other: the messages of real peers.

use core::time::Duration;
use std::collections::BTreeSet;

use runnel_coordinator_core::{Input, Output, SessionId};
use runnel_protocol::control::{
    Assign, ClientHello, ContentLocator, ContentReport, Enrol, FromCoordinator, Heartbeat,
    Implementation, LinkResult, MAX_LIST, Open, Outcome, ParentReport, Platform, ToCoordinator,
};
use runnel_protocol::ids::{CertificateHash, ContentId, PeerId};
use runnel_protocol::signature::Signature;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::{Crowd, STEP, State};
use crate::node::At;
use crate::population::Role;
use crate::title::Title;
use crate::world::right_of;

impl Crowd {
    pub(super) fn connect(&mut self, index: u32) {
        if self.stand_ins[index as usize].state == State::Gone {
            return;
        }
        let session = self.office.open(At(index), 0);
        let address = self.population.guests[index as usize].address;
        self.stand_ins[index as usize].session = u32::try_from(session.0).unwrap_or(u32::MAX);
        self.input(Input::SessionOpened {
            session,
            from: address.into(),
        });
    }

    pub(super) fn disconnect(&mut self, index: u32) {
        let session = SessionId(u64::from(self.stand_ins[index as usize].session));
        if self.office.close(session).is_some() {
            self.input(Input::SessionClosed(session));
        }
    }

    /// A tenth of a second of messages: what was said before arrives, and heartbeats are sent.
    pub(super) fn talk(&mut self) {
        for (index, message) in core::mem::take(&mut self.outbox) {
            self.say(index, message);
        }
        self.tell_who_was_reached();
        let slots = (self.heartbeat.as_millis() / STEP.as_millis()).max(1);
        let slots = usize::try_from(slots).unwrap_or(1);
        let slot = usize::try_from(self.steps).unwrap_or_default() % slots;
        for index in (slot..self.stand_ins.len()).step_by(slots) {
            if self.stand_ins[index].state == State::There {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let beat = self.heartbeat(index);
                self.say(index, ToCoordinator::Heartbeat(Box::new(beat)));
            }
        }
    }

    /// The control center does what is due before `end`, each at its time: a tenth of a second
    /// has room for many of its looks.
    pub(super) fn wake_center(&mut self, end: Timestamp) {
        while let Some(due) = self.office.timeout().filter(|due| *due < end) {
            self.now = self.now.max(due);
            self.office.handle_timeout(self.now);
            self.drain();
        }
    }

    /// A step after it asked, the control center learns whom it reached.
    fn tell_who_was_reached(&mut self) {
        for (session, mut reached) in core::mem::take(&mut self.probed) {
            let behind = self.office.behind(session);
            let guest = behind.map(|(at, _)| &self.population.guests[at.0 as usize]);
            if guest.is_none_or(|guest| !guest.reachable) {
                reached.clear();
            }
            self.input(Input::Probed { session, reached });
        }
    }

    fn say(&mut self, index: u32, message: ToCoordinator) {
        let stand_in = &self.stand_ins[index as usize];
        let session = SessionId(u64::from(stand_in.session));
        if self
            .office
            .behind(session)
            .is_some_and(|(at, _)| at.0 == index)
        {
            self.messages += 1;
            self.input(Input::Received { session, message });
        }
    }

    fn input(&mut self, input: Input) {
        self.office.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.office.poll_output(self.now) {
            match output {
                Output::Send { session, message } => {
                    if let Some((at, _)) = self.office.behind(session) {
                        self.hear(at.0, message);
                    }
                }
                Output::Close { session, .. } => {
                    self.office.close(session);
                    self.office
                        .handle_input(Input::SessionClosed(session), self.now);
                }
                Output::CheckSignature { session, .. } => {
                    let verdict = Input::SignatureChecked {
                        session,
                        valid: true,
                    };
                    self.office.handle_input(verdict, self.now);
                }
                Output::Probe {
                    session, endpoints, ..
                } => self.probed.push((session, endpoints)),
                Output::CheckToken { session, .. } => {
                    if let Some((at, _)) = self.office.behind(session) {
                        let guest = &self.population.guests[at.0 as usize];
                        let provider = &self.population.titles[0].provider;
                        let verdict = right_of(guest, provider, self.now);
                        let checked = Input::TokenChecked { session, verdict };
                        self.office.handle_input(checked, self.now);
                    }
                }
                Output::Sign(_)
                | Output::RedeemCode { .. }
                | Output::Transferred(_)
                | Output::Recall(_)
                | Output::Remember(_)
                | Output::Tried { .. }
                | Output::KeepGroup(_)
                | Output::ForgetGroup(_)
                | Output::LinksUsed(_) => {}
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what a stand-in has no use for"
    )]
    fn hear(&mut self, index: u32, message: FromCoordinator) {
        self.messages += 1;
        match message {
            FromCoordinator::Challenge(_) => {
                let hello = self.hello(index);
                self.outbox
                    .push((index, ToCoordinator::Hello(Box::new(hello))));
            }
            FromCoordinator::Welcome(welcome) => self.welcomed(index, welcome.peer),
            FromCoordinator::Refused(refused) if refused.content.is_none() => {
                if let Some(wait) = refused.retry_after_ms {
                    *self
                        .counts
                        .entry("sent away to come back later")
                        .or_default() += 1;
                    let again = self.now + Duration::from_millis(u64::from(wait));
                    self.retries.entry(again).or_default().push(index);
                }
            }
            FromCoordinator::Assign(assign) => self.assigned(index, &assign),
            _ => {}
        }
    }

    fn hello(&self, index: u32) -> ClientHello {
        let guest = &self.population.guests[index as usize];
        let native = guest.role != Role::Viewer;
        let key = super::key(self.seed, index);
        ClientHello {
            signature: Signature([0; 64]),
            implementation: Implementation {
                version: "stand-in".into(),
                platform: if native {
                    Platform::Native
                } else {
                    Platform::Browser
                },
                accepts: native,
            },
            endpoints: guest.endpoint.into_iter().collect(),
            certificates: guest
                .endpoint
                .map(|_| CertificateHash(key.0))
                .into_iter()
                .collect(),
            uplink: guest.offers,
            join_token: None,
            key,
        }
    }

    fn welcomed(&mut self, index: u32, peer: PeerId) {
        let guest = &self.population.guests[index as usize];
        self.stand_ins[index as usize].state = State::There;
        if guest.offers.0 > 0 {
            self.feeders.insert(peer, index);
        }
        let next = match guest.role {
            Role::Waypoint => ToCoordinator::Enrol(Enrol {
                code: Some("simulated".into()),
                stream_key: super::key(self.seed, index),
            }),
            Role::Viewer => ToCoordinator::Open(Open {
                content: ContentLocator::Id(self.content(index)),
                plays: true,
            }),
            Role::Agent => return,
        };
        self.outbox.push((index, next));
    }

    fn content(&self, index: u32) -> ContentId {
        let title = self.population.guests[index as usize].title;
        self.population.titles[title as usize].id
    }

    /// New parents: links are made, and the control center hears of it.
    fn assigned(&mut self, index: u32, assign: &Assign) {
        let named = assign.parents.iter().filter_map(|parent| {
            let feeder = self.feeders.get(&parent.contact.peer)?;
            Some((*feeder, parent.substreams))
        });
        let title = self.population.guests[index as usize].title;
        let rates = [assign.max_suggested_bitrate, assign.treatment.max_bitrate];
        let most = rates.into_iter().flatten().min();
        let best = self.population.titles[title as usize].best_within(most);
        let parents: Vec<_> = named.filter(|(_, stripes)| !stripes.is_empty()).collect();
        let stand_in = &self.stand_ins[index as usize];
        let before: BTreeSet<u32> = stand_in.parents.iter().map(|(parent, _)| *parent).collect();
        let after: BTreeSet<u32> = parents.iter().map(|(parent, _)| *parent).collect();
        let lost = before.difference(&after).next().is_some();
        self.reassigned += u64::from(lost);
        self.second.reassigned += u64::from(lost);
        for parent in assign.parents.iter().map(|parent| parent.contact.peer) {
            let known = self
                .feeders
                .get(&parent)
                .is_some_and(|feeder| before.contains(feeder));
            if !known {
                let connected = Outcome {
                    content: assign.content,
                    peer: parent,
                    result: LinkResult::Connected { after_ms: 100 },
                };
                self.outbox.push((index, ToCoordinator::Outcome(connected)));
            }
        }
        self.stand_ins[index as usize].player.best = u8::try_from(best).unwrap_or(u8::MAX);
        // An agent that helps with several contents has the parents of the last of them here.
        self.stand_ins[index as usize].parents = parents.into();
    }

    fn heartbeat(&mut self, index: u32) -> Heartbeat {
        let covers_ms = super::millis(self.heartbeat);
        let content = self.content(index);
        let stand_in = &mut self.stand_ins[index as usize];
        stand_in.beat += 1;
        let mut beat = Heartbeat {
            sequence: stand_in.beat,
            covers_ms,
            ..Heartbeat::default()
        };
        let [from_peers, from_waypoints, from_cdn] =
            core::mem::take(&mut stand_in.got).map(u64::from);
        let title = &self.population.titles[stand_in.title as usize];
        let rate = BitsPerSecond(title.renditions[stand_in.player.rendition as usize].mean_rate());
        if stand_in.role == Some(Role::Viewer) {
            beat.contents.push(ContentReport {
                content,
                live: title.live,
                tracks: Vec::new(),
                rate,
                from_peers,
                from_waypoints,
                from_cdn,
                buffer_ms: Some((stand_in.player.buffer.max(0.0) * 1000.0) as u32),
                stalls: stand_in.player.stalls - stand_in.told,
                ladder: Vec::new(),
            });
            stand_in.told = stand_in.player.stalls;
        }
        if stand_in.role == Some(Role::Waypoint) {
            let titles = self.population.titles.iter().take(MAX_LIST);
            beat.contents = titles.map(ladder_of).collect();
        }
        for (parent, stripes) in &stand_in.parents {
            let covered = self.flow.delivered(*parent, *stripes);
            let share = f64::from(stripes.count()) / f64::from(self.stripes.max(1));
            let share = share * f64::from(covered);
            let bytes = rate.bytes_in(self.heartbeat) as f64 * share;
            beat.parents.push(ParentReport {
                peer: self.ids[*parent as usize],
                content,
                received: bytes as u64,
                wasted: 0,
                sequence_numbers: Vec::new(),
                late: covered < 0.9,
            });
        }
        beat
    }
}

/// What a waypoint says of a title.
fn ladder_of(title: &Title) -> ContentReport {
    ContentReport {
        content: title.id,
        live: title.live,
        tracks: Vec::new(),
        rate: BitsPerSecond(0),
        from_peers: 0,
        from_waypoints: 0,
        from_cdn: 0,
        buffer_ms: None,
        stalls: 0,
        ladder: title.ladder(),
    }
}
