//! Serving children: who gets what, by standing wish or by request.

use crate::sorted::SortedSet;
use core::time::Duration;

use runnel_protocol::control::Child;
use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::{CloseReason, Control, Decline, Request, RequestId, Subscribe};
use runnel_protocol::segment::{SegmentKey, Substream, SubstreamSet, chunk_count};
use runnel_protocol::time::Timestamp;

use crate::buffer::Slot;
use crate::input::LinkId;
use crate::peer::Peer;
use crate::upload::Order;

/// When a pushed segment counts as due: a typical live buffer. Only the order matters.
const PUSH_DUE: Duration = Duration::from_secs(4);
/// How long after its due time an upload is still worth finishing.
pub(crate) const GRACE: Duration = Duration::from_secs(8);
/// The longest that a request may ask to be waited for.
const LONGEST: u32 = 60_000;
/// Segments that a new subscriber gets at once, newest last.
pub(crate) const CATCH_UP: usize = 8;
/// Most subscriptions and unanswered requests, over all children and of each.
const MAX_SUBSCRIPTIONS: usize = 1024;
const MAX_SUBSCRIPTIONS_EACH: usize = 64;
const MAX_ASKING: usize = 512;
const MAX_ASKING_EACH: usize = 64;

/// A child's standing wish.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) wish: Subscribe,
    /// The track's generation when the wish came: in a later one sequences start anew.
    generation: u32,
}

/// A child's request for a segment whose entry is not known here yet.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) link: LinkId,
    request: RequestId,
    pub(crate) segment: SegmentKey,
    first: u32,
    count: u32,
    due: Timestamp,
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

    pub(crate) fn on_request(&mut self, link: LinkId, request: &Request, now: Timestamp) {
        let segment = request.segment;
        if !self.may_send(link, segment.content, segment.track, now) {
            return self.decline(link, request.id, Decline::NotAllowed);
        }
        let within = Duration::from_millis(u64::from(request.within_ms.min(LONGEST)));
        let asking = Asking {
            link,
            request: request.id,
            segment,
            first: request.first,
            count: request.count,
            due: now + within,
        };
        if let Some(entry) = self.current_entry(&segment, now) {
            return self.answer(&asking, entry, now);
        }
        let of_link = self.asking.iter().filter(|asking| asking.link == link);
        if self.asking.len() >= MAX_ASKING || of_link.count() >= MAX_ASKING_EACH {
            return self.decline(link, request.id, Decline::Busy);
        }
        let due = asking.due;
        let first = !self.asking.iter().any(|asking| asking.segment == segment);
        self.asking.push(asking);
        if !self.recall(&segment, now) && first {
            self.seek(segment, due, now);
        }
    }

    /// A segment's entry, if it still proves something to others.
    fn current_entry(&self, segment: &SegmentKey, now: Timestamp) -> Option<SignedEntry> {
        let date = self.date(now);
        self.verifier
            .entry(segment)
            .filter(|_| self.verifier.is_current(segment, date))
            .cloned()
    }

    /// A segment's entry became known: requests that waited for it are answered.
    pub(crate) fn answer_asking(&mut self, segment: &SegmentKey, now: Timestamp) {
        let Some(entry) = self.verifier.entry(segment).cloned() else {
            return;
        };
        for asking in self.take_asking(|asking| asking.segment == *segment) {
            self.answer(&asking, entry.clone(), now);
        }
    }

    fn answer(&mut self, asking: &Asking, entry: SignedEntry, now: Timestamp) {
        let end = asking
            .first
            .saturating_add(asking.count)
            .min(chunk_count(entry.body.length));
        let wanted: SortedSet<u32> = (asking.first..end).collect();
        let (ready, mut awaiting) = self.sort(&asking.segment, wanted);
        awaiting.retain(|index| self.is_to_have(&asking.segment, *index));
        if ready.is_empty() && awaiting.is_empty() {
            return self.decline(asking.link, asking.request, Decline::NotHere);
        }
        let lacking = !awaiting.is_empty();
        let order = Order {
            link: asking.link,
            entry,
            request: Some(asking.request),
            asked: asking.first..end,
            ready,
            awaiting,
            priority: self.priority(asking.link, asking.segment.content),
            due: asking.due,
        };
        if !self.uploads.add(order) {
            return self.decline(asking.link, asking.request, Decline::Busy);
        }
        if lacking {
            self.seek(asking.segment, asking.due, now);
        }
    }

    fn is_to_have(&self, segment: &SegmentKey, index: u32) -> bool {
        let stripe = Substream::of(segment.sequence, index, self.stripes(segment.content));
        self.carries(segment.content).contains(stripe)
    }

    /// Of what waits to be pushed to a child, leaves out the stripes that it has from others now.
    fn trim_pushes(&mut self, link: LinkId, to: &Subscription) {
        let (content, track) = (to.wish.content, to.wish.track);
        self.uploads.trim_pushes(link, |segment, index| {
            (segment.content, segment.track) != (content, track) || to.includes(segment, index)
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

    /// How much it matters that a child gets its data soon. An assignment names the children that
    /// are agents; the others are viewers.
    fn priority(&self, link: LinkId, content: ContentId) -> u8 {
        self.agent_child(link, content)
            .map_or(0, |child| child.priority)
    }

    pub(crate) fn is_agent_child(&self, link: LinkId, content: ContentId) -> bool {
        self.agent_child(link, content).is_some()
    }

    fn agent_child(&self, link: LinkId, content: ContentId) -> Option<&Child> {
        let peer = self.links.get(link).and_then(|link| link.peer);
        let assign = self
            .contents
            .get(&content)
            .and_then(|known| known.assign.as_ref());
        let mut children = assign.into_iter().flat_map(|assign| &assign.children);
        children.find(|child| Some(child.contact.peer) == peer)
    }

    /// Which chunks are here and which are not.
    fn sort(
        &self,
        segment: &SegmentKey,
        wanted: SortedSet<u32>,
    ) -> (SortedSet<u32>, SortedSet<u32>) {
        wanted
            .into_iter()
            .partition(|index| !matches!(self.buffer.get(segment, *index), Slot::Missing))
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

    pub(crate) fn on_cancel(&mut self, link: LinkId, request: RequestId, now: Timestamp) {
        let asking = self.take_asking(|asking| asking.link == link && asking.request == request);
        let mut segments: SortedSet<_> = asking.iter().map(|asking| asking.segment).collect();
        let cancelled = self.uploads.take_request(link, request);
        segments.extend(cancelled.iter().map(|(_, job)| job.segment()));
        self.reset(cancelled);
        segments
            .into_iter()
            .for_each(|segment| self.advance(segment, now));
    }

    /// Neither the origin nor anybody above has it: whoever asked hears so, or gets what there is.
    pub(crate) fn on_unattainable(&mut self, segment: &SegmentKey) {
        self.uploads.give_up(segment);
        for asking in self.take_asking(|asking| asking.segment == *segment) {
            self.decline(asking.link, asking.request, Decline::NotHere);
        }
    }

    /// Ends what came too late to be of use.
    pub(crate) fn give_up_serving(&mut self, now: Timestamp) {
        for asking in self.take_asking(|asking| now.since(asking.due) > GRACE) {
            self.decline(asking.link, asking.request, Decline::NotHere);
        }
    }

    /// Whether a child waits for a segment.
    pub(crate) fn is_needed_below(&self, segment: &SegmentKey) -> bool {
        self.uploads.is_awaited(segment)
            || self.asking.iter().any(|asking| asking.segment == *segment)
    }

    /// Whether the peer at the end of this link waits for a segment from here: to ask him for it
    /// would be to go in circles.
    pub(crate) fn is_asked_by(&self, link: LinkId, segment: &SegmentKey) -> bool {
        let mut asking = self.asking.iter();
        self.uploads.is_awaited_by(link, segment)
            || asking.any(|asking| asking.link == link && asking.segment == *segment)
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

    fn take_asking(&mut self, which: impl Fn(&Asking) -> bool) -> Vec<Asking> {
        self.asking.extract_if(.., |asking| which(asking)).collect()
    }

    pub(crate) fn decline(&mut self, link: LinkId, request: RequestId, reason: Decline) {
        self.send(link, Control::Decline { request, reason });
    }

    /// A parent is going: its children look for others at once.
    pub(crate) fn on_peer_drains(&mut self, id: LinkId, now: Timestamp) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.stalled_until = Some(now + GRACE);
        link.drains_at = Some(now + GRACE);
        self.resubscribe_all(now);
        self.advance_all(now);
    }
}
