//! The table that people read.

use std::path::Path;

use super::Parameters;
use super::figures::{Figures, Twice};
use super::servers::Servers;
use super::watched::{Segment, Watched};

/// All that is shown of a run.
pub(super) struct Report<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) figures: &'a Figures,
    pub(super) accounts: &'a [Twice],
    pub(super) pages: &'a [Watched],
    pub(super) servers: &'a Servers,
    /// One copy of what was played, bytes.
    pub(super) once: u64,
    /// With peers, and plainly.
    pub(super) watching: [Watching; 2],
    pub(super) logs: &'a Path,
}

/// How well this machine kept up with a phase.
#[derive(Clone, Copy)]
pub(super) struct Watching {
    busy: f64,
    dropped: f64,
}

impl Watching {
    pub(super) fn of(pages: &[Watched], busy: f64) -> Self {
        let sum = |count: fn(&Watched) -> u64| pages.iter().map(count).sum::<u64>() as f64;
        Self {
            busy,
            dropped: sum(|page| page.dropped) / sum(|page| page.frames).max(1.0),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is the product")]
impl Report<'_> {
    pub(super) fn print(&self) {
        println!("\n{}\n", self.title());
        for (name, value, target) in self.rows() {
            println!("  {name:<34} {value:>10}   {target}");
        }
        println!("\n  bytes: servers' sockets beside what the pages say");
        for account in self.accounts {
            let percent = account.difference() * 100.0;
            let Twice {
                what,
                servers,
                pages,
            } = account;
            println!("  {what:<34} {servers:>10}   {pages} ({percent:+.1} %)");
        }
        println!("  one copy of what was played        {:>10}", self.once);
        println!(
            "  origin to waypoint                 {:>10}",
            self.servers.origin - self.servers.origin_to_pages
        );
        println!(
            "  waypoint to pages                  {:>10}",
            self.servers.waypoint_to_pages.bytes
        );
        println!(
            "  waypoint to anybody                {:>10}",
            self.servers.waypoint.bytes
        );
        println!(
            "  agents to pages                    {:>10}",
            self.servers.agents_to_pages.bytes
        );
        println!(
            "  agents to agents and waypoint      {:>10}",
            self.servers.agents_to_agents.bytes
        );
        println!(
            "\n  each viewer's segments: P peer, W waypoint, C CDN; small: of several sources"
        );
        for (number, page) in self.pages.iter().enumerate() {
            let sources: String = page.segments.iter().map(source).collect();
            println!("  {:>2}  {sources}", number + 1);
        }
        for (phase, Watching { busy, dropped }) in ["with peers", "plain"].iter().zip(self.watching)
        {
            println!(
                "  machine, {phase:<10}: {:.0} % busy, {:.1} % of frames dropped",
                busy * 100.0,
                dropped * 100.0
            );
        }
        println!("  details: {}", self.logs.display());
    }

    fn title(&self) -> String {
        let Parameters {
            viewers,
            agents,
            latency,
            seconds,
            live,
            renditions,
            webrtc,
        } = self.parameters;
        let by = if *webrtc { "by WebRTC, " } else { "" };
        let what = match live {
            true => format!("live at {latency} s"),
            false => "on demand".to_owned(),
        };
        format!(
            "{by}{viewers} viewers, {agents} agents, {what}, {renditions} renditions, {seconds} s from the first viewer on"
        )
    }

    fn rows(&self) -> Vec<(&'static str, String, String)> {
        let figures = self.figures;
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let for_live = |target: &str| {
            if self.parameters.live {
                target.to_owned()
            } else {
                String::new()
            }
        };
        let latency = figures.latency_s_median;
        vec![
            ("offload", percent(figures.offload), for_live("≥ 85 %")),
            (
                "waypoint's share",
                percent(figures.waypoint_share),
                String::new(),
            ),
            ("CDN's share", percent(figures.cdn_share), String::new()),
            (
                "origin multiplicity",
                format!("{:.2}", figures.origin_multiplicity),
                "≤ 1.3".to_owned(),
            ),
            (
                "waypoint's copies",
                format!("{:.2}", figures.waypoint_copies),
                for_live("≤ 1.2"),
            ),
            (
                "startup, median ms",
                format!("{:.0}", figures.startup_ms_median),
                String::new(),
            ),
            (
                "startup, ratio to plain",
                format!("{:.2}", figures.startup_ratio_to_plain),
                "see --startup-pairs".to_owned(),
            ),
            (
                "stalls",
                figures.stalls.to_string(),
                format!("≤ {} (plain)", figures.plain_stalls),
            ),
            (
                "latency, median s",
                latency.map_or("–".to_owned(), |seconds| format!("{seconds:.1}")),
                for_live(&format!("≤ {}", self.parameters.latency + 1.0)),
            ),
            (
                "agents' CPU, ms a megabyte to pages",
                format!("{:.1}", figures.agent_cpu_ms_per_mb),
                String::new(),
            ),
            (
                "connecting to a peer, median ms",
                figures
                    .connect_ms_median
                    .map_or("–".to_owned(), |ms| format!("{ms:.0}")),
                String::new(),
            ),
            ("wasted", percent(figures.wasted_share), String::new()),
            (
                "control bytes a viewer and minute",
                format!("{:.0}", figures.control_bytes_per_viewer_minute),
                String::new(),
            ),
        ]
    }
}

/// A letter for where a segment came from.
fn source(segment: &Segment) -> char {
    let Segment {
        cdn,
        waypoint,
        peer,
        ..
    } = *segment;
    let (letter, most) = [('P', peer), ('W', waypoint), ('C', cdn)]
        .into_iter()
        .max_by_key(|(_, bytes)| *bytes)
        .unwrap_or(('?', 0));
    if most == cdn + waypoint + peer {
        letter
    } else {
        letter.to_ascii_lowercase()
    }
}
