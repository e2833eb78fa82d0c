//! Assignments carry epochs: what a network delivers twice, or late, changes nothing.

use std::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::control::{Assign, FromCoordinator, Parent, Source, Treatment};
use runnel_protocol::segment::SubstreamSet;

use crate::world::{At, STRIPES, World, content, media};

const SECOND: Duration = Duration::from_secs(1);

fn assign(world: &mut World, to: At, epoch: u64, parents: Vec<Parent>) {
    let assign = Assign {
        epoch,
        content: content(),
        stripes: STRIPES,
        carries: SubstreamSet::all(STRIPES),
        parents,
        children: vec![],
        stream_keys: vec![world.certificate()],
        max_suggested_bitrate: None,
        treatment: Treatment::default(),
        why: String::new(),
    };
    let message = FromCoordinator::Assign(Box::new(assign));
    world.give(to, Input::Coordinator(message));
}

/// Bytes of a fresh segment that a peer brings a viewer.
fn from_peers(world: &mut World, waypoint: At, viewer: At, sequence: u64) -> u64 {
    world.publish(waypoint, sequence);
    world.run_for(SECOND);
    let want = world.want(viewer, sequence, SECOND * 4);
    world.run_for(SECOND * 4);
    let host = &world.hosts[viewer.0];
    assert_eq!(host.got(want).unwrap(), media(sequence));
    host.delivered[&want].from_peers
}

#[test]
fn an_older_assignment_that_comes_late_takes_no_parent_away_and_a_newer_one_does() {
    let mut world = World::new();
    let (waypoint, agent, viewer) = (world.waypoint(), world.agent(), world.viewer());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    assign(&mut world, viewer, 20, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);

    assign(&mut world, viewer, 19, vec![]);
    assign(&mut world, viewer, 20, vec![]);
    world.run_for(SECOND * 20);
    let all = media(2).len() as u64;
    assert_eq!(from_peers(&mut world, waypoint, viewer, 2), all);

    assign(&mut world, viewer, 21, vec![]);
    world.run_for(SECOND * 20);
    assert_eq!(from_peers(&mut world, waypoint, viewer, 3), 0);
}
