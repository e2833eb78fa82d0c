//! Child selection (A8): regular peers are told to help with contents they did not ask for, and
//! let go when nobody watches any more.

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::announce;
use crate::delivery::Delivery;
use crate::explain::What;
use crate::member::Role;
use crate::view::Record;
use crate::world::World;

/// Agents that a watched content has at least, where there are that many: losing one loses half.
const AT_LEAST: usize = 2;
/// Most that are recruited at a time; more come with the next look if viewers still lack uplink.
const PER_LOOK: usize = 4;
/// Most peers looked at for volunteers.
const MAX_LOOKED_AT: usize = 2048;

/// Recruits for a content that is watched and has too few agents.
pub(crate) fn recruit(delivery: &mut Delivery, world: &mut World, now: Timestamp) {
    if delivery.players == 0 {
        return;
    }
    let agents = delivery.feeders.iter().filter(|peer| {
        let member = delivery.members.get(peer);
        member.is_some_and(|member| member.role == Role::Agent)
    });
    let wanted = AT_LEAST.saturating_sub(agents.count());
    // More hands are of use only where somebody has something to hand out.
    let short = delivery.is_short() && delivery.has_source();
    let wanted = if short { PER_LOOK } else { wanted };
    if wanted == 0 {
        return;
    }
    for peer in volunteers(delivery, world, now).into_iter().take(wanted) {
        if let Some(record) = world.view.get_mut(peer) {
            record.contents.insert(delivery.content);
            delivery.join(peer, record, None, now);
            world
                .log
                .note(peer, Some(delivery.content), What::Recruited, now);
            world.growth += 1;
        }
    }
}

/// Regular peers that take no part yet: those with the fewest contents first, then the widest.
fn volunteers(delivery: &Delivery, world: &World, now: Timestamp) -> Vec<PeerId> {
    let rate = delivery.rate();
    let fits = |peer: &PeerId, record: &Record| {
        record.is_regular()
            && !record.waypoint
            && !record.silent
            && now.since(record.last_heard) <= world.config.hesitation()
            && record.uplink.spare() >= rate
            && record.contents.len() < world.config.contents_per_peer
            && !delivery.members.contains_key(peer)
    };
    let mut found: Vec<(usize, u64, PeerId)> = world
        .view
        .regulars()
        .take(MAX_LOOKED_AT)
        .filter(|(peer, record)| fits(peer, record))
        .map(|(peer, record)| {
            (
                record.contents.len(),
                u64::MAX - record.uplink.spare().0,
                peer,
            )
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, _, peer)| peer).collect()
}

/// Lets go who was recruited for a content that nobody watches.
pub(crate) fn dismiss(delivery: &mut Delivery, world: &mut World, now: Timestamp) {
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
        if let Some(record) = world.view.get_mut(peer) {
            record.contents.remove(&delivery.content);
        }
    }
}
