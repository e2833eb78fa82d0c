//! Passing on what is proven: most urgent first, never faster than the viewer or owner allows.

use crate::sorted::{SortedMap, SortedSet};
use core::cmp::Reverse;
use core::ops::Range;
use core::time::Duration;

use runnel_protocol::ids::ContentId;
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::RequestId;
use runnel_protocol::segment::{SegmentKey, chunk_range};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::allowance::Permission;
use crate::bucket::Bucket;
use crate::input::{BulkId, LinkId};

/// Chunks per link that are read from disk or in the shell's hands: enough to keep a fast link
/// busy, little enough that a slow one holds at most 1 MiB of ours.
const IN_FLIGHT: u32 = 16;
/// Most bulk streams being sent, in all and over one link.
const MAX_JOBS: usize = 2048;
const MAX_JOBS_EACH: usize = 256;
/// What may leave at once after a pause. Two chunks at the least, or nothing would ever leave.
const BURST: Duration = Duration::from_millis(100);
const LEAST_BURST: u64 = 128 * 1024;

/// Chunks that somebody is to have: those in `ready` at once, the others when they come.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) link: LinkId,
    pub(crate) entry: SignedEntry,
    /// What it answers; `None` for a push.
    pub(crate) request: Option<RequestId>,
    /// Chunks that were asked for; none for a push.
    pub(crate) asked: Range<u32>,
    pub(crate) ready: SortedSet<u32>,
    pub(crate) awaiting: SortedSet<u32>,
    /// Higher goes first, as the coordinator says: who feeds others before who does not.
    pub(crate) priority: u8,
    /// When the receiver needs it.
    pub(crate) due: Timestamp,
}

/// An order being carried out, on one bulk stream.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) order: Order,
    pub(crate) opened: bool,
    /// Chunks that are being read from disk.
    loading: SortedSet<u32>,
    /// Chunks given to the shell and not yet written.
    writing: u32,
    /// Chunks whose turn has come.
    sent: u32,
    place: Option<Place>,
}

/// Where a job stands in the queue. Who feeds others goes first, or each level of a tree would add
/// the time that a full uplink takes for a whole segment. Of those that are due together, who had
/// least goes first: every child sees a segment grow, and passes it on, however short the uplink is.
type Place = (Reverse<u8>, Timestamp, u32, BulkId);

impl Job {
    /// Whether all that was promised has been sent.
    pub(crate) fn is_finished(&self) -> bool {
        self.order.ready.is_empty()
            && self.order.awaiting.is_empty()
            && self.loading.is_empty()
            && self.writing == 0
    }

    pub(crate) fn segment(&self) -> SegmentKey {
        self.order.entry.body.segment
    }

    fn size(&self, index: u32) -> u64 {
        chunk_range(self.order.entry.body.length, index).map_or(0, |range| range.length)
    }
}

/// A chunk whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) bulk: BulkId,
    pub(crate) link: LinkId,
    pub(crate) segment: SegmentKey,
    pub(crate) index: u32,
    pub(crate) bytes: u64,
}

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
        let job = Job {
            order,
            opened: false,
            loading: SortedSet::new(),
            writing: 0,
            sent: 0,
            place: None,
        };
        self.jobs.insert(bulk, job);
        self.requeue(bulk);
        true
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
        for (_, _, _, bulk) in &self.queue {
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
                    let next = Next {
                        bulk: *bulk,
                        link: job.order.link,
                        segment: job.segment(),
                        index,
                        bytes,
                    };
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
                turns.push(Next {
                    bulk,
                    link: job.order.link,
                    segment: *segment,
                    index,
                    bytes: job.size(index),
                });
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
        let order = &job.order;
        let place = (Reverse(order.priority), order.due, job.sent, bulk);
        let place = (!job.order.ready.is_empty()).then_some(place);
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
mod tests {
    use runnel_protocol::ids::{KeyId, PathHash, Root, TrackId};
    use runnel_protocol::manifest::Entry;
    use runnel_protocol::signature::{Signature, Signed};
    use runnel_protocol::units::UnixSeconds;

    use super::*;

    const CHUNK: u64 = 65_536;

    fn entry(sequence: u64) -> SignedEntry {
        let segment = SegmentKey {
            content: ContentId([1; 16]),
            track: TrackId([2; 16]),
            generation: 0,
            sequence,
            range: None,
        };
        let dates = (UnixSeconds(0), UnixSeconds(u64::MAX));
        let body = Entry {
            segment,
            discontinuity: 0,
            length: 64 * CHUNK,
            root: Root([0; 32]),
            path: PathHash([0; 16]),
            issued: dates.0,
            expires: dates.1,
        };
        Signed {
            body,
            key: KeyId([0; 8]),
            signature: Signature([0; 64]),
        }
    }

    fn order(link: u64, sequence: u64, ready: &[u32], due: u64) -> Order {
        Order {
            link: LinkId::dialled(link),
            entry: entry(sequence),
            request: None,
            asked: 0..0,
            ready: ready.iter().copied().collect(),
            awaiting: SortedSet::new(),
            priority: 0,
            due: at(due),
        }
    }

    fn uploads(kilobits: u64) -> Uploads {
        Uploads::new(BitsPerSecond::from_kilobits(kilobits), at(0))
    }

    fn next(uploads: &mut Uploads, now: u64) -> Option<Next> {
        match uploads.next(at(now), |_, _| Permission::Now) {
            Turn::Send(next) => Some(next),
            Turn::Refused(_) | Turn::Wait(_) => None,
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros((1_000_000 + millis) * 1000)
    }

    #[test]
    fn the_uplink_is_never_exceeded_over_a_second() {
        let mut uploads = uploads(4_000);
        let chunks: Vec<u32> = (0..8).collect();
        for link in 0..8 {
            uploads.add(order(link, 1, &chunks, 0));
        }
        let mut sent = 0;
        for millis in 0..=1000 {
            while let Some(next) = next(&mut uploads, millis) {
                sent += CHUNK;
                uploads.on_written(next.link, next.bulk);
            }
        }
        assert!(sent <= 500_000 + 128 * 1024, "{sent}");
        assert!(sent >= 400_000, "{sent}");
    }

    #[test]
    fn the_segment_due_first_goes_first() {
        let mut uploads = uploads(1_000_000);
        uploads.add(order(1, 2, &[0], 2000));
        uploads.add(order(1, 1, &[0], 1000));
        assert_eq!(next(&mut uploads, 100).unwrap().segment.sequence, 1);
    }

    #[test]
    fn who_feeds_others_goes_before_who_does_not() {
        let mut uploads = uploads(1_000_000);
        uploads.add(order(1, 1, &[0], 1000));
        let agent = Order {
            priority: 200,
            ..order(2, 2, &[0], 5000)
        };
        uploads.add(agent);
        let links = core::iter::from_fn(|| next(&mut uploads, 100)).map(|next| next.link);
        let links: Vec<LinkId> = links.collect();
        assert_eq!(links, [2, 1].map(LinkId::dialled));
    }

    #[test]
    fn a_push_that_is_dropped_before_it_begins_leaves_what_has_begun_and_what_was_asked() {
        let mut uploads = uploads(1_000_000);
        for sequence in 1..4 {
            uploads.add(order(1, sequence, &[0, 1], sequence * 1000));
        }
        let asked = Order {
            request: Some(RequestId(1)),
            ..order(1, 2, &[2], 9000)
        };
        uploads.add(asked);
        let begun = next(&mut uploads, 100).unwrap();
        uploads.job_mut(begun.bulk).unwrap().opened = true;
        let dropped = uploads.take_pushes(LinkId::dialled(1), |segment| segment.sequence < 3);
        assert_eq!(dropped.len(), 1);
        let left = core::iter::from_fn(|| next(&mut uploads, 100));
        let left: Vec<_> = left
            .map(|next| (next.segment.sequence, next.index))
            .collect();
        assert_eq!(left, [(1, 1), (3, 0), (3, 1), (2, 2)]);
    }

    #[test]
    fn children_of_equal_urgency_take_turns() {
        let mut uploads = uploads(1_000_000);
        for link in [1, 2] {
            uploads.add(order(link, 1, &[0, 1], 1000));
        }
        let links = core::iter::from_fn(|| next(&mut uploads, 100)).map(|next| next.link);
        let links: Vec<LinkId> = links.collect();
        assert_eq!(links, [1, 2, 1, 2].map(LinkId::dialled));
    }

    #[test]
    fn a_link_that_does_not_drain_holds_a_bounded_number_of_chunks() {
        let mut uploads = uploads(10_000_000);
        let chunks: Vec<u32> = (0..64).collect();
        uploads.add(order(1, 1, &chunks, 0));
        let taken = core::iter::from_fn(|| next(&mut uploads, 1000)).count();
        assert_eq!(taken, IN_FLIGHT as usize);
    }

    #[test]
    fn a_chunk_that_is_not_here_yet_goes_when_it_comes_but_not_back() {
        let mut uploads = uploads(1_000_000);
        for link in [1, 2] {
            let mut order = order(link, 1, &[], 0);
            order.awaiting.insert(3);
            uploads.add(order);
        }
        assert!(next(&mut uploads, 100).is_none());
        uploads.on_chunk(&entry(1).body.segment, 3, Some(LinkId::dialled(1)));
        assert_eq!(next(&mut uploads, 100).unwrap().link, LinkId::dialled(2));
        assert!(next(&mut uploads, 100).is_none());
    }

    #[test]
    fn a_chunk_that_was_not_on_disk_costs_no_uplink() {
        let mut uploads = uploads(1000);
        uploads.add(order(1, 1, &[0, 1], 0));
        let first = next(&mut uploads, 600).unwrap();
        uploads.await_load(&first);
        assert_eq!(uploads.loaded(&first.segment, 0), [first]);
        uploads.put_back(&first);
        assert_eq!(next(&mut uploads, 600).unwrap().index, 1);
    }

    #[test]
    fn a_job_given_up_while_it_reads_from_disk_frees_its_turns() {
        let mut uploads = uploads(10_000_000);
        let chunks: Vec<u32> = (0..64).collect();
        uploads.add(order(1, 1, &chunks, 0));
        while let Some(turn) = next(&mut uploads, 1000) {
            uploads.await_load(&turn);
        }
        uploads.take_content(ContentId([1; 16]));
        uploads.add(order(1, 2, &chunks, 0));
        let taken = core::iter::from_fn(|| next(&mut uploads, 2000)).count();
        assert_eq!(taken, IN_FLIGHT as usize);
    }

    #[test]
    fn a_ticket_that_has_to_wait_does_not_hold_up_others() {
        let mut uploads = uploads(1_000_000);
        uploads.add(order(1, 1, &[0], 0));
        uploads.add(order(2, 1, &[0], 10));
        let slow = |job: &Job, _: u64| {
            if job.order.link == LinkId::dialled(1) {
                Permission::From(at(5000))
            } else {
                Permission::Now
            }
        };
        assert!(matches!(uploads.next(at(100), slow), Turn::Send(_)));
        assert_eq!(uploads.next(at(100), slow), Turn::Wait(Some(at(5000))));
    }
}
