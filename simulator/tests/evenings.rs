//! Short evenings that show what the simulator sees, and that it sees it again.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use runnel_simulator::{Manner, Outcome, Scenario, play};

fn manner(seed: u64) -> Manner {
    Manner {
        seed,
        twin: true,
        stand_ins: None,
    }
}

fn evening(more: &str) -> Arc<Scenario> {
    let text = format!(
        r#"
        name = "evening"
        about = "a dozen viewers for a minute"
        duration_s = 60
        warmup_s = 15
        [audience]
        viewers = 12
        arrival = {{ kind = "ramp", over_s = 4 }}
        [agents]
        per_viewer = 0.34
        up_kbps = [[1, 30000]]
        [[region]]
        name = "here"
        [[content]]
        name = "live"
        rates_kbps = [800]
        {more}
        "#
    );
    Arc::new(Scenario::parse(&text).unwrap())
}

fn assert_sound(outcome: &Outcome) {
    let broken = outcome
        .verdicts
        .iter()
        .filter(|verdict| verdict.violations > 0);
    let broken: Vec<_> = broken.collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(
        outcome
            .verdicts
            .iter()
            .all(|verdict| verdict.evaluations > 0)
    );
}

#[test]
fn a_calm_evening_is_carried_by_peers_and_nothing_stands_still() {
    let outcome = play(&evening(""), manner(1), |_| {});
    assert_sound(&outcome);
    assert_eq!(outcome.stalls, 0);
    assert!(outcome.offload() > 0.95, "{}", outcome.offload());
    assert!(outcome.copies() < 1.1, "{}", outcome.copies());
}

#[test]
fn who_watches_through_an_agent_is_one_viewer_more_with_a_picture_at_once() {
    let mut scenario = (*evening("")).clone();
    scenario.agents.watching_share = 1.0;
    let outcome = play(&Arc::new(scenario), manner(1), |_| {});
    assert_sound(&outcome);
    let (_, agents, viewers) = outcome.guests;
    assert_eq!(outcome.joins, (agents + viewers) as u64);
    assert_eq!(outcome.stalls, 0);
    assert!(outcome.playing_within_2_s() > 0.99);
}

#[test]
fn agents_that_feed_each_other_in_different_trees_do_not_count_as_deep() {
    let outcome = play(&evening(""), manner(1), |_| {});
    let (_, agents, _) = outcome.guests;
    assert!(outcome.depths.len() <= agents + 2, "{:?}", outcome.depths);
}

#[test]
fn the_same_seed_is_the_same_evening_and_another_is_another() {
    let evening = evening("");
    let digest = |seed| play(&evening, manner(seed), |_| {}).digest;
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn children_of_a_killed_agent_have_data_again_before_they_notice() {
    let fault = "[[fault]]\nat_s = 30\nkind = \"crash\"\nwho = \"busiest-agents\"";
    let outcome = play(&evening(fault), manner(1), |_| {});
    assert_sound(&outcome);
    assert_eq!(outcome.counts["crash"], 1);
    assert!(!outcome.repairs.is_empty());
    assert_eq!(outcome.stalls, 0);
}

#[test]
fn lies_reach_neither_a_player_nor_a_third_peer() {
    let fault = "[[fault]]\nat_s = 10\nkind = \"lie\"\nshare = 0.5\nstrength = 0.5";
    let outcome = play(&evening(fault), manner(1), |_| {});
    assert_sound(&outcome);
    assert!(outcome.counts["false chunks"] > 0);
    assert!(outcome.counts["strikes"] > 0);
}

#[test]
fn agents_that_cannot_be_reached_are_found_out_and_never_dialled() {
    let mut evening = evening("");
    Arc::make_mut(&mut evening).agents.unreachable_share = 0.5;
    let outcome = play(&evening, manner(1), |_| {});
    assert_sound(&outcome);
    assert!(outcome.counts["tests that reached nobody"] > 0);
    assert_eq!(outcome.stalls, 0);
}

#[test]
fn when_the_cdn_fails_without_peers_pictures_stand_still_and_it_is_seen() {
    let fault = "[[fault]]\nat_s = 20\nfor_s = 20\nkind = \"cdn-outage\"";
    let outcome = play(&evening(fault), manner(1), |_| {});
    assert!(outcome.twin_stalls.unwrap() > 0);
}

/// A link that everything runs over.
const LINK: &str = r#"
    [[policy]]
    text = '''
    name = "carrier"
    kind = "network"
    [[link]]
    name = "everything"
    when = "true"
    max_mbps = 5
    '''
"#;

#[test]
fn a_link_carries_no_more_than_it_may_and_it_is_told_what_that_costs() {
    let outcome = play(&evening(LINK), manner(1), |_| {});
    assert_sound(&outcome);
    assert_eq!(outcome.stalls, 0);
    let names = outcome.verdicts.iter().map(|verdict| verdict.name);
    let mine = names.filter(|name| name.starts_with("I5") || name.starts_with("Y3"));
    assert_eq!(mine.count(), 2);
    let link = &outcome.crossings[0];
    assert!(link.highest.0 > 3_000_000, "it is used: {link:?}");
    let without = outcome.unbound_offload.unwrap();
    assert!(
        outcome.offload() < without - 0.2,
        "{} of {without}",
        outcome.offload()
    );
}

#[test]
fn stand_ins_come_close_to_real_peers() {
    let crowd = Manner {
        stand_ins: Some(true),
        ..manner(1)
    };
    let (real, stand_ins) = (
        play(&evening(""), manner(1), |_| {}),
        play(&evening(""), crowd, |_| {}),
    );
    let apart = (real.offload() - stand_ins.offload()).abs();
    assert!(
        apart < 0.05,
        "{} and {}",
        real.offload(),
        stand_ins.offload()
    );
    assert_eq!(real.stalls, stand_ins.stalls);
}
