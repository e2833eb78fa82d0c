//! Media in memory has a bound, which an evening is too short to reach by itself.

use std::time::Duration;

use runnel_protocol::control::{Platform, Source};

use crate::world::{World, media};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn media_in_memory_stays_within_its_limit_and_goes_on_being_passed_on() {
    let limit = 3 * media(1).len();
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agent = world.add(Platform::Native, |config| config.memory = limit);
    let viewer = world.viewer();
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    world.assign(agent, vec![feed]);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    for sequence in 2..12 {
        world.publish(waypoint, sequence);
        let want = world.want(viewer, sequence, SECOND * 4);
        world.run_for(SECOND * 2);
        let delivered = &world.hosts[viewer.0].delivered[&want];
        assert_eq!(delivered.from_peers, media(sequence).len() as u64);
        let held = world.hosts[agent.0].peer.memory();
        assert!(held > 0 && held <= limit, "{held} of {limit} bytes");
    }
}
