//! Getting a segment in time: from here, by push, by asking, and last from the CDN.

use core::time::Duration;

use runnel_protocol::control::Source;
use runnel_protocol::ids::ContentId;
use runnel_protocol::segment::{SegmentKey, SubstreamSet};
use runnel_protocol::time::Timestamp;

use crate::buffer::Slot;
use crate::fetch::Need;
use crate::input::{Want, WantId};
use crate::output::{Delivered, Output};
use crate::peer::{Peer, Playing};
use crate::playout::{Pace, Patience};
use crate::source::Candidate;

/// A need that the CDN cannot serve is given up this long after it was due.
const OVERDUE: Duration = Duration::from_secs(4);
/// A track of which nothing was wanted for this long, beyond four segments, is not pushed any
/// more: the player is paused or gone.
const UNUSED: Duration = Duration::from_secs(10);

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
        let wait = self.start_wait(&want);
        let waits = want.urgent && !wait.is_zero();
        let due = now + if waits { wait } else { want.due_in };
        let (id, at_once) = (want.id, want.urgent && !waits);
        let Some(need) = self.fetches.need(segment, due, now) else {
            return self.output(Output::Fail(id));
        };
        let (superseded, fetch) = need.want(want, due, now);
        self.cancel_fetch(fetch);
        if let Some(superseded) = superseded {
            self.output(Output::Fail(superseded.id));
        }
        if at_once && self.config.has_origin() && !self.is_whole(&segment) {
            self.start_origin(segment, true, now);
        } else {
            self.advance(segment, now);
        }
    }

    /// How long the first segment of a start or a seek waits for peers.
    fn start_wait(&self, want: &Want) -> Duration {
        let content = self.contents.get(&want.content);
        let policy = content.and_then(|content| content.start_wait);
        policy.map_or(want.may_wait, |policy| policy.min(want.may_wait))
    }

    /// Whether a start waits although the coordinator does not know of the player yet.
    fn is_first_of_all(&self, segment: &SegmentKey) -> bool {
        let need = self.fetches.needs.get(segment);
        let starts = need.is_some_and(Need::is_start);
        starts && !self.contents.contains_key(&segment.content)
    }

    /// The coordinator has said how long a start may wait for peers.
    pub(crate) fn hurry(&mut self, content: ContentId, wait: Duration, now: Timestamp) {
        let mut hurried = Vec::new();
        for (segment, need) in self.fetches.needs.iter_mut() {
            if segment.content == content && need.is_start() && need.due > need.since + wait {
                need.due = need.since + wait;
                hurried.push(*segment);
            }
        }
        for segment in hurried {
            self.advance(segment, now);
        }
    }

    /// Whether what is attested for a wanted segment lies under another path than the player asks
    /// for: it plays from the CDN.
    fn is_foreign(&self, segment: &SegmentKey) -> bool {
        let need = self.fetches.needs.get(segment);
        let want = need.and_then(|need| need.want.as_ref());
        let entry = self.verifier.entry(segment);
        want.zip(entry)
            .is_some_and(|(want, entry)| entry.body.path != want.path)
    }

    /// Has the track that the player plays pushed, from the next segment on.
    fn follow(&mut self, want: &Want, now: Timestamp) {
        let at_once = want.urgent && self.start_wait(want).is_zero();
        let Some(content) = self.contents.get_mut(&want.content) else {
            return;
        };
        self.ledger.playing(want.content).live = want.live;
        let playing = Playing {
            track: want.track,
            from: want.sequence.saturating_add(u64::from(at_once)),
            live: want.live,
            until: now + want.duration * 4 + UNUSED,
        };
        let before = content.playing.insert(want.kind, playing);
        let same =
            before.is_some_and(|before| before.track == want.track && before.live == want.live);
        if !same {
            self.resubscribe(want.content, now);
        }
    }

    /// Stops following what the player has stopped playing.
    pub(crate) fn forget_unused(&mut self, now: Timestamp) {
        for content in self.contents.values_mut() {
            content.playing.retain(|_, playing| now < playing.until);
        }
    }

    pub(crate) fn on_abandon(&mut self, want: WantId, now: Timestamp) {
        let Some(segment) = self.fetches.wanted_as(want) else {
            return;
        };
        self.drop_need(&segment);
        self.seek_for_children(segment, now);
    }

    /// Forgets a need and whatever is under way for it.
    pub(crate) fn drop_need(&mut self, segment: &SegmentKey) -> Option<Need> {
        let need = self.fetches.needs.remove(segment)?;
        self.cancel_fetch(need.origin);
        self.cancel_requests(segment);
        Some(need)
    }

    fn cancel_fetch(&mut self, fetch: Option<crate::input::FetchId>) {
        if let Some(fetch) = fetch
            && self.fetches.origin.remove(&fetch).is_some()
        {
            self.output(Output::CancelFetch(fetch));
        }
    }

    /// A child needs a segment that is not here.
    pub(crate) fn seek(&mut self, segment: SegmentKey, due: Timestamp, now: Timestamp) {
        if self.config.is_waypoint() {
            return self.output(Output::DemandSegment(segment));
        }
        // A viewer's page passes on what it has; it fetches nothing on behalf of others.
        if self.config.has_origin() && !self.fetches.needs.contains_key(&segment) {
            return self.on_unattainable(&segment);
        }
        let known = self.fetches.needs.contains_key(&segment);
        let circles = !known && self.fetches.is_taken_back(&segment, now);
        if !circles && self.fetches.need(segment, due, now).is_some() {
            self.advance(segment, now);
        } else {
            self.on_unattainable(&segment);
        }
    }

    /// Goes on for children where the player no longer needs a segment, or the disk failed them.
    pub(crate) fn seek_for_children(&mut self, segment: SegmentKey, now: Timestamp) {
        if self.is_needed_below(&segment) {
            self.seek(segment, now + OVERDUE, now);
        }
    }

    pub(crate) fn advance_all(&mut self, now: Timestamp) {
        let all: Vec<_> = self.fetches.needs.keys().copied().collect();
        all.into_iter()
            .for_each(|segment| self.advance(segment, now));
    }

    /// Takes the next step for a segment that is needed: whatever is due by now.
    pub(crate) fn advance(&mut self, segment: SegmentKey, now: Timestamp) {
        if self.finish_if_whole(segment, now) {
            return;
        }
        let below = self.is_needed_below(&segment);
        let pushed = self.is_coming(&segment);
        let sought = !self.sought(segment.content).is_empty();
        let candidates = self.candidates(segment.content, now);
        let reaching =
            sought && (self.is_reaching_parents(segment.content) || self.is_first_of_all(&segment));
        let foreign = self.is_foreign(&segment);
        let circular = |one: &Candidate| self.is_asked_by(one.link(), &segment);
        // Of what was never heard of, only who has all can be asked.
        let all = SubstreamSet::all(self.stripes(segment.content));
        let known = pushed || self.verifier.entry(&segment).is_some();
        let candidates: Vec<_> = candidates
            .into_iter()
            .filter(|one| sought && !circular(one) && (known || one.carries == all))
            .collect();
        let Some(need) = self.fetches.needs.get_mut(&segment) else {
            return;
        };
        need.pushed = pushed;
        let declined = |one: &Candidate| need.declined.contains(&one.link());
        let hopeless = foreign || (!reaching && candidates.iter().all(declined));
        match need.next_step(self.config.has_origin(), below, hopeless, &self.pace, now) {
            Step::Wait => {}
            Step::Ask => {
                self.ask(segment, &candidates, now);
            }
            Step::Hedge => {
                if self.ask(segment, &candidates, now) {
                    self.blame_pushers(segment, now);
                }
            }
            Step::Rescue => {
                self.blame(segment, now);
                self.start_origin(segment, foreign, now);
            }
            Step::GiveUp => {
                if need.want.is_none() && !below {
                    self.fetches.note_taken_back(segment, now);
                }
                self.give_up(&segment);
            }
        }
    }

    /// Nobody can help: the player decides what follows, and children ask elsewhere.
    pub(crate) fn give_up(&mut self, segment: &SegmentKey) {
        let need = self.drop_need(segment);
        if let Some(want) = need.and_then(|need| need.want) {
            self.output(Output::Fail(want.id));
        }
        self.on_unattainable(segment);
    }

    /// When the next step for any need is due.
    pub(crate) fn next_need(&self) -> Option<Timestamp> {
        let needs = self.fetches.needs.values();
        let next = needs.filter_map(|need| need.next_time(self.config.has_origin(), &self.pace));
        next.min()
    }

    /// Delivers a need whose chunks are all here. `true` if it is over.
    pub(crate) fn finish_if_whole(&mut self, segment: SegmentKey, now: Timestamp) -> bool {
        let Some(need) = self.fetches.needs.get(&segment) else {
            return true;
        };
        if !self.is_whole(&segment) || self.is_foreign(&segment) {
            return false;
        }
        if need.want.is_none() {
            self.drop_need(&segment);
            return true;
        }
        let rescued = need.origin.is_some();
        let late = need.pushed && (need.hedged || rescued);
        // Who asked others too early learns to wait; whom others had to help learns nothing.
        let pushed = need.pushed && !rescued && !need.answered && need.want.is_some();
        let took = pushed.then(|| now.since(need.since));
        let Some(delivered) = self.assemble(&segment, rescued) else {
            self.fetch_from_disk(segment);
            return false;
        };
        if let Some(want) = self.drop_need(&segment).and_then(|need| need.want) {
            self.output(Output::Deliver(want.id, delivered));
        }
        if let Some(took) = took {
            self.pace.pushes.note(took);
        }
        if late {
            self.move_on(&segment);
        }
        true
    }

    fn fetch_from_disk(&mut self, segment: SegmentKey) {
        let slots = self.buffer.slots(&segment).unwrap_or_default();
        let on_disk: Vec<u32> = slots
            .iter()
            .zip(0..)
            .filter(|(slot, _)| matches!(slot, Slot::Disk))
            .map(|(_, index)| index)
            .collect();
        on_disk
            .into_iter()
            .for_each(|index| self.load(segment, index));
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

    /// Tells parents that what they were asked for need not come any more.
    pub(crate) fn cancel_requests(&mut self, segment: &SegmentKey) {
        let entry = self.verifier.entry(segment);
        let length = entry.map(|entry| entry.body.length);
        for (link, request) in self.fetches.take_requests(segment, length) {
            self.send(link, runnel_protocol::peer::Control::Cancel(request));
        }
    }
}

/// What a need calls for.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Wait,
    /// Ask parents that were not asked yet.
    Ask,
    /// The same, because those that were to bring it let it wait.
    Hedge,
    /// Have the CDN fill the holes.
    Rescue,
    GiveUp,
}

impl Need {
    /// What to do now. `cdn` says whether this peer can turn to it, `below` whether children wait,
    /// `hopeless` that no parent is left who has not declined.
    fn next_step(
        &mut self,
        cdn: bool,
        below: bool,
        hopeless: bool,
        pace: &Pace,
        now: Timestamp,
    ) -> Step {
        let hedge = self.hedge_at(pace);
        let wanted = self.want.is_some();
        if self.origin.is_some() {
            return Step::Wait;
        }
        let turns_to_cdn = wanted && cdn;
        let failed = self.cdn_again.is_some();
        if turns_to_cdn && !failed {
            if hopeless || self.rescue_at(pace) <= now {
                return Step::Rescue;
            }
        } else if hopeless || self.given_up_at() <= now || !(wanted || below) {
            return Step::GiveUp;
        } else if turns_to_cdn && self.cdn_again <= Some(now) {
            return Step::Rescue;
        }
        let hedging = !self.hedged && hedge <= now;
        self.hedged |= hedging;
        if hedging {
            Step::Hedge
        } else if !self.pushed && self.asked.is_empty() {
            Step::Ask
        } else {
            Step::Wait
        }
    }

    /// When there will be something to do, if nothing else happens before.
    fn next_time(&self, cdn: bool, pace: &Pace) -> Option<Timestamp> {
        let last = match self.cdn_again {
            None if self.want.is_some() && cdn => self.rescue_at(pace),
            None => self.given_up_at(),
            Some(again) => self.given_up_at().min(again),
        };
        let hedge = (!self.hedged).then(|| self.hedge_at(pace));
        let next = hedge.map_or(last, |hedge| hedge.min(last));
        self.origin.is_none().then_some(next)
    }

    /// Whether the player has nothing to show before it.
    fn is_start(&self) -> bool {
        self.want.as_ref().is_some_and(|want| want.urgent)
    }

    fn patience(&self) -> Patience {
        Patience::within(self.due.since(self.since))
    }

    /// Whether parents had time to bring it.
    pub(crate) fn had_time(&self, now: Timestamp) -> bool {
        self.since + self.patience().hedge <= now
    }

    fn hedge_at(&self, pace: &Pace) -> Timestamp {
        let hedge = self.heard + self.patience().hedge;
        if self.pushed {
            pace.pushes.hedge_at(self.since, hedge)
        } else {
            hedge
        }
    }

    fn rescue_at(&self, pace: &Pace) -> Timestamp {
        let rescue = pace.cdn.rescue_at(self.since, self.due);
        if self.is_start() {
            // How long that may take is settled by the operator: there is no buffer to be eaten.
            return rescue;
        }
        let patient = self.progress + self.patience().rescue;
        rescue.min(patient)
    }

    fn given_up_at(&self) -> Timestamp {
        let late = if self.cdn_again.is_some() {
            Duration::ZERO
        } else {
            OVERDUE
        };
        self.due + late
    }
}
