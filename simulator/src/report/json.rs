//! One object for each run.

use serde_json::{Value, json as object};

use crate::run::Outcome;

/// The figures of a run.
pub fn json(outcome: &Outcome) -> Value {
    let seconds = |time: Option<core::time::Duration>| time.map(|time| time.as_secs_f64());
    let (waypoints, agents, viewers) = outcome.guests;
    object!({
        "scenario": outcome.name,
        "seed": outcome.seed,
        "digest": format!("{:016x}", outcome.digest),
        "waypoints": waypoints,
        "agents": agents,
        "viewers": viewers,
        "offload": outcome.offload(),
        "offload_transient": outcome.transient_offload(),
        "offload_without_policies": outcome.unbound_offload,
        "offload_bound": outcome.bounds.offload,
        "r_max_kbps": finite(outcome.bounds.r_max_kbps),
        "min_depth": outcome.bounds.depth,
        "cdn_bytes": outcome.settled().iter().map(|second| second.cdn_sent).sum::<u64>(),
        "copies": outcome.copies(),
        "copies_entering": outcome.copies_entering(),
        "placed_s": outcome.placed_s().and_then(finite),
        "copies_bound": outcome.bounds.copies,
        "stalls": outcome.stalls,
        "stalled_s": outcome.stalled.as_secs_f64(),
        "twin_stalls": outcome.twin_stalls,
        "twin_stalled_s": seconds(outcome.twin_stalled),
        "violations": outcome.violations(),
        "repair_p95_s": seconds(outcome.repair(95)),
        "repairs": outcome.repairs.len(),
        "unrepaired": outcome.unrepaired,
        "join_to_play_p99_s": seconds(outcome.startup(99)),
        "playing_within_2_s": outcome.playing_within_2_s(),
        "reassignments": outcome.reassigned.0,
        "reassignments_calm": outcome.reassigned.1,
        "reassignments_by_cause": outcome.causes().collect::<std::collections::BTreeMap<_, _>>(),
        "reassignments_per_peer_hour": outcome.reassignments_per_peer_hour(),
        "cost": outcome.cost,
        "events": outcome.events,
        "counts": outcome.counts,
        "checkers": outcome.verdicts.iter().map(|verdict| object!({
            "name": verdict.name,
            "evaluations": verdict.evaluations,
            "violations": verdict.violations,
            "words": verdict.words,
        })).collect::<Vec<_>>(),
    })
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}
