//! The type of a peer is what a test says, not what it says itself (P3, P8; T12, T13).

use core::net::SocketAddr;
use core::time::Duration;

use runnel_protocol::control::{FromCoordinator, LinkResult, PeerType, Platform};

use crate::stage::{RATE, SECOND, Stage};

/// Longer than the pause between two tests that nobody asks for.
const A_WHILE: Duration = Duration::from_secs(800);

/// The types that an actor was told after its welcome, and the last reason.
fn told(stage: &Stage, name: &'static str) -> (Vec<PeerType>, String) {
    let mut why = String::new();
    let mut kinds = Vec::new();
    for message in &stage.actors[name].inbox {
        if let FromCoordinator::Type {
            kind, why: reason, ..
        } = message
        {
            kinds.push(*kind);
            why.clone_from(reason);
        }
    }
    (kinds, why)
}

/// An agent at its own address, which `open` tells whether others can reach.
fn agent(stage: &mut Stage, name: &'static str, address: &str, open: bool) -> SocketAddr {
    let mut hello = stage.hello(Platform::Native, 10 * RATE);
    hello.endpoints[0].set_ip(address.parse().unwrap());
    let endpoint = hello.endpoints[0];
    if !open {
        stage.shut.insert(endpoint);
    }
    stage.join(name, hello, address);
    endpoint
}

/// A waypoint too narrow for viewers, with addresses of both families.
fn waypoint_of_both(stage: &mut Stage) {
    let mut hello = stage.hello(Platform::Native, 2 * RATE);
    let ways = ["203.0.113.1:4433", "[2001:db8:ff::1]:4433"];
    hello.endpoints = ways.map(|one| one.parse().unwrap()).to_vec();
    stage.join("waypoint", hello, "203.0.113.1");
    stage.enrol("waypoint");
}

/// A waypoint too narrow for viewers, and an agent behind a firewall that helps.
fn behind_a_firewall() -> (Stage, SocketAddr) {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    let endpoint = agent(&mut stage, "agent", "198.51.100.7", false);
    stage.open("agent", "live", false);
    stage.viewer_at("viewer", "192.0.2.9");
    stage.run(5 * SECOND);
    (stage, endpoint)
}

#[test]
fn who_claims_to_be_regular_and_cannot_be_reached_feeds_nobody_and_is_told_what_to_do() {
    let (stage, endpoint) = behind_a_firewall();
    let FromCoordinator::Welcome(welcome) = &stage.actors["agent"].inbox[1] else {
        panic!("the welcome comes second");
    };
    assert_eq!(welcome.kind, PeerType::Lightweight);
    assert!(welcome.why.contains("not been tested yet"));
    let (kinds, why) = told(&stage, "agent");
    assert_eq!(kinds, [PeerType::Lightweight]);
    assert!(
        why.contains(&endpoint.to_string()) && why.contains("open that port"),
        "{why}"
    );
    assert_eq!(stage.explanation("agent").why, why);
    assert!(stage.words("agent").contains("nobody could connect to"));
    assert!(!stage.parents("viewer").contains_key("agent"));
    assert!(stage.summary("agent").endpoints.is_empty());
    stage.check();
}

#[test]
fn who_opens_its_port_is_found_to_be_regular_and_is_used() {
    let (mut stage, _) = behind_a_firewall();
    stage.shut.clear();
    stage.run(A_WHILE);
    assert_eq!(stage.summary("agent").kind, PeerType::Regular);
    let (kinds, _) = told(&stage, "agent");
    assert_eq!(kinds, [PeerType::Lightweight, PeerType::Regular]);
    assert!(stage.parents("viewer").contains_key("agent"));
    stage.check();
}

#[test]
fn who_cannot_be_reached_any_more_is_tested_again_when_others_fail_and_loses_its_children() {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    let endpoint = agent(&mut stage, "agent", "198.51.100.7", true);
    stage.open("agent", "live", true);
    stage.viewer_at("constant", "192.0.2.1");
    stage.run(40 * SECOND);
    assert!(stage.parents("constant").contains_key("agent"));
    let tests = stage.probed.len();
    stage.shut.insert(endpoint);
    fail_in_a_row(&mut stage, "192.0.2.9");
    assert_eq!(stage.probed.len(), tests + 1, "one test, however many fail");
    assert_eq!(
        told(&stage, "agent").0,
        [PeerType::Regular, PeerType::Lightweight]
    );
    assert!(!stage.parents("constant").contains_key("agent"));
    let words = stage.words("constant");
    assert!(
        words.contains("nobody can connect to it any longer"),
        "{words}"
    );
    assert!(!stage.parents("agent").is_empty(), "it goes on receiving");
    stage.check();
}

/// Five viewers who come from `address` and cannot connect to the agent.
fn fail_in_a_row(stage: &mut Stage, address: &str) {
    for viewer in ["a", "b", "c", "d", "e"] {
        stage.viewer_at(viewer, address);
        stage.settle();
        assert!(stage.parents(viewer).contains_key("agent"), "{viewer}");
        stage.report(viewer, "agent", LinkResult::Failed);
    }
    stage.settle();
}

#[test]
fn who_is_reached_by_the_test_is_used_whoever_else_could_not_connect() {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    agent(&mut stage, "agent", "198.51.100.7", true);
    stage.open("agent", "live", true);
    stage.run(40 * SECOND);
    let tests = stage.probed.len();
    fail_in_a_row(&mut stage, "192.0.2.9");
    assert_eq!(stage.probed.len(), tests + 1, "the test has the last word");
    stage.viewer_at("elsewhere", "192.0.2.200");
    stage.settle();
    assert!(stage.parents("elsewhere").contains_key("agent"));
    stage.check();
}

#[test]
fn that_nobody_gets_from_one_address_family_to_the_other_speaks_against_no_agent() {
    let mut stage = Stage::new(1);
    waypoint_of_both(&mut stage);
    agent(&mut stage, "agent", "2001:db8:7::1", true);
    stage.open("agent", "live", true);
    stage.run(40 * SECOND);
    let tests = stage.probed.len();
    fail_in_a_row(&mut stage, "192.0.2.9");
    assert_eq!(stage.probed.len(), tests, "nothing to find out");
    stage.viewer_at("likewise", "2001:db8:9::1");
    stage.settle();
    assert!(stage.parents("likewise").contains_key("agent"));
    stage.check();
}

#[test]
fn one_test_that_fails_without_a_complaint_is_repeated_before_it_counts() {
    let mut stage = Stage::new(1);
    let endpoint = agent(&mut stage, "agent", "198.51.100.7", true);
    stage.shut.insert(endpoint);
    while stage.probed.len() < 2 {
        stage.run(SECOND);
    }
    assert_eq!(stage.summary("agent").kind, PeerType::Regular);
    stage.run(15 * SECOND);
    assert_eq!(stage.probed.len(), 3);
    assert_eq!(stage.summary("agent").kind, PeerType::Lightweight);
}

#[test]
fn a_victims_address_is_neither_tested_nor_handed_out() {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    let before = stage.probed.len();
    let mut hello = stage.hello(Platform::Native, 10 * RATE);
    let victim: SocketAddr = "198.51.100.99:53".parse().unwrap();
    hello.endpoints = vec![victim];
    stage.join("liar", hello, "198.51.100.7");
    stage.open("liar", "live", false);
    let mut hello = stage.hello(Platform::Native, 10 * RATE);
    let own: SocketAddr = "198.51.100.8:4433".parse().unwrap();
    hello.endpoints = vec![victim, own];
    stage.join("half a liar", hello, "198.51.100.8");
    stage.open("half a liar", "live", false);
    stage.viewer_at("viewer", "192.0.2.9");
    stage.run(A_WHILE);
    assert!(
        stage.probed[before..]
            .iter()
            .all(|tested| !tested.contains(&victim))
    );
    assert!(stage.explanation("liar").why.contains("does not come from"));
    assert_eq!(stage.summary("half a liar").endpoints, [own]);
    let parents = &stage.assign("viewer").parents;
    assert!(
        parents
            .iter()
            .any(|parent| parent.contact.endpoints == [own])
    );
    assert!(
        parents
            .iter()
            .all(|parent| !parent.contact.endpoints.contains(&victim))
    );
}

/// An agent behind a router that names its address in there.
fn behind_a_router(forwards: bool) -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    let mut hello = stage.hello(Platform::Native, 10 * RATE);
    hello.endpoints = vec![WITHIN.parse().unwrap()];
    if !forwards {
        stage.shut.insert(OUTSIDE.parse().unwrap());
    }
    stage.join("agent", hello, "198.51.100.7");
    stage.open("agent", "live", false);
    let mut hello = stage.hello(Platform::Native, 0);
    hello.implementation.accepts = false;
    stage.join("neighbour", hello, "198.51.100.7");
    stage.open("neighbour", "live", true);
    stage.viewer_at("stranger", "192.0.2.9");
    stage.run(5 * SECOND);
    stage
}

const WITHIN: &str = "192.168.1.5:4433";
const OUTSIDE: &str = "198.51.100.7:4433";

#[test]
fn an_address_within_a_network_is_for_those_within_it() {
    let stage = behind_a_router(false);
    let within: SocketAddr = WITHIN.parse().unwrap();
    assert_eq!(stage.summary("agent").kind, PeerType::Regular);
    assert_eq!(stage.summary("agent").endpoints, [within]);
    assert!(stage.parents("neighbour").contains_key("agent"));
    assert!(!stage.parents("stranger").contains_key("agent"));
    let (_, why) = told(&stage, "agent");
    assert!(why.contains(OUTSIDE) && why.contains("forward"), "{why}");
    stage.check();
}

#[test]
fn a_port_that_the_router_forwards_is_found_and_is_for_everybody() {
    let stage = behind_a_router(true);
    let ways: [SocketAddr; 2] = [OUTSIDE, WITHIN].map(|one| one.parse().unwrap());
    assert_eq!(stage.summary("agent").endpoints, ways);
    assert!(stage.parents("stranger").contains_key("agent"));
    let contact = |viewer: &'static str| {
        let parents = stage.assign(viewer).parents.iter();
        let ways = parents.flat_map(|parent| parent.contact.endpoints.clone());
        ways.collect::<Vec<_>>()
    };
    assert!(
        !contact("stranger").contains(&ways[1]),
        "strangers never learn it"
    );
    stage.check();
}

#[test]
fn a_waypoint_that_nobody_can_reach_is_told_so() {
    let mut stage = Stage::new(1);
    stage.shut.insert("203.0.113.1:4001".parse().unwrap());
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    stage.viewer_at("viewer", "192.0.2.9");
    stage.run(5 * SECOND);
    let (kinds, why) = told(&stage, "waypoint");
    assert_eq!(kinds, [PeerType::Lightweight]);
    assert!(why.contains("203.0.113.1:4001"));
    assert!(stage.assign("viewer").parents.is_empty());
    stage.shut.clear();
    stage.run(A_WHILE);
    assert_eq!(stage.parents("viewer").len(), 1);
}

#[test]
fn where_the_operator_has_switched_the_test_off_the_word_counts() {
    let mut stage = Stage::with(1, |config| config.probe = false);
    agent(&mut stage, "agent", "198.51.100.7", false);
    assert_eq!(stage.summary("agent").kind, PeerType::Regular);
    stage.run(A_WHILE);
    assert!(stage.probed.is_empty());
}

/// An agent with public addresses of both families, which comes over IPv4.
fn of_both_families(stage: &mut Stage, name: &'static str) -> [SocketAddr; 2] {
    let ways = [OUTSIDE, "[2001:db8:7::1]:4433"].map(|one| one.parse().unwrap());
    let mut hello = stage.hello(Platform::Native, 10 * RATE);
    hello.endpoints = ways.to_vec();
    stage.join(name, hello, "198.51.100.7");
    stage.open(name, "live", false);
    ways
}

#[test]
fn an_address_of_the_other_family_is_tested_as_well_and_those_who_have_only_that_learn_it() {
    let mut stage = Stage::new(1);
    waypoint_of_both(&mut stage);
    let [four, six] = of_both_families(&mut stage, "agent");
    stage.viewer_at("six", "2001:db8:9::1");
    stage.viewer_at("four", "192.0.2.9");
    stage.run(5 * SECOND);
    let ways = |stage: &Stage, viewer: &'static str| {
        let mut parents = stage.assign(viewer).parents.clone();
        parents.retain(|parent| parent.contact.peer == stage.peer("agent"));
        parents.remove(0).contact.endpoints
    };
    assert_eq!(ways(&stage, "six"), [six, four], "its own family first");
    assert_eq!(ways(&stage, "four"), [four, six]);
    stage.check();
}

#[test]
fn who_is_reached_over_one_family_only_is_told_what_to_do_about_the_other() {
    let mut stage = Stage::new(1);
    stage.shut.insert(OUTSIDE.parse().unwrap());
    let [_, six] = of_both_families(&mut stage, "agent");
    stage.run(5 * SECOND);
    assert_eq!(stage.summary("agent").endpoints, [six]);
    let inbox = &stage.actors["agent"].inbox;
    let is_told = |message: &FromCoordinator| match message {
        FromCoordinator::Type { reached, .. } => *reached == [six],
        _ => false,
    };
    assert!(inbox.iter().any(is_told), "{inbox:?}");
    let (kinds, why) = told(&stage, "agent");
    assert_eq!(kinds, [PeerType::Regular]);
    assert!(why.contains(OUTSIDE) && why.contains("forward"), "{why}");
}

#[test]
fn a_victims_address_of_the_other_family_is_handed_out_to_nobody() {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    let victim: SocketAddr = "[2001:db8:53::53]:53".parse().unwrap();
    stage.shut.insert(victim);
    let mut hello = stage.hello(Platform::Native, 10 * RATE);
    let own: SocketAddr = OUTSIDE.parse().unwrap();
    hello.endpoints = vec![victim, own];
    stage.join("liar", hello, "198.51.100.7");
    stage.open("liar", "live", false);
    stage.viewer_at("viewer", "2001:db8:9::1");
    stage.run(A_WHILE);
    assert_eq!(stage.summary("liar").endpoints, [own]);
    let parents = &stage.assign("viewer").parents;
    let told = |victim: &SocketAddr| {
        let mut contacts = parents.iter().map(|parent| &parent.contact.endpoints);
        contacts.any(|endpoints| endpoints.contains(victim))
    };
    assert!(!told(&victim));
}

#[test]
fn agents_without_a_common_family_are_no_pair_and_the_reason_is_kept() {
    let mut stage = Stage::new(1);
    waypoint_of_both(&mut stage);
    agent(&mut stage, "six", "2001:db8:7::1", true);
    stage.open("six", "live", true);
    agent(&mut stage, "four", "198.51.100.7", true);
    stage.open("four", "live", true);
    stage.run(5 * SECOND);
    assert!(!stage.parents("four").contains_key("six"));
    assert!(!stage.parents("six").contains_key("four"));
    let told = stage.explanation("six");
    let excluded = told.contents.iter().flat_map(|content| &content.excluded);
    let reasons: Vec<&str> = excluded.map(|one| one.rule).collect();
    assert!(reasons.contains(&"no-common-family"), "{reasons:?}");
    stage.check();
}

/// Three agents with IPv6 only, the ones that a page which comes over IPv4 may try.
fn of_the_other_family() -> Stage {
    let mut stage = Stage::new(1);
    waypoint_of_both(&mut stage);
    for (name, address) in [
        ("a", "2001:db8:1::1"),
        ("b", "2001:db8:2::1"),
        ("c", "2001:db8:3::1"),
    ] {
        agent(&mut stage, name, address, true);
        stage.open(name, "live", true);
    }
    stage.run(40 * SECOND);
    stage.viewer_at("viewer", "192.0.2.9");
    stage.settle();
    stage
}

fn agents_of(stage: &Stage, viewer: &'static str) -> Vec<&'static str> {
    let mut parents = stage.parents(viewer);
    parents.remove("waypoint");
    parents.into_keys().collect()
}

#[test]
fn a_page_tries_the_other_family_twice_and_is_not_sent_there_again_for_ten_minutes() {
    let mut stage = of_the_other_family();
    for _ in 0..2 {
        let parent = agents_of(&stage, "viewer")[0];
        stage.report("viewer", parent, LinkResult::Failed);
        stage.settle();
    }
    stage.run(60 * SECOND);
    assert_eq!(agents_of(&stage, "viewer"), [""; 0]);
    let excluded = &stage.explanation("viewer").contents[0].excluded;
    let told = excluded.iter().any(|one| one.rule == "no-common-family");
    assert!(told, "{excluded:?}");
    stage.check();
}

#[test]
fn a_page_that_gets_through_to_the_other_family_has_it() {
    let mut stage = of_the_other_family();
    let parent = agents_of(&stage, "viewer")[0];
    stage.report("viewer", parent, LinkResult::Connected { after_ms: 50 });
    for other in agents_of(&stage, "viewer") {
        if other != parent {
            stage.report("viewer", other, LinkResult::Failed);
        }
    }
    stage.run(60 * SECOND);
    assert!(
        agents_of(&stage, "viewer").len() > 1,
        "they are tried again"
    );
}

#[test]
fn an_agent_from_which_no_udp_gets_out_is_told_so_until_it_does() {
    let mut stage = behind_a_router(false);
    assert!(stage.parents("agent").contains_key("waypoint"));
    for _ in 0..2 {
        stage.report("agent", "waypoint", LinkResult::Failed);
        stage.run(25 * SECOND);
    }
    let (kinds, why) = told(&stage, "agent");
    assert_eq!(kinds.last(), Some(&PeerType::Lightweight));
    assert!(why.contains("no UDP gets out"), "{why}");
    stage.report("agent", "waypoint", LinkResult::Connected { after_ms: 50 });
    stage.run(5 * SECOND);
    let (kinds, why) = told(&stage, "agent");
    assert_eq!(kinds.last(), Some(&PeerType::Regular));
    assert!(why.contains(OUTSIDE), "{why}");
    stage.check();
}

#[test]
fn a_router_that_lets_in_what_something_went_out_to_is_tested_once_something_did() {
    let mut stage = behind_a_router(false);
    let tests = stage.probed.len();
    stage.shut.clear();
    stage.report("agent", "waypoint", LinkResult::Connected { after_ms: 50 });
    stage.report("agent", "waypoint", LinkResult::Connected { after_ms: 50 });
    stage.settle();
    assert_eq!(stage.probed.len(), tests + 1, "once");
    assert!(told(&stage, "agent").1.contains("tested and accepted"));
    stage.check();
}
