//! What peers did before counts when they come again, and nobody can talk himself up or others down.

use core::time::Duration;

use runnel_coordinator_core::{Figures, Input, Past};
use runnel_protocol::control::LinkResult;
use runnel_protocol::ids::PeerId;

use crate::stage::{RATE, SECOND, Stage};

const HOUR: Duration = Duration::from_secs(3600);

/// A waypoint and nobody else yet.
fn empty() -> Stage {
    let mut stage = Stage::in_good_faith(1);
    stage.waypoint_at("waypoint", 2 * RATE, "198.51.100.1");
    stage
}

/// Two agents of the same width in the same network: what is kept of the first is `ann`.
fn two_agents(ann: Figures) -> Stage {
    let mut stage = empty();
    stage.agent_at("ann", 10 * RATE, "203.0.113.7");
    stage.agent_at("bob", 10 * RATE, "203.0.113.8");
    for name in ["ann", "bob"] {
        stage.open(name, "live", false);
    }
    if !ann.is_empty() {
        let seen = stage.now.unix_seconds();
        let past = Past { figures: ann, seen };
        let peer = stage.peer("ann");
        stage.input(Input::Recalled { peer, past });
    }
    stage.settle();
    stage
}

/// Nobody got through to it, by the word of four sites.
fn unreached(stage: &Stage) -> Figures {
    Figures {
        tried: 12,
        connected: 1,
        blamed_by: 0b1111,
        blamed_at: stage.now.unix_seconds(),
        ..Figures::default()
    }
}

/// All that was told of a peer.
fn told(stage: &Stage, peer: PeerId) -> Figures {
    let its = stage.remembered.iter().filter(|one| one.peer == Some(peer));
    its.fold(Figures::default(), |mut sum, one| {
        sum.add(&one.figures);
        sum
    })
}

#[test]
fn whom_nobody_reached_is_left_out_by_name_and_gets_another_chance_after_an_hour() {
    let ann = unreached(&empty());
    let mut stage = two_agents(ann);
    stage.viewer_at("viewer", "203.0.113.80");
    stage.settle();
    let parents = stage.parents("viewer");
    assert!(!parents.contains_key("ann"), "{parents:?}");
    assert_eq!(parents["bob"], 4);
    let explanation = stage.explanation("viewer");
    let out = &explanation.contents[0].excluded;
    let ann = out
        .iter()
        .find(|one| one.peer == stage.peer("ann"))
        .unwrap();
    assert_eq!(ann.rule, "history");
    assert!(
        ann.why.starts_with("11 of the last 12 attempts"),
        "{}",
        ann.why
    );

    stage.run(HOUR);
    stage.viewer_at("later", "203.0.113.81");
    stage.settle();
    assert!(stage.parents("later").contains_key("ann"));
    stage.check();
}

#[test]
fn of_equals_the_one_that_stays_longer_feeds() {
    let past = |stays, uptime_s| Figures {
        stays,
        uptime_s,
        ..Figures::default()
    };
    let first_parent = |ann| {
        let mut stage = two_agents(ann);
        stage.viewer_at("viewer", "192.0.2.80");
        stage.settle();
        let first = stage.assign("viewer").parents[0].contact.peer;
        first == stage.peer("ann")
    };
    assert!(first_parent(past(4, 4 * 7200)), "two hours each time");
    assert!(!first_parent(past(4, 4 * 60)), "a minute each time");
}

#[test]
fn one_viewer_that_lies_takes_no_agent_from_the_others() {
    let mut stage = two_agents(Figures::default());
    for round in 0..40 {
        let name: &'static str = format!("liar {round}").leak();
        stage.viewer_at(name, "192.0.2.66");
        stage.settle();
        for parent in stage.parents(name).into_keys() {
            stage.report(name, parent, LinkResult::Failed);
        }
        stage.kill(name);
        stage.run(SECOND * 120);
    }
    stage.viewer_at("viewer", "192.0.2.80");
    stage.settle();
    let parents = stage.parents("viewer");
    assert!(
        parents.contains_key("ann") && parents.contains_key("bob"),
        "{parents:?}"
    );
    stage.kill("ann");
    let ann = told(&stage, stage.peer("ann"));
    assert!(ann.tried <= 9, "80 minutes, once in ten: {ann:?}");
    assert_eq!(ann.blamed_by.count_ones(), 1);
}

#[test]
fn nobody_can_say_of_itself_that_it_is_reached() {
    let mut stage = two_agents(Figures::default());
    stage.viewer_at("viewer", "192.0.2.80");
    stage.settle();
    stage.report("ann", "viewer", LinkResult::Connected { after_ms: 9 });
    stage.kill("ann");
    assert_eq!(told(&stage, stage.peer("ann")).tried, 0);
    stage.report("viewer", "bob", LinkResult::Connected { after_ms: 9 });
    stage.kill("bob");
    let bob = told(&stage, stage.peer("bob"));
    assert_eq!((bob.tried, bob.connected), (1, 1));
}

#[test]
fn a_link_that_loses_is_counted_against_its_parent_and_a_good_one_for_it() {
    let mut stage = two_agents(Figures::default());
    stage.viewer_at("viewer", "192.0.2.80");
    stage.settle();
    assert_eq!(stage.parents("viewer")["ann"], 2);
    stage.receives("viewer", "ann", RATE / 8, true);
    stage.receives("viewer", "bob", RATE, true);
    stage.run(SECOND * 6);
    assert!(!stage.parents("viewer").contains_key("ann"));
    stage.kill("viewer");
    stage.kill("ann");
    stage.kill("bob");
    let loss = |name| told(&stage, stage.peer(name)).loss;
    assert_eq!(
        loss("ann"),
        [0, 0, 0, 0, 0, 0, 0, 1],
        "three quarters were missing"
    );
    assert_eq!(loss("bob"), [1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_long_stay_is_told_in_pieces_and_found_when_the_agent_comes_again() {
    let mut stage = two_agents(Figures::default());
    let ann = stage.peer("ann");
    stage.run(Duration::from_secs(2000));
    assert_eq!(stage.pasts[&ann].figures.uptime_s, 1800, "two pieces");
    stage.kill("ann");
    let kept = stage.pasts[&ann].figures;
    assert_eq!((kept.stays, kept.uptime_s), (1, 2000));
    let pages = stage.remembered.iter().filter(|one| one.peer.is_none());
    assert_eq!(pages.count(), 0, "nobody else was there");
}

#[test]
fn a_page_is_remembered_as_one_of_its_kind_only() {
    let mut stage = empty();
    stage.uploading_viewer_at("page", 2 * RATE, "203.0.113.7");
    stage.viewer_at("taker", "203.0.113.8");
    stage.run(SECOND * 100);
    stage.kill("page");
    stage.kill("taker");
    let [page] = &stage.remembered[..] else {
        panic!("who feeds nobody has no history: {:?}", stage.remembered);
    };
    assert_eq!(page.peer, None);
    assert_eq!(page.profile.network, "203.0.0.0/16");
    assert_eq!((page.figures.stays, page.figures.uptime_s), (1, 100));
}

#[test]
fn what_only_the_control_centers_absence_ended_is_one_stay() {
    let past = Figures {
        stays: 3,
        uptime_s: 900,
        ..Figures::default()
    };
    let mut stage = two_agents(past);
    stage.run(SECOND * 100);
    stage.kill("ann");
    stage.kill("bob");
    let stays = |name| told(&stage, stage.peer(name)).stays;
    assert_eq!(
        (stays("ann"), stays("bob")),
        (0, 1),
        "ann goes on, bob is new"
    );
}

#[test]
fn who_wants_to_be_forgotten_is() {
    let ann = unreached(&empty());
    let mut stage = two_agents(ann);
    stage.run(SECOND * 100);
    let peer = stage.peer("ann");
    stage.input(Input::Forget(peer));
    stage.viewer_at("viewer", "203.0.113.80");
    stage.settle();
    assert!(
        stage.parents("viewer").contains_key("ann"),
        "its past is gone"
    );
    stage.run(SECOND * 10);
    stage.kill("ann");
    let later = told(&stage, peer);
    assert!(later.uptime_s <= 11, "only what came after: {later:?}");
}

#[test]
fn where_nothing_is_kept_nothing_is_asked_or_told() {
    let mut stage = Stage::with(1, |config| config.history = false);
    stage.agent("ann", 10 * RATE);
    stage.run(Duration::from_secs(2000));
    stage.kill("ann");
    assert!(stage.remembered.is_empty());
}
