//! A waypoint with uplink for everybody, and more agents than it can have links.

use crate::stage::{RATE, SECOND, Stage};

#[test]
fn those_a_waypoint_stands_by_for_leave_places_for_those_it_has_to_feed() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 1000 * RATE);
    stage.viewer("viewer");
    let names: Vec<&'static str> = (0..150)
        .map(|number| &*format!("agent {number}").leak())
        .collect();
    for name in &names {
        stage.agent(name, RATE);
        stage.open(name, "live", false);
    }
    stage.run(SECOND * 20);
    let from_waypoint = |name: &&&'static str| stage.parents(name).get("waypoint").copied();
    let stripes: Vec<u32> = names
        .iter()
        .filter_map(|name| from_waypoint(&name))
        .collect();
    let standby = stripes.iter().filter(|count| **count == 0).count();
    assert!(
        (1..=24).contains(&standby),
        "{standby} of {}",
        stripes.len()
    );
    assert!(stripes.len() > standby, "it feeds the first of them");
    for name in &names {
        assert_eq!(stage.parents(name).values().sum::<u32>(), 4, "{name}");
    }
    stage.check();
}
