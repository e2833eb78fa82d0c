//! Parents that go, fall silent, stall or lie are replaced, and the reasons are kept.

use std::collections::BTreeMap;

use runnel_protocol::control::{LinkResult, Offence, Strike, ToCoordinator};

use crate::stage::{RATE, SECOND, Stage, live};

#[test]
fn a_killed_agent_is_replaced_at_once_and_the_reason_is_kept() {
    let mut stage = Stage::evening();
    stage.kill("ann");
    stage.settle();
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("bob", 4), ("waypoint", 0)])
    );
    assert_eq!(stage.parents("bob"), BTreeMap::from([("waypoint", 4)]));
    assert!(
        stage.words("viewer").contains("it went away"),
        "{}",
        stage.words("viewer")
    );
    stage.check();
}

#[test]
fn a_frozen_parent_is_left_and_not_chosen_again_while_it_is_frozen() {
    let mut stage = Stage::evening();
    stage.freeze("ann", true);
    stage.run(SECOND * 5);
    assert!(!stage.parents("viewer").contains_key("ann"));
    assert!(!stage.parents("bob").contains_key("ann"));
    stage.viewer("late");
    stage.run(SECOND * 20);
    for viewer in ["viewer", "late"] {
        assert!(!stage.parents(viewer).contains_key("ann"), "{viewer}");
    }
    let why = stage.explanation("late").contents[0].excluded.clone();
    assert!(why.iter().any(|one| one.rule == "silence"), "{why:?}");
    assert!(stage.words("viewer").contains("has said nothing"));

    stage.freeze("ann", false);
    stage.run(SECOND * 3);
    assert!(stage.words("ann").contains("speaks again"));
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "both are used again"
    );
    stage.check();
}

#[test]
fn a_parent_that_hangs_is_left_as_soon_as_a_child_waits_in_vain() {
    let mut stage = Stage::evening();
    stage.receives("viewer", "ann", 0, true);
    stage.run(SECOND * 2);
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "a child's word alone is not enough so soon"
    );
    stage.receives("viewer", "ann", RATE, false);
    stage.run(SECOND * 2);

    stage.freeze("ann", true);
    stage.receives("viewer", "ann", 0, true);
    stage.run(SECOND * 5 / 2);
    assert!(!stage.parents("viewer").contains_key("ann"));
    stage.check();
}

#[test]
fn an_agent_too_busy_for_some_is_still_there_for_others_and_soon_for_all() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 20 * RATE);
    stage.agent("ann", 20 * RATE);
    let viewers = ["a", "b", "c", "d", "e"];
    viewers.into_iter().for_each(|name| stage.viewer(name));
    stage.run(SECOND * 90);
    for name in viewers {
        stage.report(name, "ann", LinkResult::Stalled);
    }
    stage.settle();
    stage.viewer("late");
    stage.run(SECOND * 2);
    assert_eq!(stage.parents("late").get("ann"), Some(&4));
    assert_eq!(stage.parents("a").get("waypoint"), Some(&4));
    stage.run(SECOND * 20);
    for name in viewers {
        assert_eq!(stage.parents(name).get("ann"), Some(&4), "{name}");
    }
    // It happens once more within the hour: a failure excuses the way back, too.
    stage.report("a", "ann", LinkResult::Stalled);
    stage.run(SECOND * 60);
    assert_eq!(stage.parents("a").get("ann"), Some(&4));
    stage.check();
}

#[test]
fn an_agent_that_had_no_link_left_for_some_is_not_given_up_for_all() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 20 * RATE);
    stage.agent("ann", 20 * RATE);
    let viewers = ["a", "b", "c", "d", "e", "f"];
    viewers.into_iter().for_each(|name| stage.viewer(name));
    stage.run(SECOND * 2);
    for name in viewers {
        stage.report(name, "ann", LinkResult::Full);
    }
    stage.settle();
    assert_eq!(stage.parents("a").get("ann"), None, "kept apart for now");
    stage.viewer("late");
    stage.run(SECOND * 2);
    assert_eq!(stage.parents("late").get("ann"), Some(&4));
    stage.check();
}

#[test]
fn a_stalled_parent_is_left_at_once_and_the_pair_kept_apart() {
    let mut stage = Stage::evening();
    stage.report("viewer", "ann", LinkResult::Stalled);
    stage.settle();
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("bob", 4), ("waypoint", 0)])
    );
    stage.run(SECOND * 8);
    assert!(
        !stage.parents("viewer").contains_key("ann"),
        "still kept apart"
    );
    assert!(
        stage.parents("bob").contains_key("ann"),
        "only that pair is"
    );
    let pair = stage
        .center
        .explain_pair(stage.peer("viewer"), stage.peer("ann"), stage.now);
    let pair = pair.unwrap();
    assert!(
        pair.verdicts
            .iter()
            .any(|words| words.contains("blacklist")),
        "{pair:?}"
    );
    stage.run(SECOND * 8);
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "the ban has ended"
    );
}

#[test]
fn a_failed_dial_does_not_part_a_pair_whose_other_dial_stands() {
    let mut stage = Stage::evening();
    stage.report("bob", "ann", LinkResult::Connected { after_ms: 5 });
    stage.report("ann", "bob", LinkResult::Failed);
    stage.settle();
    assert!(stage.parents("bob").contains_key("ann"));
    stage.report("bob", "ann", LinkResult::Lost);
    stage.settle();
    assert!(!stage.parents("bob").contains_key("ann"));
}

#[test]
fn an_accused_agent_leaves_its_accuser_and_three_accusers_end_it() {
    let mut stage = Stage::evening();
    for viewer in ["second", "third", "fourth"] {
        stage.viewer(viewer);
    }
    stage.settle();
    let strike = |stage: &mut Stage, by| {
        let strike = Strike {
            content: live(),
            peer: stage.peer("ann"),
            offence: Offence::BadChunk,
            segment: None,
        };
        stage.say(by, ToCoordinator::Strike(strike));
        stage.settle();
    };
    strike(&mut stage, "second");
    assert!(!stage.parents("second").contains_key("ann"));
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "one accuser moves only itself"
    );
    strike(&mut stage, "second");
    strike(&mut stage, "third");
    strike(&mut stage, "fourth");
    assert!(!stage.parents("viewer").contains_key("ann"));
    assert!(stage.words("ann").contains("several peers accuse it"));
    assert!(
        stage.center.totals().unrelated_reports > 0,
        "one more word of the first counts not"
    );
}

#[test]
fn working_pairs_are_left_alone_when_a_wider_agent_comes() {
    let mut stage = Stage::evening();
    let before = stage.assign("viewer").clone();
    stage.agent("wide", 1000 * RATE);
    stage.run(SECOND * 10);
    assert_eq!(stage.assign("viewer"), &before);
}

#[test]
fn when_the_coordinator_itself_slept_nobody_is_taken_for_silent() {
    let mut stage = Stage::evening();
    stage.now = stage.now + SECOND * 60;
    stage.center.handle_timeout(stage.now);
    stage.run(SECOND * 5);
    assert_eq!(stage.center.totals().silences, 0);
    assert_eq!(stage.parents("viewer").len(), 3);
}
