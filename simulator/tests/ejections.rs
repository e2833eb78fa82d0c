//! Uplinks that do not carry everybody: who goes to the CDN, and who comes back.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use runnel_simulator::{Manner, Outcome, Scenario, play};

/// A dozen viewers, some of whom upload, and four agents, with a waypoint of two streams.
fn evening(faults: &str) -> Outcome {
    let text = format!(
        r#"
        name = "shrinking"
        about = "what uplinks carry, and what they do not"
        duration_s = 90
        warmup_s = 15
        [audience]
        viewers = 12
        arrival = {{ kind = "ramp", over_s = 4 }}
        up_kbps = [[1, 200], [1, 700]]
        uploads_share = 0.5
        [agents]
        per_viewer = 0.34
        up_kbps = [[1, 6000]]
        [[region]]
        name = "here"
        [[content]]
        name = "live"
        rates_kbps = [800]
        [waypoints]
        uplink_mbps = 2
        {faults}
        "#
    );
    let scenario = Arc::new(Scenario::parse(&text).unwrap());
    let manner = Manner {
        seed: 3,
        twin: true,
        stand_ins: None,
    };
    play(&scenario, manner, |_| {})
}

fn rule(outcome: &Outcome) -> (u64, u64) {
    let verdict = outcome
        .verdicts
        .iter()
        .find(|verdict| verdict.name.starts_with("R6"))
        .unwrap();
    assert_eq!(verdict.violations, 0, "{:#?}", verdict.words);
    (verdict.evaluations, outcome.counts["ejections judged"])
}

#[test]
fn where_the_uplinks_carry_everybody_nobody_goes() {
    let (evaluations, judged) = rule(&evening(""));
    assert!(evaluations > 0);
    assert_eq!(judged, 0);
}

#[test]
fn uplinks_that_shrink_send_those_to_the_cdn_whom_the_rule_names_and_nothing_stalls() {
    let outcome = evening(
        "[[fault]]\nat_s = 30\nfor_s = 25\nkind = \"shrink\"\nshare = 1.0\nstrength = 0.15",
    );
    let (evaluations, judged) = rule(&outcome);
    assert!(judged >= 3, "{judged} went");
    assert!(evaluations > 3 * judged);
    assert_eq!(outcome.stalls, 0);
    let causes: Vec<_> = outcome.causes().map(|(cause, _)| cause).collect();
    assert!(causes.contains(&"infeasible"), "{causes:?}");
    assert!(causes.contains(&"feasible_again"), "{causes:?}");
}
