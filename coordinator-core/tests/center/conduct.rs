//! Whoever is said to send bad data, by how many, and for how long that counts (T10).

use std::time::Duration;

use runnel_protocol::control::{Offence, Strike, ToCoordinator};

use crate::stage::{RATE, SECOND, Stage, live};

/// Where the liar is.
const DEN: &str = "192.0.2.66";
const MINUTE: Duration = Duration::from_secs(60);

/// A waypoint, a wide liar, a narrower honest agent, and viewers at these addresses.
fn stage(viewers: &[(&'static str, &str)]) -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 100 * RATE, "192.0.2.1");
    stage.agent_at("liar", 100 * RATE, DEN);
    stage.open("liar", "live", false);
    stage.run(SECOND * 2);
    for (name, address) in viewers {
        stage.viewer_at(name, address);
    }
    stage.run(SECOND * 2);
    stage
}

fn strikes(stage: &mut Stage, by: &'static str, liar: &'static str) {
    let strike = Strike {
        content: live(),
        peer: stage.peer(liar),
        offence: Offence::BadChunk,
        segment: None,
    };
    stage.say(by, ToCoordinator::Strike(strike));
    stage.settle();
}

fn feeds(stage: &Stage, agent: &'static str, viewer: &'static str) -> bool {
    stage.parents(viewer).contains_key(agent)
}

const VICTIMS: [(&str, &str); 3] = [
    ("ann", "203.0.113.1"),
    ("bob", "198.18.2.2"),
    ("cid", "198.18.3.3"),
];

#[test]
fn a_liar_is_out_whatever_it_calls_itself_and_however_often_it_comes_back() {
    let mut stage = stage(&VICTIMS);
    for (victim, _) in VICTIMS {
        assert!(feeds(&stage, "liar", victim), "{victim}");
        strikes(&mut stage, victim, "liar");
    }
    stage.kill("liar");
    stage.agent_at("another name", 100 * RATE, DEN);
    stage.open("another name", "live", false);
    stage.viewer_at("dot", "198.51.100.4");
    stage.run(SECOND * 10);
    assert!(!feeds(&stage, "another name", "dot"));
    let excluded = &stage.explanation("dot").contents[0].excluded;
    let liar = stage.peer("another name");
    let reason = excluded.iter().find(|one| one.peer == liar).unwrap();
    assert_eq!(reason.rule, "conduct");
    stage.check();
}

#[test]
fn each_verdict_stands_for_twice_as_long_as_the_one_before() {
    let mut stage = stage(&VICTIMS);
    for minutes in [10, 20] {
        stage.run(MINUTE * 2);
        for (victim, _) in VICTIMS {
            assert!(feeds(&stage, "liar", victim), "{victim}: another chance");
            strikes(&mut stage, victim, "liar");
        }
        stage.viewer_at("dot", "198.51.100.4");
        stage.run(MINUTE * (minutes - 1));
        assert!(!feeds(&stage, "liar", "dot"), "within {minutes} minutes");
        stage.run(MINUTE * 2);
        assert!(feeds(&stage, "liar", "dot"), "after {minutes} minutes");
        stage.kill("dot");
        // Bans of pairs, which are older, have ended as well.
        stage.run(MINUTE * 60);
    }
    stage.check();
}

#[test]
fn who_has_a_whole_network_takes_nobodys_agent_away() {
    let mut stage = stage(&[
        ("one", "203.0.113.1"),
        ("two", "203.0.113.2"),
        ("three", "203.0.113.3"),
        ("victim", "198.18.2.2"),
    ]);
    for accomplice in ["one", "two", "three"] {
        assert!(feeds(&stage, "liar", accomplice), "{accomplice}");
        strikes(&mut stage, accomplice, "liar");
    }
    stage.run(SECOND * 10);
    assert!(feeds(&stage, "liar", "victim"));
    stage.check();
}

#[test]
fn a_liar_is_out_by_the_word_of_three_beside_it() {
    let mut stage = stage(&[
        ("one", "192.0.2.11"),
        ("two", "192.0.2.12"),
        ("three", "192.0.2.13"),
        ("four", "192.0.2.14"),
    ]);
    for victim in ["one", "two", "three"] {
        strikes(&mut stage, victim, "liar");
    }
    stage.run(SECOND * 10);
    assert!(!feeds(&stage, "liar", "four"));
    stage.check();
}

#[test]
fn three_names_at_one_address_take_nobodys_agent_away() {
    let accomplices = [
        ("one", "203.0.113.1"),
        ("two", "203.0.113.1"),
        ("three", "203.0.113.1"),
        ("victim", "203.0.113.2"),
    ];
    let mut stage = stage(&accomplices);
    for (name, _) in &accomplices[..3] {
        strikes(&mut stage, name, "liar");
    }
    stage.run(SECOND * 10);
    assert!(feeds(&stage, "liar", "victim"));
    stage.check();
}
