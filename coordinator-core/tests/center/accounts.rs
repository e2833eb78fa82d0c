//! What is kept of links that worked and of those that did not: who, with whom, how often.

use runnel_coordinator_core::{FeedSummary, Machine};
use runnel_protocol::control::{LinkResult, Offence, Platform, Strike, ToCoordinator};

use crate::stage::{RATE, SECOND, Stage, kilobits, live};

fn strike(stage: &mut Stage, by: &'static str, whom: &'static str) {
    let strike = Strike {
        content: live(),
        peer: stage.peer(whom),
        offence: Offence::BadChunk,
        segment: None,
    };
    stage.say(by, ToCoordinator::Strike(strike));
    stage.settle();
}

fn feed(stage: &Stage, child: &'static str, parent: &'static str) -> FeedSummary {
    let parent = stage.peer(parent);
    let told = stage.explanation(child).contents.remove(0).parents;
    let mut feeds = told.into_iter();
    feeds.find(|feed| feed.parent == parent).unwrap()
}

/// Whether an actor's record says this of another actor.
fn says(stage: &Stage, of: &'static str, with: &'static str, words: &str) -> bool {
    let other = Some(stage.peer(with));
    let events = stage.explanation(of).events;
    events
        .iter()
        .any(|event| event.other == other && event.words.contains(words))
}

#[test]
fn a_link_that_failed_is_told_of_whoever_reports_it_with_the_other_end_and_counted() {
    let mut stage = Stage::evening();
    assert_eq!(stage.center.totals().repairs, 0);
    stage.report("viewer", "ann", LinkResult::Stalled);
    stage.settle();
    assert!(says(&stage, "viewer", "ann", "gets nothing useful from"));
    assert_eq!(stage.center.totals().repairs, 1);
    // The parent's end may be the one that notices.
    stage.report("ann", "bob", LinkResult::Lost);
    stage.settle();
    assert!(says(&stage, "ann", "bob", "lost its link with"));
    assert_eq!(stage.center.totals().repairs, 2);
}

#[test]
fn a_link_that_stands_is_told_with_the_time_that_it_took() {
    let mut stage = Stage::evening();
    assert!(!feed(&stage, "viewer", "ann").connected);
    stage.report("viewer", "ann", LinkResult::Connected { after_ms: 37 });
    assert!(feed(&stage, "viewer", "ann").connected);
    assert!(!feed(&stage, "viewer", "bob").connected);
    assert!(says(&stage, "viewer", "ann", "is connected with"));
    assert!(says(&stage, "viewer", "ann", "after 37 ms"));
}

#[test]
fn a_link_over_which_something_came_stands_and_silence_says_nothing() {
    let mut stage = Stage::evening();
    stage.receives("viewer", "ann", 0, false);
    stage.run(SECOND);
    assert!(!feed(&stage, "viewer", "ann").connected);
    stage.receives("viewer", "ann", RATE / 2, false);
    stage.run(SECOND);
    assert!(feed(&stage, "viewer", "ann").connected);
    stage.receives("viewer", "ann", 0, false);
    stage.run(SECOND);
    assert!(feed(&stage, "viewer", "ann").connected);
}

#[test]
fn accusations_are_counted_and_told_at_both_ends() {
    let mut stage = Stage::evening();
    stage.viewer("second");
    stage.settle();
    strike(&mut stage, "viewer", "ann");
    strike(&mut stage, "second", "ann");
    assert_eq!(stage.center.totals().strikes, 2);
    assert_eq!(stage.center.totals().unrelated_reports, 0);
    let told = stage.explanation("viewer").events;
    assert!(
        told.iter()
            .any(|event| event.other == Some(stage.peer("ann")))
    );
    assert!(says(&stage, "ann", "viewer", ""));
}

#[test]
fn an_accusation_counts_though_the_accused_hung_up_and_said_so_first() {
    let mut stage = Stage::evening();
    stage.report("ann", "viewer", LinkResult::Lost);
    stage.settle();
    let feeds = |stage: &Stage| stage.parents("viewer").contains_key("ann");
    assert!(!feeds(&stage), "the two are no pair any more");
    strike(&mut stage, "viewer", "ann");
    assert_eq!(stage.center.totals().strikes, 1);
    assert_eq!(stage.center.totals().unrelated_reports, 0);
    assert!(says(&stage, "ann", "viewer", "says that"));
    stage.run(SECOND * 60);
    assert!(!feeds(&stage), "nor soon again");
}

#[test]
fn who_was_never_given_the_other_accuses_nobody() {
    let mut stage = Stage::evening();
    stage.viewer("second");
    stage.settle();
    let before = stage.parents("viewer");
    strike(&mut stage, "second", "viewer");
    stage.report("second", "viewer", LinkResult::Lost);
    stage.settle();
    let totals = stage.center.totals();
    assert_eq!((totals.strikes, totals.repairs), (0, 0));
    assert_eq!(totals.unrelated_reports, 2);
    assert_eq!(stage.parents("viewer"), before);
}

#[test]
fn an_agent_helps_with_no_more_contents_than_its_line_carries() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 20 * RATE);
    stage.agent("ann", 20 * RATE);
    let told = Machine {
        downlink: Some(kilobits(RATE * 3 / 2)),
        ..Machine::default()
    };
    stage.tells_of_machine("ann", told);
    for (name, content) in [("one", "live"), ("other", "vod")] {
        let hello = stage.hello(Platform::Browser, 0);
        stage.join(name, hello, "127.0.0.1");
        stage.open(name, content, true);
        stage.run(SECOND * 3);
    }
    let ann = stage.summary("ann");
    assert_eq!(ann.contents, [live()], "the second one does not fit");
    assert_eq!(ann.taken, kilobits(RATE));
    assert_eq!(ann.machine, told);
    stage.check();

    let told = Machine {
        downlink: Some(kilobits(RATE * 2)),
        ..Machine::default()
    };
    stage.tells_of_machine("ann", told);
    stage.run(SECOND * 10);
    assert_eq!(stage.summary("ann").contents.len(), 2);
    stage.check();
}

#[test]
fn of_two_agents_the_one_whose_processors_are_not_busy_is_called_in_first() {
    for (busy, idle) in [("ann", "bob"), ("bob", "ann")] {
        let mut stage = Stage::new(1);
        stage.waypoint("waypoint", 20 * RATE);
        for name in ["ann", "bob", "eve"] {
            stage.agent(name, 20 * RATE);
        }
        let load = |percent| Machine {
            cpu_percent: Some(percent),
            ..Machine::default()
        };
        stage.tells_of_machine(busy, load(95));
        stage.tells_of_machine(idle, load(40));
        stage.viewer("viewer");
        stage.settle();
        assert!(stage.summary(busy).contents.is_empty(), "{busy}");
        assert_eq!(stage.summary(idle).contents, [live()]);
    }
}
