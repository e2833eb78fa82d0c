//! What is being fetched, from whom: needs, requests to peers, arriving streams, CDN fetches.

use core::time::Duration;
use std::collections::VecDeque;

use crate::sorted::{SortedMap, SortedSet};

use bytes::BytesMut;
use runnel_protocol::peer::RequestId;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{MAX_CHUNK, SegmentKey, chunk_count};
use runnel_protocol::time::Timestamp;

use crate::input::{FetchId, LinkId, StreamId, Want, WantId};

/// Most segments wanted at once by the player and by children together.
const MAX_NEEDS: usize = 512;
/// Most bytes of chunks that wait for their entry's signature, over all streams.
const MAX_UNPROVEN: usize = 4 * 1024 * 1024;
/// Most streams arriving at once, in all and over one link.
const MAX_STREAMS: usize = 1024;
const MAX_STREAMS_EACH: usize = 128;

/// How long a segment that children took back is not sought for others: agents that feed each other
/// may stand in a ring while their assignments change, and a question with its end behind it would
/// go round and round.
const TAKEN_BACK_FOR: Duration = Duration::from_secs(2);
const MAX_TAKEN_BACK: usize = 64;

/// Bytes that show that a segment is coming, and the CDN need not be asked. A single small chunk does not: who is
/// owed fifteen and gets one now and then would wait until the CDN has no time to spare.
const PROGRESS: u64 = MAX_CHUNK;

/// Why a segment is fetched, and how far that has come.
#[derive(Debug)]
pub(crate) struct Need {
    /// What the player said, if it is the player's.
    pub(crate) want: Option<Want>,
    /// When it has to be whole.
    pub(crate) due: Timestamp,
    pub(crate) since: Timestamp,
    /// When a chunk of it last came.
    pub(crate) heard: Timestamp,
    /// When [`PROGRESS`] of it had last come.
    pub(crate) progress: Timestamp,
    /// Bytes since then.
    brought: u64,
    /// Parents that were asked and have not declined.
    pub(crate) asked: SortedSet<LinkId>,
    /// Parents that declined.
    pub(crate) declined: SortedSet<LinkId>,
    /// Whether it comes by subscription, without asking.
    pub(crate) pushed: bool,
    pub(crate) hedged: bool,
    /// Something of it came because it was asked for.
    pub(crate) answered: bool,
    /// Parents that were late with it.
    pub(crate) blamed: SortedSet<LinkId>,
    /// The CDN fetch under way for it.
    pub(crate) origin: Option<FetchId>,
    /// The CDN failed, and may be asked again from then on.
    pub(crate) cdn_again: Option<Timestamp>,
}

impl Need {
    pub(crate) fn new(due: Timestamp, now: Timestamp) -> Self {
        Self {
            want: None,
            due,
            since: now,
            heard: now,
            progress: now,
            brought: 0,
            asked: SortedSet::new(),
            declined: SortedSet::new(),
            pushed: false,
            hedged: false,
            answered: false,
            blamed: SortedSet::new(),
            origin: None,
            cdn_again: None,
        }
    }

    /// The player asks: time counts from here. What it asked before under another name, and the
    /// fetch that was under way for it.
    pub(crate) fn want(
        &mut self,
        want: Want,
        due: Timestamp,
        now: Timestamp,
    ) -> (Option<Want>, Option<FetchId>) {
        (self.due, self.since) = (due, now);
        (self.heard, self.progress) = (now, now);
        (self.hedged, self.cdn_again, self.brought) = (false, None, 0);
        self.blamed.clear();
        (self.want.replace(want), self.origin.take())
    }

    /// A chunk of it came.
    pub(crate) fn note_progress(&mut self, bytes: u32, now: Timestamp) {
        self.heard = now;
        self.brought += u64::from(bytes);
        if self.brought >= PROGRESS {
            (self.progress, self.brought) = (now, 0);
        }
    }
}

/// A request to a parent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) segment: SegmentKey,
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// Chunks that came in answer.
    pub(crate) answered: u32,
}

impl Asked {
    /// Whether all came that a segment of `length` bytes has of what was asked.
    pub(crate) fn is_complete(&self, length: Option<u64>) -> bool {
        let beyond = length.map_or(u32::MAX, chunk_count);
        self.answered >= self.count.min(beyond.saturating_sub(self.first))
    }
}

/// What waited for an entry that is trusted now.
#[derive(Debug, Default)]
pub(crate) struct Released {
    pub(crate) chunks: Vec<(LinkId, StreamId, ProvenChunk)>,
    /// Streams that ended before, with the link they came over.
    pub(crate) ended: Vec<(LinkId, Arriving)>,
}

/// A stream that arrives.
#[derive(Debug)]
pub(crate) struct Arriving {
    pub(crate) segment: SegmentKey,
    pub(crate) request: Option<RequestId>,
    /// Chunks that came before their entry was trusted; `None` once it is.
    pub(crate) waiting: Option<Vec<ProvenChunk>>,
    /// It ended while chunks still wait.
    pub(crate) ended: bool,
}

/// A fetch from the CDN.
#[derive(Debug)]
pub(crate) struct OriginFetch {
    pub(crate) segment: SegmentKey,
    pub(crate) want: WantId,
    pub(crate) part: Option<(u64, u64)>,
    pub(crate) bytes: BytesMut,
    pub(crate) since: Timestamp,
}

/// The in-flight table.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    pub(crate) needs: SortedMap<SegmentKey, Need>,
    requests: SortedMap<(LinkId, RequestId), Asked>,
    streams: SortedMap<(LinkId, StreamId), Arriving>,
    pub(crate) origin: SortedMap<FetchId, OriginFetch>,
    unproven: usize,
    next_request: u32,
    next_fetch: u64,
    /// Segments that children took back, and when; the oldest comes first.
    taken_back: VecDeque<(Timestamp, SegmentKey)>,
}

impl Fetches {
    /// Nobody below waits for a segment any more.
    pub(crate) fn note_taken_back(&mut self, segment: SegmentKey, now: Timestamp) {
        if self.taken_back.len() >= MAX_TAKEN_BACK {
            self.taken_back.pop_front();
        }
        self.taken_back.push_back((now, segment));
    }

    /// Whether children took a segment back just now.
    pub(crate) fn is_taken_back(&self, segment: &SegmentKey, now: Timestamp) -> bool {
        let lately = |(at, other): &(Timestamp, SegmentKey)| {
            other == segment && now.since(*at) < TAKEN_BACK_FOR
        };
        self.taken_back.iter().any(lately)
    }

    /// The need for a segment, made if there is room.
    pub(crate) fn need(
        &mut self,
        segment: SegmentKey,
        due: Timestamp,
        now: Timestamp,
    ) -> Option<&mut Need> {
        if self.needs.len() >= MAX_NEEDS && !self.needs.contains_key(&segment) {
            return None;
        }
        let need = self
            .needs
            .entry(segment)
            .or_insert_with(|| Need::new(due, now));
        need.due = need.due.min(due);
        Some(need)
    }

    /// The segment that a want asked for.
    pub(crate) fn wanted_as(&self, want: WantId) -> Option<SegmentKey> {
        self.needs
            .iter()
            .find(|(_, need)| need.want.as_ref().is_some_and(|wanted| wanted.id == want))
            .map(|(segment, _)| *segment)
    }

    pub(crate) fn ask(&mut self, link: LinkId, asked: Asked) -> RequestId {
        self.next_request = self.next_request.wrapping_add(1);
        let id = RequestId(self.next_request);
        self.requests.insert((link, id), asked);
        id
    }

    pub(crate) fn answered(&mut self, link: LinkId, request: RequestId) -> Option<Asked> {
        self.requests.remove(&(link, request))
    }

    pub(crate) fn request(&self, link: LinkId, request: RequestId) -> Option<&Asked> {
        self.requests.get(&(link, request))
    }

    /// A chunk came on a stream: it counts for the request that the stream answers.
    pub(crate) fn count(&mut self, link: LinkId, stream: StreamId) {
        let arriving = self.streams.get(&(link, stream));
        let request = arriving.and_then(|arriving| arriving.request);
        if let Some(asked) = request.and_then(|id| self.requests.get_mut(&(link, id))) {
            asked.answered += 1;
            if let Some(need) = self.needs.get_mut(&asked.segment) {
                need.answered = true;
            }
        }
    }

    /// Takes out the requests for a segment of `length` bytes; those that something is still to
    /// come of, to be cancelled.
    pub(crate) fn take_requests(
        &mut self,
        segment: &SegmentKey,
        length: Option<u64>,
    ) -> Vec<(LinkId, RequestId)> {
        let open = |asked: &Asked| asked.segment == *segment && !asked.is_complete(length);
        let those = self.requests.iter().filter(|(_, asked)| open(asked));
        let those = those.map(|(id, _)| *id).collect();
        self.requests.retain(|_, asked| asked.segment != *segment);
        those
    }

    /// Chunks asked of a link and not yet answered.
    pub(crate) fn outstanding(&self, link: LinkId) -> u32 {
        let asked = self.requests.iter().filter(|((of, _), _)| *of == link);
        asked.fold(0, |sum, (_, asked)| sum.saturating_add(asked.count.min(64)))
    }

    /// Whether anything that was asked or begun is still to come over a link.
    pub(crate) fn awaits(&self, link: LinkId) -> bool {
        let streams = (link, StreamId(0))..=(link, StreamId(u64::MAX));
        self.outstanding(link) > 0 || self.streams.range(streams).next().is_some()
    }

    /// Takes note of an arriving stream. `false` when there are too many.
    pub(crate) fn begin(&mut self, link: LinkId, stream: StreamId, arriving: Arriving) -> bool {
        let range = (link, StreamId(0))..=(link, StreamId(u64::MAX));
        let of_link = self.streams.range(range).count();
        let room = self.streams.len() < MAX_STREAMS && of_link < MAX_STREAMS_EACH;
        if room {
            self.streams.insert((link, stream), arriving);
        }
        room
    }

    pub(crate) fn stream(&self, link: LinkId, stream: StreamId) -> Option<&Arriving> {
        self.streams.get(&(link, stream))
    }

    /// Keeps a chunk until its entry is trusted. `false` when too much waits already.
    pub(crate) fn hold(&mut self, link: LinkId, stream: StreamId, chunk: ProvenChunk) -> bool {
        let size = chunk.data.len();
        let waiting = self
            .streams
            .get_mut(&(link, stream))
            .and_then(|arriving| arriving.waiting.as_mut());
        let Some(waiting) = waiting.filter(|_| self.unproven + size <= MAX_UNPROVEN) else {
            return false;
        };
        waiting.push(chunk);
        self.unproven += size;
        true
    }

    /// The entry of this segment is trusted: what waited for it.
    pub(crate) fn release(&mut self, segment: &SegmentKey) -> Released {
        let mut released = Released::default();
        for ((link, stream), arriving) in &mut self.streams {
            if arriving.segment == *segment {
                let chunks = arriving.waiting.take().unwrap_or_default();
                let chunks = chunks.into_iter().map(|chunk| (*link, *stream, chunk));
                released.chunks.extend(chunks);
            }
        }
        let sizes = released.chunks.iter().map(|(_, _, chunk)| chunk.data.len());
        self.unproven -= sizes.sum::<usize>();
        let over = |one: &Arriving| one.ended && one.waiting.is_none();
        let those = self.streams.iter().filter(|(_, one)| over(one));
        let those: Vec<_> = those.map(|(id, _)| *id).collect();
        for id in those {
            let ended = self.streams.remove(&id);
            released.ended.extend(ended.map(|ended| (id.0, ended)));
        }
        released
    }

    /// A stream ended: what it was, unless chunks of it still wait for their entry.
    pub(crate) fn end(&mut self, link: LinkId, stream: StreamId) -> Option<Arriving> {
        let arriving = self.streams.get_mut(&(link, stream))?;
        if arriving
            .waiting
            .as_ref()
            .is_some_and(|waiting| !waiting.is_empty())
        {
            arriving.ended = true;
            return None;
        }
        self.streams.remove(&(link, stream))
    }

    /// Forgets a stream and what waits on it.
    pub(crate) fn discard(&mut self, link: LinkId, stream: StreamId) {
        if let Some(gone) = self.streams.remove(&(link, stream)) {
            let held = gone.waiting.iter().flatten().map(|chunk| chunk.data.len());
            self.unproven -= held.sum::<usize>();
        }
    }

    /// Streams on which a segment arrives.
    pub(crate) fn streams_of(&self, segment: &SegmentKey) -> Vec<(LinkId, StreamId)> {
        self.streams
            .iter()
            .filter(|(_, arriving)| arriving.segment == *segment)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Forgets all that a link was to bring.
    pub(crate) fn drop_link(&mut self, link: LinkId) {
        let streams: Vec<_> = self
            .streams
            .keys()
            .filter(|(of, _)| *of == link)
            .copied()
            .collect();
        streams
            .into_iter()
            .for_each(|(link, stream)| self.discard(link, stream));
        self.requests.retain(|(of, _), _| *of != link);
        for need in self.needs.values_mut() {
            need.declined.remove(&link);
            need.asked.remove(&link);
        }
    }

    /// Requests, streams, and bytes that wait for their entry.
    pub(crate) fn census(&self) -> (usize, usize, usize) {
        (self.requests.len(), self.streams.len(), self.unproven)
    }

    pub(crate) fn fetch(&mut self, fetch: OriginFetch) -> FetchId {
        self.next_fetch += 1;
        let id = FetchId(self.next_fetch);
        self.origin.insert(id, fetch);
        id
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn one_small_chunk_now_and_then_is_no_progress() {
        let at = |seconds| Timestamp::from_micros(1_000_000) + Duration::from_secs(seconds);
        let mut need = Need::new(at(10), at(0));
        for second in 1..=3 {
            need.note_progress(16 << 10, at(second));
            assert_eq!(need.progress, at(0));
        }
        need.note_progress(16 << 10, at(4));
        assert_eq!(need.progress, at(4));
        need.note_progress(64 << 10, at(5));
        assert_eq!(need.progress, at(5));
    }
}
