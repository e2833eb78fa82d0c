//! What a scenario demands, against what came of it.

use crate::run::Outcome;
use crate::scenario::Targets;

/// Targets that were missed, in words.
pub fn missed(outcome: &Outcome, targets: &Targets) -> Vec<String> {
    let repair = outcome.repair(95).map_or(0.0, |time| time.as_secs_f64());
    let at_least = [
        (
            "offload / bound",
            outcome.offload() / outcome.bounds.offload.max(1e-9),
            targets.offload_of_bound,
        ),
        (
            "playing within 2 s",
            outcome.playing_within_2_s(),
            targets.playing_within_2_s,
        ),
    ];
    #[expect(clippy::cast_precision_loss, reason = "counts for people")]
    let at_most = [
        (
            "stalls",
            outcome.stalls as f64,
            targets.stalls.map(|stalls| stalls as f64),
        ),
        ("repair p95, s", repair, targets.repair_p95_s),
        (
            "reassignments by choice per peer-hour",
            outcome.reassignments_per_peer_hour(),
            targets.reassignments_per_peer_hour,
        ),
        ("copies", outcome.copies(), targets.copies),
        (
            "copies that enter",
            outcome.copies_entering().unwrap_or_default(),
            targets.copies_entering,
        ),
        (
            "better node at its place, s",
            outcome.placed_s().unwrap_or(f64::INFINITY),
            targets.placed_s,
        ),
    ];
    let below = at_least.into_iter().filter_map(|(name, value, target)| {
        target
            .filter(|target| value < *target)
            .map(|target| format!("{name}: {value:.3}, at least {target} wanted"))
    });
    let above = at_most.into_iter().filter_map(|(name, value, target)| {
        target
            .filter(|target| value > *target)
            .map(|target| format!("{name}: {value:.3}, at most {target} wanted"))
    });
    below.chain(above).collect()
}
