//! Agents that were called in for one stripe: what they take, pass on, and are asked for.

use std::time::Duration;

use runnel_peer_core::Event;
use runnel_protocol::control::{Parent, Source};
use runnel_protocol::segment::SubstreamSet;

use crate::world::{At, STRIPES, World, media};

const SECOND: Duration = Duration::from_secs(1);

struct Evening {
    world: World,
    waypoint: At,
    /// One for each stripe.
    agents: Vec<At>,
    viewer: At,
}

/// A waypoint, an agent for each stripe, and a viewer of all of them.
fn evening() -> Evening {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agents: Vec<At> = (0..STRIPES).map(|_| world.agent()).collect();
    let viewer = world.viewer();
    world.assign(waypoint, vec![]);
    for (agent, stripe) in agents.iter().zip(0..) {
        let feed = world.parent(waypoint, *agent, Source::Waypoint, 1 << stripe);
        world.assign_some(*agent, SubstreamSet(1 << stripe), vec![feed]);
    }
    let parents = parents(&world, &agents, viewer);
    world.assign(viewer, parents);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    Evening {
        world,
        waypoint,
        agents,
        viewer,
    }
}

fn parents(world: &World, agents: &[At], viewer: At) -> Vec<Parent> {
    let stripe = |(agent, stripe): (&At, u16)| Parent {
        carries: SubstreamSet(1 << stripe),
        ..world.parent(*agent, viewer, Source::Peer, 1 << stripe)
    };
    agents.iter().zip(0..).map(stripe).collect()
}

fn received(world: &World, at: At) -> u64 {
    let events = world.hosts[at.0].events.iter().map(|event| match event {
        Event::Received(_, _, _, bytes) => u64::from(*bytes),
        _ => 0,
    });
    events.sum()
}

#[test]
fn each_takes_its_stripe_alone_and_together_they_bring_everything() {
    let mut evening = evening();
    let mut played = 0;
    for place in 2..10 {
        evening.world.publish(evening.waypoint, place);
        let want = evening.world.want(evening.viewer, place, SECOND * 4);
        evening.world.run_for(SECOND * 2);
        let host = &evening.world.hosts[evening.viewer.0];
        assert_eq!(host.got(want).unwrap(), media(place));
        assert_eq!(host.delivered[&want].from_cdn, 0);
        played += media(place).len() as u64;
    }
    let took = |agent: &At| received(&evening.world, *agent);
    let sum: u64 = evening.agents.iter().map(took).sum();
    assert!(
        sum <= played * 11 / 10,
        "{sum} of {played}: once, not {STRIPES} times"
    );
    assert!(evening.agents.iter().all(|agent| took(agent) > 0));
}

#[test]
fn what_a_lost_one_would_have_brought_is_asked_of_nobody_who_has_it_not() {
    let mut evening = evening();
    let before: Vec<u64> = evening.agents[1..]
        .iter()
        .map(|agent| received(&evening.world, *agent))
        .collect();
    evening.world.freeze(evening.agents[0], true);
    let mut from_cdn = 0;
    let mut played = 0;
    for place in 2..6 {
        evening.world.publish(evening.waypoint, place);
        let want = evening.world.want(evening.viewer, place, SECOND * 4);
        evening.world.run_for(SECOND * 4);
        let host = &evening.world.hosts[evening.viewer.0];
        assert_eq!(host.got(want).unwrap(), media(place));
        from_cdn += host.delivered[&want].from_cdn;
        played += media(place).len() as u64;
    }
    assert!(
        from_cdn > 0 && from_cdn <= played / 2,
        "{from_cdn} of {played}"
    );
    for (agent, before) in evening.agents[1..].iter().zip(before) {
        let took = received(&evening.world, *agent) - before;
        assert!(took <= played / 3, "its own stripe: {took} of {played}");
    }
}

#[test]
fn an_older_segment_of_which_nobody_has_all_comes_from_the_cdn_at_once() {
    let mut evening = evening();
    for place in 2..20 {
        evening.world.publish(evening.waypoint, place);
        evening.world.run_for(SECOND);
    }
    let newcomer = evening.world.viewer();
    let parents = parents(&evening.world, &evening.agents, newcomer);
    evening.world.assign(newcomer, parents);
    evening.world.run_for(SECOND);
    let want = evening.world.want(newcomer, 3, SECOND * 8);
    evening.world.run_for(SECOND);
    let host = &evening.world.hosts[newcomer.0];
    assert_eq!(host.got(want).unwrap(), media(3));
}
