//! A chunk's way in: stream → entry → proof → buffer → whoever waits for it.

use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::control::{Offence, Source};
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::Control;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{SegmentKey, Substream};
use runnel_protocol::time::Timestamp;

use crate::fetch::Arriving;
use crate::input::{LinkId, LoadId, StreamId};
use crate::output::{ChunkName, Event, Output};
use crate::peer::{Checking, Peer};
use crate::verify::{Judgement, Verified, Verifier};

impl Peer {
    pub(crate) fn on_control(&mut self, id: LinkId, message: Control, now: Timestamp) {
        if message.check_bounds().is_err() {
            return self.strike(id, Offence::Malformed, None, now);
        }
        let ready = self.links.get(id).is_some_and(crate::links::Link::is_ready);
        match message {
            Control::Challenge(challenge) => self.on_challenge(id, &challenge, now),
            Control::Hello(hello) => self.on_hello(id, hello, now),
            Control::Welcome => self.on_link_welcome(id, now),
            // Nothing else may be said before the handshake is over.
            _ if !ready => self.strike(id, Offence::Malformed, None, now),
            Control::Present(ticket) => self.on_present(id, ticket, now),
            Control::Subscribe(subscribe) => self.on_subscribe(id, subscribe, now),
            Control::Unsubscribe { content, track } => {
                self.children.remove(&(id, content, track));
                self.resubscribe(content, now);
            }
            Control::Request(request) => self.on_request(id, &request, now),
            Control::Cancel(request) => self.on_cancel(id, request),
            Control::Decline { request, reason: _ } => self.on_decline(id, request, now),
            Control::Announce(entry) => self.on_announce(id, entry, now),
            Control::Drain => self.on_peer_drains(id, now),
            // A newer peer may say more than this version understands.
            _ => {}
        }
    }

    /// A stream begins. Only what was asked for, or subscribed to, is let in.
    pub(crate) fn on_stream(
        &mut self,
        link: LinkId,
        stream: StreamId,
        header: BulkHeader,
        now: Timestamp,
    ) {
        let segment = header.entry.body.segment;
        let solicited = match header.request {
            Some(request) => self
                .fetches
                .request(link, request)
                .is_some_and(|asked| asked.segment == segment),
            None => self
                .subscribed
                .contains_key(&(link, segment.content, segment.track)),
        };
        let judgement = self.verifier.judge(&header.entry, self.date(now));
        let waiting = match judgement {
            Judgement::Trusted => None,
            Judgement::Check(_) => Some(Vec::new()),
            Judgement::UnknownKey => return self.output(Output::StopStream(link, stream)),
            Judgement::Refused => return self.strike(link, Offence::BadEntry, Some(segment), now),
            Judgement::Fork => return self.strike(link, Offence::Fork, Some(segment), now),
        };
        let arriving = Arriving {
            segment,
            request: header.request,
            waiting,
            ended: false,
        };
        if !solicited || !self.fetches.begin(link, stream, arriving) {
            return self.output(Output::StopStream(link, stream));
        }
        if let Judgement::Check(key) = judgement {
            let message = Verifier::message(&header.entry);
            let purpose = Checking::Entry(link, header.entry.clone());
            self.check(key, message, header.entry.signature, purpose);
        }
    }

    pub(crate) fn on_stream_chunk(
        &mut self,
        link: LinkId,
        stream: StreamId,
        chunk: ProvenChunk,
        now: Timestamp,
    ) {
        let Some(arriving) = self.fetches.stream(link, stream) else {
            return self.waste(link, None, &chunk);
        };
        let segment = arriving.segment;
        if arriving.waiting.is_none() {
            self.prove(link, segment, chunk, now);
        } else if !self.fetches.hold(link, stream, chunk) {
            self.fetches.discard(link, stream);
            self.output(Output::StopStream(link, stream));
        }
    }

    pub(crate) fn on_stream_end(&mut self, link: LinkId, stream: StreamId, now: Timestamp) {
        let Some(ended) = self.fetches.end(link, stream) else {
            return;
        };
        let Some(request) = ended.request else { return };
        self.fetches.answered(link, request);
        // The stream may have ended short of what was asked: whoever still needs it asks again.
        if let Some(need) = self.fetches.needs.get_mut(&ended.segment) {
            need.asked.remove(&link);
            need.declined.insert(link);
            self.advance(ended.segment, now);
        }
    }

    /// The segment is vouched for ahead of its chunks.
    fn on_announce(&mut self, link: LinkId, entry: SignedEntry, now: Timestamp) {
        let segment = entry.body.segment;
        if !self
            .subscribed
            .contains_key(&(link, segment.content, segment.track))
        {
            return;
        }
        match self.verifier.judge(&entry, self.date(now)) {
            Judgement::Trusted | Judgement::UnknownKey => {}
            Judgement::Check(key) => {
                let message = Verifier::message(&entry);
                let signature = entry.signature;
                self.check(key, message, signature, Checking::Entry(link, entry));
            }
            Judgement::Refused => self.strike(link, Offence::BadEntry, Some(segment), now),
            Judgement::Fork => self.strike(link, Offence::Fork, Some(segment), now),
        }
    }

    pub(crate) fn on_entry_checked(
        &mut self,
        link: LinkId,
        entry: SignedEntry,
        valid: bool,
        now: Timestamp,
    ) {
        let segment = entry.body.segment;
        if !valid {
            return self.strike(link, Offence::BadEntry, Some(segment), now);
        }
        let news = self.verifier.entry(&segment).is_none();
        if !self.verifier.trust(entry) {
            return self.strike(link, Offence::Fork, Some(segment), now);
        }
        if news {
            self.on_trusted(segment, now);
        }
        for (from, chunk) in self.fetches.release(&segment) {
            self.prove(from, segment, chunk, now);
        }
    }

    /// A new entry is trusted: children hear of it, and what waited for it goes on.
    pub(crate) fn on_trusted(&mut self, segment: SegmentKey, now: Timestamp) {
        self.timeline.note(&segment);
        self.announce(&segment);
        self.answer_asking(&segment, now);
        self.advance(segment, now);
    }

    /// Believes a chunk, or drops whoever sent it.
    fn prove(&mut self, link: LinkId, segment: SegmentKey, chunk: ProvenChunk, now: Timestamp) {
        // A link that was struck while its chunks waited has nothing more to say.
        if self.links.get(link).is_none() {
            return;
        }
        if matches!(
            self.buffer.get(&segment, chunk.index),
            crate::buffer::Slot::Memory(..)
        ) {
            return self.waste(link, Some(&segment), &chunk);
        }
        match self.verifier.verify(&segment, chunk) {
            Some(verified) => self.on_verified(link, segment, verified, now),
            None => self.strike(link, Offence::BadChunk, Some(segment), now),
        }
    }

    fn on_verified(&mut self, id: LinkId, segment: SegmentKey, chunk: Verified, now: Timestamp) {
        let source = self.source(id, segment.content);
        let index = chunk.chunk().index;
        let length = chunk.length();
        let stripes = self
            .contents
            .get(&segment.content)
            .map_or(1, |content| content.stripes);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.heard = now;
        link.misses = link.misses.saturating_sub(1);
        link.stalled_until = None;
        let stripe = Substream::of(segment.sequence, index, stripes);
        *link.received.entry((segment.content, stripe)).or_default() += 1;
        if let Some(peer) = link.peer {
            self.ledger
                .received(peer, segment.content, source, u64::from(length));
            self.event(Event::Received(id, peer, source, length));
        }
        self.keep(segment, chunk, source, now);
    }

    /// Keeps a proven chunk and hands it to whoever waits for it.
    pub(crate) fn keep(
        &mut self,
        segment: SegmentKey,
        chunk: Verified,
        source: Source,
        now: Timestamp,
    ) {
        let index = chunk.chunk().index;
        let Some(entry) = self.verifier.entry(&segment).cloned() else {
            return;
        };
        if !self
            .buffer
            .insert(segment, entry.body.length, chunk.clone(), source)
        {
            return;
        }
        self.event(Event::Proven(ChunkName { segment, index }));
        if self.config.disk {
            self.output(Output::Store(entry, chunk));
        }
        self.pass_on(&segment, index, now);
        if let Some(need) = self.fetches.needs.get_mut(&segment) {
            need.progress = now;
            self.finish_if_whole(segment);
        }
    }

    fn waste(&mut self, link: LinkId, segment: Option<&SegmentKey>, chunk: &ProvenChunk) {
        let bytes = u32::try_from(chunk.data.len()).unwrap_or(u32::MAX);
        let peer = self.links.get(link).and_then(|link| link.peer);
        if let (Some(peer), Some(segment)) = (peer, segment) {
            self.ledger.wasted(peer, segment.content, u64::from(bytes));
        }
        self.event(Event::Wasted(bytes));
    }

    /// A chunk came from disk: believed no more than one from the network.
    pub(crate) fn on_loaded(&mut self, load: LoadId, chunk: Option<ProvenChunk>, now: Timestamp) {
        let Some((segment, index)) = self.loads.remove(&load) else {
            return;
        };
        let chunk = chunk.filter(|chunk| chunk.index == index);
        let damaged = chunk.is_some();
        match chunk.and_then(|chunk| self.verifier.verify(&segment, chunk)) {
            Some(verified) => {
                let length = self
                    .verifier
                    .entry(&segment)
                    .map_or(0, |entry| entry.body.length);
                self.buffer.insert(segment, length, verified, Source::Peer);
                self.pass_on(&segment, index, now);
                self.finish_if_whole(segment);
            }
            None => {
                self.buffer.lost(&segment, index);
                if damaged {
                    self.output(Output::Discard(segment, index));
                }
                self.seek_for_children(segment, now);
            }
        }
    }

    /// A waypoint's own segment, fresh from the origin.
    pub(crate) fn on_attested(
        &mut self,
        entry: SignedEntry,
        chunks: Vec<ProvenChunk>,
        now: Timestamp,
    ) {
        let segment = entry.body.segment;
        if !self.verifier.trust(entry) {
            return;
        }
        self.timeline.note(&segment);
        self.announce(&segment);
        for chunk in chunks {
            if let Some(verified) = self.verifier.verify(&segment, chunk) {
                self.keep(segment, verified, Source::Cdn, now);
            }
        }
        self.answer_asking(&segment, now);
    }
}
