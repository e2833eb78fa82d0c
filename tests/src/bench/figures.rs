//! From what was counted to what it means.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::median;
use super::servers::Servers;
use super::watched::{Received, Watched, delivered};

/// How far servers and pages may differ.
const TOLERANCE: f64 = 0.02;
/// How far the median latency may be above the one that was asked for, seconds.
const LATE: f64 = 1.0;

/// A run's result: one flat object. Shares are between 0 and 1.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// Of the bytes that reached players, those from peers; waypoints are none.
    pub(super) offload: f64,
    pub(super) waypoint_share: f64,
    pub(super) cdn_share: f64,
    /// Segment bytes that the origin sent, to anybody, for each byte of what was played by anybody.
    pub(super) origin_multiplicity: f64,
    /// Datagram bytes that the waypoint sent, to anybody, for each byte of what was played.
    pub(super) waypoint_copies: f64,
    pub(super) startup_ms_median: f64,
    pub(super) startup_ratio_to_plain: f64,
    pub(super) stalls: u32,
    pub(super) plain_stalls: u32,
    /// Behind the live edge; none on demand.
    pub(super) latency_s_median: Option<f64>,
    /// Of the media bytes that pages received, those that were late, double or for nobody.
    pub(super) wasted_share: f64,
    /// Processor time of the agents for each megabyte that they sent to pages, milliseconds.
    pub(super) agent_cpu_ms_per_mb: f64,
    /// From a page's first attempt to reach a peer until the link stood, milliseconds.
    pub(super) connect_ms_median: Option<f64>,
    /// Between page and coordinator, and on control streams between peers.
    pub(super) control_bytes_per_viewer_minute: f64,
}

/// What was counted while viewers watched with peers.
pub(super) struct Counted {
    pub(super) pages: Vec<Watched>,
    pub(super) servers: Servers,
    pub(super) viewer_minutes: f64,
    /// Processor time of the agents, milliseconds.
    pub(super) agents_ms: f64,
}

impl Figures {
    /// The figures of a run and of its plain phase.
    pub(super) fn of(counted: &Counted, plain: &[Watched]) -> Result<Self> {
        let played = delivered(&counted.pages);
        let all = (played.cdn + played.waypoint + played.peer) as f64;
        let once = one_copy(&counted.pages) as f64;
        ensure!(all > 0.0 && once > 0.0, "no player got anything");
        let received: Received = counted.pages.iter().map(|page| page.bytes).sum();
        let startup = median(startups(&counted.pages)?)?;
        let latency = latencies(&counted.pages);
        Ok(Self {
            offload: played.peer as f64 / all,
            waypoint_share: played.waypoint as f64 / all,
            cdn_share: played.cdn as f64 / all,
            origin_multiplicity: counted.servers.origin as f64 / once,
            waypoint_copies: counted.servers.waypoint.bytes as f64 / once,
            startup_ms_median: startup,
            startup_ratio_to_plain: startup / median(startups(plain)?)?,
            stalls: stalls(&counted.pages),
            plain_stalls: stalls(plain),
            latency_s_median: if latency.is_empty() {
                None
            } else {
                Some(median(latency)?)
            },
            wasted_share: received.wasted as f64 / received.media() as f64,
            agent_cpu_ms_per_mb: counted.agents_ms
                / (counted.servers.agents_to_pages.payload as f64 / 1e6),
            connect_ms_median: connecting(&counted.pages)?,
            control_bytes_per_viewer_minute: received.control as f64 / counted.viewer_minutes,
        })
    }

    /// Whether viewers were where they were asked to be.
    pub(super) fn check_latency(&self, wanted: f64) -> Result<()> {
        let found = self.latency_s_median.unwrap_or(0.0);
        ensure!(
            found <= wanted + LATE,
            "viewers were {found:.1} s behind the live edge instead of {wanted}"
        );
        Ok(())
    }
}

fn connecting(pages: &[Watched]) -> Result<Option<f64>> {
    let links = pages.iter().flat_map(|page| &page.links);
    let took: Vec<f64> = links.filter_map(|link| link.connect_ms).collect();
    if took.is_empty() {
        return Ok(None);
    }
    median(took).map(Some)
}

/// One thing that two sides counted.
pub(super) struct Twice {
    pub(super) what: &'static str,
    pub(super) servers: u64,
    pub(super) pages: u64,
}

impl Twice {
    /// By how much the pages' count is above that of the servers, as a part of it.
    pub(super) fn difference(&self) -> f64 {
        self.pages as f64 / (self.servers as f64).max(1.0) - 1.0
    }

    /// How much of `all` lies between the two.
    fn weight(&self, all: u64) -> f64 {
        self.pages.abs_diff(self.servers) as f64 / (all as f64).max(1.0)
    }
}

/// What left the servers beside what reached the pages.
pub(super) fn reconcile(counted: &Counted) -> [Twice; 2] {
    let pages: Received = counted.pages.iter().map(|page| page.bytes).sum();
    let servers = &counted.servers;
    [
        Twice {
            what: "origin to pages",
            servers: servers.origin_to_pages,
            pages: pages.cdn,
        },
        Twice {
            what: "agents and waypoint to pages",
            servers: servers.agents_to_pages.payload + servers.waypoint_to_pages.payload,
            pages: pages.peer + pages.waypoint + pages.wasted,
        },
    ]
}

/// Fails, with the account that differs, where servers and pages do not agree on where the bytes
/// came from, each difference taken as a part of all bytes.
pub(super) fn check_accounts(accounts: &[Twice]) -> Result<()> {
    let all = accounts.iter().map(|account| account.servers).sum();
    for account in accounts {
        let Twice {
            what,
            servers,
            pages,
        } = account;
        ensure!(
            account.weight(all) <= TOLERANCE,
            "{what}: the servers sent {servers} bytes, the pages say {pages}"
        );
    }
    Ok(())
}

/// Length of every segment that anybody played, each counted once.
pub(super) fn one_copy(pages: &[Watched]) -> u64 {
    let taps = pages.iter().flat_map(|page| &page.taps);
    let union: BTreeMap<&str, u64> = taps.map(|tap| (tap.url.as_str(), tap.bytes)).collect();
    union.values().sum()
}

fn startups(pages: &[Watched]) -> Result<Vec<f64>> {
    let times: Vec<f64> = pages.iter().filter_map(|page| page.startup_ms).collect();
    ensure!(times.len() == pages.len(), "a page never played");
    Ok(times)
}

fn stalls(pages: &[Watched]) -> u32 {
    pages.iter().map(|page| page.stalls).sum()
}

fn latencies(pages: &[Watched]) -> Vec<f64> {
    let samples = pages.iter().flat_map(|page| &page.latency);
    samples.map(|sample| sample.seconds).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::meter::Sent;

    fn page(startup: f64, peer: u64, cdn: u64) -> Watched {
        let tap = |url: &str, bytes: u64| json!({ "url": url, "bytes": bytes, "sha256": "" });
        serde_json::from_value(json!({
            "startup_ms": startup, "stalls": 1, "stalled": [], "played": 10.0, "frames": 9,
            "dropped": 0, "peer": null, "why": "", "links": [{ "connectMs": 30.0 }, { "connectMs": null }],
            "latency": [{ "at": 0.0, "seconds": 6.0 }, { "at": 1.0, "seconds": 7.0 }],
            "segments": [{ "sn": 1, "track": "a", "cdn": cdn, "waypoint": 0, "peer": peer, "rescued": false }],
            "taps": [tap("http://origin/a", 100), tap("http://origin/b", 100)],
            "bytes": { "cdn": cdn, "waypoint": 0, "peer": peer, "wasted": 10, "control": 60 },
        }))
        .unwrap()
    }

    fn counted() -> Counted {
        let payload = |payload| Sent {
            bytes: 240,
            payload,
        };
        Counted {
            pages: vec![page(400.0, 150, 50), page(600.0, 170, 30)],
            servers: Servers {
                origin: 280,
                origin_to_pages: 80,
                waypoint: payload(200),
                agents_to_pages: payload(340),
                ..Servers::default()
            },
            viewer_minutes: 2.0,
            agents_ms: 0.00068,
        }
    }

    #[test]
    fn figures_are_shares_of_what_was_played() {
        let plain = [page(250.0, 0, 200)];
        let figures = Figures::of(&counted(), &plain).unwrap();
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}");
        near(figures.offload, 0.8);
        near(figures.cdn_share, 0.2);
        near(figures.origin_multiplicity, 1.4);
        near(figures.waypoint_copies, 1.2);
        near(figures.startup_ratio_to_plain, 2.0);
        near(figures.wasted_share, 20.0 / 420.0);
        near(figures.agent_cpu_ms_per_mb, 2.0);
        near(figures.connect_ms_median.unwrap(), 30.0);
        near(figures.control_bytes_per_viewer_minute, 60.0);
        near(figures.latency_s_median.unwrap(), 6.5);
        assert_eq!((figures.stalls, figures.plain_stalls), (2, 1));
        figures.check_latency(6.5).unwrap();
        figures.check_latency(5.0).unwrap_err();
    }

    #[test]
    fn accounts_that_differ_are_named() {
        let mut counted = counted();
        check_accounts(&reconcile(&counted)).unwrap();
        counted.servers.agents_to_pages.payload = 300;
        let error = check_accounts(&reconcile(&counted))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("agents and waypoint to pages: the servers sent 300"),
            "{error}"
        );
    }
}
