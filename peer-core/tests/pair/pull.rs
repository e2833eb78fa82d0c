//! Asking: once for all who ask, again where an answer fell short, never for nothing.

use std::time::Duration;

use runnel_peer_core::{Census, Event, Input};
use runnel_protocol::control::{FromCoordinator, LinkResult, Opened, Source, ToCoordinator};
use runnel_protocol::peer::{Control, Request, RequestId};
use runnel_protocol::segment::chunk_count;

use crate::world::{At, World, key, media};

const SECOND: Duration = Duration::from_secs(1);

/// Waypoint → agent → as many viewers, of which none has asked for anything yet.
fn crowd(viewers: usize) -> (World, At, At, Vec<At>) {
    let mut world = World::new();
    let (waypoint, agent) = (world.waypoint(), world.agent());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    let viewers: Vec<_> = (0..viewers).map(|_| world.viewer()).collect();
    for viewer in &viewers {
        let parent = world.parent(agent, *viewer, Source::Peer, 0b1111);
        world.assign(*viewer, vec![parent]);
    }
    world.run_for(SECOND);
    (world, waypoint, agent, viewers)
}

fn said(world: &World, at: At, which: fn(&Control) -> bool) -> usize {
    let said = world.hosts[at.0].said.iter();
    said.filter(|message| which(message)).count()
}

fn requests(world: &World, at: At) -> usize {
    said(world, at, |message| matches!(message, Control::Request(_)))
}

/// What is left in the tables when nothing is going on.
fn leftovers(world: &World, at: At) -> Census {
    Census {
        links: 0,
        children: 0,
        banned: 0,
        ..world.hosts[at.0].peer.census()
    }
}

#[test]
fn six_viewers_who_ask_at_once_cost_one_copy() {
    let (mut world, waypoint, agent, viewers) = crowd(6);
    let wants: Vec<_> = viewers
        .iter()
        .map(|viewer| {
            world.run_for(Duration::from_millis(15));
            world.want_as(*viewer, 50, SECOND * 20, false, false)
        })
        .collect();
    world.run_for(SECOND);
    assert_eq!(world.hosts[waypoint.0].demanded, [key(50)]);
    world.publish(waypoint, 50);
    world.run_for(SECOND);
    assert_eq!(requests(&world, agent), 1);
    for (viewer, want) in viewers.iter().zip(wants) {
        assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(50));
        assert_eq!(world.hosts[viewer.0].delivered[&want].from_cdn, 0);
    }
    for at in viewers.into_iter().chain([agent, waypoint]) {
        assert_eq!(leftovers(&world, at), Census::default());
    }
}

#[test]
fn what_came_in_full_is_not_cancelled() {
    let (mut world, waypoint, agent, viewers) = crowd(1);
    world.publish(waypoint, 50);
    world.want_as(viewers[0], 50, SECOND * 20, false, false);
    world.run_for(SECOND);
    for at in [agent, viewers[0]] {
        assert_eq!(requests(&world, at), 1);
        let cancels = said(&world, at, |message| matches!(message, Control::Cancel(_)));
        assert_eq!(cancels, 0);
    }
}

#[test]
fn when_the_children_leave_what_they_needed_is_cancelled() {
    let (mut world, _, agent, viewers) = crowd(2);
    for viewer in &viewers {
        world.want_as(*viewer, 50, SECOND * 30, false, false);
    }
    world.run_for(SECOND);
    assert_eq!(world.hosts[agent.0].peer.census().needs, 1);
    world.kill(viewers[0]);
    world.run_for(SECOND);
    assert_eq!(
        world.hosts[agent.0].peer.census().needs,
        1,
        "one still waits"
    );
    world.kill(viewers[1]);
    world.run_for(SECOND);
    assert_eq!(leftovers(&world, agent), Census::default());
    let cancels = said(&world, agent, |message| {
        matches!(message, Control::Cancel(_))
    });
    assert_eq!(cancels, 1);
}

#[test]
fn a_request_that_asks_to_be_waited_for_forever_is_not() {
    let (mut world, _, agent, viewers) = crowd(1);
    world.forge(
        viewers[0],
        Control::Request(Request {
            id: RequestId(7),
            segment: key(50),
            first: 0,
            count: 1,
            within_ms: u32::MAX,
        }),
    );
    world.run_for(SECOND * 90);
    assert_eq!(leftovers(&world, agent), Census::default());
}

#[test]
fn a_parent_that_answered_its_part_is_asked_for_the_rest_when_the_other_dies() {
    let mut world = World::new();
    let (one, two, agent, viewer) = (
        world.waypoint(),
        world.waypoint(),
        world.agent(),
        world.viewer(),
    );
    for waypoint in [one, two] {
        world.assign(waypoint, vec![]);
    }
    let feeds = vec![
        world.parent(one, agent, Source::Waypoint, 0b0101),
        world.parent(two, agent, Source::Waypoint, 0b1010),
    ];
    world.assign(agent, feeds);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    // The second parent of the agent is silent: its stripes of a pushed segment are missing.
    world.hosts[two.0].tamper = Some(Box::new(|_| None));
    world.publish(one, 2);
    world.publish(two, 2);
    let want = world.want(viewer, 2, SECOND * 20);
    world.run_for(SECOND);
    world.kill(two);
    world.run_for(SECOND * 10);
    let delivered = &world.hosts[viewer.0].delivered[&want];
    assert_eq!(delivered.parts.concat(), media(2));
    assert_eq!(delivered.from_cdn, 0);
}

#[test]
fn a_player_that_asks_again_is_answered_again() {
    let mut world = World::new();
    let viewer = world.viewer();
    world.assign(viewer, vec![]);
    let first = world.want_as(viewer, 5, SECOND * 2, true, true);
    world.run_for(Duration::from_millis(10));
    let again = world.want_as(viewer, 5, SECOND * 2, true, true);
    world.run_for(SECOND);
    let host = &world.hosts[viewer.0];
    assert_eq!(host.failed, [first]);
    assert_eq!(host.got(again).unwrap(), media(5));
    assert_eq!(leftovers(&world, viewer), Census::default());
}

#[test]
fn a_cdn_that_fails_does_not_spoil_what_peers_bring_in_time() {
    let (mut world, waypoint, _, viewers) = crowd(1);
    let viewer = viewers[0];
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    world.origin_up = false;
    let want = world.want_as(viewer, 2, SECOND * 2, true, true);
    world.run_for(SECOND);
    assert!(world.hosts[viewer.0].failed.is_empty());
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(2));
}

#[test]
fn a_cdn_that_fails_with_peers_that_never_come_is_told_when_it_is_due() {
    let (mut world, _, _, viewers) = crowd(1);
    world.want_as(viewers[0], 1, SECOND, true, true);
    world.run_for(SECOND);
    world.origin_up = false;
    let want = world.want_as(viewers[0], 2, SECOND * 3, true, true);
    world.run_for(SECOND * 3);
    assert_eq!(world.hosts[viewers[0].0].failed, [want]);
    assert_eq!(leftovers(&world, viewers[0]), Census::default());
}

#[test]
fn a_path_that_turns_out_to_be_another_plays_from_the_cdn() {
    let (mut world, waypoint, _, viewers) = crowd(1);
    let viewer = viewers[0];
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    let id = runnel_peer_core::WantId(999);
    world.adopt(viewer, id, 77);
    let want = runnel_peer_core::Want {
        id,
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
    world.give(viewer, Input::Want(want));
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewer.0].got(id).unwrap(), media(77));
}

#[test]
fn a_parent_that_had_no_time_is_not_blamed() {
    let (mut world, _, _, viewers) = crowd(1);
    let viewer = viewers[0];
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    // The buffer has run low: the CDN has to step in at once.
    world.want(viewer, 2, Duration::from_millis(300));
    world.run_for(SECOND);
    let stalled = world.hosts[viewer.0].told.iter().any(|message| {
        matches!(message, ToCoordinator::Outcome(outcome) if outcome.result == LinkResult::Stalled)
    });
    assert!(!stalled);
}

#[test]
fn a_segment_wanted_while_the_link_is_being_made_comes_over_it() {
    let (mut world, waypoint, agent, _) = crowd(1);
    world.publish(waypoint, 50);
    let late = world.viewer();
    let parent = world.parent(agent, late, Source::Peer, 0b1111);
    world.assign(late, vec![parent]);
    let want = world.want_as(late, 50, SECOND * 10, false, false);
    world.run_for(SECOND);
    assert_eq!(world.hosts[late.0].delivered[&want].from_cdn, 0);
}

#[test]
fn a_segment_wanted_before_anybody_is_named_waits_for_parents_while_the_cdn_can_still_make_it() {
    for (named, from_cdn) in [(true, 0), (false, media(50).len() as u64)] {
        let (mut world, waypoint, agent, _) = crowd(1);
        world.publish(waypoint, 50);
        let late = world.viewer();
        let opened = FromCoordinator::Opened(Opened {
            content: key(50).content,
            name: String::new(),
            stripes: 4,
            start_wait_ms: 0,
        });
        world.give(late, Input::Coordinator(opened));
        let took = world.origin_delay;
        world.give(late, Input::CdnTook(took));
        let want = world.want(late, 50, took * 8);
        world.run_for(took);
        if named {
            let parent = world.parent(agent, late, Source::Peer, 0b1111);
            world.assign(late, vec![parent]);
        }
        world.run_for(took * 7);
        let delivered = &world.hosts[late.0].delivered[&want];
        assert_eq!(delivered.from_cdn, from_cdn);
    }
}

#[test]
fn what_was_read_from_disk_for_one_is_not_pushed_to_others_again() {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agent = world.add(runnel_protocol::control::Platform::Native, |config| {
        config.disk = true;
        config.memory = 600_000;
    });
    let viewers = [world.viewer(), world.viewer()];
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    for viewer in viewers {
        let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
        world.assign(viewer, vec![parent]);
    }
    world.run_for(SECOND);
    world.want_as(viewers[0], 1, SECOND, true, true);
    world.run_for(SECOND);
    for sequence in 2..8 {
        world.publish(waypoint, sequence);
        world.run_for(SECOND * 2);
    }
    let want = world.want_as(viewers[1], 2, SECOND * 10, false, false);
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewers[1].0].delivered[&want].from_cdn, 0);
    let wasted = world.hosts[viewers[0].0].events.iter();
    let wasted = wasted.filter(|event| matches!(event, Event::Wasted(_)));
    assert_eq!(wasted.count(), 0);
}

#[test]
fn a_restart_finds_on_disk_what_it_had_although_its_key_is_not_known_yet() {
    let (mut world, waypoint, _, _) = crowd(0);
    world.publish(waypoint, 50);
    let entry = world.entry(50, &media(50));
    let tree = runnel_protocol::proof::SegmentTree::new(&media(50)).unwrap();
    let agent = world.add(runnel_protocol::control::Platform::Native, |config| {
        config.disk = true;
    });
    let chunks: Vec<u32> = (0..chunk_count(tree.length())).collect();
    for &index in &chunks {
        let chunk = tree.chunk(&media(50), index).unwrap();
        world.hosts[agent.0].disk.insert((key(50), index), chunk);
    }
    world.give(agent, Input::Restored { entry, chunks });
    let viewer = world.viewer();
    world.assign(agent, vec![]);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    let want = world.want_as(viewer, 50, SECOND * 10, false, false);
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewer.0].delivered[&want].from_cdn, 0);
}
