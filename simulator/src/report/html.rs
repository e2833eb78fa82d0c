//! A page with charts that opens without a network.

use core::fmt::Write as _;

use super::chart::{Chart, Line};
use super::table;
use crate::bounds::number;
use crate::run::Outcome;
use crate::tally::Second;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem;color:#1c2733;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.05rem;margin:2rem 0 .2rem}pre{overflow-x:auto;background:#f4f6f8;padding:1rem;font-size:12.5px}\
svg{width:100%;height:auto}.note{color:#5b6b7a;margin:0}";

/// The outcomes of one or several runs as one page.
pub fn html(outcomes: &[Outcome]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Runnel: simulated evenings</title><style>{STYLE}</style>"
    );
    for outcome in outcomes {
        let _ = write!(page, "<h1>{}</h1>", escaped(&outcome.name));
        for (title, note, chart) in charts(outcome) {
            let _ = write!(page, "<h2>{title}</h2><p class=\"note\">{note}</p>{chart}");
        }
        let _ = write!(
            page,
            "<h2>Figures</h2><pre>{}</pre>",
            escaped(&table(outcome))
        );
    }
    page.push_str("</html>\n");
    page
}

fn charts(outcome: &Outcome) -> Vec<(&'static str, String, String)> {
    let seconds = &outcome.seconds;
    let line = |name: &'static str, value: fn(&Second) -> f64| Line {
        name,
        values: smooth(seconds, value),
    };
    let chart = |unit: &'static str, lines: Vec<Line>| {
        Chart {
            unit,
            warmup: outcome.warmup_s,
            lines,
        }
        .svg()
    };
    let bound = format!("Peers could bring {:.1} %.", outcome.bounds.offload * 100.0);
    vec![
        (
            "Offload",
            bound,
            chart("%", vec![line("peers' share", offload)]),
        ),
        (
            "Who sends",
            "To players and to each other.".into(),
            chart(
                "Mbit/s",
                vec![
                    line("peers", |second| mbits(second.peers_sent)),
                    line("waypoints", |second| mbits(second.waypoints_sent)),
                    line("CDN", |second| mbits(second.cdn_sent)),
                ],
            ),
        ),
        (
            "Viewers",
            "Those there, those still waiting for a picture, those whose picture stands still."
                .into(),
            chart(
                "viewers",
                vec![
                    line("there", |second| number(second.moment.players)),
                    line("starting", |second| number(second.moment.starting)),
                    line("stalled", |second| number(second.moment.stalled)),
                ],
            ),
        ),
        (
            "First picture",
            "Mean time from joining, of those who got theirs in that second.".into(),
            chart("ms", vec![line("mean", startup)]),
        ),
        (
            "Other parents",
            "Peers that lost a parent by decision.".into(),
            chart(
                "a second",
                vec![line("reassigned", |second| number(second.reassigned))],
            ),
        ),
        (
            "Latency by depth",
            "Mean time of a chunk from its attestation, by links from the waypoint.".into(),
            super::chart::bars("ms", &depths(outcome)),
        ),
    ]
}

/// The mean over five seconds: segments come in bursts.
fn smooth(seconds: &[Second], value: fn(&Second) -> f64) -> Vec<f64> {
    let window = |at: usize| &seconds[at.saturating_sub(2)..(at + 3).min(seconds.len())];
    let mean = |at: usize| {
        let window = window(at);
        window.iter().map(value).sum::<f64>() / number(window.len() as u64)
    };
    (0..seconds.len()).map(mean).collect()
}

fn offload(second: &Second) -> f64 {
    number(second.from_peers) * 100.0 / number(second.received().max(1))
}

fn startup(second: &Second) -> f64 {
    number(second.startup_us) / 1000.0 / number(second.starts.max(1))
}

fn mbits(bytes: u64) -> f64 {
    number(bytes) * 8.0 / 1e6
}

fn depths(outcome: &Outcome) -> Vec<(String, f64)> {
    let rows = outcome.depths.iter().enumerate();
    rows.filter(|(_, row)| row.chunks > 0)
        .map(|(depth, row)| (depth.to_string(), number(row.micros / row.chunks) / 1000.0))
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_page() {
        assert_eq!(escaped("<b> & co"), "&lt;b> &amp; co");
    }
}
