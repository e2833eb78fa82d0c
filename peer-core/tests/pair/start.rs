//! The first picture: from the CDN at once, or from peers where operator and site have it wait.

use std::time::Duration;

use runnel_peer_core::{Input, WantId};
use runnel_protocol::control::{FromCoordinator, Opened, Source};

use crate::world::{At, World, key, media};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(200);

/// Waypoint → agent, and a viewer of whom the coordinator knows nothing yet.
fn before_the_start() -> (World, At, At) {
    let (world, _, agent, viewer) = with_a_waypoint();
    (world, agent, viewer)
}

fn with_a_waypoint() -> (World, At, At, At) {
    let mut world = World::new();
    let (waypoint, agent) = (world.waypoint(), world.agent());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    let viewer = world.viewer();
    world.run_for(SECOND);
    world.publish(waypoint, 50);
    world.run_for(SECOND);
    (world, waypoint, agent, viewer)
}

fn open(world: &mut World, viewer: At, wait: Duration) {
    let opened = FromCoordinator::Opened(Opened {
        content: key(50).content,
        name: String::new(),
        stripes: 4,
        start_wait_ms: u16::try_from(wait.as_millis()).unwrap(),
    });
    world.give(viewer, Input::Coordinator(opened));
}

fn name_parent(world: &mut World, agent: At, viewer: At) {
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
}

fn from_cdn(world: &World, viewer: At, want: WantId) -> u64 {
    world.hosts[viewer.0].delivered[&want].from_cdn
}

#[test]
fn where_operator_and_site_have_it_wait_the_first_picture_comes_from_peers() {
    let (mut world, agent, viewer) = before_the_start();
    let want = world.want_first(viewer, 50, SECOND * 3);
    world.run_for(SOON);
    open(&mut world, viewer, SECOND * 2);
    world.run_for(SOON);
    name_parent(&mut world, agent, viewer);
    world.run_for(SECOND);
    assert_eq!(from_cdn(&world, viewer, want), 0);
}

#[test]
fn where_one_of_them_does_not_the_cdn_answers_at_once() {
    let whole = media(50).len() as u64;
    for (site, operator) in [(Duration::ZERO, SECOND * 2), (SECOND * 3, Duration::ZERO)] {
        let (mut world, agent, viewer) = before_the_start();
        open(&mut world, viewer, operator);
        name_parent(&mut world, agent, viewer);
        world.run_for(SECOND);
        let want = world.want_first(viewer, 50, site);
        world.run_for(SOON);
        assert_eq!(from_cdn(&world, viewer, want), whole);
    }
}

#[test]
fn a_coordinator_that_says_nothing_costs_no_more_than_the_site_allows() {
    let (mut world, _, viewer) = before_the_start();
    let want = world.want_first(viewer, 50, SECOND * 3);
    world.run_for(SECOND * 3 / 2);
    assert!(!world.hosts[viewer.0].delivered.contains_key(&want));
    world.run_for(SECOND * 3 / 2);
    assert_eq!(from_cdn(&world, viewer, want), media(50).len() as u64);
}

#[test]
fn whoever_hears_that_nobody_waits_asks_the_cdn_then() {
    let (mut world, _, viewer) = before_the_start();
    let want = world.want_first(viewer, 50, SECOND * 3);
    world.run_for(SOON);
    open(&mut world, viewer, Duration::ZERO);
    world.run_for(SOON);
    assert_eq!(from_cdn(&world, viewer, want), media(50).len() as u64);
}

#[test]
fn whoever_is_told_that_there_are_no_parents_waits_for_none() {
    let (mut world, _, viewer) = before_the_start();
    let want = world.want_first(viewer, 50, SECOND * 3);
    open(&mut world, viewer, SECOND * 3);
    world.assign(viewer, vec![]);
    world.run_for(SOON);
    assert_eq!(from_cdn(&world, viewer, want), media(50).len() as u64);
}

#[test]
fn a_standby_whose_link_stands_first_leaves_the_work_to_who_is_about_to_answer() {
    for (answers, by_waypoint) in [(true, 0), (false, media(50).len() as u64)] {
        let (mut world, waypoint, agent, viewer) = with_a_waypoint();
        open(&mut world, viewer, Duration::ZERO);
        let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
        let standby = world.parent(waypoint, viewer, Source::Waypoint, 0);
        world.assign(viewer, vec![parent, standby]);
        world.run_for(Duration::from_millis(1));
        world.freeze(agent, true);
        let want = world.want(viewer, 50, SECOND * 4);
        world.run_for(SOON);
        assert_eq!(world.hosts[viewer.0].links_up(), 1, "the standby's");
        world.freeze(agent, !answers);
        world.run_for(SECOND * 2);
        let delivered = &world.hosts[viewer.0].delivered[&want];
        assert_eq!(delivered.from_waypoints, by_waypoint);
        assert_eq!(delivered.from_cdn, 0);
    }
}
