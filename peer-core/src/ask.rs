//! Asking parents: whom for what, and what follows when they do not answer.

use core::time::Duration;

use runnel_protocol::control::LinkResult;
use runnel_protocol::ids::ContentId;
use runnel_protocol::peer::{Control, Request, RequestId};
use runnel_protocol::segment::{SegmentKey, Substream, SubstreamSet, chunk_count};
use runnel_protocol::time::{Timestamp, millis};

use crate::fetch::Asked;
use crate::input::LinkId;
use crate::peer::Peer;
use crate::schedule::{self, Run};
use crate::source::Candidate;

/// Segments had elsewhere, one after another, that make a parent count as stalled.
const MAX_MISSES: u32 = 3;
/// Silence after which a parent that owes something counts as stalled at once. A healthy path
/// needs up to 3.3 s for its first segment: 2 s until the next is published, 0.25 s until the
/// waypoint sees it, 1 s through an uplink of twice the rate (measured).
const SILENCE: Duration = Duration::from_millis(3500);
/// The same of a parent that has few stripes to give: of a segment it sends one chunk or two, early in
/// one and late in the next.
const SILENCE_OF_FEW: Duration = Duration::from_millis(5500);
/// Places after which all of a segment should have come: two segments' time, where a healthy path
/// needs little more than one.
const OWED_AFTER: u64 = 2;
/// Asks for a segment of unknown length: all of it.
const ALL: u32 = u32::MAX;

impl Peer {
    /// Asks parents that were not asked yet for what is missing; `false` if there are none.
    pub(crate) fn ask(
        &mut self,
        segment: SegmentKey,
        candidates: &[Candidate],
        now: Timestamp,
    ) -> bool {
        let runs = self.plan(&segment, candidates);
        let Some(need) = self.fetches.needs.get_mut(&segment) else {
            return false;
        };
        let some = !runs.is_empty();
        let within_ms = millis(need.due.since(now));
        need.asked.extend(runs.iter().map(|run| run.link));
        for Run { link, first, count } in runs {
            let asked = Asked {
                segment,
                first,
                count,
                answered: 0,
            };
            self.engage(link, now);
            let id = self.fetches.ask(link, asked);
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
        some
    }

    /// Whom to ask for which chunks, besides those that were asked or push already.
    fn plan(&self, segment: &SegmentKey, candidates: &[Candidate]) -> Vec<Run> {
        let Some(need) = self.fetches.needs.get(segment) else {
            return Vec::new();
        };
        let is_new = |one: &&Candidate| {
            let link = one.link();
            let known = need.asked.contains(&link) || need.declined.contains(&link);
            let owing = need.pushed && self.owes(link, segment);
            !known && !owing
        };
        let others: Vec<_> = candidates.iter().filter(is_new).copied().collect();
        let stripes = self.stripes(segment.content);
        let all = SubstreamSet::all(stripes);
        // Only who has all of a segment can be asked for all, and only by whom it is to have all.
        let takes_all = self.carries(segment.content) == all;
        let have_all = others.iter().filter(|one| takes_all && one.carries == all);
        let have_all: Vec<_> = have_all.copied().collect();
        let Some(entry) = self.verifier.entry(segment) else {
            return self.whole(segment, &have_all);
        };
        let missing = self.buffer.missing(segment, entry.body.length);
        let nothing_yet = missing.len() as u64 == u64::from(chunk_count(entry.body.length));
        if nothing_yet && !have_all.is_empty() {
            return self.whole(segment, &have_all);
        }
        let sought = self.sought(segment.content);
        let is_sought = |index: &u32| {
            let stripe = Substream::of(segment.sequence, *index, stripes);
            sought.contains(stripe)
        };
        let missing: Vec<_> = missing.into_iter().filter(is_sought).collect();
        schedule::pull(&missing, segment.sequence, stripes, &others)
    }

    /// One run over everything, from the peer whose turn it is. An agent asks on behalf of others
    /// and may be asked by whom it asks, through a third: it keeps to one tree.
    fn whole(&self, segment: &SegmentKey, others: &[Candidate]) -> Vec<Run> {
        let turn = Substream::of(segment.sequence, 0, self.stripes(segment.content));
        let along = Some(turn).filter(|_| !self.config.has_origin());
        let link = along
            .and_then(|turn| schedule::pull_along(turn, others))
            .or_else(|| schedule::pull_unknown(segment.sequence, others));
        link.map(|link| Run {
            link,
            first: 0,
            count: ALL,
        })
        .into_iter()
        .collect()
    }

    /// Whether a link pushes stripes of a segment of which chunks are missing; any stripes, while
    /// nothing is known of the segment.
    fn owes(&self, link: LinkId, segment: &SegmentKey) -> bool {
        let track = (link, segment.content, segment.track);
        let Some(pushed) = self.subscribed.get(&track) else {
            return false;
        };
        let Some(entry) = self.verifier.entry(segment) else {
            return true;
        };
        let stripes = self.stripes(segment.content);
        let missing = self.buffer.missing(segment, entry.body.length);
        let stripe = |index: u32| Substream::of(segment.sequence, index, stripes);
        missing
            .into_iter()
            .any(|index| pushed.contains(stripe(index)))
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

    /// Parents that were to bring a segment, had time to, and did not: those that were silent all
    /// the while are stalled at once, those that drip after a few times.
    pub(crate) fn blame(&mut self, segment: SegmentKey, now: Timestamp) {
        let Some(need) = self.fetches.needs.get(&segment) else {
            return;
        };
        if !need.had_time(now) {
            return;
        }
        let pushers = self.pushers(&segment).filter(|_| need.pushed);
        let pushers = pushers.filter(|link| self.owes(*link, &segment));
        let responsible: Vec<_> = need.asked.iter().copied().chain(pushers).collect();
        let mut stalled = false;
        for id in responsible {
            stalled |= self.miss(id, &segment, now);
        }
        if stalled {
            self.resubscribe(segment.content, now);
        }
    }

    /// Parents whose stripes of a pushed segment are missing while others have to be asked for
    /// them: one that sends something else instead is found out although nothing is late.
    pub(crate) fn blame_pushers(&mut self, segment: SegmentKey, now: Timestamp) {
        if self.verifier.entry(&segment).is_none() {
            return;
        }
        let pushers = self.pushers(&segment);
        let owing: Vec<_> = pushers.filter(|link| self.owes(*link, &segment)).collect();
        let mut stalled = false;
        for id in owing {
            stalled |= self.miss(id, &segment, now);
        }
        if stalled {
            self.resubscribe(segment.content, now);
        }
    }

    /// News of a segment: whoever pushes has to have brought all of an earlier one by now. An agent
    /// that plays nothing itself asks nobody for it, and would never find out.
    pub(crate) fn look_for_owed(&mut self, news: &SegmentKey, now: Timestamp) {
        let Some(owed) = self.verifier.before(news, OWED_AFTER) else {
            return;
        };
        let of = (owed.content, owed.track);
        let serves = self.children.keys().any(|key| (key.1, key.2) == of);
        if serves && !self.fetches.needs.contains_key(&owed) {
            self.blame_pushers(owed, now);
        }
    }

    /// Something is about to be asked of a parent: if it owed nothing, its silence begins here.
    pub(crate) fn engage(&mut self, id: LinkId, now: Timestamp) {
        let pushes = self.subscribed.keys().any(|(link, _, _)| *link == id);
        if !pushes
            && self.fetches.outstanding(id) == 0
            && let Some(link) = self.links.get_mut(id)
        {
            link.heard = now;
        }
    }

    /// For how long a parent may bring nothing although it owes something.
    fn silence(&self, id: LinkId, content: ContentId) -> Duration {
        let all = SubstreamSet::all(self.stripes(content));
        let peer = self.links.get(id).and_then(|link| link.peer);
        let known = self.contents.get(&content);
        let assign = known.and_then(|known| known.assign.as_ref());
        let mut parents = assign.into_iter().flat_map(|assign| &assign.parents);
        let parent = parents.find(|parent| Some(parent.contact.peer) == peer);
        if parent.is_some_and(|parent| parent.carries != all) {
            SILENCE_OF_FEW
        } else {
            SILENCE
        }
    }

    /// Puts a segment down as missed by a parent; `true` if that makes it stalled.
    fn miss(&mut self, id: LinkId, segment: &SegmentKey, now: Timestamp) -> bool {
        let silence = self.silence(id, segment.content);
        let Some(link) = self.links.get_mut(id) else {
            return false;
        };
        let need = self.fetches.needs.get_mut(segment);
        // Asked elsewhere first and of the CDN then, a segment is late once.
        link.misses += u32::from(need.is_none_or(|need| need.blamed.insert(id)));
        let stalled = now.since(link.heard) >= silence || link.misses >= MAX_MISSES;
        if stalled {
            link.stall(now);
        }
        if let Some(peer) = link.peer {
            self.ledger.late(peer, segment.content);
            if stalled {
                self.report(peer, LinkResult::Stalled);
            }
        }
        stalled
    }
}
