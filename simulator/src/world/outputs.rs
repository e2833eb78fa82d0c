//! Carries out what a peer asks its shell for.

use core::time::Duration;

use runnel_peer_core::{Event as PeerEvent, Input, Output};

use super::World;
use crate::node::At;

/// How long a viewer has come lately.
const NEWCOMER: Duration = Duration::from_secs(10);

impl World {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is carried out inside"
    )]
    pub(super) fn carry_out(&mut self, at: At, output: Output) {
        match output {
            Output::ConnectCoordinator => self.connect(at),
            Output::DisconnectCoordinator => self.disconnect(at),
            Output::ToCoordinator(message) => self.tell_center(at, message),
            Output::Dial(link, contact) => self.dial(at, link, &contact),
            Output::Send(link, message) => self.send_control(at, link, message),
            Output::Hangup(link, reason) => self.hang_up(at, link, reason),
            Output::OpenBulk {
                link, bulk, header, ..
            } => self.open_bulk(at, link, bulk, header),
            Output::SendChunk(link, bulk, chunk) => self.send_chunk(at, link, bulk, &chunk),
            Output::FinishBulk(_, bulk) | Output::ResetBulk(_, bulk) => self.end_bulk(at, bulk),
            Output::StopStream(link, stream) => {
                if let Some(node) = self.node_mut(at) {
                    node.stopped.insert((link, stream));
                }
            }
            Output::Check {
                check,
                key,
                message,
                signature,
            } => {
                let valid = self.signatures.check(&key, &message, &signature);
                self.answer(at, Input::Checked(check, valid));
            }
            Output::Sign(sign, message) => {
                if let Some(node) = self.node(at) {
                    let signature = node.key.sign_message(&message);
                    self.answer(at, Input::Signed(sign, signature));
                }
            }
            Output::Fetch { fetch, want, part } => self.fetch(at, fetch, want, part),
            Output::CancelFetch(fetch) => self.call_off(at, fetch),
            Output::Deliver(want, delivered) => self.on_delivered(at, want, &delivered),
            Output::Fail(want) => self.on_failed(at, want),
            Output::Event(event) => self.on_peer_event(at, &event),
            disk_or_desk => self.carry_out_inside(at, disk_or_desk),
        }
    }

    /// What stays within the machine: its disk, and a waypoint's desk.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is carried out above"
    )]
    fn carry_out_inside(&mut self, at: At, output: Output) {
        match output {
            Output::Store(entry, chunk) => {
                if let Some(node) = self.node_mut(at) {
                    let chunk = chunk.chunk().clone();
                    node.disk.insert((entry.body.segment, chunk.index), chunk);
                }
            }
            Output::Load(load, segment, index) => {
                let chunk = self
                    .node(at)
                    .and_then(|node| node.disk.get(&(segment, index)).cloned());
                let read = self.now + Duration::from_millis(2);
                self.input_later(at, read, Input::Loaded(load, chunk));
            }
            Output::Discard(segment, index) => {
                if let Some(node) = self.node_mut(at) {
                    node.disk.remove(&(segment, index));
                }
            }
            Output::Demand(content, track, wanted) => self.on_demand(at, content, track, wanted),
            Output::DemandSegment(segment) => self.on_demand_segment(at, &segment),
            Output::Attest(grant) => self.on_grant(at, grant.content),
            Output::Certified(certificate) => self.on_certified(at, certificate),
            _ => {}
        }
    }

    fn on_wasted(&mut self, at: At, bytes: u32) {
        let player = self.node(at).and_then(|node| node.player.as_ref());
        let joined = player.map(|player| player.joined);
        let new = joined.is_some_and(|joined| self.now.since(joined) < NEWCOMER);
        self.tally.add("bytes of no use", bytes.into());
        if new {
            self.tally.add("of these to newcomers", bytes.into());
        }
    }

    /// The answer to something that the shell does at once; the peer is being drained already.
    fn answer(&mut self, at: At, input: Input) {
        let now = self.now;
        if let Some(node) = self.node_mut(at) {
            let local = node.clock(now);
            node.peer.handle_input(input, local);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is for people who watch"
    )]
    fn on_peer_event(&mut self, at: At, event: &PeerEvent) {
        match event {
            PeerEvent::Assigned(assign) => self.on_assigned(at, assign),
            PeerEvent::Struck(_) => self.tally.count("strikes"),
            PeerEvent::Wasted(bytes) => self.on_wasted(at, *bytes),
            _ => {}
        }
    }
}
