//! Wide agents come near the source; when one leaves, the others share its children.

use std::collections::BTreeMap;

use crate::stage::{RATE, SECOND, Stage};

/// A waypoint that carries one copy, and two agents: the second hangs below the first, except in
/// its home stripe, where it is the other way round.
fn narrow() -> Stage {
    let mut stage = Stage::in_good_faith(1);
    stage.waypoint("waypoint", RATE);
    stage.agent("ann", 3 * RATE);
    stage.open("ann", "live", false);
    stage.settle();
    stage.agent("bob", 3 * RATE);
    stage.open("bob", "live", false);
    stage.run(SECOND * 3);
    let parents = BTreeMap::from([("waypoint", 3), ("bob", 1)]);
    assert_eq!(stage.parents("ann"), parents);
    let parents = BTreeMap::from([("ann", 3), ("waypoint", 1)]);
    assert_eq!(stage.parents("bob"), parents);
    stage.check();
    stage
}

#[test]
fn a_better_agent_takes_the_place_near_the_source_and_feeds_who_had_it() {
    let mut stage = narrow();
    stage.agent("wide", 30 * RATE);
    stage.open("wide", "live", false);
    stage.run(SECOND * 3);
    assert_eq!(stage.parents("wide")["waypoint"], 1, "its home stripe");
    let ann = stage.parents("ann");
    assert_eq!((ann["waypoint"], ann["wide"]), (2, 1));
    let words = (stage.words("wide"), stage.words("ann"));
    assert!(
        words
            .0
            .contains("its uplink is of most use near the source"),
        "{}",
        words.0
    );
    assert!(
        words.1.contains("a peer with more uplink took its place"),
        "{}",
        words.1
    );
    let changes = stage.center.totals().reassignments;
    assert_eq!(
        changes.voluntary(),
        0,
        "a newcomer is behind each: {changes:?}"
    );
    stage.check();
}

#[test]
fn nobody_rises_where_a_rate_that_crept_up_would_not_fit() {
    let mut stage = narrow();
    stage.viewer("viewer");
    stage.plays_at("viewer", RATE + 4);
    stage.run(SECOND * 3);
    stage.agent("wide", 30 * RATE);
    stage.open("wide", "live", false);
    stage.run(SECOND * 3);
    let waypoint = stage.summary("waypoint");
    assert!(waypoint.reserved <= waypoint.uplink, "{waypoint:?}");
    stage.check();
}

#[test]
fn one_that_is_hardly_better_takes_nobodys_place() {
    let mut stage = narrow();
    let before = stage.parents("ann");
    // Ann is a guest in the home stripe of this one, but much wider.
    stage.agent("similar", 2 * RATE);
    stage.open("similar", "live", false);
    stage.run(SECOND * 30);
    assert_eq!(stage.parents("ann"), before);
}

#[test]
fn who_shrinks_gives_its_place_to_who_is_wider_within_the_bound() {
    let mut stage = narrow();
    stage.agent("wide", 30 * RATE);
    stage.open("wide", "live", false);
    stage.run(SECOND * 3);
    for _ in 0..20 {
        stage.offers("wide", 2 * RATE);
        stage.run(SECOND * 15);
        stage.offers("wide", 30 * RATE);
        stage.run(SECOND * 15);
    }
    let changes = stage.center.totals().reassignments;
    assert!(
        changes.total() <= 12,
        "ten minutes of swinging: {changes:?}"
    );
    stage.check();
}

#[test]
fn the_children_of_the_best_agent_are_spread_over_the_others() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    for (agent, uplink) in [("best", 20), ("bob", 10), ("carl", 10)] {
        stage.agent(agent, uplink * RATE);
        stage.open(agent, "live", false);
    }
    let viewers = ["v1", "v2", "v3", "v4", "v5", "v6"];
    viewers.into_iter().for_each(|name| stage.viewer(name));
    stage.settle();
    let fed = viewers
        .iter()
        .filter(|name| stage.parents(name).contains_key("best"));
    assert_eq!(fed.count(), 6, "all lose a parent");

    stage.kill("best");
    stage.settle();
    let mut given = BTreeMap::from([("bob", 0), ("carl", 0)]);
    for viewer in viewers {
        let parents = stage.parents(viewer);
        assert_eq!(parents.values().sum::<u32>(), 4, "{viewer}: {parents:?}");
        assert_eq!(parents.get("waypoint"), Some(&0), "{viewer}: {parents:?}");
        for (agent, stripes) in &mut given {
            *stripes += parents[agent];
        }
    }
    assert!(given["bob"].abs_diff(given["carl"]) <= 4, "{given:?}");
    let changes = stage.center.totals().reassignments;
    let gone = changes.of(runnel_coordinator_core::Cause::ParentGone);
    assert!(gone >= 6, "{changes:?}");
    stage.check();
}

#[test]
fn an_agent_takes_no_viewers_place_at_a_parent_that_may_feed_no_more_agents() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 300 * RATE);
    let named = |kind: &str, number| -> &'static str { format!("{kind} {number}").leak() };
    for number in 0..96 {
        let agent = named("agent", number);
        stage.agent(agent, RATE / 10);
        stage.open(agent, "live", false);
    }
    stage.run(SECOND * 3);
    let viewers: Vec<&'static str> = (0..20).map(|number| named("viewer", number)).collect();
    viewers.iter().for_each(|name| stage.viewer(name));
    stage.run(SECOND * 3);
    for viewer in &viewers {
        assert_eq!(stage.parents(viewer), BTreeMap::from([("waypoint", 4)]));
    }

    stage.agent("one more", RATE);
    stage.open("one more", "live", false);
    stage.run(SECOND * 3);
    assert!(stage.assign("one more").why.starts_with("the CDN feeds"));
    for viewer in &viewers {
        let words = stage.words(viewer);
        assert!(!words.contains("needs the place"), "{words}");
    }
    stage.check();
}
