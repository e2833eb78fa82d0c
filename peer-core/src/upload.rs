//! Passing on what is proven: most urgent first, never faster than the viewer or owner allows.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::RequestId;
use runnel_protocol::segment::{SegmentKey, chunk_range};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::input::{BulkId, LinkId};

/// Chunks handed to the shell per link and not yet written: enough to keep a fast link busy,
/// little enough that a slow one holds at most 512 KiB of ours.
const IN_FLIGHT: u32 = 8;
/// Most bulk streams being sent.
const MAX_JOBS: usize = 2048;
/// What may leave at once after a pause. Two chunks at the least, or nothing would ever leave.
const BURST: Duration = Duration::from_millis(100);
const LEAST_BURST: u64 = 128 * 1024;

/// Chunks of one segment for one link, on one bulk stream.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) link: LinkId,
    pub(crate) entry: SignedEntry,
    pub(crate) request: Option<RequestId>,
    /// Proven and here.
    ready: BTreeSet<u32>,
    /// Wanted, not yet here.
    awaiting: BTreeSet<u32>,
    /// When the receiver needs it.
    pub(crate) due: Timestamp,
    pub(crate) opened: bool,
    /// Chunks given to the shell and not yet written.
    writing: u32,
}

impl Job {
    /// Whether all that was promised has been sent.
    pub(crate) fn is_finished(&self) -> bool {
        self.ready.is_empty() && self.awaiting.is_empty() && self.writing == 0
    }
}

/// The next chunk to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    pub(crate) bulk: BulkId,
    pub(crate) link: LinkId,
    pub(crate) segment: SegmentKey,
    pub(crate) index: u32,
}

/// All uploads, and the account of the uplink.
#[derive(Debug)]
pub(crate) struct Uploads {
    jobs: BTreeMap<BulkId, Job>,
    in_flight: BTreeMap<LinkId, u32>,
    opened: u64,
    rate: BitsPerSecond,
    tokens: u64,
    filled: Timestamp,
}

impl Uploads {
    pub(crate) fn new(rate: BitsPerSecond, now: Timestamp) -> Self {
        Self {
            jobs: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            opened: 0,
            rate,
            tokens: 0,
            filled: now,
        }
    }

    pub(crate) fn set_rate(&mut self, rate: BitsPerSecond, now: Timestamp) {
        self.refill(now);
        self.rate = rate;
        self.tokens = self.tokens.min(self.burst());
    }

    pub(crate) fn rate(&self) -> BitsPerSecond {
        self.rate
    }

    /// Wants these chunks sent: those in `ready` at once, the others when they come.
    pub(crate) fn add(
        &mut self,
        link: LinkId,
        entry: SignedEntry,
        request: Option<RequestId>,
        ready: BTreeSet<u32>,
        awaiting: BTreeSet<u32>,
        due: Timestamp,
    ) -> bool {
        if self.jobs.len() >= MAX_JOBS || self.rate == BitsPerSecond(0) {
            return false;
        }
        self.opened += 1;
        let job = Job {
            link,
            entry,
            request,
            ready,
            awaiting,
            due,
            opened: false,
            writing: 0,
        };
        self.jobs.insert(BulkId(self.opened), job);
        true
    }

    /// Whether a push of this segment to this link is under way already.
    pub(crate) fn is_pushing(&self, link: LinkId, segment: &SegmentKey) -> bool {
        self.jobs.values().any(|job| {
            job.link == link && job.request.is_none() && job.entry.body.segment == *segment
        })
    }

    /// Whether somebody waits for chunks of this segment.
    pub(crate) fn is_awaited(&self, segment: &SegmentKey) -> bool {
        self.jobs
            .values()
            .any(|job| job.entry.body.segment == *segment && !job.awaiting.is_empty())
    }

    /// A chunk is here: whoever waits for it may have it.
    pub(crate) fn on_chunk(&mut self, segment: &SegmentKey, index: u32) {
        for job in self
            .jobs
            .values_mut()
            .filter(|job| job.entry.body.segment == *segment)
        {
            if job.awaiting.remove(&index) {
                job.ready.insert(index);
            }
        }
    }

    /// The most urgent chunk that may go at `now`, if any. It counts as gone.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<Next> {
        self.refill(now);
        let open = |job: &Job| {
            let busy = self.in_flight.get(&job.link).copied().unwrap_or(0);
            !job.ready.is_empty() && busy < IN_FLIGHT
        };
        let first = self.jobs.iter().filter(|(_, job)| open(job));
        let (bulk, job) = first.min_by_key(|(bulk, job)| (job.due, **bulk))?;
        let index = job.ready.first().copied()?;
        let next = Next {
            bulk: *bulk,
            link: job.link,
            segment: job.entry.body.segment,
            index,
        };
        let size = chunk_range(job.entry.body.length, index)?.length;
        if size > self.tokens {
            return None;
        }
        self.tokens -= size;
        let job = self.jobs.get_mut(&next.bulk)?;
        job.ready.remove(&index);
        job.writing += 1;
        *self.in_flight.entry(next.link).or_default() += 1;
        Some(next)
    }

    /// When the uplink has room again for a chunk that waits for it.
    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        let waiting = self.jobs.values().any(|job| {
            !job.ready.is_empty() && self.in_flight.get(&job.link).copied().unwrap_or(0) < IN_FLIGHT
        });
        (waiting && self.rate.0 > 0).then(|| self.filled + PACE)
    }

    /// The chunk could not be sent after all (it has to come from disk first, or is gone).
    pub(crate) fn put_back(&mut self, next: &Next, here: bool) {
        self.on_written(next.link, next.bulk);
        if let Some(job) = self.jobs.get_mut(&next.bulk) {
            if here {
                job.ready.insert(next.index)
            } else {
                job.awaiting.insert(next.index)
            };
        }
    }

    /// A chunk left the shell's hands.
    pub(crate) fn on_written(&mut self, link: LinkId, bulk: BulkId) {
        if let Some(count) = self.in_flight.get_mut(&link) {
            *count = count.saturating_sub(1);
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
        self.take_where(|job| job.is_finished() || now.since(job.due) > grace)
    }

    pub(crate) fn take_link(&mut self, link: LinkId) -> Vec<(BulkId, Job)> {
        self.in_flight.remove(&link);
        self.take_where(|job| job.link == link)
    }

    pub(crate) fn take_request(&mut self, link: LinkId, request: RequestId) -> Vec<(BulkId, Job)> {
        self.take_where(|job| job.link == link && job.request == Some(request))
    }

    fn take_where(&mut self, gone: impl Fn(&Job) -> bool) -> Vec<(BulkId, Job)> {
        let over: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| gone(job))
            .map(|(bulk, _)| *bulk)
            .collect();
        over.into_iter()
            .filter_map(|bulk| self.jobs.remove(&bulk).map(|job| (bulk, job)))
            .collect()
    }

    fn burst(&self) -> u64 {
        self.rate.bytes_in(BURST).max(LEAST_BURST)
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = now.since(self.filled);
        let earned = self.rate.bytes_in(passed);
        if earned > 0 {
            self.tokens = (self.tokens + earned).min(self.burst());
            self.filled = now;
        }
    }
}

/// How often a waiting uplink is looked at: short against a chunk's time on any home uplink.
const PACE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use runnel_protocol::ids::{ContentId, KeyId, PathHash, Root, TrackId};
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

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    #[test]
    fn the_uplink_is_never_exceeded_over_a_second() {
        let mut uploads = Uploads::new(BitsPerSecond::from_kilobits(4_000), at(0));
        let chunks: BTreeSet<u32> = (0..8).collect();
        for link in 0..8 {
            uploads.add(
                LinkId::dialled(link),
                entry(1),
                None,
                chunks.clone(),
                [].into(),
                at(0),
            );
        }
        let mut sent = 0;
        for millis in 0..=1000 {
            while let Some(next) = uploads.next(at(millis)) {
                sent += CHUNK;
                uploads.on_written(next.link, next.bulk);
            }
        }
        assert!(sent <= 500_000 + 128 * 1024, "{sent}");
        assert!(sent >= 400_000, "{sent}");
    }

    #[test]
    fn the_segment_due_first_goes_first() {
        let mut uploads = Uploads::new(BitsPerSecond::from_kilobits(1_000_000), at(0));
        uploads.add(
            LinkId::dialled(1),
            entry(2),
            None,
            [0].into(),
            [].into(),
            at(2000),
        );
        uploads.add(
            LinkId::dialled(1),
            entry(1),
            None,
            [0].into(),
            [].into(),
            at(1000),
        );
        let first = uploads.next(at(100)).unwrap();
        assert_eq!(first.segment.sequence, 1);
    }

    #[test]
    fn a_link_that_does_not_drain_holds_a_bounded_number_of_chunks() {
        let mut uploads = Uploads::new(BitsPerSecond::from_kilobits(10_000_000), at(0));
        let chunks: BTreeSet<u32> = (0..64).collect();
        uploads.add(LinkId::dialled(1), entry(1), None, chunks, [].into(), at(0));
        let taken = core::iter::from_fn(|| uploads.next(at(1000))).count();
        assert_eq!(taken, IN_FLIGHT as usize);
    }

    #[test]
    fn a_chunk_that_is_not_here_yet_goes_when_it_comes() {
        let mut uploads = Uploads::new(BitsPerSecond::from_kilobits(1_000_000), at(0));
        uploads.add(
            LinkId::dialled(1),
            entry(1),
            None,
            [].into(),
            [3].into(),
            at(0),
        );
        assert!(uploads.next(at(100)).is_none());
        uploads.on_chunk(&entry(1).body.segment, 3);
        assert_eq!(uploads.next(at(100)).unwrap().index, 3);
    }
}
