//! Who is let in, who is refused and in which words, and what a restart changes.

use runnel_protocol::control::{FromCoordinator, ToCoordinator};

use crate::stage::{RATE, SECOND, Stage, kilobits};

#[test]
fn an_unknown_content_is_refused_in_words_and_the_session_goes_on() {
    let mut stage = Stage::evening();
    stage.open("viewer", "nothing", true);
    let last = stage.actors["viewer"].inbox.last().unwrap().clone();
    let FromCoordinator::Refused(refused) = last else {
        panic!("{last:?}");
    };
    assert_eq!(refused.why, "this content is not offered here");
    assert!(refused.content.is_some(), "not the whole session");
    assert!(!stage.actors["viewer"].closed);
}

#[test]
fn a_wrong_signature_ends_the_session() {
    let mut stage = Stage::new(1);
    stage.signatures_are_good = false;
    stage.agent("liar", RATE);
    assert!(stage.actors["liar"].closed);
    assert_eq!(stage.center.peer_count(), 0);
    assert_eq!(stage.center.totals().unproven, 1);
}

#[test]
fn the_same_peer_on_a_new_connection_replaces_the_old_one() {
    let mut stage = Stage::evening();
    let hello = runnel_protocol::control::ClientHello {
        key: runnel_protocol::ids::PublicKey([4; 32]),
        signature: runnel_protocol::signature::Signature([0; 64]),
        implementation: runnel_protocol::control::Implementation {
            version: "story".to_owned(),
            platform: runnel_protocol::control::Platform::Browser,
            accepts: false,
        },
        endpoints: Vec::new(),
        certificates: Vec::new(),
        uplink: kilobits(0),
        join_token: None,
    };
    let old = stage.actors["viewer"].clone();
    stage.actors.insert("old", old);
    stage.join("viewer", hello, "127.0.0.1");
    assert!(stage.actors["old"].closed);
    assert_eq!(stage.peer("viewer"), stage.peer("old"));
    stage.open("viewer", "live", true);
    stage.settle();
    assert_eq!(stage.parents("viewer").len(), 3);
    stage.check();
}

#[test]
fn a_drain_sends_everybody_away_with_a_time_to_come_back() {
    let mut stage = Stage::evening();
    stage.input(runnel_coordinator_core::Input::Drain);
    for actor in stage.actors.values() {
        assert!(actor.closed);
        let refused = actor.inbox.iter().any(|message| match message {
            FromCoordinator::Refused(refused) => refused.retry_after_ms.is_some(),
            _ => false,
        });
        assert!(refused);
    }
}

#[test]
fn after_a_restart_nobody_is_told_to_let_go_of_parents_that_are_on_their_way_back() {
    let mut stage = Stage::with(1, |config| config.settle = SECOND * 25);
    stage.viewer("viewer");
    stage.run(SECOND * 10);
    assert!(stage.actors["viewer"].assigns.is_empty());
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 10 * RATE);
    stage.run(SECOND * 6);
    assert_eq!(stage.parents("viewer")["ann"], 4);

    stage.kill("ann");
    stage.kill("waypoint");
    stage.run(SECOND * 20);
    assert!(
        stage.assign("viewer").parents.is_empty(),
        "said once things have settled"
    );
}

#[test]
fn a_crowd_that_comes_back_together_is_let_in_at_the_admission_rate() {
    let mut stage = Stage::with(1, |config| config.admissions_per_second = 2);
    let crowd = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    crowd.into_iter().for_each(|name| stage.viewer(name));
    let waits: Vec<u32> = crowd
        .iter()
        .filter_map(|name| match stage.actors[name].inbox.first() {
            Some(FromCoordinator::Refused(refused)) => refused.retry_after_ms,
            _ => None,
        })
        .collect();
    assert_eq!(waits.len(), 6, "four are a burst of two seconds");
    let spread = waits.iter().max().unwrap() - waits.iter().min().unwrap();
    assert!(spread > 1500, "{waits:?}");
    assert_eq!(stage.center.peer_count(), 4);
}

#[test]
fn whoever_does_not_prove_its_key_in_time_loses_its_place() {
    let mut stage = Stage::new(1);
    stage.input(runnel_coordinator_core::Input::SessionOpened {
        session: runnel_coordinator_core::SessionId(99),
        from: core::net::IpAddr::from([127, 0, 0, 1]).into(),
    });
    stage.run(SECOND * 9);
    assert_eq!(stage.center.totals().unproven, 0);
    stage.run(SECOND * 2);
    assert_eq!(stage.center.totals().unproven, 1);
}

#[test]
fn guessing_one_time_codes_ends_after_a_few() {
    let mut stage = Stage::new(1);
    stage.agent("guesser", RATE);
    let answers = |stage: &Stage| {
        let inbox = stage.actors["guesser"].inbox.iter();
        let words = inbox.filter_map(|message| match message {
            FromCoordinator::Refused(refused) => Some(refused.why.clone()),
            _ => None,
        });
        words.collect::<Vec<_>>()
    };
    for guess in 0..6 {
        let enrol = runnel_protocol::control::Enrol {
            code: Some(format!("guess {guess}")),
            stream_key: runnel_protocol::ids::PublicKey([9; 32]),
        };
        stage.say("guesser", ToCoordinator::Enrol(enrol));
    }
    let answers = answers(&stage);
    assert_eq!(
        answers
            .iter()
            .filter(|why| why.contains("wrong, used"))
            .count(),
        5
    );
    assert!(
        answers[5].contains("a one-time code is needed"),
        "the sixth is not even looked at"
    );
}
