//! Stories of regions and networks: who is near is found by the operator's table.

use std::collections::BTreeMap;

use crate::stage::{RATE, SECOND, Stage, live};
use runnel_coordinator_core::{NetworkEntry, NetworkTable, Tags};
use runnel_protocol::control::ToCoordinator;

const WAYPOINT: &str = "192.0.2.1";

/// Two regions; the north has two networks.
fn table() -> NetworkTable {
    let line = |(cidr, region, name): (&str, &str, &str)| NetworkEntry {
        cidr: cidr.parse().unwrap(),
        region: region.to_owned(),
        name: name.to_owned(),
        tags: Tags::default(),
    };
    let lines = [
        ("203.0.112.0/24", "north", "alpha"),
        ("198.51.100.0/24", "north", "alpha"),
        ("203.0.113.0/24", "north", "beta"),
        ("100.64.0.0/10", "south", "gamma"),
    ];
    NetworkTable::new(lines.map(line))
}

/// The operator's waypoint, with uplink for so many viewers, is in neither region.
fn two_regions(waypoint: u64) -> Stage {
    let mut stage = Stage::with(1, |config| config.networks = table());
    stage.waypoint_at("waypoint", waypoint * RATE, WAYPOINT);
    stage
}

fn helps(stage: &Stage, name: &'static str) -> bool {
    !stage.summary(name).contents.is_empty()
}

#[test]
fn a_region_feeds_itself_although_others_are_wider() {
    let mut stage = two_regions(4);
    stage.agent_at("near", 10 * RATE, "203.0.113.9");
    stage.agent_at("nearer", 10 * RATE, "203.0.112.9");
    stage.agent_at("wide", 100 * RATE, "100.64.0.9");
    stage.viewer_at("southerner", "100.64.7.7");
    stage.viewer_at("northerner", "203.0.113.7");
    stage.run(SECOND * 3);
    let of_north = stage.parents("northerner");
    assert!(of_north.keys().eq(&["near", "nearer", "waypoint"]));
    assert_eq!((of_north["waypoint"], of_north.values().sum()), (0, 4));
    let of_south = BTreeMap::from([("wide", 4), ("waypoint", 0)]);
    assert_eq!(stage.parents("southerner"), of_south);
    assert!(stage.words("northerner").contains("at the same site"));
    stage.check();
}

#[test]
fn volunteers_are_called_in_where_somebody_watches() {
    let mut stage = two_regions(4);
    for (name, address) in [("ann", "203.0.113.9"), ("bob", "203.0.112.9")] {
        stage.agent_at(name, 10 * RATE, address);
    }
    for (name, address) in [("sue", "100.64.0.9"), ("tom", "100.65.0.9")] {
        stage.agent_at(name, 100 * RATE, address);
    }
    stage.viewer_at("northerner", "203.0.113.7");
    stage.run(SECOND * 3);
    assert!(helps(&stage, "ann") && helps(&stage, "bob"));
    assert!(!helps(&stage, "sue") && !helps(&stage, "tom"));
    stage.viewer_at("southerner", "100.64.7.7");
    stage.run(SECOND * 3);
    assert!(helps(&stage, "sue") && helps(&stage, "tom"));
    stage.check();
}

#[test]
fn a_region_without_agents_is_fed_by_the_waypoint_and_then_by_wide_ones_elsewhere() {
    let mut stage = two_regions(4);
    stage.agent_at("wide", 100 * RATE, "100.64.0.9");
    stage.agent_at("narrow", RATE * 3 / 2, "100.65.0.9");
    stage.viewer_at("southerner", "100.64.7.7");
    stage.run(SECOND * 3);
    for viewer in ["one", "two", "three", "four"] {
        stage.viewer_at(viewer, "203.0.113.7");
        stage.run(SECOND);
    }
    assert_eq!(stage.parents("one"), BTreeMap::from([("waypoint", 4)]));
    // At least one of the waypoint's four copies goes to the south.
    let parents = stage.parents("four");
    assert!(parents.contains_key("wide"), "{parents:?}");
    let covered: u32 = parents.values().sum();
    assert_eq!(covered, 4, "nothing is left to the CDN");
    for viewer in ["one", "two", "three", "four"] {
        assert!(!stage.parents(viewer).contains_key("narrow"), "{viewer}");
    }

    // The region gets an agent of its own: it is asked, and everybody moves to it.
    stage.agent_at("own", 20 * RATE, "203.0.112.9");
    stage.run(SECOND * 6);
    for viewer in ["one", "two", "three", "four"] {
        assert_eq!(stage.parents(viewer).get("own"), Some(&4), "{viewer}");
    }
    stage.check();
}

#[test]
fn each_region_has_heads_of_its_own() {
    let mut stage = two_regions(10);
    let agents = [
        ("ann", "203.0.113.9"),
        ("bob", "203.0.112.9"),
        ("sue", "100.64.0.9"),
        ("tom", "100.65.0.9"),
    ];
    for (name, address) in agents {
        stage.agent_at(name, 10 * RATE, address);
    }
    stage.viewer_at("northerner", "203.0.113.7");
    stage.viewer_at("southerner", "100.64.7.7");
    stage.run(SECOND * 3);
    for (name, _) in agents {
        assert!(stage.parents(name).contains_key("waypoint"), "{name}");
    }
    let foreign = ["sue", "tom"];
    for name in ["ann", "bob", "northerner"] {
        let parents = stage.parents(name);
        assert!(foreign.iter().all(|other| !parents.contains_key(other)));
    }
    stage.check();
}

#[test]
fn an_agent_in_two_contents_has_one_account_of_its_uplink() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 6 * RATE);
    for viewer in ["a", "b", "c", "d"] {
        stage.viewer(viewer);
    }
    for viewer in ["c", "d"] {
        stage.open(viewer, "vod", true);
    }
    stage.run(SECOND * 10);
    let ann = stage.summary("ann");
    assert_eq!(ann.contents.len(), 2, "both contents asked it to help");
    assert_eq!(ann.reserved, ann.uplink, "and together use it up");
    stage.check();
}

#[test]
fn an_agent_that_leaves_one_of_its_contents_gets_that_uplink_back() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 6 * RATE);
    for viewer in ["a", "b"] {
        stage.viewer(viewer);
    }
    stage.open("b", "vod", true);
    stage.run(SECOND * 10);
    assert_eq!(stage.summary("ann").contents.len(), 2);
    stage.say("ann", ToCoordinator::Close(live()));
    stage.settle();
    stage.check();
}
