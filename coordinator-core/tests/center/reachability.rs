//! An agent whose router forwards a port to it from some moment on, and does no longer: its claim is tested like
//! any other (P3, P8; T12).

use core::net::SocketAddr;

use runnel_protocol::control::{FromCoordinator, PeerType, Platform, Reachability, ToCoordinator};
use runnel_protocol::ids::CertificateHash;

use crate::stage::{RATE, SECOND, Stage};

/// Where the agent comes from, and its address in there.
const ROUTER: &str = "198.51.100.7";
const WITHIN: &str = "192.168.1.5:4433";
/// The port that the agent listens on, which nobody forwards.
const CLOSED: &str = "198.51.100.7:4433";
/// A port that the router forwards.
const MAPPED: &str = "198.51.100.7:40001";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An agent behind a router that forwards nothing, and a stranger who watches.
fn behind_a_router() -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 2 * RATE, "203.0.113.1");
    let mut hello = stage.hello(Platform::Native, 10 * RATE);
    hello.endpoints = vec![at(WITHIN)];
    stage.shut.insert(at(CLOSED));
    stage.join("agent", hello, ROUTER);
    stage.open("agent", "live", false);
    stage.viewer_at("stranger", "192.0.2.9");
    stage.run(5 * SECOND);
    stage
}

/// The agent names other addresses.
fn moves(stage: &mut Stage, ways: &[&str]) {
    let named = Reachability {
        endpoints: ways.iter().map(|one| at(one)).collect(),
        certificates: vec![CertificateHash([9; 32])],
    };
    stage.say("agent", ToCoordinator::Reachable(named));
    stage.run(5 * SECOND);
}

/// Where the stranger is told to dial the agent.
fn told_to_the_stranger(stage: &Stage) -> Vec<SocketAddr> {
    let agent = stage.peer("agent");
    let parents = stage.assign("stranger").parents.iter();
    let mut ways = parents.filter(|parent| parent.contact.peer == agent);
    ways.next()
        .map(|parent| parent.contact.endpoints.clone())
        .unwrap_or_default()
}

#[test]
fn a_port_that_the_router_forwards_from_now_on_is_tested_and_is_for_everybody() {
    let mut stage = behind_a_router();
    assert_eq!(told_to_the_stranger(&stage), []);
    moves(&mut stage, &[MAPPED, WITHIN]);
    assert_eq!(stage.probed.last().unwrap()[0], at(MAPPED));
    assert_eq!(stage.summary("agent").endpoints, [at(MAPPED), at(WITHIN)]);
    assert_eq!(told_to_the_stranger(&stage), [at(MAPPED)]);
    let parent = &stage.assign("stranger").parents;
    let mut shown = parent.iter().flat_map(|one| &one.contact.certificates);
    assert!(shown.any(|hash| *hash == CertificateHash([9; 32])));
    stage.check();
}

#[test]
fn a_port_that_is_forwarded_no_longer_is_told_to_nobody_and_its_children_find_others() {
    let mut stage = behind_a_router();
    moves(&mut stage, &[MAPPED, WITHIN]);
    assert!(stage.parents("stranger").contains_key("agent"));
    moves(&mut stage, &[WITHIN]);
    assert_eq!(stage.summary("agent").kind, PeerType::Regular);
    assert_eq!(stage.summary("agent").endpoints, [at(WITHIN)]);
    assert_eq!(told_to_the_stranger(&stage), []);
    stage.check();
}

#[test]
fn a_router_that_forwards_nothing_although_it_says_so_is_found_out() {
    let mut stage = behind_a_router();
    stage.shut.insert(at(MAPPED));
    moves(&mut stage, &[MAPPED, WITHIN]);
    assert!(stage.probed.last().unwrap().contains(&at(MAPPED)));
    assert_eq!(stage.summary("agent").endpoints, [at(WITHIN)]);
    assert_eq!(told_to_the_stranger(&stage), []);
}

#[test]
fn an_address_that_a_router_says_it_has_and_that_nobody_comes_from_is_not_tested() {
    let mut stage = behind_a_router();
    let elsewhere = "203.0.113.99:40001";
    moves(&mut stage, &[elsewhere, WITHIN]);
    let tested = stage.probed.iter().flatten();
    assert!(tested.clone().count() > 0);
    assert!(!tested.clone().any(|one| *one == at(elsewhere)));
    assert_eq!(told_to_the_stranger(&stage), []);
}

#[test]
fn other_certificates_alone_are_handed_on_and_take_nobody_out_of_use() {
    let mut stage = behind_a_router();
    moves(&mut stage, &[MAPPED, WITHIN]);
    let types = |stage: &Stage| {
        let inbox = stage.actors["agent"].inbox.iter();
        let types = inbox.filter(|message| matches!(message, FromCoordinator::Type { .. }));
        types.count()
    };
    let before = (types(&stage), stage.probed.len());
    let named = Reachability {
        endpoints: vec![at(MAPPED), at(WITHIN)],
        certificates: vec![CertificateHash([10; 32])],
    };
    stage.say("agent", ToCoordinator::Reachable(named));
    stage.run(5 * SECOND);
    assert_eq!(
        (types(&stage), stage.probed.len()),
        (before.0, before.1 + 1)
    );
    let parents = stage.assign("stranger").parents.iter();
    let mut shown = parents.flat_map(|parent| &parent.contact.certificates);
    assert!(shown.any(|hash| *hash == CertificateHash([10; 32])));
}

#[test]
fn who_has_said_that_nobody_can_connect_to_it_is_not_tested_whatever_it_names() {
    let mut stage = Stage::new(1);
    let mut hello = stage.hello(Platform::Native, 0);
    hello.implementation.accepts = false;
    stage.join("agent", hello, ROUTER);
    moves(&mut stage, &[MAPPED]);
    assert_eq!(stage.probed.len(), 0);
    assert_eq!(stage.summary("agent").kind, PeerType::Lightweight);
}
