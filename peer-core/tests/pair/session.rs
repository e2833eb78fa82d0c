//! The conversation with the coordinator: refused, lost, found again, and ended for good.

use std::net::SocketAddr;
use std::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::control::{
    ContentLocator, FromCoordinator, Reachability, Refused, ToCoordinator,
};
use runnel_protocol::group::{GroupNews, GroupRequest, Invitation, Strangers};
use runnel_protocol::ids::{GroupId, Nonce};
use runnel_protocol::units::BitsPerSecond;

use crate::world::{At, World, content};

const SECOND: Duration = Duration::from_secs(1);

fn refused(retry_after_ms: Option<u32>) -> Input {
    Input::Coordinator(FromCoordinator::Refused(Refused {
        content: None,
        why: "full".into(),
        retry_after_ms,
    }))
}

fn challenge() -> Input {
    Input::Coordinator(FromCoordinator::Challenge(Nonce([9; 32])))
}

fn connects(world: &World, at: At) -> usize {
    world.hosts[at.0].connects
}

fn withdraw(world: &mut World, at: At) {
    let consent = Input::Consent {
        peers: false,
        uplink: BitsPerSecond(0),
    };
    world.give(at, consent);
}

#[test]
fn whoever_is_refused_for_good_does_not_come_back() {
    let mut world = World::new();
    let agent = world.agent();
    world.give(agent, refused(None));
    let before = (connects(&world, agent), world.hosts[agent.0].told.len());
    world.run_for(SECOND * 120);
    let after = (connects(&world, agent), world.hosts[agent.0].told.len());
    assert_eq!(after, before, "no heartbeat either");
}

fn joins(world: &World, at: At) -> Vec<u8> {
    let told = world.hosts[at.0].told.iter();
    let joins = told.filter_map(|message| match message {
        ToCoordinator::Group(GroupRequest::Join(invitation)) => Some(invitation.0[0]),
        _ => None,
    });
    joins.collect()
}

#[test]
fn whoever_was_invited_says_so_in_each_session_until_it_leaves() {
    let mut world = World::new();
    let viewer = world.viewer();
    for number in [1, 2, 2] {
        let join = GroupRequest::Join(Invitation([number; 16]));
        world.give(viewer, Input::Group(join));
    }
    let made = GroupNews::Joined {
        group: GroupId([9; 16]),
        name: "ours".into(),
        strangers: Strangers::Yes,
        invitation: Some(Invitation([3; 16])),
    };
    world.give(viewer, Input::Coordinator(FromCoordinator::Group(made)));
    let leave = GroupRequest::Leave(Invitation([1; 16]));
    world.give(viewer, Input::Group(leave));
    let before = joins(&world, viewer).len();
    world.give(viewer, Input::CoordinatorLost);
    world.run_for(SECOND * 30);
    world.give(viewer, Input::CoordinatorConnected);
    world.give(viewer, challenge());
    world.welcome(viewer);
    assert_eq!(joins(&world, viewer)[before..], [2, 3]);
}

fn presents(world: &World, at: At) -> Vec<String> {
    let told = world.hosts[at.0].told.iter();
    let tokens = told.filter_map(|message| match message {
        ToCoordinator::Token(token) => Some(token.clone()),
        _ => None,
    });
    tokens.collect()
}

#[test]
fn another_token_is_presented_at_once_and_the_same_one_is_not() {
    let mut world = World::new();
    let viewer = world.viewer();
    let due = FromCoordinator::TokenDue { within_ms: 90_000 };
    world.give(viewer, Input::Coordinator(due));
    for token in ["first", "first", "second"] {
        world.give(viewer, Input::Token(token.into()));
    }
    assert_eq!(presents(&world, viewer), ["first", "second"]);
}

/// Ports under which it said that it can be reached, in hellos and later.
fn named(world: &World, at: At) -> Vec<(&'static str, Vec<u16>)> {
    let ports = |ways: &[SocketAddr]| ways.iter().map(SocketAddr::port).collect();
    let told = world.hosts[at.0].told.iter();
    let named = told.filter_map(|message| match message {
        ToCoordinator::Hello(hello) => Some(("hello", ports(&hello.endpoints))),
        ToCoordinator::Reachable(Reachability { endpoints, .. }) => {
            Some(("moved", ports(endpoints)))
        }
        _ => None,
    });
    named.collect()
}

#[test]
fn where_it_can_be_reached_is_told_when_it_changes_and_in_the_next_hello() {
    let mut world = World::new();
    let agent = world.agent();
    let before = named(&world, agent).len();
    let reachable = |port| Input::Reachable {
        endpoints: vec![([192, 0, 2, 1], port).into()],
        certificates: Vec::new(),
    };
    for port in [1, 1, 2] {
        world.give(agent, reachable(port));
    }
    world.give(agent, Input::CoordinatorLost);
    world.give(agent, reachable(3));
    world.run_for(SECOND * 30);
    world.give(agent, Input::CoordinatorConnected);
    world.give(agent, challenge());
    // The hello is on its way.
    world.give(agent, reachable(4));
    world.welcome(agent);
    let told = named(&world, agent).split_off(before);
    let expected = [("moved", 1), ("moved", 2), ("hello", 3), ("moved", 4)];
    assert_eq!(told, expected.map(|(how, port)| (how, vec![port])));
}

#[test]
fn whoever_was_refused_comes_back_with_another_token_later_each_time() {
    let mut world = World::new();
    let viewer = world.viewer();
    let mut waited = Vec::new();
    for token in ["one", "two", "three", "four"] {
        world.give(viewer, refused(None));
        let before = connects(&world, viewer);
        world.run_for(SECOND * 60);
        assert_eq!(
            connects(&world, viewer),
            before,
            "the same token is of no use"
        );
        world.give(viewer, Input::Token(token.into()));
        let mut tenths = 0;
        while connects(&world, viewer) == before {
            world.run_for(SECOND / 10);
            tenths += 1;
        }
        waited.push(tenths);
        world.give(viewer, Input::CoordinatorConnected);
    }
    assert!(
        waited.is_sorted() && waited[3] > 3 * waited[0],
        "{waited:?}"
    );
    assert_eq!(
        presents(&world, viewer),
        [""; 0],
        "it is the hello that brings it"
    );
}

#[test]
fn whoever_is_told_when_to_come_back_does_then() {
    let mut world = World::new();
    let agent = world.agent();
    let before = connects(&world, agent);
    world.give(agent, refused(Some(30_000)));
    world.give(agent, Input::CoordinatorLost);
    world.run_for(SECOND * 20);
    assert_eq!(connects(&world, agent), before);
    world.run_for(SECOND * 20);
    assert_eq!(connects(&world, agent), before + 1);
}

#[test]
fn two_losses_in_a_row_are_one() {
    let mut world = World::new();
    let agent = world.agent();
    let before = connects(&world, agent);
    world.give(agent, Input::CoordinatorLost);
    world.give(agent, Input::CoordinatorLost);
    world.run_for(SECOND);
    assert_eq!(connects(&world, agent), before + 1);
}

#[test]
fn a_coordinator_that_says_nothing_is_hung_up_on_and_tried_again() {
    let mut world = World::new();
    let agent = world.agent();
    world.give(agent, Input::CoordinatorLost);
    world.run_for(SECOND);
    world.give(agent, Input::CoordinatorConnected);
    let before = (connects(&world, agent), world.hosts[agent.0].disconnects);
    world.run_for(SECOND * 15);
    let after = (connects(&world, agent), world.hosts[agent.0].disconnects);
    assert_eq!(after, (before.0 + 1, before.1 + 1));
}

#[test]
fn what_was_opened_is_opened_again_after_a_restart() {
    let mut world = World::new();
    let viewer = world.viewer();
    let content = ContentLocator::Id(content());
    world.give(
        viewer,
        Input::Open {
            content,
            plays: true,
        },
    );
    world.give(viewer, Input::CoordinatorLost);
    world.run_for(SECOND);
    world.give(viewer, Input::CoordinatorConnected);
    world.give(viewer, challenge());
    world.welcome(viewer);
    let opened = world.hosts[viewer.0].told.iter();
    let opened = opened.filter(|message| matches!(message, ToCoordinator::Open(_)));
    assert_eq!(opened.count(), 2);
}

#[test]
fn after_consent_is_withdrawn_nothing_is_said_whatever_was_under_way() {
    let mut world = World::new();
    let viewer = world.viewer();
    world.give(viewer, Input::CoordinatorLost);
    world.run_for(SECOND);
    world.give(viewer, Input::CoordinatorConnected);
    withdraw(&mut world, viewer);
    let before = (connects(&world, viewer), world.hosts[viewer.0].told.len());
    world.give(viewer, challenge());
    world.welcome(viewer);
    world.give(viewer, refused(Some(100)));
    world.run_for(SECOND * 60);
    let after = (connects(&world, viewer), world.hosts[viewer.0].told.len());
    assert_eq!(after, before);
}
