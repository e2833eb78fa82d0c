//! Bytes flow down, never in circles.

use std::time::Duration;

use runnel_peer_core::{Event, Input};
use runnel_protocol::control::{Child, Source};
use runnel_protocol::peer::Control;

use crate::world::{At, OTHER_TRACK, World, media};

const SECOND: Duration = Duration::from_secs(1);

fn bytes_sent(world: &World, at: At) -> u64 {
    let sent = world.hosts[at.0].events.iter().map(|event| match event {
        Event::Sent(_, _, bytes) => u64::from(*bytes),
        _ => 0,
    });
    sent.sum()
}

fn subscriptions(world: &World, at: At) -> usize {
    let said = world.hosts[at.0].said.iter();
    said.filter(|message| matches!(message, Control::Subscribe(_)))
        .count()
}

/// Waypoint → agent → viewer who uploads to the agent as a standby (P6).
fn with_uploading_viewer() -> (World, At, At, At) {
    let mut world = World::new();
    let (waypoint, agent, viewer) = (world.waypoint(), world.agent(), world.viewer());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, agent, Source::Waypoint, 0b1111);
    let mut standby = world.parent(viewer, agent, Source::Peer, 0);
    let contact = standby.contact.ticket.clone();
    standby.contact = world.contact(viewer, contact, false);
    world.assign(agent, vec![feed, standby]);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    (world, waypoint, agent, viewer)
}

#[test]
fn a_child_that_is_also_a_standby_is_not_subscribed_to_when_the_parent_dies() {
    let (mut world, waypoint, agent, viewer) = with_uploading_viewer();
    world.publish(waypoint, 2);
    world.run_for(SECOND);
    let before = subscriptions(&world, agent);
    world.kill(waypoint);
    world.run_for(SECOND * 5);
    assert_eq!(subscriptions(&world, agent), before);
    assert_eq!(bytes_sent(&world, viewer), 0, "nothing goes back up");
}

#[test]
fn an_agent_does_not_ask_the_child_that_asks_it() {
    let (mut world, waypoint, agent, viewer) = with_uploading_viewer();
    world.kill(waypoint);
    world.run_for(SECOND);
    let want = world.want_as(viewer, 50, SECOND * 10, false, false);
    world.run_for(SECOND * 6);
    let asked = world.hosts[agent.0].said.iter();
    let asked = asked.filter(|message| matches!(message, Control::Request(_)));
    assert_eq!(asked.count(), 0);
    assert_eq!(
        world.hosts[viewer.0].got(want).unwrap(),
        media(50),
        "from the CDN"
    );
}

/// Two agents, each the other's standby, each with a child.
fn standbys_of_each_other() -> (World, At, [At; 2], [At; 2]) {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agents = [world.agent(), world.agent()];
    let viewers = [world.viewer(), world.viewer()];
    world.assign(waypoint, vec![]);
    for (own, other) in [(0, 1), (1, 0)] {
        let feed = world.parent(waypoint, agents[own], Source::Waypoint, 0b1111);
        let standby = world.parent(agents[other], agents[own], Source::Peer, 0);
        world.assign(agents[own], vec![feed, standby]);
        let parent = world.parent(agents[own], viewers[own], Source::Peer, 0b1111);
        world.assign(viewers[own], vec![parent]);
    }
    world.run_for(SECOND * 2);
    for viewer in viewers {
        world.want_as(viewer, 1, SECOND, true, true);
    }
    world.run_for(SECOND);
    (world, waypoint, agents, viewers)
}

#[test]
fn two_standbys_of_each_other_that_lose_their_parent_settle() {
    let (mut world, waypoint, agents, _) = standbys_of_each_other();
    world.kill(waypoint);
    world.run_for(SECOND);
    let before: usize = agents.iter().map(|at| world.hosts[at.0].said.len()).sum();
    world.run_for(SECOND * 10);
    let after: usize = agents.iter().map(|at| world.hosts[at.0].said.len()).sum();
    assert!(after - before <= 4, "{} messages", after - before);
}

#[test]
fn one_of_two_standbys_that_loses_its_parent_is_fed_by_the_other_and_nothing_goes_back() {
    let (mut world, waypoint, agents, viewers) = standbys_of_each_other();
    let standby = world.parent(agents[1], agents[0], Source::Peer, 0);
    world.assign(agents[0], vec![standby]);
    world.run_for(SECOND * 12);
    let before = agents.map(|at| bytes_sent(&world, at));
    for sequence in 2..6 {
        world.publish(waypoint, sequence);
        for viewer in viewers {
            world.want(viewer, sequence, SECOND * 4);
        }
        world.run_for(SECOND * 2);
    }
    let whole: u64 = (2..6).map(|sequence| media(sequence).len() as u64).sum();
    let sent = [0, 1].map(|index| bytes_sent(&world, agents[index]) - before[index]);
    assert_eq!(
        sent,
        [whole, 2 * whole],
        "to one viewer; to agent and viewer"
    );
    for viewer in viewers {
        let want = world.want(viewer, 5, SECOND * 4);
        assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(5));
    }
}

/// Three agents in a ring: each gets one stripe from the waypoint, and the others from the next
/// agent. Each stripe alone is a tree.
fn ring() -> (World, At, At) {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agents = [world.agent(), world.agent(), world.agent()];
    let viewer = world.viewer();
    world.assign(waypoint, vec![]);
    for (own, next, home) in [(0, 1, 0b1001), (1, 2, 0b0010), (2, 0, 0b0100)] {
        let feeds = vec![
            world.parent(waypoint, agents[own], Source::Waypoint, home),
            world.parent(agents[next], agents[own], Source::Peer, 0b1111 & !home),
        ];
        world.assign(agents[own], feeds);
    }
    let parent = world.parent(agents[0], viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND * 2);
    (world, waypoint, viewer)
}

#[test]
fn what_is_asked_for_on_demand_is_not_asked_in_circles() {
    let (mut world, waypoint, viewer) = ring();
    for sequence in 50..54 {
        let want = world.want_as(viewer, sequence, SECOND * 20, false, false);
        world.run_for(SECOND);
        world.publish(waypoint, sequence);
        world.run_for(SECOND);
        assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(sequence));
        assert_eq!(world.hosts[viewer.0].delivered[&want].from_cdn, 0);
    }
}

#[test]
fn a_question_that_was_taken_back_does_not_go_round_for_ever() {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agents = [world.agent(), world.agent(), world.agent()];
    let viewer = world.viewer();
    world.assign(waypoint, vec![]);
    // What a tree may look like while its changes are under way.
    for (own, next) in [(0, 1), (1, 2), (2, 0)] {
        let feed = world.parent(agents[next], agents[own], Source::Peer, 0b1111);
        world.assign(agents[own], vec![feed]);
    }
    let parent = world.parent(agents[0], viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND * 2);
    let questions = |world: &World| {
        let said = agents.iter().flat_map(|agent| &world.hosts[agent.0].said);
        let asks = |one: &&Control| matches!(one, Control::Request(_));
        said.filter(asks).count()
    };

    let before = questions(&world);
    let want = world.want_as(viewer, 50, SECOND * 20, false, false);
    world.give(viewer, Input::Abandon(want));
    world.run_for(SECOND * 5);
    let asked = questions(&world) - before;
    assert!((1..=6).contains(&asked), "{asked} questions");

    // Later it may be asked for as ever.
    world.want_as(viewer, 50, SECOND * 20, false, false);
    world.run_for(SECOND);
    assert!(questions(&world) > before + asked);
}

/// Two agents that feed each other, each with the stripes that it has from the waypoint, and a
/// viewer of the first.
fn in_two_trees() -> (World, At, [At; 2], At) {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let [one, two] = [world.agent(), world.agent()];
    let viewer = world.viewer();
    world.assign(waypoint, vec![]);
    for (agent, other, own, others) in [(one, two, 0b0011, 0b1100), (two, one, 0b1100, 0b0011)] {
        let feeds = vec![
            world.parent(waypoint, agent, Source::Waypoint, own),
            world.parent(other, agent, Source::Peer, others),
        ];
        let ticket = world.parent(agent, other, Source::Peer, own).contact.ticket;
        let child = Child {
            contact: world.contact(other, ticket, false),
            priority: 200,
        };
        world.assign_with(agent, feeds, vec![child]);
    }
    let parent = world.parent(one, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    (world, waypoint, [one, two], viewer)
}

fn received(world: &World, at: At) -> u64 {
    let events = world.hosts[at.0].events.iter().map(|event| match event {
        Event::Received(_, _, _, bytes) => u64::from(*bytes),
        _ => 0,
    });
    events.sum()
}

#[test]
fn agents_that_feed_each_other_let_go_of_what_nobody_plays_any_more() {
    let (mut world, waypoint, agents, viewer) = in_two_trees();
    for sequence in [2, OTHER_TRACK + 3, OTHER_TRACK + 4] {
        world.publish(waypoint, sequence);
        let want = world.want(viewer, sequence, SECOND * 4);
        world.run_for(SECOND * 2);
        let delivered = &world.hosts[viewer.0].delivered[&want];
        assert_eq!(delivered.parts.concat(), media(sequence));
    }
    let before = agents.map(|agent| received(&world, agent));
    assert!(before.iter().all(|bytes| *bytes > 0));
    world.publish(waypoint, 4);
    world.run_for(SECOND * 2);
    assert_eq!(agents.map(|agent| received(&world, agent)), before);
}
