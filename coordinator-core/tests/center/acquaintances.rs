//! How many viewers an agent is made known to within an hour (T6).

use std::time::Duration;

use crate::stage::{RATE, SECOND, Stage};

const HOUR: Duration = Duration::from_secs(3600);

/// An agent that may meet so many an hour, with uplink for all, and a waypoint.
fn stage(most: usize) -> Stage {
    let mut stage = Stage::with(1, |config| config.meetings_per_hour = most);
    stage.waypoint_at("waypoint", 100 * RATE, "192.0.2.1");
    stage.agent_at("agent", 100 * RATE, "192.0.2.2");
    stage.open("agent", "live", false);
    stage.run(SECOND * 2);
    stage
}

/// Viewers, one after another, each at an address of its own; those whom the agent was named to.
fn met(stage: &mut Stage, names: &[&'static str], network: &str) -> Vec<&'static str> {
    for (place, name) in names.iter().enumerate() {
        stage.viewer_at(name, &format!("{network}.{}", place + 1));
        stage.run(SECOND);
    }
    let knows = |name: &&&'static str| stage.parents(name).contains_key("agent");
    names.iter().filter(knows).copied().collect()
}

#[test]
fn an_agent_is_made_known_to_no_more_viewers_than_it_may_meet_and_the_others_are_told_why() {
    let mut stage = stage(3);
    let names = ["ann", "bob", "cid", "dot", "eve"];
    assert_eq!(met(&mut stage, &names, "203.0.113"), ["ann", "bob", "cid"]);
    assert_eq!(stage.parents("dot").get("waypoint"), Some(&4));
    let explanation = stage.explanation("dot");
    let mut excluded = explanation.contents[0].excluded.iter();
    let agent = stage.peer("agent");
    let reason = excluded.find(|one| one.peer == agent).unwrap();
    assert_eq!(reason.rule, "met-enough");
    assert!(
        reason.why.contains("made known to 3 viewers"),
        "{}",
        reason.why
    );

    stage.run(SECOND * 60);
    assert_eq!(
        stage.parents("bob").get("agent"),
        Some(&4),
        "who is known stays"
    );
    stage.check();
}

#[test]
fn who_comes_again_is_no_new_one_and_others_come_when_the_hour_is_over() {
    let mut stage = stage(2);
    assert_eq!(
        met(&mut stage, &["ann", "bob"], "203.0.113"),
        ["ann", "bob"]
    );
    stage.kill("ann");
    stage.run(SECOND * 2);
    // The same address, another key: a page that was loaded again.
    assert_eq!(met(&mut stage, &["ann again"], "203.0.113"), ["ann again"]);
    assert_eq!(met(&mut stage, &["cid"], "198.51.100"), [""; 0]);
    stage.run(HOUR);
    assert!(stage.parents("cid").contains_key("agent"));
    stage.check();
}

#[test]
fn several_agents_behind_one_address_have_one_account_even_under_new_names() {
    let mut stage = stage(2);
    assert_eq!(
        met(&mut stage, &["ann", "bob"], "203.0.113"),
        ["ann", "bob"]
    );
    stage.agent_at("another agent", 100 * RATE, "192.0.2.2");
    stage.open("another agent", "live", false);
    stage.kill("agent");
    stage.run(SECOND * 2);
    stage.agent_at("the agent anew", 100 * RATE, "192.0.2.2");
    stage.open("the agent anew", "live", false);
    stage.viewer_at("cid", "198.51.100.1");
    stage.run(SECOND * 5);
    let parents = stage.parents("cid");
    assert_eq!(parents.keys().copied().collect::<Vec<_>>(), ["waypoint"]);
    stage.check();
}

#[test]
fn neighbours_and_agents_are_no_strangers() {
    let mut stage = stage(1);
    for name in ["ann", "bob", "cid"] {
        stage.viewer_at(name, "192.0.2.2");
    }
    stage.agent_at("another agent", 2 * RATE, "198.51.100.7");
    stage.open("another agent", "live", false);
    stage.run(SECOND * 5);
    for name in ["ann", "bob", "cid"] {
        assert!(stage.parents(name).contains_key("agent"), "{name}");
    }
    assert_eq!(met(&mut stage, &["dot"], "203.0.113"), ["dot"]);
    stage.check();
}
