//! Child selection (A8): regular peers are told to help with contents they did not ask for, and
//! let go when nobody watches any more.

use std::collections::BTreeSet;

use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use crate::announce;
use crate::delivery::Delivery;
use crate::directory::Directory;
use crate::explain::What;
use crate::member::{Member, Role};
use crate::place::Region;
use crate::view::Record;
use crate::world::World;

/// Agents that a watched content has at least, where there are that many: losing one loses half.
const AT_LEAST: usize = 2;
/// Fewest and most that are recruited at a time; more come with the next look if viewers still
/// lack uplink.
const FEWEST_PER_LOOK: usize = 4;
const MOST_PER_LOOK: usize = 256;
/// A crowd of agents grows by a part of itself with each look, so that a million viewers wait no
/// longer than a thousand: twice as many in half a second.
const GROWTH_PER_LOOK: usize = 16;
/// Most peers looked at for volunteers.
const MAX_LOOKED_AT: usize = 512;
/// Volunteers for each one that is wanted, of which the widest are taken.
const MAX_VOLUNTEERS: usize = 8;

/// Recruits for a content, in each region where it is watched and has too few agents; how many
/// peers were looked at.
pub(crate) fn recruit(delivery: &mut Delivery, world: &mut World, now: Timestamp) -> usize {
    let watched = delivery.watched_regions().into_iter();
    watched
        .map(|(region, lacks)| recruit_in(region, lacks, delivery, world, now))
        .sum()
}

fn recruit_in(
    region: Region,
    lacks: bool,
    delivery: &mut Delivery,
    world: &mut World,
    now: Timestamp,
) -> usize {
    if delivery.supply.agents(region) < usize::from(delivery.stripes) {
        // So few that a stripe would have nobody.
        delivery.widen(region, world);
    }
    let wanted = AT_LEAST.saturating_sub(delivery.supply.agents(region));
    // More hands are of use only where somebody has something to hand out.
    let short = lacks && delivery.supply.has_source();
    let wanted = if short {
        as_many_as_help(region, delivery)
    } else {
        wanted
    };
    if wanted == 0 {
        return 0;
    }
    let (found, looked_at) = volunteers(region, wanted, delivery, world, now);
    for peer in found.into_iter().take(wanted) {
        enlist(peer, short, delivery, world, now);
    }
    looked_at
}

/// Takes somebody in, with one stripe alone where that is of more use.
fn enlist(peer: PeerId, crowded: bool, delivery: &mut Delivery, world: &mut World, now: Timestamp) {
    world.view.enter(peer, delivery.content);
    if let Some(record) = world.view.get(peer) {
        delivery.join(peer, record, None, now);
        if crowded && has_whole_carriers(record.place.region, delivery) {
            delivery.narrow(peer, record);
        }
        delivery.note_standing(peer, world, now);
        let content = Some(delivery.content);
        world.log.note(peer, content, What::Recruited, now);
        world.growth += 1;
    }
}

/// Recruits one of those who share a group with a member that lacks parents: who keeps to its friends has no
/// use for others, and nobody else has for such an agent (G1). More come when it is looked at again.
pub(crate) fn recruit_fellow(
    child: PeerId,
    delivery: &mut Delivery,
    world: &mut World,
    now: Timestamp,
) {
    if !delivery.supply.has_source() {
        return;
    }
    let helps = |peer: &PeerId| {
        let record = world.view.get(*peer);
        record.is_some_and(|record| {
            record.is_regular() && can_help((*peer, record), delivery, world, now)
        })
    };
    let found = world.groups.fellows(child).find(helps);
    if let Some(fellow) = found {
        enlist(fellow, false, delivery, world, now);
    }
}

/// Whether there are enough who have all stripes for others to have one. Files, of which whole
/// segments are asked for, are always carried whole.
fn has_whole_carriers(region: Region, delivery: &Delivery) -> bool {
    delivery.is_live() && delivery.supply.agents(region) > usize::from(delivery.stripes)
}

/// A part of those who are there, but no more than are missing: each brings what it takes and at
/// least a rate besides.
fn as_many_as_help(region: Region, delivery: &Delivery) -> usize {
    let missing = delivery.missing_uplink() / delivery.rate().0.max(1);
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    let most = delivery.supply.agents(region) / GROWTH_PER_LOOK;
    missing.min(most).clamp(FEWEST_PER_LOOK, MOST_PER_LOOK)
}

/// Regular peers of a region that take no part yet: those whose processors are not busy first, then
/// those with the fewest contents, then the widest.
fn volunteers(
    region: Region,
    wanted: usize,
    delivery: &Delivery,
    world: &World,
    now: Timestamp,
) -> (Vec<PeerId>, usize) {
    let mut looked_at = 0;
    let mut found: Vec<(bool, usize, u64, PeerId)> = world
        .view
        .helpers(region)
        .take(MAX_LOOKED_AT)
        .inspect(|_| looked_at += 1)
        .filter(|(peer, _)| !world.groups.keeps_to_itself(*peer))
        .filter(|known| can_help(*known, delivery, world, now))
        .take(MAX_VOLUNTEERS * wanted)
        .map(|(peer, record)| {
            let narrowness = u64::MAX - record.uplink.spare().0;
            (record.is_busy(), record.contents.len(), narrowness, peer)
        })
        .collect();
    found.sort_unstable();
    let found = found.into_iter().map(|(_, _, _, peer)| peer).collect();
    (found, looked_at)
}

/// Whether somebody that takes no part yet could.
fn can_help(
    (peer, record): (PeerId, &Record),
    delivery: &Delivery,
    world: &World,
    now: Timestamp,
) -> bool {
    let rate = delivery.rate();
    !record.silent
        && delivery.admits(record)
        && now.since(record.last_heard) <= world.config.hesitation()
        && record.uplink.spare() >= rate
        && record.can_take(rate)
        && !record.is_short_of_links()
        && record.contents.len() < world.config.contents_per_peer
        && !delivery.members.contains_key(&peer)
        && !world.bars(&world.describe(peer, record), delivery.content, now)
}

/// Lets go who was recruited for a content that nobody watches.
pub(crate) fn dismiss(delivery: &mut Delivery, world: &mut World, now: Timestamp) {
    if delivery.members.len() == delivery.opened {
        return;
    }
    let recruited = |(peer, member): (&PeerId, &Member)| is_recruit(member).then_some(*peer);
    let helpers: Vec<PeerId> = delivery.members.iter().filter_map(recruited).collect();
    for peer in helpers {
        let why = "nobody watches this content any more";
        dismiss_one(peer, why, delivery, world, now);
    }
}

fn is_recruit(member: &Member) -> bool {
    !member.opened && member.role == Role::Agent
}

fn dismiss_one(
    peer: PeerId,
    why: &str,
    delivery: &mut Delivery,
    world: &mut World,
    now: Timestamp,
) {
    let Some(member) = delivery.members.get(&peer) else {
        return;
    };
    let epoch = now.as_micros().max(member.epoch + 1);
    let farewell = announce::dismissal(delivery, epoch, why);
    world.send(peer, farewell);
    delivery.leave(peer, world, now);
    let content = Some(delivery.content);
    world.log.note(peer, content, What::Dismissed, now);
    world.view.quit(peer, delivery.content);
}

/// Lets go those recruited agents of groups that keep to themselves of whose groups one has nobody left
/// who watches: they can feed nobody, and waypoints would go on feeding them. Once a minute is enough.
pub(crate) fn dismiss_forsaken(directory: &mut Directory, world: &mut World, now: Timestamp) {
    let mut forsaken = Vec::new();
    for members in world.groups.closed() {
        let parts = || {
            let records = members
                .iter()
                .filter_map(|peer| Some((*peer, world.view.get(*peer)?)));
            records.flat_map(|(peer, record)| {
                let contents = record.contents.iter();
                contents
                    .map(move |content| (peer, content))
                    .collect::<Vec<_>>()
            })
        };
        let member =
            |(peer, content): &(PeerId, ContentId)| directory.delivery(*content)?.members.get(peer);
        let plays = |part: &(PeerId, ContentId)| member(part).is_some_and(|member| member.plays);
        let watched: BTreeSet<ContentId> = parts().filter(plays).map(|(_, id)| id).collect();
        let lost = |part: &(PeerId, ContentId)| {
            !watched.contains(&part.1) && member(part).is_some_and(is_recruit)
        };
        forsaken.extend(parts().filter(lost));
    }
    for (peer, content) in forsaken {
        if let Some(delivery) = directory.delivery_mut(content) {
            dismiss_one(
                peer,
                "nobody of your group watches this content any more",
                delivery,
                world,
                now,
            );
        }
    }
}
