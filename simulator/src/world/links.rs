//! Links between peers, and what travels over them.

use core::time::Duration;

use runnel_peer_core::{BulkId, Caller, Input, LinkId, StreamId, Verified};
use runnel_protocol::bulk::BulkHeader;
use runnel_protocol::control::Contact;
use runnel_protocol::meetings::Household;
use runnel_protocol::peer::{CloseReason, Control};
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::{SegmentKey, Substream};
use runnel_protocol::time::Timestamp;

use super::{Event, World, known};
use crate::checkers::lawful::Hears;
use crate::network::Network;
use crate::node::{At, Far, Node, Sending, falsified};
use crate::population::Role;

/// A silent link is gone after this, as in the agent.
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// An address that nothing answers at is given up after this, as in the agent.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Bytes of a stream's header and of a frame's, about.
const HEADER: u64 = 220;

impl World {
    /// A QUIC handshake: a round trip, if somebody answers.
    pub(super) fn dial(&mut self, at: At, link: LinkId, contact: &Contact) {
        let found = contact
            .endpoints
            .iter()
            .find_map(|endpoint| self.places.get(endpoint));
        let target = found.copied();
        if let Some(target) = target {
            let guest = &self.guests[target.0 as usize];
            self.checkers.on_dialled(guest.role, guest.reachable);
        }
        let answered = target.and_then(|target| self.handshake(at, link, target));
        if answered.is_none() {
            let failed = self.now + ATTEMPT;
            self.input_later(at, failed, Input::DialFailed(link));
        }
    }

    fn handshake(&mut self, at: At, link: LinkId, target: At) -> Option<()> {
        let reachable = self.guests[target.0 as usize].reachable;
        let now = self.now;
        let (ours, theirs) = self.both(at, target)?;
        let mute = ours.line.mute_until.max(theirs.line.mute_until) > now;
        if !reachable || mute || theirs.hung {
            return None;
        }
        let way = Network::latency(&ours.line, &theirs.line);
        theirs.accepted += 1;
        let accepted = LinkId::accepted(theirs.accepted);
        let far = |at, link| Far {
            at,
            link,
            control: now + way,
            bulk: now + way,
        };
        ours.links.insert(link, far(target, accepted));
        theirs.links.insert(accepted, far(at, link));
        let stands = now + way * 2;
        self.input_later(at, stands, Input::Connected(link));
        let caller = Caller {
            home: Household::of(self.guests[at.0 as usize].address),
            page: None,
        };
        self.input_later(target, stands, Input::Accepted(accepted, caller));
        Some(())
    }

    pub(super) fn send_control(&mut self, at: At, link: LinkId, message: Control) {
        let now = self.now;
        let Some(far) = self.far_end(at, link) else {
            return;
        };
        let Some([ours, theirs]) = self.pair(at, far.at) else {
            return;
        };
        let arrives = self.network.message(&ours, &theirs, now);
        let Some(far) = self.far_end_mut(at, link) else {
            return;
        };
        let arrives = Node::in_order(&mut far.control, arrives);
        let (to, theirs) = (far.at, far.link);
        self.input_later(to, arrives, Input::Control(theirs, message));
    }

    pub(super) fn hang_up(&mut self, at: At, link: LinkId, reason: CloseReason) {
        let Some(far) = self.node_mut(at).and_then(|node| node.links.remove(&link)) else {
            return;
        };
        let Some([ours, theirs]) = self.pair(at, far.at) else {
            return;
        };
        if let Some(other) = self.node_mut(far.at) {
            other.links.remove(&far.link);
        }
        let arrives = self
            .network
            .message(&ours, &theirs, self.now)
            .max(far.control)
            .max(far.bulk);
        self.input_later(far.at, arrives, Input::Closed(far.link, Some(reason)));
    }

    pub(super) fn open_bulk(
        &mut self,
        at: At,
        link: LinkId,
        bulk: BulkId,
        header: Box<BulkHeader>,
    ) {
        let segment = header.entry.body.segment;
        let place = self.library.place(&segment);
        let Some(far) = self.far_end(at, link) else {
            return;
        };
        let Some(node) = self.node_mut(at) else {
            return;
        };
        node.streams += 1;
        let stream = StreamId(node.streams);
        node.bulks.insert(
            bulk,
            Sending {
                link,
                stream,
                place,
                content: segment.content,
            },
        );
        self.media(
            at,
            link,
            HEADER,
            Input::BulkStarted(far.link, stream, header),
        );
    }

    pub(super) fn send_chunk(&mut self, at: At, link: LinkId, bulk: BulkId, chunk: &Verified) {
        let chunk = chunk.chunk();
        let now = self.now;
        let Some(node) = self.node_mut(at) else {
            return;
        };
        let sending = node.bulks.get(&bulk).copied();
        let vice = node.vice;
        let lies = vice.lies > 0.0 && node.dice.happens(vice.lies);
        let swallows = vice.swallows > 0.0 && node.dice.happens(vice.swallows);
        let bytes = chunk.data.len() as u64;
        self.checkers.on_sent(at, bytes, now);
        self.tally
            .on_sent(at, self.guests[at.0 as usize].role, bytes);
        self.inspect(at, sending, chunk);
        self.judge(at, link, sending, bytes);
        self.credit(at, link, bytes, !lies && !swallows);
        let written = match (sending, self.far_end(at, link)) {
            (Some(sending), Some(far)) if !swallows && !self.is_stopped(far, sending.stream) => {
                let chunk = if lies {
                    falsified(chunk)
                } else {
                    chunk.clone()
                };
                self.tally.count_if(lies, "false chunks");
                let arrival = Input::BulkChunk(far.link, sending.stream, chunk);
                self.media(at, link, bytes + HEADER / 4, arrival)
            }
            _ => {
                self.tally.count_if(swallows, "swallowed chunks");
                None
            }
        };
        let written = written.unwrap_or(now + Duration::from_millis(1));
        self.input_later(at, written, Input::Written(link, bulk));
    }

    /// Whether policies and links allow what is sent.
    fn judge(&mut self, at: At, link: LinkId, sending: Option<Sending>, bytes: u64) {
        if !self.scenario.has_rules() {
            return;
        }
        let far = self.far_end(at, link).and_then(|far| self.node(far.at));
        let Some(((to, from), sending)) = far.zip(self.node(at)).zip(sending) else {
            return;
        };
        let hears = Hears::of(from);
        let (to, from) = (to.id, from.id);
        let far = self.far_end(at, link).map_or(at, |far| far.at);
        let known = |one| known(&self.guests, &self.scenario, one);
        let ends = (known((from, at)), known((to, far)));
        self.checkers.on_carried(
            (&ends.0, &ends.1),
            hears,
            (sending.content, bytes),
            self.now,
        );
    }

    /// What is sent may be credited at both ends.
    fn credit(&mut self, at: At, link: LinkId, bytes: u64, sound: bool) {
        let far = self.far_end(at, link).filter(|_| sound);
        let to = far.and_then(|far| self.node(far.at)).map(|far| far.id);
        if let Some(from) = self.node(at).map(|node| node.id) {
            self.checkers.credits.handed(from, to, bytes);
        }
    }

    /// Whether the other end wants no more of a stream.
    fn is_stopped(&self, far: Far, stream: StreamId) -> bool {
        let other = self.node(far.at);
        other.is_some_and(|other| other.stopped.contains(&(far.link, stream)))
    }

    /// What an honest peer hands to its shell is to be what the origin has.
    fn inspect(&mut self, at: At, sending: Option<Sending>, chunk: &ProvenChunk) {
        let Some(place) = sending.and_then(|sending| sending.place) else {
            return;
        };
        if let Some(piece) = self.library.piece(place) {
            self.checkers.verified.sent(at, &piece, chunk);
        }
    }

    pub(super) fn end_bulk(&mut self, at: At, bulk: BulkId) {
        let Some(sending) = self.node_mut(at).and_then(|node| node.bulks.remove(&bulk)) else {
            return;
        };
        if let Some(far) = self.far_end(at, sending.link) {
            self.media(
                at,
                sending.link,
                0,
                Input::BulkEnded(far.link, sending.stream),
            );
        }
    }

    /// The site of its own that a guest sits in: waypoints are the operator's, and sit outside.
    pub(super) fn site(&self, at: At) -> Option<u16> {
        let guest = &self.guests[at.0 as usize];
        let region = &self.scenario.region[usize::from(guest.region)];
        (region.one_site && guest.role != Role::Waypoint).then_some(guest.region)
    }

    /// Sends media over a link, in order; when it has left the line.
    fn media(&mut self, at: At, link: LinkId, bytes: u64, input: Input) -> Option<Timestamp> {
        let now = self.now;
        let far = self.far_end(at, link)?;
        let pair = [at.0 as usize, far.at.0 as usize];
        let [ours, theirs] = self.nodes.get_disjoint_mut(pair).ok()?;
        let (ours, theirs) = (ours.as_deref_mut()?, theirs.as_deref_mut()?);
        let passage = self.network.media(&mut ours.line, &theirs.line, bytes, now);
        let end = ours.links.get_mut(&link)?;
        let reaches = Node::in_order(&mut end.bulk, passage.reaches);
        let life = theirs.life;
        let inside = self.site(far.at);
        if inside.is_some() && inside != self.site(at) {
            self.tally.on_entered(bytes);
        }
        self.later(reaches, Event::Reach(far.at, life, bytes, Box::new(input)));
        Some(passage.written)
    }

    /// Media stands before the receiver's line and goes through it.
    pub(super) fn on_reach(&mut self, at: At, life: u32, bytes: u64, input: Box<Input>) {
        let now = self.now;
        if let Some(node) = self.alive(at, life) {
            if node.is_stopped(&input) {
                return;
            }
            let arrives = node.line.receive(bytes, now);
            self.later(arrives, Event::Input(at, life, input));
        }
    }

    /// Links of somebody who neither hears nor speaks break at both ends.
    pub(super) fn on_idle(&mut self, at: At, life: u32) {
        let now = self.now;
        let Some(node) = self.alive(at, life) else {
            return;
        };
        if !node.hung && node.line.mute_until <= now {
            return;
        }
        let links = core::mem::take(&mut node.links);
        for (link, far) in links {
            if let Some(other) = self.node_mut(far.at) {
                other.links.remove(&far.link);
            }
            self.input_later(at, now, Input::Closed(link, None));
            self.input_later(far.at, now, Input::Closed(far.link, None));
        }
    }

    fn far_end(&self, at: At, link: LinkId) -> Option<Far> {
        self.node(at)?.links.get(&link).copied()
    }

    fn far_end_mut(&mut self, at: At, link: LinkId) -> Option<&mut Far> {
        self.node_mut(at)?.links.get_mut(&link)
    }

    fn pair(&self, one: At, other: At) -> Option<[crate::network::Line; 2]> {
        Some([self.node(one)?.line.clone(), self.node(other)?.line.clone()])
    }

    /// When a player asked for a segment on demand that it waits for.
    fn asked_for(&self, at: At, segment: &SegmentKey) -> Option<Timestamp> {
        let player = self.node(at)?.player.as_ref()?;
        let asked = player.waiting?;
        let on_demand = !self.library.title(player.title).live;
        (on_demand && asked.sequence == segment.sequence).then_some(asked.at)
    }

    /// Media that reaches a peer: how long it took, how far from the source, and whether somebody
    /// was waiting for it since a parent failed.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only what brings media is of interest"
    )]
    pub(super) fn note_arrival(&mut self, at: At, input: &Input) {
        match input {
            Input::BulkStarted(link, stream, header) => {
                let segment = header.entry.body.segment;
                if let Some(node) = self.node_mut(at)
                    && let Some(far) = node.links.get(link).copied()
                {
                    node.arriving.insert((*link, *stream), (segment, far.at));
                }
            }
            Input::BulkChunk(link, stream, chunk) => {
                let from = self
                    .node(at)
                    .and_then(|node| node.arriving.get(&(*link, *stream)).copied());
                if let Some((segment, from)) = from {
                    let depth = self.note_depth((at, from), &segment, chunk.index);
                    let asked = self.asked_for(at, &segment);
                    let owed = (depth, asked);
                    self.tally
                        .on_chunk((at, from), &segment, chunk.index, owed, self.now);
                }
            }
            Input::BulkEnded(link, stream) => {
                if let Some(node) = self.node_mut(at) {
                    node.arriving.remove(&(*link, *stream));
                    node.stopped.remove(&(*link, *stream));
                }
            }
            Input::Closed(link, _) => {
                if let Some(node) = self.node_mut(at) {
                    node.arriving.retain(|(of, _), _| of != link);
                    node.stopped.retain(|(of, _)| of != link);
                    node.bulks.retain(|_, sending| sending.link != *link);
                }
            }
            _ => {}
        }
    }

    /// How far from the source a chunk came: two peers may feed each other in different trees.
    fn note_depth(&mut self, (at, from): (At, At), segment: &SegmentKey, index: u32) -> u32 {
        let stripes = self.scenario.coordinator.stripes();
        let tree = (
            segment.content,
            Substream::of(segment.sequence, index, stripes),
        );
        let source = self.guests[from.0 as usize].role == Role::Waypoint;
        let above = self.node(from).and_then(|node| node.depths.get(&tree));
        let depth = match above {
            Some(above) if !source => above + 1,
            Some(_) | None => 1,
        };
        if let Some(node) = self.node_mut(at) {
            node.depths.insert(tree, depth);
        }
        depth
    }
}

/// Silence is noticed after a while.
pub(super) const fn idle_check(at: At, life: u32) -> Event {
    Event::Idle(at, life)
}
