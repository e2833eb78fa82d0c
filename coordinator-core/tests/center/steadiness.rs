//! No flapping: what moves is counted, by what was behind it.

use runnel_coordinator_core::Cause;

use crate::stage::{RATE, SECOND, Stage};

const VIEWERS: [&str; 6] = ["v1", "v2", "v3", "v4", "v5", "v6"];

fn evening() -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    for agent in ["ann", "bob"] {
        stage.agent(agent, 10 * RATE);
        stage.open(agent, "live", false);
    }
    VIEWERS.into_iter().for_each(|name| stage.viewer(name));
    stage.run(SECOND * 5);
    stage
}

#[test]
fn an_evening_on_which_nothing_happens_moves_nobody() {
    let mut stage = evening();
    let before = stage.center.totals().reassignments;
    stage.run(SECOND * 3600);
    assert_eq!(stage.center.totals().reassignments, before);
}

#[test]
fn an_offer_that_swings_every_few_seconds_moves_everybody_once() {
    let mut stage = evening();
    let before = stage.center.totals().reassignments.total();
    for _ in 0..100 {
        stage.offers("ann", 0);
        stage.run(SECOND * 3);
        stage.offers("ann", 10 * RATE);
        stage.run(SECOND * 3);
    }
    let changes = stage.center.totals().reassignments;
    // Six viewers and bob lose ann once, and nobody goes back to her.
    assert!(changes.total() - before <= 7, "{changes:?}");
    assert_eq!(changes.voluntary(), 0, "{changes:?}");
    stage.check();
}

#[test]
fn an_offer_that_swings_every_minute_moves_nobody_more_than_once_a_minute() {
    let mut stage = evening();
    let minutes = 60;
    for _ in 0..minutes / 2 {
        stage.offers("ann", 0);
        stage.run(SECOND * 60);
        stage.offers("ann", 10 * RATE);
        stage.run(SECOND * 60);
    }
    let changes = stage.center.totals().reassignments;
    assert!(changes.total() <= 8 * minutes, "{changes:?}");
    assert!(changes.voluntary() <= 8, "once an hour each: {changes:?}");
    assert!(changes.of(Cause::ParentUnfit) > 0, "{changes:?}");
    stage.check();
}

#[test]
fn a_wish_is_granted_once_an_hour() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 3 * RATE);
    stage.agent("ann", 10 * RATE);
    stage.agent("bob", 10 * RATE);
    stage.viewer("viewer");
    stage.run(SECOND * 60);
    for _ in 0..10 {
        // What the agents cannot give comes from the waypoint, at the operator's cost.
        stage.offers("ann", 0);
        stage.offers("bob", RATE / 4);
        stage.run(SECOND * 30);
        stage.offers("bob", 10 * RATE);
        stage.run(SECOND * 30);
    }
    let changes = stage.center.totals().reassignments;
    assert!(changes.voluntary() <= 3, "one a peer: {changes:?}");
    stage.check();
}
