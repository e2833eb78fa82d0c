//! Passing on what is proven: most urgent first, never faster than the viewer or owner allows.

mod job;

use core::time::Duration;

use runnel_protocol::ids::ContentId;
use runnel_protocol::peer::RequestId;
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::allowance::Permission;
use crate::bucket::Bucket;
use crate::input::{BulkId, LinkId};
use crate::sorted::{SortedMap, SortedSet};
use job::Place;
pub(crate) use job::{Job, Next, Order};

/// Chunks per link that are read from disk or in the shell's hands: enough to keep a fast link
/// busy, little enough that a slow one holds at most 1 MiB of ours.
const IN_FLIGHT: u32 = 16;
/// Most bulk streams being sent, in all and over one link.
const MAX_JOBS: usize = 2048;
const MAX_JOBS_EACH: usize = 256;
/// What may leave at once after a pause. Two chunks at the least, or nothing would ever leave.
const BURST: Duration = Duration::from_millis(100);
const LEAST_BURST: u64 = 128 * 1024;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Send this chunk. It counts as gone.
    Send(Next),
    /// No ticket covers what this job still has to send.
    Refused(BulkId),
    /// Nothing may go; the uplink or a ticket allows the next chunk then.
    Wait(Option<Timestamp>),
}

/// All uploads, and the account of the uplink.
#[derive(Debug)]
pub(crate) struct Uploads {
    jobs: SortedMap<BulkId, Job>,
    /// Jobs with something ready, most urgent first.
    queue: SortedSet<Place>,
    by_segment: SortedMap<SegmentKey, SortedSet<BulkId>>,
    by_link: SortedMap<LinkId, Traffic>,
    opened: u64,
    uplink: Bucket,
}

#[derive(Debug, Default)]
struct Traffic {
    jobs: SortedSet<BulkId>,
    in_flight: u32,
}

impl Uploads {
    pub(crate) fn new(rate: BitsPerSecond, now: Timestamp) -> Self {
        Self {
            jobs: SortedMap::new(),
            queue: SortedSet::new(),
            by_segment: SortedMap::new(),
            by_link: SortedMap::new(),
            opened: 0,
            uplink: Bucket::empty(rate, BURST, LEAST_BURST, now),
        }
    }

    pub(crate) fn set_rate(&mut self, rate: BitsPerSecond, now: Timestamp) {
        if rate != self.rate() {
            self.uplink = Bucket::empty(rate, BURST, LEAST_BURST, now);
        }
    }

    pub(crate) fn rate(&self) -> BitsPerSecond {
        self.uplink.rate()
    }

    /// Takes an order. `false` when nothing may be sent, or too much is under way.
    pub(crate) fn add(&mut self, order: Order) -> bool {
        let traffic = self.by_link.entry(order.link).or_default();
        let full = self.jobs.len() >= MAX_JOBS || traffic.jobs.len() >= MAX_JOBS_EACH;
        if full || self.uplink.rate() == BitsPerSecond(0) {
            return false;
        }
        self.opened += 1;
        let bulk = BulkId(self.opened);
        traffic.jobs.insert(bulk);
        let segment = order.entry.body.segment;
        self.by_segment.entry(segment).or_default().insert(bulk);
        self.jobs.insert(bulk, Job::new(order));
        self.requeue(bulk);
        true
    }

    /// Keeps of what waits to be pushed to a link only what is wanted.
    pub(crate) fn trim_pushes(
        &mut self,
        link: LinkId,
        is_wanted: impl Fn(&SegmentKey, u32) -> bool,
    ) {
        let traffic = self.by_link.get(&link);
        let bulks: Vec<BulkId> = traffic
            .into_iter()
            .flat_map(|traffic| &traffic.jobs)
            .copied()
            .collect();
        for bulk in bulks {
            let Some(job) = self.jobs.get_mut(&bulk) else {
                continue;
            };
            if job.order.request.is_none() {
                let segment = job.segment();
                let is_wanted = |index: &u32| is_wanted(&segment, *index);
                job.order.ready.retain(is_wanted);
                job.order.awaiting.retain(is_wanted);
                self.requeue(bulk);
            }
        }
    }

    /// Whether a push of this segment to this link is under way already.
    pub(crate) fn is_pushing(&self, link: LinkId, segment: &SegmentKey) -> bool {
        self.jobs_of(segment)
            .any(|job| job.order.link == link && job.order.request.is_none())
    }

    /// Whether a chunk goes to this link because it was asked for.
    pub(crate) fn is_answering(&self, link: LinkId, segment: &SegmentKey, index: u32) -> bool {
        self.jobs_of(segment)
            .any(|job| job.order.link == link && job.order.asked.contains(&index))
    }

    /// Whether somebody waits for chunks of this segment.
    pub(crate) fn is_awaited(&self, segment: &SegmentKey) -> bool {
        self.jobs_of(segment)
            .any(|job| !job.order.awaiting.is_empty())
    }

    /// Whether this link asked for chunks of this segment that are not here.
    pub(crate) fn is_awaited_by(&self, link: LinkId, segment: &SegmentKey) -> bool {
        self.jobs_of(segment)
            .any(|job| job.order.link == link && !job.order.awaiting.is_empty())
    }

    /// A chunk is here: whoever waits for it may have it, but not the link that brought it.
    pub(crate) fn on_chunk(&mut self, segment: &SegmentKey, index: u32, from: Option<LinkId>) {
        for bulk in self.bulks_of(segment) {
            if let Some(job) = self.jobs.get_mut(&bulk)
                && job.order.awaiting.remove(&index)
                && Some(job.order.link) != from
            {
                job.order.ready.insert(index);
                self.requeue(bulk);
            }
        }
    }

    /// What is not here of a segment will not come: whoever asked gets what there is.
    pub(crate) fn give_up(&mut self, segment: &SegmentKey) {
        for bulk in self.bulks_of(segment) {
            if let Some(job) = self.jobs.get_mut(&bulk)
                && job.order.request.is_some()
            {
                job.order.awaiting.clear();
            }
        }
    }

    /// The most urgent chunk that may go at `now`. `permit` says what its ticket allows.
    pub(crate) fn next(
        &mut self,
        now: Timestamp,
        permit: impl Fn(&Job, u64) -> Permission,
    ) -> Turn {
        let mut wake: Option<Timestamp> = None;
        for (_, _, _, _, bulk) in &self.queue {
            let Some(job) = self.jobs.get(bulk).filter(|job| !self.is_busy(job)) else {
                continue;
            };
            let Some(index) = job.order.ready.first().copied() else {
                continue;
            };
            let bytes = job.size(index);
            match permit(job, bytes) {
                Permission::Never => return Turn::Refused(*bulk),
                Permission::From(at) => wake = Some(wake.map_or(at, |wake| wake.min(at))),
                Permission::Now if self.uplink.take(bytes, now) => {
                    let next = job.next(*bulk, index);
                    self.begin(&next);
                    return Turn::Send(next);
                }
                Permission::Now => {
                    return Turn::Wait(self.uplink.ready_at(bytes).into_iter().chain(wake).min());
                }
            }
        }
        Turn::Wait(wake)
    }

    fn is_busy(&self, job: &Job) -> bool {
        let traffic = self.by_link.get(&job.order.link);
        traffic.is_some_and(|traffic| traffic.in_flight >= IN_FLIGHT)
    }

    fn begin(&mut self, next: &Next) {
        if let Some(job) = self.jobs.get_mut(&next.bulk) {
            job.order.ready.remove(&next.index);
            job.writing += 1;
            job.sent += 1;
        }
        if let Some(traffic) = self.by_link.get_mut(&next.link) {
            traffic.in_flight += 1;
        }
        self.requeue(next.bulk);
    }

    /// The chunk has to come from disk first; it keeps its turn.
    pub(crate) fn await_load(&mut self, next: &Next) {
        if let Some(job) = self.jobs.get_mut(&next.bulk) {
            job.writing = job.writing.saturating_sub(1);
            job.loading.insert(next.index);
        }
    }

    /// The chunk was read: those whose turn it is.
    pub(crate) fn loaded(&mut self, segment: &SegmentKey, index: u32) -> Vec<Next> {
        let mut turns = Vec::new();
        for bulk in self.bulks_of(segment) {
            if let Some(job) = self.jobs.get_mut(&bulk)
                && job.loading.remove(&index)
            {
                job.writing += 1;
                turns.push(job.next(bulk, index));
            }
        }
        turns
    }

    /// The chunk cannot be sent after all: it is not here.
    pub(crate) fn put_back(&mut self, next: &Next) {
        self.uplink.give_back(next.bytes);
        self.on_written(next.link, next.bulk);
        if let Some(job) = self.jobs.get_mut(&next.bulk) {
            job.order.awaiting.insert(next.index);
        }
    }

    /// A chunk left the shell's hands.
    pub(crate) fn on_written(&mut self, link: LinkId, bulk: BulkId) {
        if let Some(traffic) = self.by_link.get_mut(&link) {
            traffic.in_flight = traffic.in_flight.saturating_sub(1);
        }
        if let Some(job) = self.jobs.get_mut(&bulk) {
            job.writing = job.writing.saturating_sub(1);
        }
    }

    pub(crate) fn job_mut(&mut self, bulk: BulkId) -> Option<&mut Job> {
        self.jobs.get_mut(&bulk)
    }

    /// Takes out the jobs that are over: done, or (with what they still lack) past `due` by
    /// `grace`.
    pub(crate) fn take_over(&mut self, now: Timestamp, grace: Duration) -> Vec<(BulkId, Job)> {
        self.take_where(|job| job.is_finished() || now.since(job.order.due) > grace)
    }

    pub(crate) fn take(&mut self, bulk: BulkId) -> Option<Job> {
        let job = self.jobs.remove(&bulk)?;
        if let Some(place) = job.place {
            self.queue.remove(&place);
        }
        if let Some(bulks) = self.by_segment.get_mut(&job.segment()) {
            bulks.remove(&bulk);
            if bulks.is_empty() {
                self.by_segment.remove(&job.segment());
            }
        }
        if let Some(traffic) = self.by_link.get_mut(&job.order.link) {
            traffic.jobs.remove(&bulk);
            let loading = u32::try_from(job.loading.len()).unwrap_or(u32::MAX);
            traffic.in_flight = traffic.in_flight.saturating_sub(loading);
        }
        Some(job)
    }

    pub(crate) fn take_link(&mut self, link: LinkId) -> Vec<(BulkId, Job)> {
        let taken = self.take_where(|job| job.order.link == link);
        self.by_link.remove(&link);
        taken
    }

    pub(crate) fn take_request(&mut self, link: LinkId, request: RequestId) -> Vec<(BulkId, Job)> {
        self.take_where(|job| job.order.link == link && job.order.request == Some(request))
    }

    /// Pushes of a track to a link that concern `which` segments and have not begun.
    pub(crate) fn take_pushes(
        &mut self,
        link: LinkId,
        which: impl Fn(&SegmentKey) -> bool,
    ) -> Vec<(BulkId, Job)> {
        self.take_where(|job| {
            let push = job.order.link == link && job.order.request.is_none();
            push && !job.opened && which(&job.segment())
        })
    }

    pub(crate) fn take_content(&mut self, content: ContentId) -> Vec<(BulkId, Job)> {
        self.take_where(|job| job.segment().content == content)
    }

    pub(crate) fn take_all(&mut self) -> Vec<(BulkId, Job)> {
        self.take_where(|_| true)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    fn take_where(&mut self, gone: impl Fn(&Job) -> bool) -> Vec<(BulkId, Job)> {
        let over: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| gone(job))
            .map(|(bulk, _)| *bulk)
            .collect();
        over.into_iter()
            .filter_map(|bulk| self.take(bulk).map(|job| (bulk, job)))
            .collect()
    }

    fn requeue(&mut self, bulk: BulkId) {
        let Some(job) = self.jobs.get_mut(&bulk) else {
            return;
        };
        let place = job.place(bulk);
        if let Some(old) = core::mem::replace(&mut job.place, place) {
            self.queue.remove(&old);
        }
        self.queue.extend(place);
    }

    fn bulks_of(&self, segment: &SegmentKey) -> Vec<BulkId> {
        let bulks = self.by_segment.get(segment).into_iter().flatten();
        bulks.copied().collect()
    }

    fn jobs_of(&self, segment: &SegmentKey) -> impl Iterator<Item = &Job> {
        let bulks = self.by_segment.get(segment).into_iter().flatten();
        bulks.filter_map(|bulk| self.jobs.get(bulk))
    }
}

#[cfg(test)]
mod tests;
