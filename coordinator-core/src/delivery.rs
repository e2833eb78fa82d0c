//! The delivery coordinator (DCM): one content in one region. It owns who takes part and who
//! feeds whom, marks what is dirty, and has it planned within a budget on each look.

mod balance;
mod carrying;
mod changes;
mod crossing;
mod making_room;
mod membership;
mod moving;
mod places;
mod planning;
mod records;
mod retyping;
mod review;
mod rising;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runnel_protocol::control::ContentReport;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::segment::{Substream, SubstreamSet};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use self::carrying::Edge;
use crate::announce;
use crate::capacity::Rung;
use crate::content::Content;
use crate::eject::Balance;
use crate::ladder::{Ladder, Load};
use crate::links::Leases;
use crate::member::{Member, Role};
use crate::place::Region;
use crate::rate::{RatesInUse, differs};
use crate::recruit;
use crate::rules::MAX_REGULAR_CHILDREN;
use crate::steady::{Cause, Wishes};
use crate::summary::Received;
use crate::supply::{Offer, Supply};
use crate::table::Table;
use crate::trees::Homes;
use crate::view::Record;
use crate::wanting::Wanting;
use crate::world::World;

/// For how long moves towards somebody who came are put down to the coming.
const NEWCOMER_FOR: Duration = Duration::from_secs(30);

/// How much work one wake-up may do, in peers looked at; what is left over goes on at the next
/// one.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    pub(crate) const fn new(work: usize) -> Self {
        Self { left: work }
    }

    pub(crate) const fn is_spent(&self) -> bool {
        self.left == 0
    }

    pub(crate) const fn spend(&mut self, work: usize) {
        self.left = self.left.saturating_sub(work);
    }
}

/// Those of a region who play.
#[derive(Debug, Default)]
struct Audience {
    players: usize,
    /// Viewers among them that something better can be wished for.
    wanting: Wanting,
}

#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) content: ContentId,
    /// The text under which it is registered, and whose it is.
    names: (Arc<str>, Arc<str>),
    pub(crate) stripes: u8,
    pub(crate) members: Table<PeerId, Member>,
    /// What of it runs over links that are limited.
    pub(crate) leases: Leases,
    /// Members that may be able to feed others.
    pub(crate) supply: Supply,
    /// Whether those who play it play at a live edge.
    edge: Edge,
    /// Agents that have their home stripe alone.
    narrow: usize,
    /// Members that play, a count.
    pub(crate) players: usize,
    /// Members that asked for the content themselves, a count.
    pub(crate) opened: usize,
    /// What those who play received.
    pub(crate) received: Received,
    /// How much uplink is at home in each stripe, by region: viewers need as much of each.
    homes: BTreeMap<Region, Homes>,
    rates: RatesInUse,
    ladder: Ladder,
    /// What the CDN may send of it, where that is limited.
    pub(crate) cdn_capacity: Option<BitsPerSecond>,
    /// Whether players stop where a policy forbids playback.
    enforce: bool,
    arrivals: u64,
    /// What everybody's uplink carries, and who is left to the CDN.
    balance: Balance<PeerId>,
    /// Nobody comes back from the CDN before this.
    calm_until: Option<Timestamp>,
    /// Agents that may deserve a better place, and why.
    rising: BTreeMap<PeerId, Cause>,
    /// To be planned: who feeds others first, then in order of arrival.
    dirty: BTreeSet<(Role, u64, PeerId)>,
    /// The viewers who play, by region.
    audiences: BTreeMap<Region, Audience>,
    /// Other members that something better can be wished for.
    wanting_others: Wanting,
    /// How many members may get better parents only because they are better.
    wishes: Wishes,
    /// When somebody came last who may feed others.
    newcomer_at: Option<Timestamp>,
    /// The rate that agents were last planned with.
    carried: BitsPerSecond,
    /// Members of whom it is not asked yet whether the policies allow their parents: the first ones.
    unreviewed: usize,
    /// Members whose assignment may differ from what they were told.
    pub(crate) untold: BTreeSet<PeerId>,
    /// Since when nobody plays.
    pub(crate) idle_since: Timestamp,
}

impl Delivery {
    pub(crate) fn new(content: &Content, world: &World, now: Timestamp) -> Self {
        Self {
            content: content.id(),
            names: (
                content.name.as_str().into(),
                content.provider.as_str().into(),
            ),
            stripes: world.config.stripes,
            members: Table::default(),
            leases: Leases::default(),
            supply: Supply::default(),
            edge: Edge::default(),
            narrow: 0,
            players: 0,
            opened: 0,
            received: Received::default(),
            homes: BTreeMap::new(),
            rates: RatesInUse::new(world.config.default_rate, now),
            ladder: Ladder::default(),
            cdn_capacity: content.cdn_capacity,
            enforce: content.enforce,
            arrivals: 0,
            balance: Balance::new(),
            calm_until: None,
            rising: BTreeMap::new(),
            dirty: BTreeSet::new(),
            audiences: BTreeMap::new(),
            wanting_others: Wanting::default(),
            wishes: Wishes::new(now),
            newcomer_at: None,
            carried: world.config.default_rate,
            unreviewed: 0,
            untold: BTreeSet::new(),
            idle_since: now,
        }
    }

    /// The rate that whoever feeds others has to carry.
    pub(crate) fn rate(&self) -> BitsPerSecond {
        self.rates.sum()
    }

    /// The bandwidth that players are asked not to exceed.
    pub(crate) fn suggested_bitrate(&self) -> Option<BitsPerSecond> {
        self.ladder.suggested()
    }

    /// The rate that a member is expected to receive at.
    pub(crate) fn expected(&self, member: &Member) -> BitsPerSecond {
        match member.role {
            Role::Viewer if member.rate.0 > 0 => member.rate,
            // Players begin with what is small.
            Role::Viewer => self.rates.least(),
            Role::Agent | Role::Head => self.rate(),
        }
    }

    /// What one stripe to a member takes of a parent's uplink.
    pub(crate) fn stripe_rate(&self, member: &Member) -> BitsPerSecond {
        let stripes = u64::from(self.stripes.max(1));
        BitsPerSecond(self.expected(member).0.div_ceil(stripes))
    }

    /// The content is registered anew.
    pub(crate) fn follow(&mut self, content: &Content) {
        self.names = (
            content.name.as_str().into(),
            content.provider.as_str().into(),
        );
        self.cdn_capacity = content.cdn_capacity;
        if core::mem::replace(&mut self.enforce, content.enforce) != content.enforce {
            self.review_all();
        }
    }

    /// What the peer can do for others is known anew; true where it is more than before.
    pub(crate) fn note_offer(&mut self, peer: PeerId, record: &Record) -> bool {
        let Some(member) = self.members.get(&peer) else {
            return false;
        };
        let feeds = match member.role {
            _ if member.barred || !record.sharing().gives() => false,
            Role::Head | Role::Agent => true,
            Role::Viewer => record.uplink.offered().0 > 0,
        };
        if !feeds {
            self.supply.remove(peer);
            return false;
        }
        let offer = Offer {
            role: member.role,
            ready: !record.silent && member.can_feed(),
            rung: record.rung(),
            counted: Rung::of(self.counted(record, record.uplink.spare())),
            place: record.place,
            interior: self.interior(member, record),
        };
        self.supply.note(peer, offer)
    }

    /// As much of a peer's spare uplink as counts in the choice among several: what is left of as much of its offer
    /// as is believed, but a stripe at least, so that it stands before those who have no room.
    pub(crate) fn counted(&self, record: &Record, spare: BitsPerSecond) -> BitsPerSecond {
        let believed = record.believed(self.rate());
        let left = believed.saturating_sub(record.uplink.reserved());
        spare.min(left.max(self.whole_stripe()))
    }

    /// What a stripe takes of whoever hands it to an agent.
    fn whole_stripe(&self) -> BitsPerSecond {
        BitsPerSecond(self.rate().0.div_ceil(u64::from(self.stripes.max(1))))
    }

    /// Where an agent is interior, if it can feed one more agent there.
    fn interior(&self, member: &Member, record: &Record) -> Option<(Substream, u8)> {
        let (home, _) = member.home?;
        let spare = record.uplink.spare_with(member.given_to_viewers);
        let takes =
            member.regular_children.len() < MAX_REGULAR_CHILDREN && spare >= self.whole_stripe();
        takes.then_some((home, member.level))
    }

    /// Whether viewers give up their places for a member: an agent that brings at least what it
    /// takes feeds them a moment later (R8).
    pub(crate) fn goes_first(&self, member: &Member, record: &Record) -> bool {
        member.role == Role::Agent && record.uplink.offered() >= self.expected(member)
    }

    /// Follows whose offers have moved since the last call; those who take part in other contents
    /// as well are left to [`World::moved_elsewhere`].
    fn follow_moves(&mut self, world: &mut World) {
        for peer in world.view.take_moved() {
            let Some(record) = world.view.get(peer) else {
                continue;
            };
            let more = self.note_offer(peer, record);
            if record.contents.len() > 1 || !self.members.contains_key(&peer) {
                world.moved_elsewhere.push(peer);
            }
            world.growth += u64::from(more);
        }
    }

    fn note_idleness(&mut self, now: Timestamp) {
        if self.players > 0 {
            self.idle_since = now;
        }
    }

    /// Whether a peer's token lets it help with this content.
    pub(crate) fn admits(&self, record: &Record) -> bool {
        let (name, provider) = &self.names;
        record.may_take_part(name, provider)
    }

    /// A member has to be planned anew, and why; of several reasons the gravest stands.
    pub(crate) fn mark(&mut self, peer: PeerId, cause: Cause) {
        if let Some(member) = self.members.get_mut(&peer) {
            let gravest = member.due_to.map_or(cause, |other| other.min(cause));
            member.due_to = Some(gravest);
            self.queue(peer);
        }
    }

    fn queue(&mut self, peer: PeerId) {
        if let Some(member) = self.members.get(&peer) {
            self.dirty.insert((member.role, member.arrival, peer));
        }
    }

    /// All children of a peer have to be planned anew.
    pub(crate) fn mark_children(&mut self, peer: PeerId, cause: Cause) {
        let children = self
            .members
            .get(&peer)
            .map(|member| member.children().collect());
        let children: Vec<PeerId> = children.unwrap_or_default();
        children
            .into_iter()
            .for_each(|child| self.mark(child, cause));
    }

    /// A pair's ticket grows old: whoever lists it is told again, with a new one.
    pub(crate) fn renew(&mut self, server: PeerId, client: PeerId) {
        if self
            .members
            .get(&client)
            .is_some_and(|member| member.feed(server).is_some())
        {
            self.untold.insert(client);
            self.untold.insert(server);
        }
    }

    /// Everybody has to be told again, because of a new certificate.
    pub(crate) fn tell_everybody(&mut self) {
        self.untold.extend(self.members.keys().copied());
    }

    /// Observes what a member says of itself.
    pub(crate) fn on_report(
        &mut self,
        peer: PeerId,
        (report, covers): (&ContentReport, Duration),
        world: &mut World,
        now: Timestamp,
    ) {
        let Some(member) = self.members.get_mut(&peer) else {
            return;
        };
        if member.role == Role::Head {
            self.ladder.learn(&report.ladder);
            return;
        }
        let holds = !report.live && !report.tracks.is_empty();
        let turned = core::mem::replace(&mut member.holds, holds) != holds;
        member.buffer_ms = report.buffer_ms;
        member.stalls = member.stalls.saturating_add(u32::from(report.stalls));
        if turned {
            world.view.note_moved(peer);
        }
        if !member.plays {
            return;
        }
        self.edge.hear(&mut member.live, Some(report.live));
        self.received.add(report);
        world.totals.received.add(report);
        member.tally.on_report(report, covers);
        if report.rate.0 == 0 {
            return;
        }
        member.rate = report.rate;
        let is_planned = member.role != Role::Viewer || !differs(member.planned, report.rate);
        if !is_planned {
            self.mark(peer, Cause::Improvement);
        } else if !member.out && !member.barred && !self.ladder.is_outdated(report.rate, now) {
            // What nobody has room for is left to the CDN, and agents need not carry it.
            self.rates.observe(report.rate, now);
        }
    }

    /// Whether anything waits for a decision or to be told.
    pub(crate) fn has_work(&self) -> bool {
        !self.dirty.is_empty() || !self.untold.is_empty() || self.unreviewed > 0
    }

    /// Once a second: agents that carry another rate than planned, who wants for a parent.
    pub(crate) fn on_tick(&mut self, world: &mut World, now: Timestamp) {
        self.note_idleness(now);
        self.wishes.save(self.members.len(), now);
        self.suggest(now);
        let rate = self.rate();
        if differs(self.carried, rate) {
            self.carried = rate;
            let feeders: Vec<PeerId> = self.supply.peers().collect();
            feeders
                .into_iter()
                .for_each(|peer| self.mark(peer, Cause::Improvement));
        }
        self.settle(world, now);
        self.rise(world, now);
        self.mark_wanting(world.growth, now);
    }

    /// Asks players for a smaller rendition where all together cannot have the best, or lets them
    /// choose a better one again.
    fn suggest(&mut self, now: Timestamp) {
        if !self.ladder.suggest(self.load(), &self.rates, now) {
            return;
        }
        if let Some(most) = self.ladder.suggested() {
            self.rates.forget_above(most);
        }
        self.tell_everybody();
    }

    /// What the audience takes and what there is for it, where the CDN's part is limited.
    fn load(&self) -> Option<Load> {
        let capacity = self.cdn_capacity?;
        let count = |these: usize| u64::try_from(these).unwrap_or(u64::MAX);
        let (players, narrow) = (count(self.players), count(self.narrow));
        let whole = self.balance.takers().saturating_sub(players + narrow);
        Some(Load {
            players,
            carried: whole * u64::from(self.stripes) + narrow,
            stripes: self.stripes,
            supply: self.balance.brought().saturating_add(capacity.0),
        })
    }

    /// Marks a round of those who want; the next tick goes on where this one ends.
    fn mark_wanting(&mut self, growth: u64, now: Timestamp) {
        let cause = self.behind_room(now);
        let mut round = self.wanting_others.next_round(growth);
        self.audiences.retain(|_, audience| {
            round.append(&mut audience.wanting.next_round(growth));
            audience.players > 0 || !audience.wanting.is_empty()
        });
        round.into_iter().for_each(|peer| self.mark(peer, cause));
    }

    /// Why there is room at present that there was not: somebody came, or those whom the uplinks
    /// do not carry went.
    fn behind_room(&self, now: Timestamp) -> Cause {
        let lately = |at: Timestamp| now.since(at) < NEWCOMER_FOR;
        if self.newcomer_at.is_some_and(lately) {
            Cause::Newcomer
        } else if self.calm_until.is_some_and(|until| now < until) {
            Cause::Recovered
        } else {
            Cause::Improvement
        }
    }

    /// Plans what is dirty, then tells who has to know; `false` when the budget did not suffice.
    pub(crate) fn look(&mut self, world: &mut World, budget: &mut Budget, now: Timestamp) -> bool {
        self.follow_moves(world);
        if !self.review(world, budget, now) {
            return false;
        }
        budget.spend(recruit::recruit(self, world, now));
        self.settle(world, now);
        while !self.dirty.is_empty() {
            if budget.is_spent() {
                return false;
            }
            if let Some((_, _, peer)) = self.dirty.pop_first() {
                budget.spend(self.plan(peer, world, now));
                self.follow_moves(world);
            }
        }
        announce::tell(self, world, budget, now)
    }

    /// Uplink that is missing to carry everybody, in bit/s.
    pub(crate) fn missing_uplink(&self) -> u64 {
        self.balance.missing()
    }

    /// The regions where somebody plays, and whether viewers there lack uplink of agents.
    pub(crate) fn watched_regions(&self) -> Vec<(Region, bool)> {
        let short = !self.balance.is_enough();
        let watched = self.audiences.iter();
        watched
            .filter(|(_, audience)| audience.players > 0)
            .map(|(region, audience)| (*region, short || !audience.wanting.is_empty()))
            .collect()
    }

    /// Whether it holds something of a link.
    pub(crate) fn holds_leases(&self) -> bool {
        !self.leases.is_empty()
    }

    /// Whether nobody has played for so long that helpers may go.
    pub(crate) fn is_idle(&self, limit: Duration, now: Timestamp) -> bool {
        self.players == 0 && now.since(self.idle_since) >= limit
    }

    /// The stripes that nobody pushes to a member.
    pub(crate) fn uncovered(&self, member: &Member) -> SubstreamSet {
        member.carries.without(member.covered())
    }
}
