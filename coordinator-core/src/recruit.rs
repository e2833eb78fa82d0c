//! Child selection (A8): regular peers are told to help with contents they did not ask for, and
//! let go when nobody watches any more.

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::announce;
use crate::delivery::Delivery;
use crate::explain::What;
use crate::member::Role;
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
        world.view.enter(peer, delivery.content);
        if let Some(record) = world.view.get(peer) {
            delivery.join(peer, record, None, now);
            if short && has_whole_carriers(region, delivery) {
                delivery.narrow(peer, record);
            }
            delivery.note_standing(peer, world, now);
            let content = Some(delivery.content);
            world.log.note(peer, content, What::Recruited, now);
            world.growth += 1;
        }
    }
    looked_at
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
    let rate = delivery.rate();
    let fits = |peer: PeerId, record: &Record| {
        !record.silent
            && delivery.admits(record)
            && now.since(record.last_heard) <= world.config.hesitation()
            && record.uplink.spare() >= rate
            && record.can_take(rate)
            && !record.is_short_of_links()
            && record.contents.len() < world.config.contents_per_peer
            && !delivery.members.contains_key(&peer)
    };
    let is_barred =
        |peer, record: &Record| world.bars(&world.describe(peer, record), delivery.content, now);
    let fits = |peer: PeerId, record: &Record| fits(peer, record) && !is_barred(peer, record);
    let mut looked_at = 0;
    let mut found: Vec<(bool, usize, u64, PeerId)> = world
        .view
        .helpers(region)
        .take(MAX_LOOKED_AT)
        .inspect(|_| looked_at += 1)
        .filter(|(peer, record)| fits(*peer, record))
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

/// Lets go who was recruited for a content that nobody watches.
pub(crate) fn dismiss(delivery: &mut Delivery, world: &mut World, now: Timestamp) {
    if delivery.members.len() == delivery.opened {
        return;
    }
    let recruited = |(peer, member): (&PeerId, &crate::member::Member)| {
        (!member.opened && member.role == Role::Agent).then_some((*peer, member.epoch))
    };
    let helpers: Vec<(PeerId, u64)> = delivery.members.iter().filter_map(recruited).collect();
    for (peer, epoch) in helpers {
        let epoch = now.as_micros().max(epoch + 1);
        let farewell = announce::dismissal(delivery, epoch, "nobody watches this content any more");
        world.send(peer, farewell);
        delivery.leave(peer, world, now);
        world
            .log
            .note(peer, Some(delivery.content), What::Dismissed, now);
        world.view.quit(peer, delivery.content);
    }
}
