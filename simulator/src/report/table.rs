//! A table for a terminal.

use core::fmt::Write as _;
use core::time::Duration;

use runnel_protocol::units::BitsPerSecond;

use crate::bounds::number;
use crate::checkers::crossings::Crossing;
use crate::run::Outcome;

/// The outcome in lines.
pub fn table(outcome: &Outcome) -> String {
    let mut text = String::new();
    let (waypoints, agents, viewers) = outcome.guests;
    let mut rows = vec![
        (
            "scenario",
            format!(
                "{}, seed {}, digest {:016x}",
                outcome.name, outcome.seed, outcome.digest
            ),
        ),
        (
            "who came",
            format!("{viewers} viewers, {agents} agents, {waypoints} waypoints"),
        ),
        (
            "offload",
            format!(
                "{:.1} % of {:.1} % possible; in the transient {:.1} %",
                outcome.offload() * 100.0,
                outcome.bounds.offload * 100.0,
                outcome.transient_offload() * 100.0
            ),
        ),
        ("rate for everybody", rate(outcome.bounds.r_max_kbps)),
        (
            "copies from the CDN",
            format!(
                "{:.2} of what was played, at least {:.0}",
                outcome.copies(),
                outcome.bounds.copies
            ),
        ),
        ("stalls", stalls(outcome)),
        ("first picture", startup(outcome)),
        ("data after a failure", repair(outcome)),
        (
            "other parents",
            format!(
                "{} times, {} in calm times; by choice {:.2} per peer-hour",
                outcome.reassigned.0,
                outcome.reassigned.1,
                outcome.reassignments_per_peer_hour()
            ),
        ),
        ("recorded causes", causes(outcome)),
        ("latency by depth", depths(outcome)),
        ("cost", format!("{:.4}", outcome.cost)),
    ];
    if let Some(copies) = outcome.copies_entering() {
        rows.push((
            "copies that enter",
            format!("{copies:.2} of what was played"),
        ));
    }
    if let Some(seconds) = outcome.placed_s() {
        rows.push(("better node", format!("at its place after {seconds:.2} s")));
    }
    if let Some(offload) = outcome.unbound_offload {
        let words = format!("{:.1} % offload", offload * 100.0);
        rows.push(("without policies", words));
    }
    for (name, value) in rows {
        let _ = writeln!(text, "{name:>22}  {value}");
    }
    for crossing in &outcome.crossings {
        let _ = writeln!(text, "{:>22}  {}", "link", link(crossing));
    }
    for (name, count) in &outcome.counts {
        let _ = writeln!(text, "{:>22}  {count} × {name}", "");
    }
    for verdict in &outcome.verdicts {
        let mark = if verdict.violations == 0 {
            "ok"
        } else {
            "VIOLATED"
        };
        let (name, evaluations, violations) =
            (verdict.name, verdict.evaluations, verdict.violations);
        let _ = writeln!(
            text,
            "{mark:>22}  {name}: {evaluations} evaluations, {violations} violations"
        );
        for words in &verdict.words {
            let _ = writeln!(text, "{:>22}    {words}", "");
        }
    }
    text
}

fn link(crossing: &Crossing) -> String {
    let megabits = |rate: BitsPerSecond| number(rate.0) / 1e6;
    let of = crossing.peak.map_or_else(String::new, |peak| {
        let (peak, ahead) = (megabits(peak), crossing.ahead_s);
        format!(" of {peak:.0}, bursts of up to {ahead:.2} s")
    });
    format!(
        "{}: {:.2} Mbit/s in its busiest ten seconds{of}; {:.3} GB in all",
        crossing.name,
        megabits(crossing.highest),
        number(crossing.bytes) / 1e9
    )
}

fn rate(r_max: f64) -> String {
    if r_max.is_finite() {
        format!("at most {r_max:.0} kbit/s by uplinks")
    } else {
        "not bounded: the CDN has no cap".into()
    }
}

fn stalls(outcome: &Outcome) -> String {
    let twin = match (outcome.twin_stalls, outcome.twin_stalled) {
        (Some(stalls), Some(stalled)) => {
            format!("; without peers {stalls} ({:.1} s)", stalled.as_secs_f64())
        }
        _ => String::new(),
    };
    format!(
        "{} ({:.1} s){twin}",
        outcome.stalls,
        outcome.stalled.as_secs_f64()
    )
}

fn startup(outcome: &Outcome) -> String {
    format!(
        "p50 {}, p99 {}; {:.1} % within 2 s",
        shown(outcome.startup(50)),
        shown(outcome.startup(99)),
        outcome.playing_within_2_s() * 100.0
    )
}

fn repair(outcome: &Outcome) -> String {
    format!(
        "p50 {}, p95 {} of {} children; {} more carried by the CDN",
        shown(outcome.repair(50)),
        shown(outcome.repair(95)),
        outcome.repairs.len(),
        outcome.unrepaired
    )
}

fn shown(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".into(), |time| format!("{:.2} s", time.as_secs_f64()))
}

fn causes(outcome: &Outcome) -> String {
    let shown = outcome
        .causes()
        .map(|(cause, count)| format!("{cause} {count}"));
    shown.collect::<Vec<_>>().join(", ")
}

fn depths(outcome: &Outcome) -> String {
    let rows = outcome
        .depths
        .iter()
        .enumerate()
        .filter(|(_, row)| row.chunks > 0);
    let shown = rows.map(|(depth, row)| format!("{depth}: {} ms", row.micros / row.chunks / 1000));
    shown.collect::<Vec<_>>().join(", ")
}
