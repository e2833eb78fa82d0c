//! Serving children: pushes to subscribers as soon as a chunk is proven, answers to requests, and
//! the account of what each may have.

use core::time::Duration;
use std::collections::BTreeSet;

use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::{CloseReason, Control, Decline, Request, RequestId, Subscribe};
use runnel_protocol::segment::{SegmentKey, Substream, chunk_count};
use runnel_protocol::time::Timestamp;

use crate::buffer::Slot;
use crate::input::{BulkId, LinkId, LoadId};
use crate::output::{Event, Output};
use crate::peer::Peer;
use crate::upload::{Job, Next};

/// When a pushed segment counts as due: a typical live buffer. Only the order matters.
const PUSH_DUE: Duration = Duration::from_secs(4);
/// How long after its due time an upload is still worth finishing.
const GRACE: Duration = Duration::from_secs(8);
/// Segments that a new subscriber gets at once, newest last.
const CATCH_UP: usize = 8;
/// Most subscriptions and unanswered requests, over all children.
const MAX_SUBSCRIPTIONS: usize = 1024;
const MAX_ASKING: usize = 512;

/// A child's request for a segment whose entry is not known here yet.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) link: LinkId,
    request: RequestId,
    segment: SegmentKey,
    first: u32,
    count: u32,
    due: Timestamp,
}

impl Peer {
    pub(crate) fn on_subscribe(&mut self, link: LinkId, subscribe: Subscribe, now: Timestamp) {
        let (content, track) = (subscribe.content, subscribe.track);
        if !self.may_send(link, content, track, 0, now) {
            return self.hang_up(link, CloseReason::Unauthorised, now);
        }
        if self.children.len() >= MAX_SUBSCRIPTIONS {
            return self.hang_up(link, CloseReason::Full, now);
        }
        let generation = self.timeline.generation(content, track);
        let first = SegmentKey {
            content,
            track,
            generation,
            sequence: subscribe.from,
            range: None,
        };
        let held: Vec<_> = self.buffer.onward(first).copied().collect();
        for segment in held.iter().skip(held.len().saturating_sub(CATCH_UP)) {
            self.push(link, &subscribe, segment, now);
        }
        self.children.insert((link, content, track), subscribe);
        self.resubscribe(content, now);
    }

    pub(crate) fn on_request(&mut self, link: LinkId, request: &Request, now: Timestamp) {
        let segment = request.segment;
        if !self.may_send(link, segment.content, segment.track, 0, now) {
            return self.decline(link, request.id, Decline::NotAllowed);
        }
        let asking = Asking {
            link,
            request: request.id,
            segment,
            first: request.first,
            count: request.count,
            due: now + Duration::from_millis(u64::from(request.within_ms.min(60_000))),
        };
        if let Some(entry) = self.verifier.entry(&segment).cloned() {
            return self.answer(&asking, entry, now);
        }
        if self.asking.len() >= MAX_ASKING {
            return self.decline(link, request.id, Decline::Busy);
        }
        self.asking.push(asking);
        self.seek(
            segment,
            now + Duration::from_millis(u64::from(request.within_ms)),
            now,
        );
    }

    /// A segment's entry became known: requests that waited for it are answered.
    pub(crate) fn answer_asking(&mut self, segment: &SegmentKey, now: Timestamp) {
        let Some(entry) = self.verifier.entry(segment).cloned() else {
            return;
        };
        let (those, others) = core::mem::take(&mut self.asking)
            .into_iter()
            .partition(|asking| asking.segment == *segment);
        self.asking = others;
        let those: Vec<Asking> = those;
        those
            .iter()
            .for_each(|asking| self.answer(asking, entry.clone(), now));
    }

    fn answer(&mut self, asking: &Asking, entry: SignedEntry, now: Timestamp) {
        let end = asking
            .first
            .saturating_add(asking.count)
            .min(chunk_count(entry.body.length));
        let wanted: BTreeSet<u32> = (asking.first..end).collect();
        if wanted.is_empty() {
            return self.decline(asking.link, asking.request, Decline::NotHere);
        }
        let (ready, awaiting) = self.sort(&asking.segment, wanted);
        let lacking = !awaiting.is_empty();
        let request = Some(asking.request);
        if !self
            .uploads
            .add(asking.link, entry, request, ready, awaiting, asking.due)
        {
            return self.decline(asking.link, asking.request, Decline::Busy);
        }
        if lacking {
            self.seek(asking.segment, asking.due, now);
        }
    }

    /// Pushes what is here of a segment to a subscriber, the rest as it comes.
    fn push(&mut self, link: LinkId, to: &Subscribe, segment: &SegmentKey, now: Timestamp) {
        let Some(entry) = self.verifier.entry(segment).cloned() else {
            return;
        };
        if self.uploads.is_pushing(link, segment) {
            return;
        }
        let in_stripes = |index: &u32| {
            to.substreams
                .contains(Substream::of(segment.sequence, *index, to.stripes))
        };
        let wanted = (0..chunk_count(entry.body.length))
            .filter(in_stripes)
            .collect();
        let (ready, awaiting) = self.sort(segment, wanted);
        if !ready.is_empty() || !awaiting.is_empty() {
            self.uploads
                .add(link, entry, None, ready, awaiting, now + PUSH_DUE);
        }
    }

    /// Which chunks are here and which are not.
    fn sort(&self, segment: &SegmentKey, wanted: BTreeSet<u32>) -> (BTreeSet<u32>, BTreeSet<u32>) {
        wanted
            .into_iter()
            .partition(|index| !matches!(self.buffer.get(segment, *index), Slot::Missing))
    }

    /// Subscribers hear of a segment before its chunks, so that they can have the CDN fill holes.
    pub(crate) fn announce(&mut self, segment: &SegmentKey) {
        let Some(entry) = self.verifier.entry(segment).cloned() else {
            return;
        };
        let subscribers: Vec<_> = self
            .children
            .iter()
            .filter(|(_, subscribe)| concerns(subscribe, segment))
            .map(|((link, _, _), _)| *link)
            .collect();
        for link in subscribers {
            self.send(link, Control::Announce(entry.clone()));
        }
    }

    /// A chunk is proven: everybody below who waits for it gets it.
    pub(crate) fn pass_on(&mut self, segment: &SegmentKey, index: u32, now: Timestamp) {
        let subscribers: Vec<_> = self
            .children
            .iter()
            .filter(|(_, subscribe)| concerns(subscribe, segment))
            .map(|((link, _, _), subscribe)| (*link, subscribe.clone()))
            .collect();
        for (link, subscribe) in &subscribers {
            let stripe = Substream::of(segment.sequence, index, subscribe.stripes);
            if subscribe.substreams.contains(stripe) {
                self.push(*link, subscribe, segment, now);
            }
        }
        self.uploads.on_chunk(segment, index);
    }

    pub(crate) fn on_cancel(&mut self, link: LinkId, request: RequestId) {
        self.asking
            .retain(|asking| asking.link != link || asking.request != request);
        let cancelled = self.uploads.take_request(link, request);
        self.reset(cancelled);
    }

    /// Neither the origin nor anybody above has it: whoever asked hears so.
    pub(crate) fn on_unattainable(&mut self, segment: &SegmentKey) {
        let (those, others) = core::mem::take(&mut self.asking)
            .into_iter()
            .partition(|asking| asking.segment == *segment);
        self.asking = others;
        let those: Vec<Asking> = those;
        for asking in those {
            self.decline(asking.link, asking.request, Decline::NotHere);
        }
    }

    /// Ends what came too late to be of use.
    pub(crate) fn give_up_serving(&mut self, now: Timestamp) {
        let late: Vec<_> = self
            .asking
            .iter()
            .filter(|asking| now.since(asking.due) > GRACE)
            .map(|asking| (asking.link, asking.request))
            .collect();
        for (link, request) in late {
            self.asking
                .retain(|asking| asking.link != link || asking.request != request);
            self.decline(link, request, Decline::NotHere);
        }
    }

    /// Hands the shell as many chunks as uplink, links and tickets allow.
    pub(crate) fn pump_uploads(&mut self, now: Timestamp) {
        while let Some(next) = self.uploads.next(now) {
            match self.buffer.get(&next.segment, next.index) {
                Slot::Memory(chunk, _) => {
                    let chunk = chunk.clone();
                    self.send_chunk(&next, chunk, now);
                }
                Slot::Disk => {
                    self.uploads.put_back(&next, false);
                    self.load(next.segment, next.index);
                }
                Slot::Missing => self.uploads.put_back(&next, false),
            }
        }
        for (bulk, job) in self.uploads.take_over(now, GRACE) {
            self.end(bulk, &job);
        }
    }

    fn send_chunk(&mut self, next: &Next, chunk: crate::verify::Verified, now: Timestamp) {
        let SegmentKey {
            content,
            track,
            sequence,
            ..
        } = next.segment;
        let bytes = chunk.length();
        if !self.may_send(next.link, content, track, u64::from(bytes), now) {
            return self.hang_up(next.link, CloseReason::Unauthorised, now);
        }
        self.open_bulk(next);
        let stripes = self
            .contents
            .get(&content)
            .map_or(1, |content| content.stripes);
        if let Some(link) = self.links.get_mut(next.link) {
            let stripe = Substream::of(sequence, next.index, stripes);
            *link.sent.entry((content, stripe)).or_default() += 1;
            *link.spent.entry(content).or_default() += u64::from(bytes);
            if let Some(peer) = link.peer {
                self.ledger.sent(peer, content, u64::from(bytes));
                self.event(Event::Sent(next.link, peer, bytes));
            }
        }
        self.output(Output::SendChunk(next.link, next.bulk, chunk));
    }

    fn open_bulk(&mut self, next: &Next) {
        let Some(job) = self.uploads.job_mut(next.bulk) else {
            return;
        };
        if job.opened {
            return;
        }
        job.opened = true;
        let order = job.due.as_micros() / 1000;
        let header = Box::new(BulkHeader {
            request: job.request,
            entry: job.entry.clone(),
        });
        self.output(Output::OpenBulk {
            link: next.link,
            bulk: next.bulk,
            header,
            order,
        });
    }

    /// A job is over: in order if it sent all it had promised.
    fn end(&mut self, bulk: BulkId, job: &Job) {
        let finished = job.is_finished();
        match (job.opened, finished, job.request) {
            (true, true, _) => self.output(Output::FinishBulk(job.link, bulk)),
            (true, false, _) => self.output(Output::ResetBulk(job.link, bulk)),
            (false, _, Some(request)) => self.decline(job.link, request, Decline::NotHere),
            (false, _, None) => {}
        }
    }

    fn reset(&mut self, jobs: Vec<(BulkId, Job)>) {
        for (bulk, job) in jobs.iter().filter(|(_, job)| job.opened) {
            self.output(Output::ResetBulk(job.link, *bulk));
        }
    }

    fn load(&mut self, segment: SegmentKey, index: u32) {
        if self
            .loads
            .values()
            .any(|loading| *loading == (segment, index))
        {
            return;
        }
        let load = LoadId(self.name());
        self.loads.insert(load, (segment, index));
        self.output(Output::Load(load, segment, index));
    }

    fn decline(&mut self, link: LinkId, request: RequestId, reason: Decline) {
        self.send(link, Control::Decline { request, reason });
    }

    fn may_send(
        &self,
        link: LinkId,
        content: runnel_protocol::ids::ContentId,
        track: runnel_protocol::ids::TrackId,
        bytes: u64,
        now: Timestamp,
    ) -> bool {
        let (own, date) = (&self.config.key, self.date(now));
        self.consent
            && self.links.get(link).is_some_and(|link| {
                link.is_ready() && link.may_send(own, content, track, bytes, date)
            })
    }

    /// A parent is going: its children look for others at once.
    pub(crate) fn on_peer_drains(&mut self, id: LinkId, now: Timestamp) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.stalled_until = Some(now + GRACE);
        link.retire_at = Some(now + GRACE);
        let contents: Vec<_> = self.contents.keys().copied().collect();
        contents
            .into_iter()
            .for_each(|content| self.resubscribe(content, now));
    }
}

fn concerns(subscribe: &Subscribe, segment: &SegmentKey) -> bool {
    subscribe.content == segment.content
        && subscribe.track == segment.track
        && subscribe.from <= segment.sequence
}
