//! Which version of the policies tickets are given under, and what whoever comes back is told (T16).

use runnel_coordinator_core::{NetworkEntry, NetworkTable, Tags};
use runnel_protocol::control::{ClientHello, FromCoordinator, Platform};
use runnel_protocol::ids::{CertificateHash, PublicKey, TicketId};

use crate::policies::GERMANY;
use crate::stage::{RATE, SECOND, Stage};

/// It is about a content that nobody watches.
const ELSEWHERE: &str = r#"
name = "elsewhere"
kind = "provider"
contents = ["another"]
[[deny]]
what = "peers"
when = 'viewer.country == "FR"'
say = "not licensed in FR"
"#;

fn countries() -> NetworkTable {
    let line = |(cidr, country): (&str, &str)| NetworkEntry {
        cidr: cidr.parse().unwrap(),
        region: "europe".to_owned(),
        name: String::new(),
        tags: Tags {
            country: Some(country.to_owned()),
            ..Tags::default()
        },
    };
    NetworkTable::new([("127.0.0.0/24", "FR"), ("127.0.1.0/24", "DE")].map(line))
}

fn ann(stage: &mut Stage) -> ClientHello {
    ClientHello {
        key: PublicKey([77; 32]),
        endpoints: vec![([127, 0, 0, 1], 4077).into()],
        certificates: vec![CertificateHash([77; 32])],
        ..stage.hello(Platform::Native, 11 * RATE)
    }
}

/// Ann feeds a viewer in her country and one in Germany.
fn evening() -> Stage {
    let mut stage = Stage::with(1, |config| {
        config.networks = countries();
        config.generation = 7;
    });
    stage.waypoint("waypoint", 4 * RATE);
    let hello = ann(&mut stage);
    stage.join("ann", hello, "127.0.0.1");
    stage.viewer("french");
    stage.viewer_at("german", "127.0.1.1");
    stage.run(SECOND * 5);
    stage
}

/// The version of the ticket by which Ann feeds somebody.
fn version(stage: &Stage, child: &'static str) -> (u64, TicketId) {
    let ann = stage.peer("ann");
    let mut parents = stage.assign(child).parents.iter();
    let parent = parents.find(|parent| parent.contact.peer == ann);
    let ticket = &parent.unwrap().contact.ticket.body;
    (ticket.policy_version, ticket.id)
}

fn floor(stage: &Stage, name: &'static str) -> u64 {
    let mut inbox = stage.actors[name].inbox.iter();
    let floor = inbox.find_map(|message| match message {
        FromCoordinator::Welcome(welcome) => Some(welcome.policy_floor),
        _ => None,
    });
    floor.unwrap()
}

#[test]
fn an_edit_that_concerns_nobody_is_told_to_nobody() {
    let mut stage = evening();
    let before: Vec<usize> = stage.actors.values().map(|one| one.inbox.len()).collect();
    let ticket = version(&stage, "french");
    assert_eq!(ticket.0, 7 << 32);
    stage.policies(&[ELSEWHERE]);
    stage.run(SECOND * 5);
    let after: Vec<usize> = stage.actors.values().map(|one| one.inbox.len()).collect();
    assert_eq!(after, before, "no message, no ticket, no link");
    // Whoever comes later is fed by the version in force.
    stage.viewer("late");
    stage.run(SECOND * 5);
    assert_eq!(version(&stage, "late").0, (7 << 32) + 1);
    assert_eq!(version(&stage, "french"), ticket);
}

#[test]
fn whoever_was_away_while_something_was_voided_serves_under_new_tickets_only() {
    let mut stage = evening();
    assert_eq!(floor(&stage, "ann"), 0, "she missed nothing");
    let old = version(&stage, "french");
    stage.kill("ann");
    stage.policies(&[GERMANY]);
    stage.run(SECOND);
    let hello = ann(&mut stage);
    stage.join("ann", hello, "127.0.0.1");
    let told = floor(&stage, "ann");
    assert!(told > old.0);
    stage.run(SECOND * 10);
    assert!(version(&stage, "french").0 >= told);
    assert_ne!(version(&stage, "french").1, old.1);
    assert!(stage.assign("german").parents.is_empty());
    stage.check();
}

#[test]
fn whoever_comes_back_when_nothing_has_changed_goes_on_with_what_was_granted() {
    let mut stage = evening();
    let old = version(&stage, "french");
    stage.kill("ann");
    let hello = ann(&mut stage);
    stage.join("ann", hello, "127.0.0.1");
    stage.run(SECOND * 10);
    assert_eq!(floor(&stage, "ann"), 0);
    assert_eq!(version(&stage, "french").0, old.0);
}

#[test]
fn after_a_restart_old_tickets_are_good_unless_the_policies_may_say_something_else() {
    let restarted = |doubtful| {
        let mut stage = Stage::with(1, |config| {
            config.generation = 8;
            config.policies_doubtful = doubtful;
        });
        // What the store holds is known before anybody comes.
        stage.policies(&[GERMANY]);
        stage.viewer("viewer");
        floor(&stage, "viewer")
    };
    assert_eq!(restarted(false), 0);
    assert_eq!(restarted(true), 8 << 32);
}

#[test]
fn whoever_leaves_and_keeps_its_link_is_parted_all_the_same() {
    let mut stage = evening();
    let (_, ticket) = version(&stage, "german");
    stage.kill("german");
    stage.policies(&[ELSEWHERE]);
    stage.run(SECOND * 2);
    assert!(
        !revoked(&stage, "ann").contains(&ticket),
        "it is none of its concern"
    );
    stage.policies(&[GERMANY]);
    stage.run(SECOND * 2);
    assert!(revoked(&stage, "ann").contains(&ticket));
}

fn revoked(stage: &Stage, name: &'static str) -> Vec<TicketId> {
    let inbox = stage.actors[name].inbox.iter();
    let revoked = inbox.filter_map(|message| match message {
        FromCoordinator::Revoke(tickets) => Some(tickets.clone()),
        _ => None,
    });
    revoked.flatten().collect()
}
