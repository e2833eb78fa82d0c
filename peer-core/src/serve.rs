//! Serving children what they ask for; what they have pushed to them is in `push`.

use crate::sorted::SortedSet;
use core::time::Duration;

use runnel_protocol::control::Child;
use runnel_protocol::ids::ContentId;
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::{Control, Decline, Request, RequestId};
use runnel_protocol::segment::{SegmentKey, Substream, chunk_count};
use runnel_protocol::time::Timestamp;

use crate::buffer::Slot;
use crate::input::LinkId;
use crate::peer::Peer;
use crate::upload::Order;

/// How long after its due time an upload is still worth finishing.
pub(crate) const GRACE: Duration = Duration::from_secs(8);
/// The longest that a request may ask to be waited for.
const LONGEST: u32 = 60_000;
/// Most unanswered requests, over all children and of each.
const MAX_ASKING: usize = 512;
const MAX_ASKING_EACH: usize = 64;

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

impl Peer {
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
    pub(crate) fn current_entry(
        &self,
        segment: &SegmentKey,
        now: Timestamp,
    ) -> Option<SignedEntry> {
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

    /// How much it matters that a child gets its data soon. An assignment names the children that
    /// are agents; the others are viewers.
    pub(crate) fn priority(&self, link: LinkId, content: ContentId) -> u8 {
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
    pub(crate) fn sort(
        &self,
        segment: &SegmentKey,
        wanted: SortedSet<u32>,
    ) -> (SortedSet<u32>, SortedSet<u32>) {
        wanted
            .into_iter()
            .partition(|index| !matches!(self.buffer.get(segment, *index), Slot::Missing))
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
