//! A chunk's way in: stream → entry → proof → buffer → whoever waits for it.

use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::control::{Offence, Source};
use runnel_protocol::ids::PublicKey;
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::{Control, RequestId};
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{SegmentKey, Substream};
use runnel_protocol::time::Timestamp;

use crate::buffer::Slot;
use crate::fetch::Arriving;
use crate::input::{LinkId, StreamId};
use crate::output::{ChunkName, Event, Output};
use crate::peer::{Checking, Peer};
use crate::verify::{Judgement, Trusting, Verified, Verifier};

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
                self.on_unsubscribe(id, content, track, now);
            }
            Control::Request(request) => self.on_request(id, &request, now),
            Control::Cancel(request) => self.on_cancel(id, request, now),
            Control::Decline { request, reason: _ } => self.on_decline(id, request, now),
            Control::Announce(entry) => self.on_announce(id, entry, now),
            Control::Drain => self.on_peer_drains(id, now),
            // A newer peer may say more than this version understands.
            _ => {}
        }
    }

    /// A stream begins. Only what was asked for, or subscribed to, and is not here yet is let in.
    pub(crate) fn on_stream(
        &mut self,
        link: LinkId,
        stream: StreamId,
        header: BulkHeader,
        now: Timestamp,
    ) {
        let segment = header.entry.body.segment;
        let request = header.request;
        let waiting = match self.verifier.judge(&header.entry, self.date(now)) {
            Judgement::Trusted if self.is_whole(&segment) => None,
            Judgement::Trusted => Some(None),
            Judgement::Check(key) if self.has_room_for_checks() => Some(Some(key)),
            Judgement::Check(_) | Judgement::Unusable => None,
            Judgement::Refused => return self.strike(link, Offence::BadEntry, Some(segment), now),
        };
        let Some(key) = waiting.filter(|_| self.is_solicited(link, request, &segment)) else {
            return self.refuse_stream(link, stream, request, now);
        };
        let arriving = Arriving {
            segment,
            request,
            waiting: key.map(|_| Vec::new()),
            ended: false,
        };
        if !self.fetches.begin(link, stream, arriving) {
            return self.refuse_stream(link, stream, request, now);
        }
        if let Some(key) = key {
            self.check_entry(link, key, header.entry);
        }
    }

    fn is_solicited(&self, link: LinkId, request: Option<RequestId>, segment: &SegmentKey) -> bool {
        match request {
            Some(request) => self
                .fetches
                .request(link, request)
                .is_some_and(|asked| asked.segment == *segment),
            None => self.pushers(segment).any(|pusher| pusher == link),
        }
    }

    /// A stream is of no use. To what was asked it is no answer.
    fn refuse_stream(
        &mut self,
        link: LinkId,
        stream: StreamId,
        request: Option<RequestId>,
        now: Timestamp,
    ) {
        self.fetches.discard(link, stream);
        self.output(Output::StopStream(link, stream));
        if let Some(request) = request {
            self.on_decline(link, request, now);
        }
    }

    fn check_entry(&mut self, link: LinkId, key: PublicKey, entry: SignedEntry) {
        let message = Verifier::message(&entry);
        let signature = entry.signature;
        self.check(key, message, signature, Checking::Entry(link, entry));
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
        let (segment, request) = (arriving.segment, arriving.request);
        if arriving.waiting.is_none() {
            self.prove(link, stream, segment, chunk, now);
        } else if !self.fetches.hold(link, stream, chunk) {
            self.refuse_stream(link, stream, request, now);
        }
    }

    pub(crate) fn on_stream_end(&mut self, link: LinkId, stream: StreamId, now: Timestamp) {
        if let Some(ended) = self.fetches.end(link, stream) {
            self.on_answered(link, &ended, now);
        }
    }

    /// A stream is over. Whoever sent less than he was asked for is not asked again.
    fn on_answered(&mut self, link: LinkId, ended: &Arriving, now: Timestamp) {
        let asked = ended
            .request
            .and_then(|request| self.fetches.answered(link, request));
        let Some(asked) = asked else { return };
        let entry = self.verifier.entry(&ended.segment);
        let complete = asked.is_complete(entry.map(|entry| entry.body.length));
        if let Some(need) = self.fetches.needs.get_mut(&ended.segment) {
            need.asked.remove(&link);
            if !complete {
                need.declined.insert(link);
            }
            self.advance(ended.segment, now);
        }
    }

    /// The segment is vouched for ahead of its chunks.
    fn on_announce(&mut self, link: LinkId, entry: SignedEntry, now: Timestamp) {
        let segment = entry.body.segment;
        if !self.is_subscribed_to(link, &segment) {
            return;
        }
        match self.verifier.judge(&entry, self.date(now)) {
            Judgement::Check(key) if self.has_room_for_checks() => {
                self.check_entry(link, key, entry);
            }
            Judgement::Trusted | Judgement::Check(_) | Judgement::Unusable => {}
            Judgement::Refused => self.strike(link, Offence::BadEntry, Some(segment), now),
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
        if !self.trust(entry) {
            return self.on_fork(link, segment, now);
        }
        if news {
            self.tell_children(&segment, Some(link), now);
        }
        let released = self.fetches.release(&segment);
        for (from, stream, chunk) in released.chunks {
            self.prove(from, stream, segment, chunk, now);
        }
        for (from, ended) in &released.ended {
            self.on_answered(*from, ended, now);
        }
        if news {
            self.answer_asking(&segment, now);
            self.advance(segment, now);
            self.look_for_left_out(&segment, now);
            self.look_for_owed(&segment, now);
        }
    }

    /// Lets an entry stand whose signature is good. `false` if it contradicts another.
    pub(crate) fn trust(&mut self, entry: SignedEntry) -> bool {
        let segment = entry.body.segment;
        let Trusting::Trusted(forgotten) = self.verifier.trust(entry) else {
            self.buffer.remove(&segment);
            return false;
        };
        if let Some(forgotten) = forgotten {
            self.buffer.remove(&forgotten);
        }
        self.timeline.note(&segment);
        self.adopt_restored(&segment);
        true
    }

    /// Children hear of a new entry, and get what an earlier life left on disk.
    fn tell_children(&mut self, segment: &SegmentKey, from: Option<LinkId>, now: Timestamp) {
        self.announce(segment, from);
        let held = self.buffer.slots(segment).unwrap_or_default();
        let held = held.iter().zip(0..);
        let held: Vec<u32> = held
            .filter(|(slot, _)| !matches!(slot, Slot::Missing))
            .map(|(_, index)| index)
            .collect();
        for index in held {
            self.pass_on(segment, index, from, now);
        }
    }

    /// Two roots were validly signed for one segment: neither is used, the CDN decides, and the
    /// coordinator hears of it. Which of the two senders was deceived cannot be known here.
    fn on_fork(&mut self, link: LinkId, segment: SegmentKey, now: Timestamp) {
        if let Some(peer) = self.links.get(link).and_then(|link| link.peer) {
            self.accuse(peer, Offence::Fork, segment.content, Some(segment));
        }
        self.cancel_requests(&segment);
        self.stop_streams(&segment);
        self.advance(segment, now);
    }

    /// Believes a chunk, or drops whoever sent it.
    fn prove(
        &mut self,
        link: LinkId,
        stream: StreamId,
        segment: SegmentKey,
        chunk: ProvenChunk,
        now: Timestamp,
    ) {
        // A link that was struck while its chunks waited has nothing more to say.
        if self.links.get(link).is_none() {
            return;
        }
        self.fetches.count(link, stream);
        let known = self.verifier.entry(&segment).is_some();
        let missing = matches!(self.buffer.get(&segment, chunk.index), Slot::Missing);
        if !known || !missing {
            return self.waste(link, Some(&segment), &chunk);
        }
        match self.verifier.verify(&segment, chunk) {
            Some(verified) => self.on_verified(link, segment, verified, now),
            None => self.strike(link, Offence::BadChunk, Some(segment), now),
        }
    }

    fn on_verified(&mut self, id: LinkId, segment: SegmentKey, chunk: Verified, now: Timestamp) {
        let source = self.source(id, segment.content);
        let length = chunk.length();
        let stripes = self.stripes(segment.content);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.thrive(now);
        let stripe = Substream::of(segment.sequence, chunk.chunk().index, stripes);
        *link.received.entry((segment.content, stripe)).or_default() += 1;
        if let Some(peer) = link.peer {
            self.ledger
                .received(peer, segment.content, source, u64::from(length));
            self.event(Event::Received(id, peer, source, length));
        }
        self.keep(segment, chunk, source, Some(id), now);
    }

    /// Keeps a proven chunk and hands it to whoever waits for it, besides the link that brought
    /// it.
    pub(crate) fn keep(
        &mut self,
        segment: SegmentKey,
        chunk: Verified,
        source: Source,
        from: Option<LinkId>,
        now: Timestamp,
    ) {
        let (index, bytes) = (chunk.chunk().index, chunk.length());
        let Some(entry) = self.verifier.entry(&segment).cloned() else {
            return;
        };
        let length = entry.body.length;
        if !self.buffer.insert(segment, length, chunk.clone(), source) {
            return;
        }
        self.event(Event::Proven(ChunkName { segment, index }));
        if self.config.has_disk() {
            self.output(Output::Store(entry, chunk));
        }
        self.pass_on(&segment, index, from, now);
        if let Some(need) = self.fetches.needs.get_mut(&segment) {
            need.note_progress(bytes, now);
            self.finish_if_whole(segment, now);
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

    /// A waypoint's own segment, fresh from the origin.
    pub(crate) fn on_attested(
        &mut self,
        entry: SignedEntry,
        chunks: Vec<ProvenChunk>,
        now: Timestamp,
    ) {
        let segment = entry.body.segment;
        let news = self.verifier.entry(&segment).is_none();
        if !self.trust(entry) {
            return self.on_unattainable(&segment);
        }
        if news {
            self.tell_children(&segment, None, now);
        }
        for chunk in chunks {
            if let Some(verified) = self.verifier.verify(&segment, chunk) {
                self.keep(segment, verified, Source::Cdn, None, now);
            }
        }
        self.answer_asking(&segment, now);
    }
}
