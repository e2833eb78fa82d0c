//! Getting a segment in time: from here, by push, by asking, and last from the CDN.

use core::time::Duration;

use runnel_protocol::control::{LinkResult, Source};
use runnel_protocol::peer::{Control, Request, RequestId};
use runnel_protocol::segment::{SegmentKey, chunk_count};
use runnel_protocol::time::Timestamp;

use crate::buffer::Slot;
use crate::fetch::{Asked, Need};
use crate::input::{LinkId, Want, WantId};
use crate::output::{Delivered, Output};
use crate::peer::{Peer, Playing};
use crate::playout::Patience;
use crate::schedule::{self, Run};
use crate::source::Candidate;

/// How long a parent that let a segment down is not asked.
const STALLED: Duration = Duration::from_secs(10);
/// Chunks had elsewhere, one after another, that make a parent count as stalled.
const MAX_MISSES: u32 = 3;
/// A need of children alone is given up this long after it was due.
const OVERDUE: Duration = Duration::from_secs(4);
/// Asks for a segment of unknown length: all of it.
const ALL: u32 = u32::MAX;

impl Peer {
    /// The player asks for a segment.
    pub(crate) fn on_want(&mut self, want: Want, now: Timestamp) {
        let generation = self.timeline.generation(want.content, want.track);
        let segment = SegmentKey {
            content: want.content,
            track: want.track,
            generation,
            sequence: want.sequence,
            range: want.range,
        };
        self.follow(&want, now);
        let due = now + want.due_in;
        let (id, urgent, path) = (want.id, want.urgent, want.path);
        let Some(need) = self.fetches.need(segment, due, now) else {
            return self.output(Output::Fail(id));
        };
        if let Some(superseded) = need.want.replace(want) {
            self.output(Output::Fail(superseded.id));
        }
        let foreign = self
            .verifier
            .entry(&segment)
            .is_some_and(|entry| entry.body.path != path);
        if foreign || (urgent && !self.is_whole(&segment)) {
            self.start_origin(segment, foreign || urgent, now);
        } else {
            self.advance(segment, now);
        }
    }

    /// Has the track that the player plays pushed, from the next segment on.
    fn follow(&mut self, want: &Want, now: Timestamp) {
        let Some(content) = self.contents.get_mut(&want.content) else {
            return;
        };
        self.ledger.playing(want.content).live = want.live;
        let from = if want.urgent {
            want.sequence + 1
        } else {
            want.sequence
        };
        let playing = Playing {
            track: want.track,
            from,
            live: want.live,
        };
        let before = content.playing.insert(want.kind, playing);
        let same =
            before.is_some_and(|before| before.track == want.track && before.live == want.live);
        if !same {
            self.resubscribe(want.content, now);
        }
    }

    pub(crate) fn on_abandon(&mut self, want: WantId, now: Timestamp) {
        let Some(segment) = self.fetches.wanted_as(want) else {
            return;
        };
        let Some(need) = self.fetches.needs.remove(&segment) else {
            return;
        };
        if let Some(fetch) = need.origin
            && self.fetches.origin.remove(&fetch).is_some()
        {
            self.output(Output::CancelFetch(fetch));
        }
        self.cancel_requests(&segment);
        self.seek_for_children(segment, now);
    }

    /// A child needs a segment that is not here.
    pub(crate) fn seek(&mut self, segment: SegmentKey, due: Timestamp, now: Timestamp) {
        if self.config.waypoint {
            return self.output(Output::DemandSegment(segment));
        }
        // A viewer's page passes on what it has; it fetches nothing on behalf of others.
        if self.config.origin && !self.fetches.needs.contains_key(&segment) {
            return self.on_unattainable(&segment);
        }
        if self.fetches.need(segment, due, now).is_some() {
            self.advance(segment, now);
        }
    }

    /// Goes on for children where the player no longer needs a segment, or the disk failed them.
    pub(crate) fn seek_for_children(&mut self, segment: SegmentKey, now: Timestamp) {
        if self.uploads.is_awaited(&segment) {
            self.seek(segment, now + OVERDUE, now);
        }
    }

    pub(crate) fn advance_all(&mut self, now: Timestamp) {
        let due: Vec<_> = self.fetches.needs.keys().copied().collect();
        due.into_iter()
            .for_each(|segment| self.advance(segment, now));
    }

    /// Takes the next step for a segment that is needed: whatever is due by now.
    pub(crate) fn advance(&mut self, segment: SegmentKey, now: Timestamp) {
        if self.finish_if_whole(segment) {
            return;
        }
        let pushed = self.is_subscribed(&segment);
        let candidates = self.candidates(segment.content, now);
        let Some(need) = self.fetches.needs.get_mut(&segment) else {
            return;
        };
        need.pushed = pushed;
        if need.origin.is_some() {
            return;
        }
        let overdue = now.since(need.due) > OVERDUE;
        let hopeless = candidates
            .iter()
            .all(|one| need.declined.contains(&one.link()));
        let times = Times::of(need, &self.pace);
        if need.want.is_some() && self.config.origin && (hopeless || times.rescue <= now) {
            self.blame(segment, now);
            return self.start_origin(segment, false, now);
        }
        if need.want.is_none() && (overdue || hopeless) {
            self.fetches.needs.remove(&segment);
            self.cancel_requests(&segment);
            return self.on_unattainable(&segment);
        }
        let hedge = !need.hedged && times.hedge <= now;
        if hedge {
            need.hedged = true;
        }
        if hedge || (!pushed && need.asked.is_empty()) {
            self.ask(segment, &candidates, now);
        }
    }

    /// When the next step for any need is due.
    pub(crate) fn next_need(&self) -> Option<Timestamp> {
        let next = |need: &Need| {
            let times = Times::of(need, &self.pace);
            match (need.origin, &need.want) {
                (Some(_), _) => None,
                (None, Some(_)) if self.config.origin && !need.hedged => {
                    Some(times.rescue.min(times.hedge))
                }
                (None, Some(_)) if self.config.origin => Some(times.rescue),
                (None, _) if !need.hedged => Some(times.hedge),
                (None, _) => Some(need.due + OVERDUE + Duration::from_millis(1)),
            }
        };
        self.fetches.needs.values().filter_map(next).min()
    }

    /// Asks parents that were not asked yet for what is missing.
    fn ask(&mut self, segment: SegmentKey, candidates: &[Candidate], now: Timestamp) {
        let runs = self.plan(&segment, candidates);
        let Some(need) = self.fetches.needs.get_mut(&segment) else {
            return;
        };
        let within_ms = u32::try_from(need.due.since(now).as_millis()).unwrap_or(u32::MAX);
        need.asked.extend(runs.iter().map(|run| run.link));
        for Run { link, first, count } in runs {
            let id = self.fetches.ask(link, Asked { segment, count });
            self.send(
                link,
                Control::Request(Request {
                    id,
                    segment,
                    first,
                    count,
                    within_ms,
                }),
            );
        }
    }

    /// Whom to ask for which chunks, besides those that were asked or push already.
    fn plan(&self, segment: &SegmentKey, candidates: &[Candidate]) -> Vec<Run> {
        let Some(need) = self.fetches.needs.get(segment) else {
            return Vec::new();
        };
        let pushers: Vec<_> = if need.pushed {
            self.pushers(segment).collect()
        } else {
            vec![]
        };
        let is_new = |one: &&Candidate| {
            let link = one.link();
            ![&need.asked, &need.declined]
                .iter()
                .any(|known| known.contains(&link))
                && !pushers.contains(&link)
        };
        let others: Vec<_> = candidates.iter().filter(is_new).copied().collect();
        let missing = self.verifier.entry(segment).map(|entry| {
            let missing = self.buffer.missing(segment, entry.body.length);
            (
                missing.len() as u64 == u64::from(chunk_count(entry.body.length)),
                missing,
            )
        });
        match missing {
            Some((false, missing)) => {
                let stripes = self
                    .contents
                    .get(&segment.content)
                    .map_or(1, |known| known.stripes);
                schedule::pull(&missing, segment.sequence, stripes, &others)
            }
            Some((true, _)) | None => whole(segment.sequence, &others),
        }
    }

    /// A parent will not answer: the next one is asked, or the CDN.
    pub(crate) fn on_decline(&mut self, link: LinkId, request: RequestId, now: Timestamp) {
        let Some(asked) = self.fetches.answered(link, request) else {
            return;
        };
        if let Some(need) = self.fetches.needs.get_mut(&asked.segment) {
            need.asked.remove(&link);
            need.declined.insert(link);
            self.advance(asked.segment, now);
        }
    }

    /// Parents that were to bring a segment and did not: those that were silent all the while are
    /// stalled at once, those that drip after a few times.
    fn blame(&mut self, segment: SegmentKey, now: Timestamp) {
        let Some(need) = self.fetches.needs.get(&segment) else {
            return;
        };
        let pushers: Vec<_> = if need.pushed {
            self.pushers(&segment).collect()
        } else {
            vec![]
        };
        let since = need.since;
        let responsible: Vec<_> = need.asked.iter().copied().chain(pushers).collect();
        let mut stalled = false;
        for id in responsible {
            let Some(link) = self.links.get_mut(id) else {
                continue;
            };
            link.misses += 1;
            let peer = link.peer;
            if link.heard <= since || link.misses >= MAX_MISSES {
                link.stalled_until = Some(now + STALLED);
                link.misses = 0;
                stalled = true;
                peer.into_iter()
                    .for_each(|peer| self.report(peer, LinkResult::Stalled));
            }
            peer.into_iter()
                .for_each(|peer| self.ledger.late(peer, segment.content));
        }
        if stalled {
            self.resubscribe(segment.content, now);
        }
    }

    /// Delivers a need whose chunks are all here. `true` if it is over.
    pub(crate) fn finish_if_whole(&mut self, segment: SegmentKey) -> bool {
        let Some(need) = self.fetches.needs.get(&segment) else {
            return true;
        };
        if !self.is_whole(&segment) {
            return false;
        }
        let Some(want) = &need.want else {
            self.fetches.needs.remove(&segment);
            self.cancel_requests(&segment);
            return true;
        };
        let id = want.id;
        let rescued = need.origin.is_some();
        let Some(delivered) = self.assemble(&segment, rescued) else {
            return false;
        };
        if let Some(need) = self.fetches.needs.remove(&segment)
            && let Some(fetch) = need.origin
            && self.fetches.origin.remove(&fetch).is_some()
        {
            self.output(Output::CancelFetch(fetch));
        }
        self.cancel_requests(&segment);
        self.output(Output::Deliver(id, delivered));
        true
    }

    /// The parts of a segment that is whole in memory.
    fn assemble(&self, segment: &SegmentKey, rescued: bool) -> Option<Delivered> {
        let mut delivered = Delivered {
            parts: Vec::new(),
            from_peers: 0,
            from_waypoints: 0,
            from_cdn: 0,
            rescued,
        };
        for slot in self.buffer.slots(segment)? {
            let Slot::Memory(chunk, source) = slot else {
                return None;
            };
            let bytes = u64::from(chunk.length());
            match source {
                Source::Peer => delivered.from_peers += bytes,
                Source::Waypoint => delivered.from_waypoints += bytes,
                Source::Cdn => delivered.from_cdn += bytes,
            }
            delivered.parts.push(chunk.data().clone());
        }
        Some(delivered)
    }

    pub(crate) fn cancel_requests(&mut self, segment: &SegmentKey) {
        for (link, request) in self.fetches.take_requests(segment) {
            self.send(link, Control::Cancel(request));
        }
    }
}

/// One run over everything, from the peer whose turn it is.
fn whole(sequence: u64, others: &[Candidate]) -> Vec<Run> {
    let link = schedule::pull_unknown(sequence, others);
    link.map(|link| Run {
        link,
        first: 0,
        count: ALL,
    })
    .into_iter()
    .collect()
}

/// When a need's next steps are due.
struct Times {
    hedge: Timestamp,
    rescue: Timestamp,
}

impl Times {
    fn of(need: &Need, pace: &crate::playout::CdnPace) -> Self {
        let patience = Patience::within(need.due.since(need.since));
        let patient = need.progress + patience.rescue;
        Self {
            hedge: need.progress + patience.hedge,
            rescue: pace.rescue_at(need.due).min(patient),
        }
    }
}
