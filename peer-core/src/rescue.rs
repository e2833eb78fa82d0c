//! The CDN steps in: whole segments at the start, ranges for what peers could not bring in time.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use runnel_protocol::control::Source;
use runnel_protocol::segment::{MAX_SEGMENT, SegmentKey, chunk_count, chunk_range};
use runnel_protocol::time::Timestamp;

use crate::buffer::Slot;
use crate::fetch::OriginFetch;
use crate::input::{FetchId, WantId};
use crate::output::{Delivered, Event, Output};
use crate::peer::Peer;

/// Between a failure of the CDN and the next question: what hls.js waits as well.
const AGAIN: Duration = Duration::from_secs(1);

impl Peer {
    /// Fetches what is missing of a wanted segment from the CDN; all of it if `whole`, or if too
    /// little is known to name a part.
    pub(crate) fn start_origin(&mut self, segment: SegmentKey, whole: bool, now: Timestamp) {
        let part = if whole {
            None
        } else {
            self.missing_part(&segment)
        };
        let Some(need) = self.fetches.needs.get_mut(&segment) else {
            return;
        };
        let Some(want) = need.want.as_ref().map(|want| want.id) else {
            return;
        };
        let fetching = OriginFetch {
            segment,
            want,
            part,
            bytes: BytesMut::new(),
            since: now,
        };
        let fetch = self.fetches.fetch(fetching);
        if let Some(need) = self.fetches.needs.get_mut(&segment) {
            need.origin = Some(fetch);
        }
        self.output(Output::Fetch { fetch, want, part });
    }

    /// One range over all that is missing, as (offset, length); `None` for everything.
    fn missing_part(&self, segment: &SegmentKey) -> Option<(u64, u64)> {
        let length = self.verifier.entry(segment)?.body.length;
        let missing = self.buffer.missing(segment, length);
        if missing.len() as u64 == u64::from(chunk_count(length)) {
            return None;
        }
        let first = chunk_range(length, *missing.first()?)?;
        let last = chunk_range(length, *missing.last()?)?;
        Some((first.offset, last.offset + last.length - first.offset))
    }

    pub(crate) fn on_fetched(&mut self, fetch: FetchId, bytes: &Bytes) {
        let Some(fetching) = self.fetches.origin.get_mut(&fetch) else {
            return;
        };
        fetching.bytes.extend_from_slice(bytes);
        let (segment, length) = (fetching.segment, fetching.bytes.len() as u64);
        self.ledger
            .playing(segment.content)
            .count(Source::Cdn, bytes.len() as u64);
        // A body that does not end would fill the memory; half a segment is of no use.
        if length > MAX_SEGMENT {
            self.give_up(&segment);
        }
    }

    pub(crate) fn on_fetch_done(&mut self, fetch: FetchId, now: Timestamp) {
        let Some(fetching) = self.fetches.origin.remove(&fetch) else {
            return;
        };
        let OriginFetch {
            segment,
            want,
            part,
            bytes,
            since,
        } = fetching;
        self.pace.cdn.note(now.since(since), part.is_none());
        let bytes = bytes.freeze();
        match part {
            None => self.on_whole(segment, want, bytes, now),
            Some((offset, length)) if bytes.len() as u64 == length => {
                self.on_part(segment, offset, &bytes, now);
            }
            Some(_) => self.start_origin(segment, true, now),
        }
    }

    /// The player gets what the CDN sent, as without peers; others get it only if it is what the
    /// manifest says (watermarks, inserted advertisements).
    fn on_whole(&mut self, segment: SegmentKey, want: WantId, bytes: Bytes, now: Timestamp) {
        let need = self.drop_need(&segment);
        self.stop_streams(&segment);
        if need.is_some_and(|need| need.pushed) {
            self.move_on(&segment);
        }
        self.keep_whole(segment, &bytes, now);
        self.seek_for_children(segment, now);
        let delivered = Delivered {
            from_cdn: bytes.len() as u64,
            parts: vec![bytes],
            from_peers: 0,
            from_waypoints: 0,
            rescued: true,
        };
        self.output(Output::Deliver(want, delivered));
    }

    fn keep_whole(&mut self, segment: SegmentKey, bytes: &Bytes, now: Timestamp) {
        if self.verifier.entry(&segment).is_none() {
            return;
        }
        match self.verifier.verify_whole(&segment, bytes) {
            Some(chunks) => {
                for chunk in chunks {
                    self.keep(segment, chunk, Source::Cdn, None, now);
                }
            }
            None => self.event(Event::Mismatch(segment)),
        }
    }

    /// Fills the holes that peers left; the whole must be what was attested, or the player would
    /// get a mixture of two versions.
    fn on_part(&mut self, segment: SegmentKey, offset: u64, bytes: &Bytes, now: Timestamp) {
        let Some(whole) = self.fill(&segment, offset, bytes) else {
            return self.start_origin(segment, true, now);
        };
        let Some(chunks) = self.verifier.verify_whole(&segment, &whole) else {
            self.event(Event::Mismatch(segment));
            return self.start_origin(segment, true, now);
        };
        self.stop_streams(&segment);
        for chunk in chunks {
            self.keep(segment, chunk, Source::Cdn, None, now);
        }
        if self.fetches.needs.contains_key(&segment) {
            // It does not fit into memory, or the player asks for another path meanwhile.
            self.start_origin(segment, true, now);
        }
    }

    /// The segment out of the chunks that are here and the bytes from `offset` on; `None` if a
    /// hole remains.
    fn fill(&self, segment: &SegmentKey, offset: u64, bytes: &Bytes) -> Option<Bytes> {
        let length = self.verifier.entry(segment)?.body.length;
        let mut whole = BytesMut::with_capacity(usize::try_from(length).ok()?);
        for index in 0..chunk_count(length) {
            if let Slot::Memory(chunk, _) = self.buffer.get(segment, index) {
                whole.extend_from_slice(chunk.data());
                continue;
            }
            let range = chunk_range(length, index)?;
            let start = usize::try_from(range.offset.checked_sub(offset)?).ok()?;
            let end = start + usize::try_from(range.length).ok()?;
            whole.extend_from_slice(bytes.get(start..end)?);
        }
        Some(whole.freeze())
    }

    /// What still arrives of a segment that is whole is of no use.
    pub(crate) fn stop_streams(&mut self, segment: &SegmentKey) {
        for (link, stream) in self.fetches.streams_of(segment) {
            self.fetches.discard(link, stream);
            self.output(Output::StopStream(link, stream));
        }
    }

    /// The CDN failed: once more for all of it if it was a range. Else peers have until it is due,
    /// and the CDN is asked again meanwhile; without any peer the player is told, as it would have
    /// been without this one.
    pub(crate) fn on_fetch_failed(&mut self, fetch: FetchId, now: Timestamp) {
        let Some(fetching) = self.fetches.origin.remove(&fetch) else {
            return;
        };
        let Some(need) = self.fetches.needs.get_mut(&fetching.segment) else {
            return;
        };
        need.origin = None;
        if fetching.part.is_some() {
            return self.start_origin(fetching.segment, true, now);
        }
        need.cdn_again = Some(now + AGAIN);
        self.advance(fetching.segment, now);
    }
}
