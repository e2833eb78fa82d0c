//! Standing wishes: what this peer has pushed to it follows what its player and its children use.

use crate::sorted::{SortedMap, SortedSet};

use runnel_protocol::control::Parent;
use runnel_protocol::ids::{ContentId, PeerId, TrackId};
use runnel_protocol::peer::{Control, Subscribe};
use runnel_protocol::segment::{SegmentKey, Substream, SubstreamSet};
use runnel_protocol::time::Timestamp;

use crate::input::LinkId;
use crate::output::Output;
use crate::peer::{Content, Peer};
use crate::push::CATCH_UP;
use crate::schedule;
use crate::source::{Candidate, Rank};

impl Peer {
    /// Parents for a content whose links stand. Those that stalled count only where nobody else
    /// is left and there is no CDN to turn to.
    pub(crate) fn candidates(&self, content: ContentId, now: Timestamp) -> Vec<Candidate> {
        let all = self.standing(content, now);
        let fit: Vec<_> = all
            .iter()
            .filter(|candidate| {
                self.links
                    .get(candidate.link())
                    .is_some_and(|link| !link.is_stalled(now))
            })
            .copied()
            .collect();
        if fit.is_empty() && !self.config.has_origin() {
            all
        } else {
            fit
        }
    }

    /// Parents for a content whose links stand, stalled or not. A standby whose link stands first
    /// does not take the work of parents who are about to answer.
    fn standing(&self, content: ContentId, now: Timestamp) -> Vec<Candidate> {
        let Some(known) = self.contents.get(&content) else {
            return Vec::new();
        };
        let assign = known.assign.as_ref();
        let parents = assign.into_iter().flat_map(|assign| &assign.parents);
        let standing: Vec<_> = parents
            .filter_map(|parent| self.candidate(parent))
            .collect();
        let pushes = |one: &Candidate| !one.substreams.is_empty();
        let nobody_else = standing.iter().any(pushes) || self.expected(known, now).is_empty();
        if !standing.is_empty() && nobody_else {
            return standing;
        }
        // Until a successor's link stands, the parents before keep their work.
        let former = known.former.iter();
        former.filter_map(|parent| self.candidate(parent)).collect()
    }

    /// The stripes of those who have only just been named, and are being dialled: whoever else began with
    /// them would have sent what is held of them before the others' links stand, and they send it again.
    fn expected(&self, known: &Content, now: Timestamp) -> SubstreamSet {
        let ahead = known.head_start.is_some_and(|until| now < until);
        let assign = known.assign.as_ref().filter(|_| ahead);
        let parents = assign.into_iter().flat_map(|assign| &assign.parents);
        let dialled = parents.filter(|parent| self.links.is_dialling(parent.contact.peer));
        let given = dialled.map(|parent| parent.substreams);
        given.fold(SubstreamSet::EMPTY, SubstreamSet::union)
    }

    fn candidate(&self, parent: &Parent) -> Option<Candidate> {
        let (substreams, carries) = (parent.substreams, parent.carries);
        let id = self.links.ready_to(parent.contact.peer)?;
        let link = self.links.get(id)?;
        let rank = Rank {
            cost: parent.source,
            misses: link.misses,
            assigned: core::cmp::Reverse(!substreams.is_empty()),
            outstanding: self.fetches.outstanding(id),
            link: id,
        };
        Some(Candidate {
            rank,
            substreams,
            carries,
        })
    }

    /// Brings the subscriptions for a content in line with who uses what and who is there.
    pub(crate) fn resubscribe(&mut self, content: ContentId, now: Timestamp) {
        let tracks = self.tracks_in_use(content);
        if self.config.is_waypoint() {
            return self.demand(content, &tracks);
        }
        let mut plan = SortedMap::new();
        let mut candidates = self.candidates(content, now);
        if candidates.is_empty() {
            // A stalled parent may wake up: better a subscription to it than none.
            candidates = self.standing(content, now);
        }
        // Ranks change with every chunk; who was meant to push does not, so that neither do
        // subscriptions.
        let steady: Vec<_> = candidates.into_iter().map(steadied).collect();
        let known = self.contents.get(&content);
        let expected = known.map_or(SubstreamSet::EMPTY, |known| self.expected(known, now));
        let sought = self.sought(content).without(expected);
        for (track, wish) in &tracks {
            let barred = |link| self.gets_from_here(link, content, *track);
            let sought = sought.without(sought.without(wish.stripes));
            let from = self.resume_from((content, *track), wish.from, sought);
            let mut pushers = schedule::cover(sought, &steady, barred);
            if sought.is_empty() {
                // To hear what is attested: the CDN's bytes are proven by it, and can be passed on.
                let listener = schedule::best(&steady);
                pushers.extend(listener.map(|one| (one.link(), SubstreamSet::EMPTY)));
            }
            for (link, substreams) in pushers {
                plan.insert((link, content, *track), (substreams, from));
            }
        }
        let over: Vec<_> = self
            .subscribed
            .keys()
            .filter(|key| key.1 == content && !plan.contains_key(key))
            .copied()
            .collect();
        for key @ (link, content, track) in over {
            self.subscribed.remove(&key);
            self.send(link, Control::Unsubscribe { content, track });
        }
        for (key @ (link, content, track), (substreams, from)) in plan {
            if self.subscribed.get(&key) == Some(&substreams) {
                continue;
            }
            self.engage(link, now);
            self.subscribed.insert(key, substreams);
            self.subscribe(link, (content, track), substreams, from);
        }
    }

    fn subscribe(
        &mut self,
        link: LinkId,
        (content, track): (ContentId, TrackId),
        substreams: SubstreamSet,
        from: u64,
    ) {
        let subscribe = Subscribe {
            content,
            track,
            stripes: self.stripes(content),
            substreams,
            from,
        };
        self.send(link, Control::Subscribe(subscribe));
    }

    /// The stripes that must not be had from a link, because they go there from here. Where each
    /// of two has subscribed to the other, the one with the larger id lets go.
    fn gets_from_here(&self, link: LinkId, content: ContentId, track: TrackId) -> SubstreamSet {
        let served = self.serves_stripes(link, content, track);
        let own = PeerId::of(&self.config.key);
        let peer = self.links.get(link).and_then(|link| link.peer);
        let had = self.subscribed.get(&(link, content, track));
        match had {
            Some(had) if peer.is_some_and(|peer| own < peer) => served.without(*had),
            Some(_) | None => served,
        }
    }

    pub(crate) fn resubscribe_all(&mut self, now: Timestamp) {
        let contents: Vec<_> = self.contents.keys().copied().collect();
        contents
            .into_iter()
            .for_each(|content| self.resubscribe(content, now));
    }

    /// Into how many stripes a content's tracks are divided.
    pub(crate) fn stripes(&self, content: ContentId) -> u8 {
        self.contents
            .get(&content)
            .map_or(1, |content| content.stripes.max(1))
    }

    /// The stripes that parents are to bring: where there is a CDN to turn to, only those that the
    /// coordinator gave to somebody. For the others nobody has room, and a standby that pushed them
    /// would be late for those whom it was meant for.
    pub(crate) fn sought(&self, content: ContentId) -> SubstreamSet {
        let known = self.contents.get(&content);
        let assign = known.and_then(|known| known.assign.as_ref());
        match assign.filter(|_| self.config.has_origin()) {
            Some(assign) => {
                // Where those before go on until others are back, it is theirs.
                let former = known
                    .map(|known| &known.former)
                    .filter(|_| assign.parents.is_empty());
                let parents = former.unwrap_or(&assign.parents).iter();
                let given = parents.map(|parent| parent.substreams);
                given.fold(SubstreamSet::EMPTY, SubstreamSet::union)
            }
            None => self.carries(content),
        }
    }

    /// The stripes that this peer is to have of a content: what it lacks of the others it seeks for
    /// nobody.
    pub(crate) fn carries(&self, content: ContentId) -> SubstreamSet {
        let known = self.contents.get(&content);
        let assign = known.and_then(|known| known.assign.as_ref());
        assign.map_or_else(
            || SubstreamSet::all(self.stripes(content)),
            |assign| assign.carries,
        )
    }

    /// Whether a link was asked for a segment's track, if only for news of it.
    pub(crate) fn is_subscribed_to(&self, link: LinkId, segment: &SegmentKey) -> bool {
        self.subscribed
            .contains_key(&(link, segment.content, segment.track))
    }

    /// Whether a link to one of a content's parents is being made, or nobody has said yet whether
    /// there are any.
    pub(crate) fn is_reaching_parents(&self, content: ContentId) -> bool {
        let Some(known) = self.contents.get(&content) else {
            return false;
        };
        known.assign.as_ref().is_none_or(|assign| {
            let mut parents = assign.parents.iter();
            parents.any(|parent| self.links.is_dialling(parent.contact.peer))
        })
    }

    /// Whether a segment will be pushed without asking. A push goes forward: what is older than the
    /// newest that is known, and was never heard of, has been left out.
    pub(crate) fn is_coming(&self, segment: &SegmentKey) -> bool {
        let newest = self.timeline.newest(segment.content, segment.track);
        let left_out = newest.is_some_and(|newest| segment.sequence < newest)
            && self.verifier.entry(segment).is_none()
            && self.fetches.streams_of(segment).is_empty();
        !left_out && self.pushers(segment).next().is_some()
    }

    /// News of a segment: older ones of its track that were waited for may have been left out.
    pub(crate) fn look_for_left_out(&mut self, segment: &SegmentKey, now: Timestamp) {
        let of_track = |key: &SegmentKey| {
            (key.content, key.track) == (segment.content, segment.track)
                && key.sequence < segment.sequence
        };
        let needs = self.fetches.needs.iter();
        let waiting = needs.filter(|(key, need)| need.pushed && of_track(key));
        let left_out = waiting.filter(|(key, _)| !self.is_coming(key));
        let left_out: Vec<_> = left_out.map(|(key, _)| *key).collect();
        left_out.into_iter().for_each(|key| self.advance(key, now));
    }

    /// The player has a segment that parents were late with: what they still have of it and of
    /// older ones would only keep their uplinks from what is needed next.
    pub(crate) fn move_on(&mut self, segment: &SegmentKey) {
        let (content, track) = (segment.content, segment.track);
        if self
            .children
            .keys()
            .any(|key| (key.1, key.2) == (content, track))
        {
            return;
        }
        let from = segment.sequence.saturating_add(1);
        let links: Vec<_> = self.pushers(segment).collect();
        for link in links {
            if let Some(substreams) = self.subscribed.get(&(link, content, track)).copied() {
                self.subscribe(link, (content, track), substreams, from);
            }
        }
    }

    /// Links that push a segment's track.
    pub(crate) fn pushers(&self, segment: &SegmentKey) -> impl Iterator<Item = LinkId> {
        let of = (segment.content, segment.track);
        self.subscribed
            .iter()
            .filter(move |(key, stripes)| (key.1, key.2) == of && !stripes.is_empty())
            .map(|(key, _)| key.0)
    }

    /// Tracks that the player plays live or that children subscribed to, and what of them.
    fn tracks_in_use(&self, content: ContentId) -> SortedMap<TrackId, InUse> {
        let own = self
            .contents
            .get(&content)
            .into_iter()
            .flat_map(|known| known.playing.values());
        let all = SubstreamSet::all(self.stripes(content));
        let own = own
            .filter(|playing| playing.live)
            .map(|playing| (playing.track, playing.from, all));
        let children = self.children.iter().filter(|(key, _)| key.1 == content);
        let children = children.map(|((link, _, track), one)| {
            let stripes = self.used_by(*link, content, one.wish.substreams);
            (*track, one.wish.from, stripes)
        });
        let mut tracks: SortedMap<TrackId, InUse> = SortedMap::new();
        for (track, from, stripes) in own.chain(children) {
            let known = tracks.entry(track).or_insert(InUse { from, stripes });
            known.from = from.min(known.from);
            known.stripes = stripes.union(known.stripes);
        }
        tracks
    }

    /// The stripes that are had for a child that subscribed to some. A viewer may need the others
    /// any moment. An agent does not count for these: two that feed each other, each in another
    /// stripe, would keep for ever what nobody plays any more.
    fn used_by(&self, link: LinkId, content: ContentId, wish: SubstreamSet) -> SubstreamSet {
        if wish.is_empty() || self.is_agent_child(link, content) {
            wish
        } else {
            SubstreamSet::all(self.stripes(content))
        }
    }

    /// The first segment, from `from` on, of which something that is sought is neither here nor
    /// under way: a new pusher need not send again what the last one did.
    fn resume_from(
        &self,
        (content, track): (ContentId, TrackId),
        from: u64,
        sought: SubstreamSet,
    ) -> u64 {
        let generation = self.timeline.generation(content, track);
        let newest = self.timeline.newest(content, track).unwrap_or(from);
        // What is older than a new subscriber gets anyway may have been forgotten here by now.
        let mut next = from.max(newest.saturating_sub(CATCH_UP as u64 - 1));
        let first = SegmentKey {
            content,
            track,
            generation,
            sequence: next,
            range: None,
        };
        for segment in self.buffer.onward(first) {
            let comes = self.is_whole(segment) || self.is_under_way(segment, sought);
            if segment.sequence > next || !comes {
                return next;
            }
            next = segment.sequence.saturating_add(1);
        }
        next
    }

    /// Whether what is sought of a segment is here or arriving: who began to push it goes on to
    /// its end.
    fn is_under_way(&self, segment: &SegmentKey, sought: SubstreamSet) -> bool {
        let streams = self.fetches.streams_of(segment);
        let stripes = streams
            .into_iter()
            .filter_map(|(link, _)| self.subscribed.get(&(link, segment.content, segment.track)));
        let arriving = stripes.fold(SubstreamSet::EMPTY, |all, some| all.union(*some));
        let lacking = sought.without(arriving);
        let count = self.stripes(segment.content);
        let lacks = |index: u32| lacking.contains(Substream::of(segment.sequence, index, count));
        match self.verifier.entry(segment).map(|entry| entry.body.length) {
            Some(length) => {
                let missing = self.buffer.missing(segment, length);
                !missing.into_iter().any(lacks)
            }
            None => lacking.is_empty(),
        }
    }

    pub(crate) fn is_whole(&self, segment: &SegmentKey) -> bool {
        let entry = self.verifier.entry(segment);
        entry.is_some_and(|entry| self.buffer.missing(segment, entry.body.length).is_empty())
    }

    /// A waypoint polls what somebody below it uses, and nothing else.
    fn demand(&mut self, content: ContentId, tracks: &SortedMap<TrackId, InUse>) {
        let wanted: SortedSet<_> = tracks.keys().map(|track| (content, *track)).collect();
        let known: SortedSet<_> = self
            .demanded
            .iter()
            .filter(|(of, _)| *of == content)
            .copied()
            .collect();
        for (content, track) in wanted.difference(&known) {
            self.output(Output::Demand(*content, *track, true));
        }
        for (content, track) in known.difference(&wanted) {
            self.output(Output::Demand(*content, *track, false));
        }
        self.demanded.retain(|(of, _)| *of != content);
        self.demanded.extend(wanted);
    }
}

/// What the player and children use of a track.
struct InUse {
    /// The first segment.
    from: u64,
    stripes: SubstreamSet,
}

/// A candidate by what the coordinator meant alone.
fn steadied(candidate: Candidate) -> Candidate {
    let rank = Rank {
        misses: 0,
        outstanding: 0,
        ..candidate.rank
    };
    Candidate { rank, ..candidate }
}
