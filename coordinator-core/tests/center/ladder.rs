//! Where the CDN may send only so much, players are asked to choose what everybody can have.

use runnel_coordinator_core::{Content, Input};

use crate::stage::{RATE, SECOND, Stage, content, kilobits};

const LADDER: [u64; 2] = [RATE / 2, RATE];

/// A waypoint of two streams, and a CDN of as many.
fn evening() -> Stage {
    let mut stage = Stage::new(1);
    limit(&mut stage, Some(2 * RATE));
    stage.waypoint("waypoint", 2 * RATE);
    stage.viewer("first");
    stage.has_ladder("waypoint", &LADDER);
    stage.run(2 * SECOND);
    stage
}

fn limit(stage: &mut Stage, capacity: Option<u64>) {
    stage.input(Input::ContentRegistered(Content {
        cdn_capacity: capacity.map(kilobits),
        ..content("live")
    }));
}

fn asked(stage: &Stage, name: &'static str) -> Option<u64> {
    let most = stage.assign(name).max_suggested_bitrate;
    most.map(|rate| rate.0 / 1000)
}

#[test]
fn an_audience_that_uplinks_and_cdn_do_not_carry_is_asked_for_what_all_can_have() {
    let mut stage = evening();
    assert_eq!(asked(&stage, "first"), None, "four streams for one");

    for name in ["b", "c", "d", "e"] {
        stage.viewer(name);
        stage.run(11 * SECOND);
    }
    for name in ["first", "e"] {
        assert_eq!(asked(&stage, name), Some(RATE / 2), "five, {name}");
    }
    let contents = stage.center.contents();
    let summary = contents.iter().find(|one| one.name == "live");
    let most = summary.unwrap().max_suggested_bitrate;
    assert_eq!(most, Some(kilobits(RATE / 2)), "operators see it");

    stage.kill("e");
    stage.kill("d");
    stage.run(5 * SECOND);
    assert_eq!(asked(&stage, "first"), Some(RATE / 2), "three, for a while");
    stage.run(30 * SECOND);
    assert_eq!(asked(&stage, "first"), None);
}

#[test]
fn a_limit_that_is_taken_away_lets_players_choose_again() {
    let mut stage = evening();
    limit(&mut stage, Some(1));
    stage.viewer("b");
    stage.viewer("c");
    stage.run(2 * SECOND);
    assert_eq!(asked(&stage, "c"), Some(RATE / 2));
    limit(&mut stage, None);
    stage.run(2 * SECOND);
    assert_eq!(asked(&stage, "c"), None);
}

#[test]
fn only_a_waypoint_says_which_renditions_there_are() {
    let mut stage = evening();
    stage.has_ladder("first", &[1]);
    limit(&mut stage, Some(1));
    for name in ["b", "c", "d"] {
        stage.viewer(name);
    }
    stage.run(2 * SECOND);
    assert_eq!(asked(&stage, "first"), Some(RATE / 2));
}
