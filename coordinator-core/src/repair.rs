//! What peers report about each other: failed, lost, stalled, slow and congested links, bad data.
//! Here a pair is kept apart and the child is marked; the next look finds it a new parent.

use core::time::Duration;

use runnel_protocol::control::{ChildReport, LinkResult, Outcome, ParentReport, Strike};
use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::chunk_size;
use runnel_protocol::time::Timestamp;

use crate::blacklist::Apart;
use crate::congestion::{Beat, Verdict, Watch};
use crate::delivery::Delivery;
use crate::explain::What;
use crate::family::Family;
use crate::member::{Feed, Member};
use crate::monitor::{Crossing, End};
use crate::steady::Cause;
use crate::tickets::Pairing;
use crate::world::World;

/// A link that is given up counts on its way as if it had been late for so long: until what ran there before
/// counts half. Were it less, a way whose links all end at once would look fine.
const GIVEN_UP: Duration = Duration::from_secs(16);
/// What a segment lasts, to tell how many chunks a rate makes: encoders make some of 2 s and some of 6.
const SEGMENT: Duration = Duration::from_secs(4);

/// A parent and its child.
#[derive(Debug, Clone, Copy)]
struct Pair {
    parent: PeerId,
    child: PeerId,
}

impl Pair {
    fn other(self, one: PeerId) -> PeerId {
        if one == self.parent {
            self.child
        } else {
            self.parent
        }
    }

    fn feed(self, delivery: &mut Delivery) -> Option<&mut Feed> {
        delivery.members.get_mut(&self.child)?.feed_mut(self.parent)
    }
}

/// Which of two members is the parent: only what concerns an assigned pair is believed.
fn as_pair(delivery: &Delivery, one: PeerId, other: PeerId) -> Option<Pair> {
    let feeds = |pair: &Pair| {
        let member = delivery.members.get(&pair.child);
        member.is_some_and(|member| member.feed(pair.parent).is_some())
    };
    both_ways(one, other).into_iter().find(feeds)
}

/// Which of two was the parent, if they were a pair a while ago: they still have a ticket. `None`
/// where they are kept apart for bad data already: saying it again adds nothing.
fn as_late_pair(
    delivery: &Delivery,
    world: &World,
    (one, other): (PeerId, PeerId),
    now: Timestamp,
) -> Option<Pair> {
    let ban = world.blacklist.ban(one, other, now);
    if ban.is_some_and(|ban| ban.cause == Apart::Misbehaved) {
        return None;
    }
    let has_ticket = |pair: &Pair| {
        world.tickets.has(&Pairing {
            content: delivery.content,
            server: pair.parent,
            client: pair.child,
        })
    };
    both_ways(one, other).into_iter().find(has_ticket)
}

fn both_ways(one: PeerId, other: PeerId) -> [Pair; 2] {
    let ways = [(other, one), (one, other)];
    ways.map(|(parent, child)| Pair { parent, child })
}

/// Takes in what became of a link; `false` where the two are no assigned pair.
pub(crate) fn on_outcome(
    delivery: &mut Delivery,
    world: &mut World,
    reporter: PeerId,
    outcome: &Outcome,
    now: Timestamp,
) -> bool {
    let Some(pair) = as_pair(delivery, reporter, outcome.peer) else {
        return false;
    };
    let apart = match outcome.result {
        LinkResult::Connected { after_ms } => {
            on_connected(delivery, world, (reporter, pair), after_ms, now);
            return true;
        }
        LinkResult::Failed => Apart::Unreachable,
        LinkResult::Full => Apart::Full,
        LinkResult::Lost => Apart::Lost,
        LinkResult::Stalled => Apart::Stalled,
    };
    let stands = pair.feed(delivery).is_some_and(|feed| feed.connected);
    // Both ends of a regular pair dial: where one attempt failed, the other one may stand.
    if !matches!(apart, Apart::Unreachable | Apart::Full) || !stands {
        part(delivery, world, (reporter, pair), apart, now);
    }
    true
}

fn on_connected(
    delivery: &mut Delivery,
    world: &mut World,
    (reporter, pair): (PeerId, Pair),
    after_ms: u32,
    now: Timestamp,
) {
    if let Some(feed) = pair.feed(delivery) {
        feed.connected = true;
        feed.watch = Watch::default();
    }
    world.blacklist.forgive(pair.parent, pair.child);
    // Whoever dialled tells.
    if let Some(family) = across(world, reporter, pair.other(reporter))
        && let Some(record) = world.view.get_mut(reporter)
    {
        record.families.found(family);
        world.attempts.forget(reporter);
    }
    // A parent's own word that it can be reached says nothing.
    if reporter == pair.child {
        world.remember(pair.parent, pair.child, |history, site| {
            history.on_connected(site, now);
        });
    }
    let both = (reporter, pair.other(reporter));
    let what = What::Connected { after_ms };
    world.log.note_pair(both, delivery.content, what, now);
}

/// Keeps a pair apart and has whoever was fed over their link planned anew.
fn part(
    delivery: &mut Delivery,
    world: &mut World,
    (reporter, pair): (PeerId, Pair),
    cause: Apart,
    now: Timestamp,
) {
    if matches!(cause, Apart::Stalled | Apart::Slow | Apart::Congested) {
        note_given_up(delivery, world, pair, now);
    }
    let until = world.blacklist.add(pair.parent, pair.child, cause, now);
    let tells = tells_of_parent(world, pair);
    if cause == Apart::Unreachable && across(world, reporter, pair.other(reporter)).is_some() {
        world.attempts.on_failed(reporter, now);
    }
    if tells {
        world.remember(pair.parent, pair.child, |history, site| {
            history.on_failed(cause, site, now);
        });
    }
    let time = until.since(now);
    let both = (reporter, pair.other(reporter));
    let what = What::KeptApart { cause, time };
    world.log.note_pair(both, delivery.content, what, now);
    world.totals.repairs += 1;
    mark_both(delivery, pair, cause.into());
}

/// Tells of a link that is given up, for what it did not bring, as one on which all comes late: on a way that
/// carries nothing links end before heartbeats can tell of much, and once they have, nothing on it is late.
/// A parent that gets nothing itself, or may be gone, says nothing of the way to its children.
fn note_given_up(delivery: &Delivery, world: &mut World, pair: Pair, now: Timestamp) {
    let members = &delivery.members;
    let Some(member) = members.get(&pair.child) else {
        return;
    };
    let ends = (world.view.get(pair.parent), world.view.get(pair.child));
    let (Some(feed), (Some(parent), Some(child))) = (member.feed(pair.parent), ends) else {
        return;
    };
    let silent = now.since(parent.last_heard) > world.config.overdue();
    let (Some(origin), false) = (
        feed.origin,
        silent || members.get(&pair.parent).is_some_and(is_starved),
    ) else {
        return;
    };
    let chunk = chunk_size(delivery.expected(member).bytes_in(SEGMENT));
    let chunks = feed.reserved.bytes_in(GIVEN_UP).div_ceil(chunk);
    let crossing = Crossing {
        parent: pair.parent,
        child: pair.child,
        bytes: 0,
        sent: chunks,
        late: chunks,
    };
    let end = End {
        address: child.address,
        place: child.place,
    };
    world.monitor.observe(origin, end, &crossing, now);
}

/// Whether that two peers could not connect speaks against the parent: not where the child may lack the
/// address family.
fn tells_of_parent(world: &World, pair: Pair) -> bool {
    let ends = (world.view.get(pair.parent), world.view.get(pair.child));
    let (Some(parent), Some(child)) = ends else {
        return true;
    };
    parent.shares_a_family_with(child)
}

/// The family that whoever dialled used without being known to have it.
fn across(world: &World, dialler: PeerId, other: PeerId) -> Option<Family> {
    let other = world.view.get(other)?;
    world.view.get(dialler)?.would_find_out_by(other)
}

/// In different trees two agents may feed each other.
fn mark_both(delivery: &mut Delivery, pair: Pair, cause: Cause) {
    delivery.mark(pair.child, cause);
    let parent = delivery.members.get(&pair.parent);
    if parent.is_some_and(|member| member.feed(pair.child).is_some()) {
        delivery.mark(pair.parent, cause);
    }
}

impl From<Apart> for Cause {
    fn from(apart: Apart) -> Self {
        match apart {
            Apart::Unreachable | Apart::Full | Apart::Lost | Apart::Stalled => Self::LinkFailed,
            Apart::Slow => Self::LinkSlow,
            Apart::Congested => Self::LinkCongested,
            Apart::Misbehaved => Self::Misconduct,
        }
    }
}

/// Takes in an accusation; `false` where the two are no pair and have been none lately. Whoever sent
/// bad data hangs up as well, and its word that the link is lost may come first and end the pair.
pub(crate) fn on_strike(
    delivery: &mut Delivery,
    world: &mut World,
    reporter: PeerId,
    strike: &Strike,
    now: Timestamp,
) -> bool {
    let pair = as_pair(delivery, reporter, strike.peer);
    let both = (reporter, strike.peer);
    let Some(pair) = pair.or_else(|| as_late_pair(delivery, world, both, now)) else {
        return false;
    };
    let until = world
        .blacklist
        .add(pair.parent, pair.child, Apart::Misbehaved, now);
    let (content, offence) = (delivery.content, strike.offence);
    let apart = until.since(now);
    let told = What::Struck { offence, apart };
    world
        .log
        .note_pair((reporter, strike.peer), content, told, now);
    let told = What::Accused { offence };
    world
        .log
        .note_pair((strike.peer, reporter), content, told, now);
    world.totals.strikes += 1;
    mark_both(delivery, pair, Cause::Misconduct);
    if accuse(world, (strike.peer, reporter), now) {
        world
            .log
            .note(strike.peer, Some(content), What::Distrusted, now);
        delivery.mark_children(strike.peer, Cause::Misconduct);
    }
    true
}

/// Whether an accusation makes the accused unfit for everybody.
fn accuse(world: &mut World, (about, by): (PeerId, PeerId), now: Timestamp) -> bool {
    let ends = world.view.get(about).zip(world.view.get(by));
    ends.is_some_and(|(accused, accuser)| {
        world.conduct.accuse((about, accused), (by, accuser), now)
    })
}

/// Takes in a child's half of a link's account: gives up a parent that brings nothing, or too
/// little, or too late, for several heartbeats in a row (R2, R3, H4).
pub(crate) fn on_parent_report(
    delivery: &mut Delivery,
    world: &mut World,
    child: PeerId,
    (report, covers): (&ParentReport, Duration),
    now: Timestamp,
) {
    let pair = Pair {
        parent: report.peer,
        child,
    };
    // Of no matter while nothing is late, and a million parents are in no cache.
    let starved = report.late && delivery.members.get(&report.peer).is_some_and(is_starved);
    let Some(member) = delivery.members.get_mut(&child) else {
        return;
    };
    let Some(feed) = member
        .feeds
        .iter_mut()
        .find(|feed| feed.parent == report.peer)
    else {
        return;
    };
    feed.connected |= report.received > 0;
    let bytes = report.received.saturating_add(report.wasted);
    if let Some((origin, record)) = feed.origin.zip(world.view.get(child)) {
        if origin.network != record.place.network {
            member.tally.on_off_net(report.received);
        }
        let late = report.late && !starved;
        let (sent, late) = feed.lag.crossing(&report.sequence_numbers, late);
        let (parent, place, address) = (report.peer, record.place, record.address);
        let crossing = Crossing {
            parent,
            child,
            bytes,
            sent,
            late,
        };
        let end = End { address, place };
        world.monitor.observe(origin, end, &crossing, now);
    }
    if !feed.links.is_empty() {
        delivery.leases.on_received(feed.links, bytes);
    }
    // A standby owes nothing.
    if feed.substreams.is_empty() {
        return;
    }
    let beat = Beat {
        late: report.late,
        starved,
        ..Beat::new(feed.reserved, covers, report.received)
    };
    let due = report.late && !starved;
    feed.account.observe(beat.expected, report.received, due);
    let vouches = feed.account.vouches(feed.reserved);
    let long = feed.account.is_long();
    let account = long.then(|| core::mem::take(&mut feed.account));
    let congested = feed.lag.on_received(&report.sequence_numbers, due);
    let apart = match feed.watch.observe(beat) {
        _ if is_hung(report, world, now) => Apart::Stalled,
        Verdict::Silent => Apart::Stalled,
        Verdict::Slow => Apart::Slow,
        Verdict::Fine if congested => Apart::Congested,
        Verdict::Fine => {
            if vouches && vouch(world, pair) {
                delivery.may_rise(pair.parent, Cause::Improvement);
            }
            return world.remember_link(pair.parent, child, account, now);
        }
    };
    part(delivery, world, (child, pair), apart, now);
}

/// A child got what it should: more of what its parent offers is believed. True where that is so; who sits
/// at the parent's own site vouches for nothing.
fn vouch(world: &mut World, pair: Pair) -> bool {
    let site = |peer| world.view.get(peer).map(|record| record.place.site);
    let (Some(by), Some(about)) = (site(pair.child), site(pair.parent)) else {
        return false;
    };
    if by == about {
        return false;
    }
    let parent = world.view.get_mut(pair.parent);
    let more = parent.is_some_and(|parent| {
        !parent.waypoint && parent.needs_vouchers() && parent.history.on_vouched(by)
    });
    if more {
        world.view.note_moved(pair.parent);
    }
    more
}

/// Whether a parent has stopped altogether: a child waits for it in vain, and it misses its own
/// heartbeat as well. Neither word alone would do.
fn is_hung(report: &ParentReport, world: &World, now: Timestamp) -> bool {
    let overdue = || {
        let record = world.view.get(report.peer);
        record.is_some_and(|record| now.since(record.last_heard) > world.config.overdue())
    };
    report.late && report.received == 0 && overdue()
}

/// Whether a parent itself gets too little at present.
fn is_starved(member: &Member) -> bool {
    member.feeds.iter().any(|feed| feed.watch.is_short())
}

/// Takes in the parent's half of a link's account.
pub(crate) fn on_child_report(delivery: &mut Delivery, parent: PeerId, report: &ChildReport) {
    let pair = Pair {
        parent,
        child: report.peer,
    };
    let Some(feed) = pair.feed(delivery) else {
        return;
    };
    feed.lag.on_sent(&report.sequence_numbers);
    if let Some(member) = delivery.members.get_mut(&parent) {
        member.tally.on_sent(report.sent);
    }
}
