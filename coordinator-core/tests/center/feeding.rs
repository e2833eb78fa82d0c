//! Who feeds whom when things go well, from the first viewer to the last.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_coordinator_core::{Content, Input};
use runnel_protocol::control::{FromCoordinator, LinkResult, Source};
use runnel_protocol::segment::SubstreamSet;

use crate::stage::{RATE, SECOND, Stage, content, kilobits};

#[test]
fn a_viewer_is_fed_by_both_agents_and_the_waypoint_stands_by() {
    let stage = Stage::evening();
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
    let stage = Stage::evening();
    assert_eq!(stage.parents("ann"), BTreeMap::from([("waypoint", 4)]));
    let bob = stage.parents("bob");
    assert_eq!(bob.keys().copied().collect::<Vec<_>>(), ["ann", "waypoint"]);
    assert_eq!(bob.values().sum::<u32>(), 4);
    assert!(stage.words("bob").contains("was asked to help"));
    stage.check();
}

#[test]
fn both_ends_of_a_regular_pair_get_each_others_address_and_the_same_ticket() {
    let stage = Stage::evening();
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
fn tickets_are_renewed_in_time_with_the_same_parents() {
    let mut stage = Stage::evening();
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
fn an_agent_takes_nothing_from_a_viewer_that_the_waypoint_has_room_for() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 1_500);
    stage.agent("ann", 1_500);
    stage.uploading_viewer("viewer", RATE);
    stage.plays_at("viewer", 1_100);
    stage.run(SECOND * 5);
    assert_eq!(stage.parents("ann")["waypoint"], 4);
    assert_eq!(stage.parents("viewer")["ann"], 4);
    stage.check();
}

#[test]
fn helpers_go_when_nobody_watches_any_more() {
    let mut stage = Stage::evening();
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
fn a_waypoint_is_told_and_certified_anew_where_a_content_moves() {
    let mut stage = Stage::evening();
    let told = |stage: &Stage| {
        let inbox = &stage.actors["waypoint"].inbox;
        let grant = inbox.iter().rev().find_map(|message| match message {
            FromCoordinator::Attest(grant) => Some(grant.body.master_url.clone()),
            _ => None,
        });
        let origins = inbox.iter().rev().find_map(|message| match message {
            FromCoordinator::Certificate(signed) => Some(signed.body.origins.clone()),
            _ => None,
        });
        (grant.unwrap(), origins.unwrap(), inbox.len())
    };
    let (before, origins, heard) = told(&stage);
    assert_eq!(origins, ["https://cdn.example"]);
    stage.input(Input::ContentRegistered(content("live")));
    assert_eq!(told(&stage).2, heard, "nothing has changed");

    stage.input(Input::ContentRegistered(Content {
        master_url: "https://new.example/live.m3u8".to_owned(),
        media_origins: vec!["https://media.example".to_owned()],
        ..content("live")
    }));
    let (after, origins, _) = told(&stage);
    assert_eq!(after, "https://new.example/live.m3u8");
    assert_ne!(before, after);
    let all = [
        "https://cdn.example",
        "https://media.example",
        "https://new.example",
    ];
    assert_eq!(origins, all, "the other content stays where it was");
    assert_eq!(stage.parents("viewer").len(), 3, "nobody is cut off");
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
fn only_what_players_received_counts_towards_offload() {
    let mut stage = Stage::evening();
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
