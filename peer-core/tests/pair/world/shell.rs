//! What a shell would do: signatures, links, bulk streams, the CDN and the disk.

use std::collections::VecDeque;
use std::time::Duration;

use runnel_peer_core::{Caller, Input, LinkId, Output, StreamId};
use runnel_protocol::control::Contact;
use runnel_protocol::peer::{CloseReason, Control};
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{SegmentKey, chunk_range};
use runnel_protocol::signing::verify;

use super::host::Sending;
use super::media::{LENGTH, media, media_of, place};
use super::{At, LATENCY, World};

impl World {
    pub(super) fn drain(&mut self, at: At) {
        let mut outputs: VecDeque<_> = VecDeque::new();
        loop {
            while let Some(output) = self.hosts[at.0].peer.poll_output() {
                outputs.push_back(output);
            }
            let Some(output) = outputs.pop_front() else {
                break;
            };
            self.carry_out(at, output);
        }
    }

    fn carry_out(&mut self, at: At, output: Output) {
        match output {
            Output::Check {
                check,
                key,
                message,
                signature,
            } => {
                let valid = verify(&key, &message, &signature);
                let now = self.now;
                self.hosts[at.0]
                    .peer
                    .handle_input(Input::Checked(check, valid), now);
            }
            Output::Sign(sign, message) => {
                let signature = self.hosts[at.0].key.sign_message(&message);
                let now = self.now;
                self.hosts[at.0]
                    .peer
                    .handle_input(Input::Signed(sign, signature), now);
            }
            Output::ToCoordinator(message) => self.hosts[at.0].told.push(message),
            Output::Event(event) => self.hosts[at.0].events.push(event),
            Output::Dial(link, contact) => self.dial(at, link, &contact),
            Output::Send(link, message) => {
                if let Control::Challenge(challenge) = &message {
                    self.hosts[at.0].challenged = Some(challenge.nonce);
                }
                self.hosts[at.0].said.push(message.clone());
                if let Some((other, theirs)) = self.far_end(at, link) {
                    self.later(other, LATENCY, Input::Control(theirs, message));
                }
            }
            Output::Hangup(link, reason) => self.hang_up(at, link, reason),
            Output::OpenBulk {
                link, bulk, header, ..
            } => {
                let Some((other, theirs)) = self.far_end(at, link) else {
                    return;
                };
                self.hosts[at.0].streams += 1;
                let stream = StreamId(self.hosts[at.0].streams);
                let sending = Sending {
                    other,
                    link: theirs,
                    stream,
                    segment: header.entry.body.segment,
                };
                self.hosts[at.0].bulks.insert(bulk.0, sending);
                let delay = self.line_delay(at, 0);
                self.later(other, delay, Input::BulkStarted(theirs, stream, header));
            }
            Output::SendChunk(link, bulk, chunk) => {
                let delay = self.line_delay(at, chunk.data().len() as u64);
                let written = (delay - LATENCY).max(Duration::from_millis(1));
                self.later(at, written, Input::Written(link, bulk));
                let Some(sending) = self.hosts[at.0].bulks.get(&bulk.0).copied() else {
                    return;
                };
                let Sending {
                    other,
                    link: theirs,
                    stream,
                    segment,
                } = sending;
                let chunk = chunk.chunk().clone();
                self.inspect(at, segment, &chunk);
                let sent = match &self.hosts[at.0].tamper {
                    Some(tamper) => tamper(chunk),
                    None => Some(chunk),
                };
                if let Some(chunk) = sent {
                    self.later(other, delay, Input::BulkChunk(theirs, stream, chunk));
                }
            }
            Output::FinishBulk(_, bulk) | Output::ResetBulk(_, bulk) => {
                if let Some(sending) = self.hosts[at.0].bulks.remove(&bulk.0) {
                    let ended = Input::BulkEnded(sending.link, sending.stream);
                    let delay = self.line_delay(at, 0);
                    self.later(sending.other, delay, ended);
                }
            }
            Output::Fetch { fetch, want, part } => {
                self.hosts[at.0].fetched.push((want, part));
                let delay = self.origin_delay;
                if !self.origin_up {
                    return self.later(at, delay, Input::FetchFailed(fetch));
                }
                let bytes = media(self.hosts[at.0].wants[&want]);
                let bytes = match part {
                    Some((offset, length)) => {
                        bytes.slice(offset as usize..(offset + length) as usize)
                    }
                    None => bytes,
                };
                self.later(at, delay, Input::Fetched(fetch, bytes));
                self.later(at, delay, Input::FetchDone(fetch));
            }
            Output::Deliver(want, delivered) => {
                self.hosts[at.0].ended.insert(want, self.now);
                self.hosts[at.0].delivered.insert(want, delivered);
            }
            Output::Fail(want) => {
                self.hosts[at.0].ended.insert(want, self.now);
                self.hosts[at.0].failed.push(want);
            }
            Output::DemandSegment(segment) => self.hosts[at.0].demanded.push(segment),
            Output::ConnectCoordinator => self.hosts[at.0].connects += 1,
            Output::DisconnectCoordinator => self.hosts[at.0].disconnects += 1,
            Output::Store(entry, chunk) => {
                let segment = entry.body.segment;
                let chunk = chunk.chunk().clone();
                self.hosts[at.0].kept.insert(segment, entry);
                self.hosts[at.0].disk.insert((segment, chunk.index), chunk);
            }
            Output::Load(load, segment, index) => {
                let chunk = self.hosts[at.0].disk.get(&(segment, index)).cloned();
                self.later(at, Duration::from_millis(2), Input::Loaded(load, chunk));
            }
            Output::Discard(segment, index) => {
                self.hosts[at.0].disk.remove(&(segment, index));
            }
            _ => {}
        }
    }

    /// When bytes that `at` sends now arrive: after those before them, and the way.
    fn line_delay(&mut self, at: At, bytes: u64) -> Duration {
        let now = self.now;
        let host = &mut self.hosts[at.0];
        let Some(line) = host.line else {
            return LATENCY;
        };
        let takes = Duration::from_micros(bytes * 1_000_000 / line);
        host.line_free = host.line_free.max(now) + takes;
        host.line_free.since(now) + LATENCY
    }

    /// What a peer sends is to be what the origin has.
    fn inspect(&mut self, at: At, segment: SegmentKey, chunk: &ProvenChunk) {
        let mut expected = vec![0; chunk.data.len()];
        let start = chunk_range(LENGTH as u64, chunk.index).unwrap().offset;
        let mut bytes = media_of(place(&segment));
        bytes.set_position(start);
        bytes.fill(&mut expected);
        if expected != chunk.data || start + expected.len() as u64 > LENGTH as u64 {
            self.unverified.push((at, segment, chunk.index));
        }
    }

    fn dial(&mut self, at: At, link: LinkId, contact: &Contact) {
        let other = At(usize::from(contact.endpoints[0].port()) - 1);
        if self.hosts[other.0].frozen {
            return;
        }
        self.hosts[other.0].accepted += 1;
        let theirs = LinkId::accepted(self.hosts[other.0].accepted);
        self.hosts[at.0].links.insert(link, (other, theirs));
        self.hosts[other.0].links.insert(theirs, (at, link));
        self.later(other, LATENCY, Input::Accepted(theirs, Caller::default()));
        self.later(at, LATENCY, Input::Connected(link));
    }

    fn hang_up(&mut self, at: At, link: LinkId, reason: CloseReason) {
        if let Some((other, theirs)) = self.hosts[at.0].links.remove(&link) {
            self.hosts[other.0].links.remove(&theirs);
            self.later(other, LATENCY, Input::Closed(theirs, Some(reason)));
        }
    }

    fn far_end(&self, at: At, link: LinkId) -> Option<(At, LinkId)> {
        self.hosts[at.0].links.get(&link).copied()
    }
}
