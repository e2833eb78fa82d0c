//! Standing wishes of children: what is pushed to whom.

use core::time::Duration;

use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::peer::{CloseReason, Control, Subscribe};
use runnel_protocol::segment::{SegmentKey, Substream, SubstreamSet, chunk_count};
use runnel_protocol::time::Timestamp;

use crate::input::LinkId;
use crate::peer::Peer;
use crate::upload::Order;

/// When a pushed segment counts as due: a typical live buffer. Only the order matters.
const PUSH_DUE: Duration = Duration::from_secs(4);
/// Segments that a new subscriber gets at once, oldest first.
pub(crate) const CATCH_UP: usize = 8;
/// Most subscriptions, over all children and of each.
const MAX_SUBSCRIPTIONS: usize = 1024;
const MAX_SUBSCRIPTIONS_EACH: usize = 64;

/// A child's standing wish.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) wish: Subscribe,
    /// The track's generation when the wish came: in a later one sequences start anew.
    generation: u32,
}

impl Subscription {
    fn concerns(&self, segment: &SegmentKey) -> bool {
        self.wish.content == segment.content
            && self.wish.track == segment.track
            && (self.wish.from <= segment.sequence || self.generation < segment.generation)
    }

    fn includes(&self, segment: &SegmentKey, index: u32) -> bool {
        let stripe = Substream::of(segment.sequence, index, self.wish.stripes);
        self.wish.substreams.contains(stripe)
    }
}

impl Peer {
    pub(crate) fn on_subscribe(&mut self, link: LinkId, wish: Subscribe, now: Timestamp) {
        let (content, track) = (wish.content, wish.track);
        if !self.may_send(link, content, track, now) {
            return self.hang_up(link, CloseReason::Unauthorised, now);
        }
        if !self.has_room_for(link, &wish) {
            return self.hang_up(link, CloseReason::Full, now);
        }
        let generation = self.timeline.generation(content, track);
        let subscription = Subscription { wish, generation };
        if self.moves_on(link, &subscription) {
            self.drop_pushes(link, (content, track), subscription.wish.from);
            self.children.insert((link, content, track), subscription);
            return;
        }
        let first = SegmentKey {
            content,
            track,
            generation,
            sequence: subscription.wish.from,
            range: None,
        };
        let before = self.children.get(&(link, content, track)).cloned();
        if before.is_some() {
            self.trim_pushes(link, &subscription);
        }
        let held: Vec<_> = self.buffer.onward(first).copied().collect();
        let newest = held.iter().skip(held.len().saturating_sub(CATCH_UP));
        for (segment, later) in newest.zip(0..) {
            // Each after the one before: the oldest is played first.
            let due = now + PUSH_DUE + Duration::from_micros(later);
            self.push_besides(link, &subscription, before.as_ref(), (segment, due), now);
        }
        self.children.insert((link, content, track), subscription);
        self.resubscribe(content, now);
    }

    /// Whether a child that gets these very stripes only says that it needs nothing older any more.
    fn moves_on(&self, link: LinkId, new: &Subscription) -> bool {
        let wish = &new.wish;
        let known = self.children.get(&(link, wish.content, wish.track));
        known.is_some_and(|known| {
            let stripes = |wish: &Subscribe| (wish.stripes, wish.substreams);
            stripes(&known.wish) == stripes(wish) && known.wish.from <= wish.from
        })
    }

    /// What has not begun of a track's segments before `from` need not be sent to a child.
    fn drop_pushes(&mut self, link: LinkId, (content, track): (ContentId, TrackId), from: u64) {
        let older = |segment: &SegmentKey| {
            (segment.content, segment.track) == (content, track) && segment.sequence < from
        };
        self.uploads.take_pushes(link, older);
    }

    fn has_room_for(&self, link: LinkId, wish: &Subscribe) -> bool {
        let known = self
            .children
            .contains_key(&(link, wish.content, wish.track));
        let of_link = self.children.keys().filter(|key| key.0 == link).count();
        known || (self.children.len() < MAX_SUBSCRIPTIONS && of_link < MAX_SUBSCRIPTIONS_EACH)
    }

    pub(crate) fn on_unsubscribe(
        &mut self,
        link: LinkId,
        content: ContentId,
        track: TrackId,
        now: Timestamp,
    ) {
        self.children.remove(&(link, content, track));
        self.drop_pushes(link, (content, track), u64::MAX);
        self.resubscribe(content, now);
    }

    /// Of what waits to be pushed to a child, leaves out the stripes that it has from others now. What is older
    /// than its wish it counts on: that goes on to its end.
    fn trim_pushes(&mut self, link: LinkId, to: &Subscription) {
        self.uploads.trim_pushes(link, |segment, index| {
            !to.concerns(segment) || to.includes(segment, index)
        });
    }

    /// Pushes what is here of a segment to a subscriber, the rest as it comes; not what goes to him
    /// anyway because he asked.
    fn push(&mut self, link: LinkId, to: &Subscription, segment: &SegmentKey, now: Timestamp) {
        if !self.uploads.is_pushing(link, segment) {
            self.push_besides(link, to, None, (segment, now + PUSH_DUE), now);
        }
    }

    /// The same besides what went to him by an earlier wish.
    fn push_besides(
        &mut self,
        link: LinkId,
        to: &Subscription,
        before: Option<&Subscription>,
        (segment, due): (&SegmentKey, Timestamp),
        now: Timestamp,
    ) {
        let Some(entry) = self.current_entry(segment, now) else {
            return;
        };
        let before = before.filter(|before| before.concerns(segment));
        let wanted = (0..chunk_count(entry.body.length))
            .filter(|index| to.includes(segment, *index))
            .filter(|index| before.is_none_or(|before| !before.includes(segment, *index)))
            .filter(|index| !self.uploads.is_answering(link, segment, *index))
            .collect();
        let (ready, awaiting) = self.sort(segment, wanted);
        if !ready.is_empty() || !awaiting.is_empty() {
            self.uploads.add(Order {
                link,
                entry,
                request: None,
                asked: 0..0,
                ready,
                awaiting,
                priority: self.priority(link, segment.content),
                due,
            });
        }
    }

    /// Subscribers hear of a segment before its chunks, so that they can have the CDN fill holes.
    /// Who brought the news needs not hear it.
    pub(crate) fn announce(&mut self, segment: &SegmentKey, from: Option<LinkId>) {
        let Some(entry) = self.verifier.entry(segment).cloned() else {
            return;
        };
        for (link, _) in self.subscribers(segment, from) {
            self.send(link, Control::Announce(entry.clone()));
        }
    }

    /// A chunk is proven: everybody below who waits for it gets it, but nobody gets back what he
    /// sent.
    pub(crate) fn pass_on(
        &mut self,
        segment: &SegmentKey,
        index: u32,
        from: Option<LinkId>,
        now: Timestamp,
    ) {
        for (link, subscription) in self.subscribers(segment, from) {
            if subscription.includes(segment, index) {
                self.push(link, &subscription, segment, now);
            }
        }
        self.uploads.on_chunk(segment, index, from);
    }

    fn subscribers(
        &self,
        segment: &SegmentKey,
        besides: Option<LinkId>,
    ) -> Vec<(LinkId, Subscription)> {
        self.children
            .iter()
            .filter(|((link, _, _), one)| Some(*link) != besides && one.concerns(segment))
            .map(|((link, _, _), one)| (*link, one.clone()))
            .collect()
    }

    /// The stripes of a track that somebody gets from here.
    pub(crate) fn serves_stripes(
        &self,
        link: LinkId,
        content: ContentId,
        track: TrackId,
    ) -> SubstreamSet {
        let subscription = self.children.get(&(link, content, track));
        subscription.map_or(SubstreamSet::EMPTY, |one| one.wish.substreams)
    }
}
