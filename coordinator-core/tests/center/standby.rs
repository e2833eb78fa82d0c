//! Who stands by takes a link: members with uplink for everybody, and more peers than links.

use runnel_protocol::peer::max_links;
use runnel_protocol::units::BitsPerSecond;

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

/// Agents with so much uplink, and two hundred viewers, who have had the time to be fed.
fn office(stage: &mut Stage, agents: [&'static str; 3], uplink: u64) -> Vec<&'static str> {
    for name in agents {
        stage.agent(name, uplink);
        stage.open(name, "live", false);
    }
    let viewers: Vec<&'static str> = (0..200)
        .map(|number| &*format!("viewer {number}").leak())
        .collect();
    for name in &viewers {
        stage.viewer(name);
    }
    stage.run(SECOND * 20);
    viewers
}

#[test]
fn a_waypoint_stands_by_for_no_more_viewers_than_leave_it_links_for_agents() {
    const UPLINK: u64 = 50 * RATE;
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", UPLINK);
    office(&mut stage, ["one", "two", "three"], UPLINK);
    let most = max_links(BitsPerSecond::from_kilobits(UPLINK));
    let links = stage.summary("waypoint").links;
    assert!((most / 4..=most / 4 * 3).contains(&links), "{links}");

    for name in ["four", "five"] {
        stage.agent(name, UPLINK);
        stage.open(name, "live", false);
    }
    stage.run(SECOND * 5);
    for name in ["four", "five"] {
        assert_eq!(stage.parents(name).values().sum::<u32>(), 4, "{name}");
    }
    stage.check();
}

#[test]
fn an_agent_with_uplink_for_everybody_gets_no_more_links_than_it_takes() {
    const UPLINK: u64 = 100 * RATE;
    let agents = ["one", "two", "three"];
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 1000 * RATE);
    let viewers = office(&mut stage, agents, UPLINK);
    let everybody = || viewers.iter().chain(&agents);
    let most = max_links(BitsPerSecond::from_kilobits(UPLINK));
    let mut stands_by = 0;
    for agent in agents {
        let given = everybody().filter_map(|name| stage.parents(name).get(agent).copied());
        let given: Vec<u32> = given.collect();
        let links = given.len() + stage.parents(agent).len();
        assert!(links <= most, "{agent}: {links} of {most}");
        stands_by += given.iter().filter(|stripes| **stripes == 0).count();
    }
    assert!(
        stands_by > 0,
        "or it would not show that a standby is a link"
    );
    stage.check();
}

#[test]
fn links_that_run_short_go_to_those_who_would_be_without() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 3 * RATE);
    for name in ["one", "two", "three"] {
        // Uplink for 100 viewers and 200 links.
        stage.agent(name, 100 * RATE);
        stage.open(name, "live", false);
    }
    let viewers: Vec<&'static str> = (0..250)
        .map(|number| &*format!("viewer {number}").leak())
        .collect();
    for name in &viewers {
        stage.viewer(name);
    }
    stage.run(SECOND * 20);
    for name in &viewers {
        assert_eq!(stage.parents(name).values().sum::<u32>(), 4, "{name}");
    }
    stage.check();
}
