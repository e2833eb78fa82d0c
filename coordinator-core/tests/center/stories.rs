//! Stories of the control center on virtual time.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::stage::{RATE, SECOND, Stage, kilobits, live};
use runnel_protocol::control::{
    FromCoordinator, LinkResult, Offence, Source, Strike, ToCoordinator,
};
use runnel_protocol::segment::SubstreamSet;

/// A waypoint, two agents and a viewer, settled. Ann is the wider one: she is recruited first
/// and feeds Bob.
fn evening() -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 11 * RATE);
    stage.agent("bob", 10 * RATE);
    stage.viewer("viewer");
    stage.settle();
    stage
}

#[test]
fn a_viewer_is_fed_by_both_agents_and_the_waypoint_stands_by() {
    let stage = evening();
    let expected = BTreeMap::from([("ann", 2), ("bob", 2), ("waypoint", 0)]);
    assert_eq!(stage.parents("viewer"), expected);
    let assign = stage.assign("viewer");
    assert_eq!(assign.why, "");
    assert!(!assign.stream_keys.is_empty(), "the page can check entries");
    for parent in &assign.parents {
        assert!(!parent.contact.endpoints.is_empty(), "the viewer dials");
        let ticket = &parent.contact.ticket.body;
        assert_eq!(ticket.client_id(), stage.peer("viewer"));
        assert_eq!(ticket.server_id(), parent.contact.peer);
        assert_eq!(ticket.rate, kilobits(4 * RATE));
    }
    assert_eq!(assign.parents[2].source, Source::Waypoint);
    stage.check();
}

#[test]
fn agents_that_asked_for_nothing_are_recruited_and_fed_without_cycles() {
    let stage = evening();
    assert_eq!(stage.parents("ann"), BTreeMap::from([("waypoint", 4)]));
    let bob = stage.parents("bob");
    assert_eq!(bob.keys().copied().collect::<Vec<_>>(), ["ann", "waypoint"]);
    assert_eq!(bob.values().sum::<u32>(), 4);
    assert!(stage.words("bob").contains("was asked to help"));
    stage.check();
}

#[test]
fn both_ends_of_a_regular_pair_get_each_others_address_and_the_same_ticket() {
    let stage = evening();
    let ann = stage.assign("ann");
    let as_child = ann
        .children
        .iter()
        .find(|child| child.contact.peer == stage.peer("bob"));
    let as_child = &as_child.unwrap().contact;
    let bob = stage.assign("bob");
    let as_parent = bob
        .parents
        .iter()
        .find(|parent| parent.contact.peer == stage.peer("ann"));
    let as_parent = &as_parent.unwrap().contact;
    assert_eq!(as_child.ticket, as_parent.ticket);
    assert!(!as_child.endpoints.is_empty() && !as_parent.endpoints.is_empty());
    let lightweight = ann
        .children
        .iter()
        .any(|child| child.contact.peer == stage.peer("viewer"));
    assert!(!lightweight, "nobody is told to dial a viewer");
}

#[test]
fn one_agent_gives_all_stripes_and_the_waypoint_stands_by() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.agent("ann", 10 * RATE);
    stage.viewer("viewer");
    stage.settle();
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("ann", 4), ("waypoint", 0)])
    );
}

#[test]
fn without_agents_the_waypoint_feeds_what_it_does_not_keep_for_agents() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    stage.viewer("first");
    stage.viewer("second");
    stage.settle();
    assert_eq!(stage.parents("first"), BTreeMap::from([("waypoint", 4)]));
    assert_eq!(stage.parents("second"), BTreeMap::from([("waypoint", 0)]));
    let why = &stage.assign("second").why;
    assert!(
        why.contains("CDN") && why.contains("kept for agents"),
        "{why}"
    );

    // An agent comes: it is fed, and both viewers move to it at the next tick.
    stage.agent("ann", 10 * RATE);
    stage.run(SECOND * 2);
    assert_eq!(stage.parents("ann"), BTreeMap::from([("waypoint", 4)]));
    for viewer in ["first", "second"] {
        assert_eq!(
            stage.parents(viewer),
            BTreeMap::from([("ann", 4), ("waypoint", 0)])
        );
    }
    stage.check();
}

#[test]
fn with_nobody_there_the_cdn_feeds_and_the_viewer_is_told_so() {
    let mut stage = Stage::new(1);
    stage.viewer("viewer");
    stage.settle();
    let assign = stage.assign("viewer");
    assert!(assign.parents.is_empty());
    assert!(
        assign.why.starts_with("the CDN feeds you"),
        "{}",
        assign.why
    );
}

#[test]
fn capacity_is_reserved_as_it_is_given_and_comes_back() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 10 * RATE);
    stage.agent("ann", 300);
    stage.viewer("viewer");
    stage.plays_at("viewer", 150);
    stage.run(SECOND * 3);
    assert_eq!(stage.parents("viewer")["ann"], 4);
    let reserved = stage.summary("ann").reserved.0;
    // Four stripes, each rounded up to a whole bit.
    assert!((150_000..150_004).contains(&reserved), "{reserved}");
    stage.kill("viewer");
    assert_eq!(stage.summary("ann").reserved.0, 0);
    stage.check();
}

#[test]
fn a_killed_agent_is_replaced_at_once_and_the_reason_is_kept() {
    let mut stage = evening();
    stage.kill("ann");
    stage.settle();
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("bob", 4), ("waypoint", 0)])
    );
    assert_eq!(stage.parents("bob"), BTreeMap::from([("waypoint", 4)]));
    assert!(
        stage.words("viewer").contains("it went away"),
        "{}",
        stage.words("viewer")
    );
    stage.check();
}

#[test]
fn a_frozen_parent_is_left_and_not_chosen_again_while_it_is_frozen() {
    let mut stage = evening();
    stage.freeze("ann", true);
    stage.run(SECOND * 5);
    assert!(!stage.parents("viewer").contains_key("ann"));
    assert!(!stage.parents("bob").contains_key("ann"));
    stage.viewer("late");
    stage.run(SECOND * 20);
    for viewer in ["viewer", "late"] {
        assert!(!stage.parents(viewer).contains_key("ann"), "{viewer}");
    }
    let why = stage.explanation("late").contents[0].excluded.clone();
    assert!(why.iter().any(|one| one.rule == "silence"), "{why:?}");
    assert!(stage.words("viewer").contains("has said nothing"));

    stage.freeze("ann", false);
    stage.run(SECOND * 3);
    assert!(stage.words("ann").contains("speaks again"));
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "both are used again"
    );
    stage.check();
}

#[test]
fn a_stalled_parent_is_left_at_once_and_the_pair_kept_apart() {
    let mut stage = evening();
    stage.report("viewer", "ann", LinkResult::Stalled);
    stage.settle();
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("bob", 4), ("waypoint", 0)])
    );
    stage.run(SECOND * 8);
    assert!(
        !stage.parents("viewer").contains_key("ann"),
        "still kept apart"
    );
    assert!(
        stage.parents("bob").contains_key("ann"),
        "only that pair is"
    );
    let pair = stage
        .center
        .explain_pair(stage.peer("viewer"), stage.peer("ann"), stage.now);
    let pair = pair.unwrap();
    assert!(
        pair.verdicts
            .iter()
            .any(|words| words.contains("blacklist")),
        "{pair:?}"
    );
    stage.run(SECOND * 8);
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "the ban has ended"
    );
}

#[test]
fn a_failed_dial_does_not_part_a_pair_whose_other_dial_stands() {
    let mut stage = evening();
    stage.report("bob", "ann", LinkResult::Connected { after_ms: 5 });
    stage.report("ann", "bob", LinkResult::Failed);
    stage.settle();
    assert!(stage.parents("bob").contains_key("ann"));
    stage.report("bob", "ann", LinkResult::Lost);
    stage.settle();
    assert!(!stage.parents("bob").contains_key("ann"));
}

#[test]
fn an_accused_agent_leaves_its_accuser_and_three_accusers_end_it() {
    let mut stage = evening();
    for viewer in ["second", "third", "fourth"] {
        stage.viewer(viewer);
    }
    stage.settle();
    let strike = |stage: &mut Stage, by| {
        let strike = Strike {
            content: live(),
            peer: stage.peer("ann"),
            offence: Offence::BadChunk,
            segment: None,
        };
        stage.say(by, ToCoordinator::Strike(strike));
        stage.settle();
    };
    strike(&mut stage, "second");
    assert!(!stage.parents("second").contains_key("ann"));
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "one accuser moves only itself"
    );
    strike(&mut stage, "second");
    strike(&mut stage, "third");
    strike(&mut stage, "fourth");
    assert!(!stage.parents("viewer").contains_key("ann"));
    assert!(stage.words("ann").contains("several peers accuse it"));
    assert!(
        stage.center.totals().unrelated_reports > 0,
        "one more word of the first counts not"
    );
}

#[test]
fn working_pairs_are_left_alone_when_a_wider_agent_comes() {
    let mut stage = evening();
    let before = stage.assign("viewer").clone();
    stage.agent("wide", 1000 * RATE);
    stage.run(SECOND * 10);
    assert_eq!(stage.assign("viewer"), &before);
}

#[test]
fn tickets_are_renewed_in_time_with_the_same_parents() {
    let mut stage = evening();
    for parent in ["ann", "bob", "waypoint"] {
        stage.report("viewer", parent, LinkResult::Connected { after_ms: 5 });
    }
    for (child, parent) in [("ann", "waypoint"), ("bob", "waypoint"), ("bob", "ann")] {
        stage.report(child, parent, LinkResult::Connected { after_ms: 5 });
    }
    let before = stage.assign("viewer").clone();
    for _ in 0..20 {
        stage.run(SECOND * 60);
        for parent in &stage.assign("viewer").parents {
            let left = parent.contact.ticket.body.not_after.0 - stage.now.unix_seconds().0;
            assert!(left > 4 * 60, "{left} s left");
        }
    }
    let after = stage.assign("viewer");
    assert_ne!(
        before.parents[0].contact.ticket,
        after.parents[0].contact.ticket
    );
    let pushed = |assign: &runnel_protocol::control::Assign| -> Vec<SubstreamSet> {
        assign
            .parents
            .iter()
            .map(|parent| parent.substreams)
            .collect()
    };
    assert_eq!(pushed(&before), pushed(after));
    assert!(stage.center.ticket_count() < 30, "old ones are forgotten");
}

#[test]
fn a_browser_that_uploads_feeds_an_agent_by_dialling_it() {
    let mut stage = Stage::new(1);
    stage.uploading_viewer("viewer", 10 * RATE);
    stage.agent("ann", 10 * RATE);
    stage.open("ann", "live", true);
    stage.run(SECOND * 2);
    let parent = &stage.assign("ann").parents[0];
    assert_eq!(parent.contact.peer, stage.peer("viewer"));
    assert!(
        parent.contact.endpoints.is_empty(),
        "the agent does not dial"
    );
    let child = &stage.assign("viewer").children[0];
    assert_eq!(child.contact.peer, stage.peer("ann"));
    assert!(!child.contact.endpoints.is_empty(), "the viewer does");
    assert_eq!(child.contact.ticket, parent.contact.ticket);
    stage.check();
}

#[test]
fn helpers_go_when_nobody_watches_any_more() {
    let mut stage = evening();
    stage.kill("viewer");
    stage.run(SECOND * 20);
    assert!(!stage.assign("ann").parents.is_empty(), "not at once");
    stage.run(SECOND * 20);
    let last = stage.assign("ann");
    assert!(last.parents.is_empty() && last.why.contains("nobody watches"));
    assert_eq!(stage.summary("waypoint").reserved.0, 0);
    assert!(
        stage.summary("waypoint").contents.is_empty(),
        "the content's coordinator retired"
    );
    stage.viewer("again");
    stage.settle();
    assert_eq!(stage.parents("again").len(), 3);
}

#[test]
fn a_waypoint_is_told_what_to_fetch_only_while_somebody_takes_part() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    let told = |stage: &Stage| {
        let inbox = &stage.actors["waypoint"].inbox;
        let grants = inbox
            .iter()
            .filter(|message| matches!(message, FromCoordinator::Attest(_)));
        grants.count()
    };
    assert_eq!(told(&stage), 0);
    stage.viewer("viewer");
    stage.settle();
    assert_eq!(told(&stage), 1);
    stage.run(Duration::from_secs(30 * 60));
    assert!(
        (3..=4).contains(&told(&stage)),
        "renewed, {} in all",
        told(&stage)
    );
}

#[test]
fn an_unknown_content_is_refused_in_words_and_the_session_goes_on() {
    let mut stage = evening();
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
    let mut stage = evening();
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
fn when_the_coordinator_itself_slept_nobody_is_taken_for_silent() {
    let mut stage = evening();
    stage.now = stage.now + SECOND * 60;
    stage.center.handle_timeout(stage.now);
    stage.run(SECOND * 5);
    assert_eq!(stage.center.totals().silences, 0);
    assert_eq!(stage.parents("viewer").len(), 3);
}

#[test]
fn a_drain_sends_everybody_away_with_a_time_to_come_back() {
    let mut stage = evening();
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
fn the_same_seed_and_the_same_story_give_the_same_words() {
    let digest = |seed| {
        let mut stage = Stage::new(seed);
        stage.waypoint("waypoint", 2 * RATE);
        stage.agent("ann", 3 * RATE);
        stage.agent("bob", 3 * RATE);
        for viewer in ["one", "two", "three", "four", "five"] {
            stage.viewer(viewer);
        }
        stage.run(SECOND * 30);
        stage.kill("ann");
        stage.run(SECOND * 700);
        stage.check();
        stage.digest()
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2), "the seed is used");
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
fn only_what_players_received_counts_towards_offload() {
    let mut stage = evening();
    stage.plays_at("viewer", RATE);
    stage.plays_at("ann", RATE);
    stage.run(SECOND * 3);
    let received = stage.center.contents()[0].received;
    assert_eq!(
        received.from_peers, 3000,
        "three heartbeats of the viewer, none of the agent"
    );
    assert_eq!(stage.center.totals().received, received);
}

#[test]
fn whoever_does_not_prove_its_key_in_time_loses_its_place() {
    let mut stage = Stage::new(1);
    stage.input(runnel_coordinator_core::Input::SessionOpened {
        session: runnel_coordinator_core::SessionId(99),
        address: [127, 0, 0, 1].into(),
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
