//! Where the uplinks do not carry everybody, the rule says who goes to the CDN, and who comes back.

use runnel_coordinator_core::Cause;

use crate::stage::{RATE, SECOND, Stage};

const VIEWERS: [(&str, u64); 4] = [
    ("none", 0),
    ("little", RATE / 5),
    ("some", RATE / 2),
    ("most", 1600),
];

/// Two streams from the waypoint, ten from ann; ann and the viewers take five.
fn evening() -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 10 * RATE);
    stage.open("ann", "live", false);
    for (name, uplink) in VIEWERS {
        stage.uploading_viewer(name, uplink);
    }
    stage.settle();
    stage
}

fn out(stage: &Stage) -> Vec<&'static str> {
    let everybody = ["ann"].into_iter().chain(VIEWERS.map(|(name, _)| name));
    everybody
        .filter(|name| stage.assign(name).parents.is_empty())
        .collect()
}

#[test]
fn uplinks_that_shrink_send_exactly_those_to_the_cdn_whom_the_rule_names() {
    let mut stage = evening();
    assert!(out(&stage).is_empty());

    // 2 + 1 + 1.5 of 5 streams.
    stage.offers("ann", RATE);
    stage.settle();
    assert_eq!(out(&stage), ["none"]);
    let why = &stage.assign("none").why;
    assert!(
        why.starts_with("the CDN feeds you: all uplinks together carry"),
        "{why}"
    );
    assert!(stage.words("none").contains("is left to the CDN"));

    // 2 + 0.4 + 1.5 of 4 streams: ann brings more than the one who goes.
    stage.offers("ann", 2 * RATE / 5);
    stage.settle();
    assert_eq!(out(&stage), ["none", "little"]);

    // 1 + 0.4 + 1.3 of 3 streams.
    stage.offers("waypoint", RATE);
    stage.settle();
    assert_eq!(out(&stage), ["ann", "none", "little"]);
    stage.check();
}

#[test]
fn when_the_uplinks_return_all_come_back_those_who_went_first_come_last() {
    let mut stage = evening();
    stage.offers("ann", RATE / 10);
    stage.settle();
    // 2 + 0.1 + 1.5 of 5 streams: two have to go, and ann brings less than one of them.
    assert_eq!(out(&stage), ["ann", "none"]);

    stage.offers("ann", 4 * RATE / 5);
    stage.run(SECOND * 12);
    // 2 + 0.8 + 1.5 of 4 streams.
    assert_eq!(out(&stage), ["none"]);
    stage.offers("ann", 10 * RATE);
    stage.run(SECOND * 12);
    assert!(out(&stage).is_empty(), "{:?}", out(&stage));
    assert!(stage.words("none").contains("is fed by peers again"));
    assert_eq!(stage.parents("none").values().sum::<u32>(), 4);
    let changes = stage.center.totals().reassignments;
    assert_eq!(changes.of(Cause::Infeasible), 2, "{changes:?}");
    stage.check();
}

#[test]
fn who_comes_when_there_is_no_room_is_told_so_and_takes_nobodys_place() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 2 * RATE);
    stage.open("ann", "live", false);
    for viewer in ["v1", "v2", "v3"] {
        stage.viewer(viewer);
        stage.settle();
    }
    let before = stage.parents("v1");
    stage.viewer("late");
    stage.run(SECOND * 30);
    assert!(stage.assign("late").parents.is_empty());
    assert_eq!(stage.parents("v1"), before);
    assert_eq!(stage.center.totals().reassignments.of(Cause::Infeasible), 0);

    // Another agent has room for both of them.
    stage.agent("bob", 3 * RATE);
    stage.open("bob", "live", false);
    stage.run(SECOND * 2);
    assert_eq!(stage.parents("late").values().sum::<u32>(), 4);
}

#[test]
fn a_rendition_that_does_not_fit_goes_to_the_cdn_and_agents_need_not_carry_it() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 4 * RATE);
    stage.open("ann", "live", false);
    let players = [("v1", RATE), ("best", 3 * RATE), ("v2", RATE), ("v3", RATE)];
    for (viewer, rate) in players {
        stage.viewer(viewer);
        stage.plays_at(viewer, rate);
        stage.run(SECOND * 2);
    }
    // Ann and the three take four of six streams; with the best one's rendition it were ten.
    stage.run(SECOND * 60);
    assert!(stage.assign("best").parents.is_empty());
    for viewer in ["v1", "v2", "v3"] {
        assert_eq!(stage.parents(viewer).values().sum::<u32>(), 4, "{viewer}");
    }
    stage.check();
}
