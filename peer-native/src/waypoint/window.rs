//! What of a track's timeline is to be attested next. Pure: playlists and demands in, segments
//! to fetch out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::time::Timestamp;

use super::playlist::{Media, Segment};

/// Segments before the live edge that a viewer who joins is about to ask for: players start
/// three target durations behind (RFC 8216 §6.3.3).
const HEAD_START: usize = 3;
/// How far ahead of a demand VOD is attested: enough to hide the origin's latency behind the
/// player's own 30 s of buffer. With 30 s here a quarter of what was fetched was never played
/// (60 s watched: 17.4 MB from the origin for 13.9 MB played).
const AHEAD: Duration = Duration::from_secs(8);
/// Demands that wait; more are from somebody who does not mean them.
const MAX_WAITING: usize = 256;
/// A segment that was attested is not fetched again within this, since its demand may have
/// crossed the attestation on its way.
const FRESH: Duration = Duration::from_secs(10);
/// Polls that may show an older playlist (a cache behind the origin) before it is believed that
/// the encoder started again: three target durations.
const STALE_POLLS: u32 = 24;
/// Failed fetches of a segment before it counts as unattainable.
const MAX_FAILURES: u32 = 3;
/// Pause before a failed fetch is tried again, times the number of failures.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a segment is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Somebody needs it now.
    Asked,
    /// It follows in a VOD that somebody plays.
    Ahead,
    /// It is new in a live stream that somebody plays.
    New,
}

/// How often a fetch failed, and when it is due again.
#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    again: Timestamp,
}

/// A track's timeline and what has been done about it.
#[derive(Debug)]
pub(super) struct Window {
    content: ContentId,
    track: TrackId,
    generation: u32,
    media: Option<Media>,
    stale_polls: u32,
    /// First sequence of the live stream that is attested without being asked for.
    from: Option<u64>,
    followed: bool,
    asked: VecDeque<SegmentKey>,
    ahead: VecDeque<SegmentKey>,
    under_way: BTreeMap<SegmentKey, Cause>,
    failures: BTreeMap<SegmentKey, Failed>,
    done: BTreeMap<SegmentKey, Timestamp>,
}

impl Window {
    /// A track of which nothing is known but what the disk `held` of it, whole.
    pub(super) fn new(
        content: ContentId,
        track: TrackId,
        held: &BTreeSet<SegmentKey>,
        now: Timestamp,
    ) -> Self {
        let done: BTreeMap<_, _> = held
            .iter()
            .filter(|key| key.content == content && key.track == track)
            .map(|key| (*key, now))
            .collect();
        Self {
            content,
            track,
            generation: done.keys().map(|key| key.generation).max().unwrap_or(0),
            media: None,
            stale_polls: 0,
            from: None,
            followed: false,
            asked: VecDeque::new(),
            ahead: VecDeque::new(),
            under_way: BTreeMap::new(),
            failures: BTreeMap::new(),
            done,
        }
    }

    pub(super) fn media(&self) -> Option<&Media> {
        self.media.as_ref()
    }

    /// Whether the playlist has to be fetched to know what to do.
    pub(super) fn wants_playlist(&self) -> bool {
        match &self.media {
            Some(media) if media.ended => false,
            Some(_) => self.followed || self.is_anything_unknown(),
            None => self.followed || !self.asked.is_empty(),
        }
    }

    /// Whether a fetch waits for its turn or for its pause to end.
    pub(super) fn is_waiting(&self) -> bool {
        !self.asked.is_empty() || !self.ahead.is_empty() || !self.failures.is_empty()
    }

    /// Somebody plays the track, or nobody does any more.
    pub(super) fn follow(&mut self, followed: bool) {
        self.followed = followed;
        self.from = None;
    }

    /// Takes the playlist as it is at this poll.
    pub(super) fn update(&mut self, media: Media) {
        if self.runs_backwards(&media) {
            self.stale_polls += 1;
            if !self.lies_before(&media) && self.stale_polls < STALE_POLLS {
                return;
            }
            self.generation += 1;
            self.from = None;
            self.done.clear();
            self.failures.clear();
            self.asked.clear();
            self.ahead.clear();
        }
        self.stale_polls = 0;
        if !media.on_demand
            && let Some(first) = media.segments.first()
        {
            let oldest = first.sequence;
            self.done.retain(|key, _| key.sequence >= oldest);
            self.failures.retain(|key, _| key.sequence >= oldest);
        }
        self.media = Some(media);
    }

    /// Somebody needs this segment; whether it is worth looking for.
    pub(super) fn want(&mut self, key: SegmentKey, now: Timestamp) -> bool {
        let over = self.media.as_ref().is_some_and(|media| media.ended);
        let cannot_come = over && self.find(&key).is_none();
        if key.generation != self.generation || cannot_come || self.asked.len() >= MAX_WAITING {
            return false;
        }
        let attested = self.done.get(&key);
        let fresh = attested.is_some_and(|since| now.since(*since) < FRESH);
        if !fresh && !self.asked.contains(&key) && !self.under_way.contains_key(&key) {
            self.done.remove(&key);
            self.ahead.retain(|other| *other != key);
            self.asked.push_back(key);
        }
        true
    }

    /// Demands that the playlist, just fetched, does not know.
    pub(super) fn unknown(&mut self) -> Vec<SegmentKey> {
        let (known, unknown): (Vec<_>, Vec<_>) = std::mem::take(&mut self.asked)
            .into_iter()
            .partition(|key| self.find(key).is_some());
        self.asked = known.into();
        unknown
    }

    /// The next segment to fetch: what was asked for, what is new, what will be asked for.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<(SegmentKey, Segment)> {
        let (key, cause) = self
            .take_due(Cause::Asked, now)
            .or_else(|| self.next_new(now))
            .or_else(|| self.take_due(Cause::Ahead, now))?;
        let segment = self.find(&key)?.clone();
        if cause == Cause::Asked {
            self.look_ahead(key.sequence);
        }
        self.under_way.insert(key, cause);
        Some((key, segment))
    }

    /// A segment was attested.
    pub(super) fn on_attested(&mut self, key: SegmentKey, now: Timestamp) {
        self.under_way.remove(&key);
        self.failures.remove(&key);
        if key.generation == self.generation {
            self.done.insert(key, now);
        }
    }

    /// A fetch failed; whether somebody who asked has to be told that it is not to be had.
    pub(super) fn on_failed(&mut self, key: SegmentKey, now: Timestamp) -> bool {
        let cause = self.under_way.remove(&key);
        let times = self.failures.get(&key).map_or(1, |failed| failed.times + 1);
        let again = now + PAUSE * times;
        self.failures.insert(key, Failed { times, again });
        let given_up = times >= MAX_FAILURES;
        match cause {
            Some(Cause::Asked) if !given_up => self.asked.push_back(key),
            Some(Cause::Ahead) if !given_up => self.ahead.push_back(key),
            Some(Cause::Asked | Cause::Ahead) => {
                self.failures.remove(&key);
            }
            Some(Cause::New) | None => {}
        }
        given_up && cause == Some(Cause::Asked)
    }

    fn take_due(&mut self, cause: Cause, now: Timestamp) -> Option<(SegmentKey, Cause)> {
        let queue = match cause {
            Cause::Asked => &self.asked,
            Cause::Ahead | Cause::New => &self.ahead,
        };
        let due = |key: &SegmentKey| self.is_due(key, now) && self.find(key).is_some();
        let at = queue.iter().position(due)?;
        let queue = match cause {
            Cause::Asked => &mut self.asked,
            Cause::Ahead | Cause::New => &mut self.ahead,
        };
        queue.remove(at).map(|key| (key, cause))
    }

    fn is_due(&self, key: &SegmentKey, now: Timestamp) -> bool {
        let failed = self.failures.get(key);
        failed.is_none_or(|failed| failed.again <= now)
    }

    /// Queues what follows a demand for VOD.
    fn look_ahead(&mut self, sequence: u64) {
        let Some(media) = self.media.as_ref().filter(|media| media.on_demand) else {
            return;
        };
        let mut left = AHEAD;
        let following = media.segments.iter().filter(|one| one.sequence > sequence);
        let in_time = following.take_while(|one| {
            let begins_in_time = !left.is_zero();
            left = left.saturating_sub(one.duration);
            begins_in_time
        });
        let keys: Vec<_> = in_time.map(|one| self.key(one)).collect();
        for key in keys {
            let queued = self.ahead.contains(&key) || self.asked.contains(&key);
            if !queued && self.is_open(&key) && self.ahead.len() < MAX_WAITING {
                self.ahead.push_back(key);
            }
        }
    }

    /// The oldest segment of the followed live window that is not attested yet.
    fn next_new(&mut self, now: Timestamp) -> Option<(SegmentKey, Cause)> {
        let media = self.media.as_ref()?;
        if !self.followed || (media.on_demand && self.from.is_none()) {
            return None;
        }
        let start = media.segments.len().saturating_sub(HEAD_START);
        let edge = media.segments.get(start).map(|one| one.sequence);
        let from = self.from.or(edge)?;
        self.from = Some(from);
        let newer = media.segments.iter().filter(|one| one.sequence >= from);
        let given_up = |key: &SegmentKey| matches!(self.failures.get(key), Some(failed) if failed.times >= MAX_FAILURES);
        newer
            .map(|one| self.key(one))
            .find(|key| self.is_open(key) && self.is_due(key, now) && !given_up(key))
            .map(|key| (key, Cause::New))
    }

    fn is_open(&self, key: &SegmentKey) -> bool {
        !self.done.contains_key(key) && !self.under_way.contains_key(key)
    }

    fn is_anything_unknown(&self) -> bool {
        self.asked.iter().any(|key| self.find(key).is_none())
    }

    fn key(&self, segment: &Segment) -> SegmentKey {
        SegmentKey {
            content: self.content,
            track: self.track,
            generation: self.generation,
            sequence: segment.sequence,
            range: segment.range,
        }
    }

    fn find(&self, key: &SegmentKey) -> Option<&Segment> {
        let media = self.media.as_ref()?;
        let at = media
            .segments
            .binary_search_by_key(&key.sequence, |one| one.sequence);
        let segment = media.segments.get(at.ok()?)?;
        (self.key(segment) == *key).then_some(segment)
    }

    fn runs_backwards(&self, new: &Media) -> bool {
        match (self.last_sequence(), new.segments.last()) {
            (Some(old), Some(new)) => new.sequence < old,
            (Some(_), None) | (None, _) => false,
        }
    }

    /// Whether the new playlist ends before the old one began: no cache is that far behind.
    fn lies_before(&self, new: &Media) -> bool {
        let first = self.media.as_ref().and_then(|media| media.segments.first());
        let last = new.segments.last();
        matches!((first, last), (Some(first), Some(last)) if last.sequence < first.sequence)
    }

    fn last_sequence(&self) -> Option<u64> {
        let media = self.media.as_ref()?;
        media.segments.last().map(|one| one.sequence)
    }
}

#[cfg(test)]
mod tests;
