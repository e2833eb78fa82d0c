//! Bytes reach the player, from the right source, and equal the origin's.

use std::time::Duration;

use runnel_peer_core::Event;
use runnel_protocol::control::{Child, Source};

use crate::world::{At, World, key, media};

const SECOND: Duration = Duration::from_secs(1);

/// Waypoint → agent → viewer, links up, first segment played from the CDN.
fn chain() -> (World, At, At, At) {
    let mut world = World::new();
    let (waypoint, agent, viewer) = (world.waypoint(), world.agent(), world.viewer());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    let first = world.want_as(viewer, 1, SECOND, true, true);
    world.run_until(SECOND, |world| {
        world.hosts[2].delivered.contains_key(&first)
    });
    (world, waypoint, agent, viewer)
}

#[test]
fn the_first_segment_comes_from_the_cdn_at_once() {
    let (world, _, _, viewer) = chain();
    let delivered = world.hosts[viewer.0].delivered.values().next().unwrap();
    assert_eq!(delivered.from_cdn, media(1).len() as u64);
    assert_eq!(delivered.parts.concat(), media(1));
}

#[test]
fn a_live_segment_is_pushed_down_the_chain_before_it_is_asked_for() {
    let (mut world, waypoint, _, viewer) = chain();
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    let want = world.want(viewer, 2, SECOND * 4);
    let host = &world.hosts[viewer.0];
    assert_eq!(
        host.got(want).unwrap(),
        media(2),
        "delivered at once, from the buffer"
    );
    assert_eq!(host.delivered[&want].from_peers, media(2).len() as u64);
    assert_eq!(
        host.fetched.len(),
        1,
        "the CDN was asked for the first segment alone"
    );
}

#[test]
fn a_segment_asked_for_before_it_is_attested_waits_for_the_push() {
    let (mut world, waypoint, _, viewer) = chain();
    let want = world.want(viewer, 2, SECOND * 4);
    world.run_for(SECOND);
    world.publish(waypoint, 2);
    world.run_until(SECOND, |world| {
        world.hosts[viewer.0].delivered.contains_key(&want)
    });
    assert_eq!(
        world.hosts[viewer.0].delivered[&want].from_peers,
        media(2).len() as u64
    );
}

#[test]
fn a_live_segment_that_the_push_left_out_is_asked_for_at_once() {
    let (mut world, waypoint, _, viewer) = chain();
    let want = world.want(viewer, 2, SECOND * 4);
    world.run_for(SECOND / 10);
    // The waypoint begins nearer to the live edge than the viewer plays.
    world.publish(waypoint, 5);
    let demanded = |world: &World| world.hosts[waypoint.0].demanded.clone();
    let took = world.run_until(SECOND, |world| !demanded(world).is_empty());
    assert!(took < SECOND / 4, "{took:?}");
    assert_eq!(demanded(&world), [key(2)]);
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    let delivered = &world.hosts[viewer.0].delivered[&want];
    assert_eq!((delivered.from_cdn, delivered.from_waypoints), (0, 0));
    let events = &world.hosts[viewer.0].events;
    let wasted = events.iter().any(|event| matches!(event, Event::Wasted(_)));
    assert!(!wasted, "it was pushed as well");
}

#[test]
fn two_parents_share_the_stripes_and_nothing_comes_twice() {
    let mut world = World::new();
    let (waypoint, one, two, viewer) = (
        world.waypoint(),
        world.agent(),
        world.agent(),
        world.viewer(),
    );
    world.assign(waypoint, vec![]);
    for agent in [one, two] {
        let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
        world.assign(agent, vec![feed]);
    }
    let parents = vec![
        world.parent(one, viewer, Source::Peer, 0b0101),
        world.parent(two, viewer, Source::Peer, 0b1010),
    ];
    world.assign(viewer, parents);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    for sequence in 2..8 {
        world.publish(waypoint, sequence);
        let want = world.want(viewer, sequence, SECOND * 4);
        world.run_until(SECOND * 2, |world| {
            world.hosts[viewer.0].delivered.contains_key(&want)
        });
        assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(sequence));
    }
    let sent = |at: At| {
        let events = world.hosts[at.0].events.iter();
        events
            .filter_map(|event| match event {
                runnel_peer_core::Event::Sent(_, _, bytes) => Some(u64::from(*bytes)),
                _ => None,
            })
            .sum::<u64>()
    };
    let whole = (2..8)
        .map(|sequence| media(sequence).len() as u64)
        .sum::<u64>();
    assert_eq!(sent(one) + sent(two), whole);
    assert!(
        sent(one) > whole / 4 && sent(two) > whole / 4,
        "{} {}",
        sent(one),
        sent(two)
    );
}

#[test]
fn vod_is_pulled_through_an_agent_that_did_not_have_it() {
    let (mut world, waypoint, agent, viewer) = chain();
    let want = world.want_as(viewer, 50, SECOND * 10, false, false);
    world.run_until(SECOND, |world| !world.hosts[waypoint.0].demanded.is_empty());
    assert_eq!(world.hosts[waypoint.0].demanded, [key(50)]);
    world.publish(waypoint, 50);
    world.run_until(SECOND * 2, |world| {
        world.hosts[viewer.0].delivered.contains_key(&want)
    });
    assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(50));
    assert_eq!(world.hosts[viewer.0].delivered[&want].from_cdn, 0);

    let second = world.viewer();
    let parent = world.parent(agent, second, Source::Peer, 0b1111);
    world.assign(second, vec![parent]);
    world.run_for(SECOND);
    let again = world.want_as(second, 50, SECOND * 10, false, false);
    world.run_until(SECOND * 2, |world| {
        world.hosts[second.0].delivered.contains_key(&again)
    });
    assert_eq!(world.hosts[second.0].got(again).unwrap(), media(50));
    assert_eq!(
        world.hosts[waypoint.0].demanded.len(),
        1,
        "one copy for both viewers"
    );
}

#[test]
fn a_pair_that_dials_both_ways_keeps_one_link() {
    let mut world = World::new();
    let (waypoint, agent) = (world.waypoint(), world.agent());
    let parent = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    let contact = world.contact(agent, parent.contact.ticket.clone(), true);
    world.assign_with(
        waypoint,
        vec![],
        vec![Child {
            contact,
            priority: 0,
        }],
    );
    world.assign(agent, vec![parent]);
    world.run_for(SECOND * 3);
    for at in [waypoint, agent] {
        let host = &world.hosts[at.0];
        let downs = host
            .events
            .iter()
            .filter(|event| matches!(event, runnel_peer_core::Event::LinkDown(_, Some(_), _)));
        assert_eq!(host.links_up() - downs.count(), 1);
    }
}

#[test]
fn bytes_of_another_path_are_not_played_from_peers() {
    let (mut world, waypoint, _, viewer) = chain();
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    let mut other = world.want(viewer, 2, SECOND * 4);
    assert_eq!(world.hosts[viewer.0].delivered[&other].from_cdn, 0);
    let want = runnel_peer_core::Want {
        id: runnel_peer_core::WantId(999),
        content: crate::world::content(),
        track: crate::world::track(),
        kind: runnel_peer_core::MediaKind::Main,
        sequence: 2,
        range: None,
        path: crate::world::path(77),
        due_in: SECOND * 4,
        duration: SECOND * 2,
        live: true,
        urgent: false,
        may_wait: Duration::ZERO,
    };
    other = want.id;
    world.adopt(viewer, other, 77);
    world.give(viewer, runnel_peer_core::Input::Want(want));
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewer.0].got(other).unwrap(), media(77));
}
