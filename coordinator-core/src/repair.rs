//! What peers report about each other: failed, lost and stalled links, bad data, dry parents.
//! Here a pair is kept apart and the child is marked; the next look finds it a new parent.

use runnel_protocol::control::{LinkResult, Outcome, ParentReport, Strike};
use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::blacklist::Cause;
use crate::delivery::Delivery;
use crate::explain::What;
use crate::member::Feed;
use crate::world::World;

/// Heartbeats in a row with chunks due and none received, before the parent is given up (R2).
const DRY_BEATS: u8 = 4;

/// Which of two members is the parent: only what concerns an assigned pair is believed.
fn as_pair(delivery: &Delivery, one: PeerId, other: PeerId) -> Option<(PeerId, PeerId)> {
    let feeds = |parent: PeerId, child: PeerId| {
        let member = delivery.members.get(&child);
        member.is_some_and(|member| member.feed(parent).is_some())
    };
    if feeds(other, one) {
        Some((other, one))
    } else if feeds(one, other) {
        Some((one, other))
    } else {
        None
    }
}

fn feed_mut(delivery: &mut Delivery, (parent, child): (PeerId, PeerId)) -> Option<&mut Feed> {
    delivery.members.get_mut(&child)?.feed_mut(parent)
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
    let cause = match outcome.result {
        LinkResult::Connected { .. } => {
            on_connected(delivery, world, reporter, pair, outcome, now);
            return true;
        }
        LinkResult::Failed => Cause::Unreachable,
        LinkResult::Lost => Cause::Lost,
        LinkResult::Stalled => Cause::Stalled,
    };
    let stands = feed_mut(delivery, pair).is_some_and(|feed| feed.connected);
    if cause == Cause::Unreachable && stands {
        // Both ends of a regular pair dial: one attempt failed, the other one stands.
        return true;
    }
    part(
        delivery,
        world,
        (reporter, pair),
        cause,
        outcome.result,
        now,
    );
    true
}

fn on_connected(
    delivery: &mut Delivery,
    world: &mut World,
    reporter: PeerId,
    pair: (PeerId, PeerId),
    outcome: &Outcome,
    now: Timestamp,
) {
    let (parent, child) = pair;
    if let Some(feed) = feed_mut(delivery, pair) {
        feed.connected = true;
        feed.dry_beats = 0;
    }
    world.blacklist.forgive(parent, child);
    if let Some(record) = world.view.get_mut(parent) {
        record.history.on_connected();
    }
    let what = What::Link {
        result: outcome.result,
        apart: core::time::Duration::ZERO,
    };
    world
        .log
        .note_pair((reporter, outcome.peer), delivery.content, what, now);
}

/// Keeps a pair apart and has the child planned anew.
fn part(
    delivery: &mut Delivery,
    world: &mut World,
    (reporter, (parent, child)): (PeerId, (PeerId, PeerId)),
    cause: Cause,
    result: LinkResult,
    now: Timestamp,
) {
    let until = world.blacklist.add(parent, child, cause, now);
    if let Some(record) = world.view.get_mut(parent) {
        record.history.on_failed(now);
    }
    let other = if reporter == parent { child } else { parent };
    let what = What::Link {
        result,
        apart: until.since(now),
    };
    world
        .log
        .note_pair((reporter, other), delivery.content, what, now);
    world.totals.repairs += 1;
    delivery.mark(child);
}

/// Takes in an accusation; `false` where the two are no assigned pair.
pub(crate) fn on_strike(
    delivery: &mut Delivery,
    world: &mut World,
    reporter: PeerId,
    strike: &Strike,
    now: Timestamp,
) -> bool {
    let Some((parent, child)) = as_pair(delivery, reporter, strike.peer) else {
        return false;
    };
    let until = world.blacklist.add(parent, child, Cause::Misbehaved, now);
    let (content, offence) = (delivery.content, strike.offence);
    let apart = until.since(now);
    let told = What::Struck { offence, apart };
    world
        .log
        .note_pair((reporter, strike.peer), content, told, now);
    world.log.note_pair(
        (strike.peer, reporter),
        content,
        What::Accused { offence },
        now,
    );
    world.totals.strikes += 1;
    delivery.mark(child);
    if let Some(record) = world.view.get_mut(strike.peer)
        && record.history.on_accused(reporter, now)
    {
        world
            .log
            .note(strike.peer, Some(content), What::Distrusted, now);
        delivery.mark_children(strike.peer);
    }
    true
}

/// Counts heartbeats in which a pushing parent brought nothing although chunks were due.
pub(crate) fn on_parent_report(
    delivery: &mut Delivery,
    world: &mut World,
    child: PeerId,
    report: &ParentReport,
    now: Timestamp,
) {
    let pair = (report.peer, child);
    let Some(feed) = feed_mut(delivery, pair) else {
        return;
    };
    feed.connected |= report.received > 0;
    let dry = report.received == 0 && report.late && !feed.substreams.is_empty();
    feed.dry_beats = if dry {
        feed.dry_beats.saturating_add(1)
    } else {
        0
    };
    if feed.dry_beats >= DRY_BEATS {
        feed.dry_beats = 0;
        part(
            delivery,
            world,
            (child, pair),
            Cause::Stalled,
            LinkResult::Stalled,
            now,
        );
    }
}
