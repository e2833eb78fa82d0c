//! Parents that die, freeze, drip or are never there: the player does not notice.

use std::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::control::{FromCoordinator, LinkResult, Source, ToCoordinator};
use runnel_protocol::ids::Nonce;

use crate::world::{At, World, media};

const SECOND: Duration = Duration::from_secs(1);

/// A waypoint feeding two agents; a viewer with the first as parent and the second as standby.
fn with_standby() -> (World, At, At, At, At) {
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
        world.parent(one, viewer, Source::Peer, 0b1111),
        world.parent(two, viewer, Source::Peer, 0),
    ];
    world.assign(viewer, parents);
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    (world, waypoint, one, two, viewer)
}

/// Plays live segments, one every two seconds, each wanted with `slack` to go; those that came
/// too late.
fn play(world: &mut World, waypoint: At, viewer: At, sequences: core::ops::Range<u64>) -> Vec<u64> {
    let slack = SECOND * 4;
    let mut late = Vec::new();
    for sequence in sequences {
        world.publish(waypoint, sequence);
        let want = world.want(viewer, sequence, slack);
        let took = world.run_until(SECOND * 8, |world| {
            world.hosts[viewer.0].delivered.contains_key(&want)
        });
        if took > slack {
            late.push(sequence);
        }
        assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(sequence));
        world.run_for((SECOND * 2).saturating_sub(took));
    }
    late
}

fn from_cdn(world: &World, viewer: At) -> usize {
    world.hosts[viewer.0].fetched.len() - 1
}

#[test]
fn a_killed_parents_work_goes_to_the_standby_without_asking() {
    let (mut world, waypoint, one, _, viewer) = with_standby();
    assert_eq!(play(&mut world, waypoint, viewer, 2..5), [0; 0]);
    world.kill(one);
    assert_eq!(play(&mut world, waypoint, viewer, 5..10), [0; 0]);
    assert_eq!(from_cdn(&world, viewer), 0);
    let lost = world.hosts[viewer.0].told.iter().any(|message| {
        matches!(message, ToCoordinator::Outcome(outcome) if outcome.result == LinkResult::Lost)
    });
    assert!(lost, "the coordinator hears of it");
}

#[test]
fn a_frozen_parent_costs_at_most_one_segment_from_the_cdn_and_is_reported() {
    let (mut world, waypoint, one, _, viewer) = with_standby();
    play(&mut world, waypoint, viewer, 2..5);
    world.freeze(one, true);
    assert_eq!(play(&mut world, waypoint, viewer, 5..12), [0; 0]);
    assert!(
        from_cdn(&world, viewer) <= 1,
        "{}",
        from_cdn(&world, viewer)
    );
    let stalled = world.hosts[viewer.0].told.iter().any(|message| {
        matches!(message, ToCoordinator::Outcome(outcome) if outcome.result == LinkResult::Stalled)
    });
    assert!(stalled || from_cdn(&world, viewer) == 0);
}

#[test]
fn a_parent_whose_first_segment_is_still_on_its_way_is_not_blamed() {
    let (mut world, waypoint, _, _, viewer) = with_standby();
    // The player is at the live edge with little in hand; the next segment is not out yet.
    let want = world.want(viewer, 2, SECOND * 3);
    world.run_for(SECOND * 3);
    assert_eq!(
        world.hosts[viewer.0].got(want).unwrap(),
        media(2),
        "the CDN stepped in"
    );
    play(&mut world, waypoint, viewer, 3..8);
    let stalled = world.hosts[viewer.0].told.iter().any(|message| {
        matches!(message, ToCoordinator::Outcome(outcome) if outcome.result == LinkResult::Stalled)
    });
    assert!(!stalled, "nobody did anything wrong");
    assert_eq!(from_cdn(&world, viewer), 1);
}

#[test]
fn a_parent_that_never_sends_its_share_is_found_out_although_another_covers_for_it() {
    let (mut world, waypoint, one, two, viewer) = with_standby();
    let parents = vec![
        world.parent(one, viewer, Source::Peer, 0b0101),
        world.parent(two, viewer, Source::Peer, 0b1010),
    ];
    world.assign(viewer, parents);
    world.hosts[two.0].tamper = Some(Box::new(|_| None));
    assert_eq!(play(&mut world, waypoint, viewer, 2..10), [0; 0]);
    let stalled = world.hosts[viewer.0].told.iter().any(|message| {
        matches!(message, ToCoordinator::Outcome(outcome)
            if outcome.result == LinkResult::Stalled && outcome.peer == world.id(two))
    });
    assert!(stalled, "the coordinator hears of it");
    assert_eq!(from_cdn(&world, viewer), 0);
}

#[test]
fn a_segment_that_neither_parent_nor_standby_brings_counts_once_against_each() {
    let (mut world, waypoint, one, two, viewer) = with_standby();
    for parent in [one, two] {
        // A chunk each: they are late, not silent.
        world.hosts[parent.0].tamper = Some(Box::new(|chunk| (chunk.index == 0).then_some(chunk)));
    }
    assert_eq!(play(&mut world, waypoint, viewer, 2..4), [0; 0]);
    assert_eq!(from_cdn(&world, viewer), 2, "both were asked, then the CDN");
    for parent in [one, two] {
        world.hosts[parent.0].tamper = None;
    }
    assert_eq!(play(&mut world, waypoint, viewer, 4..8), [0; 0]);
    assert_eq!(from_cdn(&world, viewer), 2);
    let stalled = world.hosts[viewer.0].told.iter().any(|message| {
        matches!(message, ToCoordinator::Outcome(outcome) if outcome.result == LinkResult::Stalled)
    });
    assert!(!stalled, "two late segments do not cost a parent its link");
}

#[test]
fn an_agent_that_plays_nothing_finds_out_who_keeps_its_children_waiting() {
    let mut world = World::new();
    let (waypoint, agent) = (world.waypoint(), world.agent());
    let (idle, viewer) = (world.agent(), world.viewer());
    world.assign(waypoint, vec![]);
    let feed = world.parent(waypoint, idle, Source::Waypoint, 0b1111);
    world.assign(idle, vec![feed]);
    let feeds = vec![
        world.parent(waypoint, agent, Source::Waypoint, 0b0011),
        world.parent(idle, agent, Source::Peer, 0b1100),
    ];
    world.assign(agent, feeds);
    let parent = world.parent(agent, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    world.hosts[idle.0].tamper = Some(Box::new(|_| None));
    world.run_for(SECOND);
    world.want_as(viewer, 1, SECOND, true, true);
    world.run_for(SECOND);
    let late = play(&mut world, waypoint, viewer, 2..6);
    assert!(late.is_empty(), "the CDN was there: {late:?}");
    let blamed = world.hosts[agent.0]
        .told
        .iter()
        .filter_map(|message| match message {
            ToCoordinator::Outcome(outcome) if outcome.result == LinkResult::Stalled => {
                Some(outcome.peer)
            }
            _ => None,
        });
    assert_eq!(blamed.collect::<Vec<_>>(), [world.id(idle)]);
}

#[test]
fn a_parent_that_drips_is_outrun_by_the_cdn() {
    let (mut world, waypoint, one, _, viewer) = with_standby();
    let seen = std::cell::Cell::new(0u32);
    // One chunk of four gets through: enough to look alive.
    world.hosts[one.0].tamper = Some(Box::new(move |chunk| {
        seen.set(seen.get() + 1);
        seen.get().is_multiple_of(4).then_some(chunk)
    }));
    assert_eq!(play(&mut world, waypoint, viewer, 2..14), [0; 0]);
    let parts = world.hosts[viewer.0]
        .fetched
        .iter()
        .filter(|(_, part)| part.is_some())
        .count();
    let cdn = from_cdn(&world, viewer);
    assert!(parts > 0 || cdn == 0, "only the holes were fetched");
    assert!(cdn <= 4, "after a few misses somebody else pushes: {cdn}");
}

#[test]
fn a_chunk_now_and_then_does_not_put_off_the_cdn_until_there_is_no_time_to_spare() {
    let (mut world, waypoint, one, _, viewer) = with_standby();
    // One chunk in two seconds.
    world.hosts[one.0].line = Some(8 * 1024);
    world.publish(waypoint, 2);
    let want = world.want(viewer, 2, SECOND * 10);
    let asked = world.hosts[viewer.0].fetched.len();
    world.run_for(SECOND * 6);
    assert!(
        world.hosts[viewer.0].fetched.len() > asked,
        "half of the time has passed, and a tenth of the chunks is there"
    );
    assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(2));
}

#[test]
fn without_any_parent_everything_comes_from_the_cdn_at_once() {
    let mut world = World::new();
    let viewer = world.viewer();
    world.assign(viewer, vec![]);
    let want = world.want(viewer, 5, SECOND * 20);
    let delay = world.origin_delay;
    let took = world.run_until(SECOND, |world| world.hosts[0].delivered.contains_key(&want));
    assert_eq!(took, delay);
}

#[test]
fn with_every_peer_gone_and_the_cdn_down_the_player_is_told() {
    let mut world = World::new();
    let viewer = world.viewer();
    world.origin_up = false;
    let want = world.want(viewer, 5, SECOND);
    world.run_for(SECOND);
    assert_eq!(world.hosts[viewer.0].failed, [want]);
}

#[test]
fn a_cdn_that_failed_is_asked_again_while_there_is_time() {
    let (mut world, _, _, _, viewer) = with_standby();
    world.origin_up = false;
    let asked = world.hosts[viewer.0].fetched.len();
    let want = world.want(viewer, 2, SECOND * 8);
    world.run_for(SECOND * 5);
    let tried = world.hosts[viewer.0].fetched.len() - asked;
    assert!(
        (1..=3).contains(&tried),
        "{tried} times in some two seconds"
    );
    world.origin_up = true;
    world.run_for(SECOND * 2);
    assert_eq!(world.hosts[viewer.0].got(want).unwrap(), media(2));
    assert!(world.hosts[viewer.0].failed.is_empty());
}

#[test]
fn withdrawn_consent_ends_every_link_at_once_and_playback_goes_on() {
    let (mut world, waypoint, _, _, viewer) = with_standby();
    play(&mut world, waypoint, viewer, 2..4);
    let uplink = runnel_protocol::units::BitsPerSecond(0);
    world.give(
        viewer,
        runnel_peer_core::Input::Consent {
            peers: false,
            uplink,
        },
    );
    let down = world.hosts[viewer.0]
        .events
        .iter()
        .filter(|event| matches!(event, runnel_peer_core::Event::LinkDown(..)));
    assert_eq!(down.count(), 2);
    let before = from_cdn(&world, viewer);
    assert_eq!(play(&mut world, waypoint, viewer, 4..6), [0; 0]);
    assert_eq!(from_cdn(&world, viewer), before + 2);
}

#[test]
fn while_the_coordinator_is_away_peers_go_on_and_it_is_tried_again() {
    let (mut world, waypoint, _, _, viewer) = with_standby();
    world.give(viewer, runnel_peer_core::Input::CoordinatorLost);
    assert_eq!(play(&mut world, waypoint, viewer, 2..30), [0; 0]);
    assert_eq!(from_cdn(&world, viewer), 0);
}

/// The coordinator was away, and has forgotten everybody but `at`.
fn starts_over(world: &mut World, at: At) {
    world.give(at, Input::CoordinatorLost);
    world.run_for(SECOND);
    world.give(at, Input::CoordinatorConnected);
    let challenge = FromCoordinator::Challenge(Nonce([8; 32]));
    world.give(at, Input::Coordinator(challenge));
    world.welcome(at);
    world.assign(at, vec![]);
}

#[test]
fn a_coordinator_that_comes_back_and_knows_nobody_yet_takes_no_parent_away() {
    let (mut world, waypoint, one, two, viewer) = with_standby();
    for at in [viewer, one, two] {
        starts_over(&mut world, at);
    }
    assert_eq!(play(&mut world, waypoint, viewer, 2..12), [0; 0]);
    assert_eq!(from_cdn(&world, viewer), 0, "what works goes on");
    assert_eq!(play(&mut world, waypoint, viewer, 12..30), [0; 0]);
    assert!(
        from_cdn(&world, viewer) > 0,
        "those who stay away are let go"
    );
    let before = from_cdn(&world, viewer);
    let parent = world.parent(two, viewer, Source::Peer, 0b1111);
    world.assign(viewer, vec![parent]);
    let feed = world.parent(waypoint, two, Source::Waypoint, 0b1111);
    world.assign(two, vec![feed]);
    world.run_for(SECOND * 2);
    play(&mut world, waypoint, viewer, 30..40);
    assert!(
        from_cdn(&world, viewer) <= before + 1,
        "and whoever comes back is taken"
    );
}
