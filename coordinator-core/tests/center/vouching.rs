//! What agents say that they offer counts only as far as those whom they feed vouch for it (T10).

use core::time::Duration;

use proptest::prelude::*;

use crate::stage::{RATE, SECOND, Stage};

/// Two agents that have fed these viewers well for a while, each of another site.
const AGENTS: [(&str, &str); 2] = [("ann", "198.51.100.1"), ("bob", "203.0.113.1")];
const VIEWERS: [(&str, &str); 4] = [
    ("one", "192.0.1.1"),
    ("two", "192.0.2.1"),
    ("three", "192.0.3.1"),
    ("four", "192.0.4.1"),
];
/// Whoever comes last sits where nobody is near.
const FAR: &str = "198.18.0.1";

fn stage(uplink: u64, viewers: &[(&'static str, &str)]) -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 100 * RATE, "192.0.2.200");
    for (agent, address) in AGENTS {
        stage.agent_at(agent, uplink, address);
        stage.open(agent, "live", false);
    }
    stage.run(SECOND * 3);
    for (viewer, address) in viewers {
        stage.viewer_at(viewer, address);
        stage.plays_at(viewer, RATE);
    }
    stage.run(SECOND * 3);
    deliver(&mut stage, viewers);
    stage
}

/// For some seconds whoever pushes to these viewers brings what it should.
fn deliver(stage: &mut Stage, viewers: &[(&'static str, &str)]) {
    for (viewer, _) in viewers {
        for (parent, stripes) in stage.parents(viewer) {
            let rate = RATE * u64::from(stripes) / 4;
            stage.receives(viewer, parent, rate, false);
        }
    }
    stage.run(SECOND * 8);
}

fn comes(stage: &mut Stage, agent: &'static str, uplink: u64, address: &str) {
    stage.agent_at(agent, uplink, address);
    stage.open(agent, "live", false);
    stage.run(SECOND * 3);
}

fn stripes(stage: &Stage, viewer: &'static str, agent: &'static str) -> u32 {
    stage.parents(viewer).get(agent).copied().unwrap_or(0)
}

#[test]
fn who_has_delivered_comes_before_a_stranger_that_offers_a_hundred_times_as_much() {
    let mut stage = stage(30 * RATE, &VIEWERS);
    comes(&mut stage, "stranger", 3000 * RATE, "45.64.0.1");
    stage.viewer_at("late", FAR);
    stage.run(SECOND * 3);
    let parents = stage.parents("late");
    assert_eq!(stripes(&stage, "late", "stranger"), 0, "{parents:?}");
    assert_eq!(parents.values().sum::<u32>(), 4, "{parents:?}");
    stage.check();
}

#[test]
fn a_stranger_feeds_as_many_as_it_can_where_nobody_else_has_room() {
    let mut stage = stage(4 * RATE, &VIEWERS);
    comes(&mut stage, "stranger", 30 * RATE, "45.64.0.1");
    let late = ["l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8"];
    for viewer in late {
        stage.viewer_at(viewer, FAR);
    }
    stage.run(SECOND * 10);
    for viewer in late {
        let parents = stage.parents(viewer);
        let from_agents = parents.iter().filter(|(name, _)| **name != "waypoint");
        let sum: u32 = from_agents.map(|(_, count)| count).sum();
        assert_eq!(sum, 4, "{viewer}: {parents:?}");
    }
    stage.check();
}

#[test]
fn once_enough_sites_vouch_for_it_a_stranger_is_as_good_as_what_it_offers() {
    let mut stage = stage(4 * RATE, &VIEWERS);
    comes(&mut stage, "stranger", 300 * RATE, "45.64.0.1");
    let fed = [
        ("f1", "198.19.1.1"),
        ("f2", "198.19.2.1"),
        ("f3", "198.19.3.1"),
        ("f4", "198.19.4.1"),
        ("f5", "198.19.5.1"),
        ("f6", "198.19.6.1"),
        ("f7", "198.19.7.1"),
    ];
    for (viewer, address) in fed {
        stage.viewer_at(viewer, address);
        stage.plays_at(viewer, RATE);
    }
    stage.run(SECOND * 5);
    deliver(&mut stage, &fed);
    assert_eq!(stage.summary("stranger").vouched_by, Some(6));
    assert_eq!(stage.summary("waypoint").vouched_by, None);
    comes(&mut stage, "another", 30 * RATE, "45.65.0.1");
    assert_eq!(stage.summary("another").vouched_by, Some(0));
    stage.viewer_at("late", FAR);
    stage.run(SECOND * 3);
    let parents = stage.parents("late");
    assert!(stripes(&stage, "late", "stranger") >= 2, "{parents:?}");
    stage.check();
}

#[test]
fn accomplices_of_one_site_make_nobody_the_first_choice() {
    let mut stage = stage(30 * RATE, &VIEWERS);
    // Nobody else is as near, so the schemer feeds all of them.
    comes(&mut stage, "schemer", 3000 * RATE, "45.64.0.1");
    let accomplices = [
        ("a1", "45.64.7.1"),
        ("a2", "45.64.7.2"),
        ("a3", "45.64.7.3"),
        ("a4", "45.64.7.4"),
        ("a5", "45.64.7.5"),
        ("a6", "45.64.7.6"),
        ("a7", "45.64.7.7"),
    ];
    for (viewer, address) in accomplices {
        stage.viewer_at(viewer, address);
        stage.plays_at(viewer, RATE);
    }
    stage.run(SECOND * 5);
    for (viewer, _) in accomplices {
        assert!(stripes(&stage, viewer, "schemer") > 0, "{viewer}");
    }
    deliver(&mut stage, &accomplices);
    stage.viewer_at("victim", FAR);
    stage.run(SECOND * 3);
    let parents = stage.parents("victim");
    assert_eq!(stripes(&stage, "victim", "schemer"), 0, "{parents:?}");
    stage.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever strangers offer, none of them pushes to whoever comes while two who have delivered have
    /// room; and nobody goes without.
    #[test]
    fn no_offer_is_high_enough_to_come_first(
        offers in prop::collection::vec(RATE..100_000 * RATE, 1..20),
    ) {
        let mut stage = stage(30 * RATE, &VIEWERS);
        let mut strangers = Vec::new();
        for (number, uplink) in offers.into_iter().enumerate() {
            let name: &'static str = format!("stranger {number}").leak();
            stage.agent_at(name, uplink, &format!("45.{}.0.1", 64 + number));
            stage.open(name, "live", false);
            strangers.push(name);
        }
        stage.run(SECOND * 3);
        stage.viewer_at("late", FAR);
        stage.run(Duration::from_secs(3));
        let parents = stage.parents("late");
        prop_assert_eq!(parents.values().sum::<u32>(), 4, "{:?}", parents);
        for stranger in strangers {
            prop_assert_eq!(stripes(&stage, "late", stranger), 0, "{:?}", parents);
        }
        stage.check();
    }
}
