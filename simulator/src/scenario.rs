//! What an operator asks: this audience, these uplinks, this evening. A readable TOML file.

mod attacker;
mod audience;
mod fault;
mod group;
mod parse;
mod rules;
mod sites;

use core::time::Duration;

use serde::Deserialize;

pub use attacker::Attacker;
pub use audience::{Agents, Arrival, Audience, Region, Session, Spread};
pub use fault::{Fault, Kind, Target};
pub use group::Group;
pub use parse::ScenarioError;
pub use rules::PolicyInForce;
pub(crate) use rules::{changes, in_force};
pub use sites::{P2p, SiteInForce};
pub(crate) use sites::{changes as site_changes, sharing};

/// One evening.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What reports call it.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// How long it lasts, in seconds.
    pub duration_s: u64,
    /// The transient: left out of averages, in seconds.
    #[serde(default)]
    pub warmup_s: u64,
    /// What chance is drawn from, unless the command line says otherwise.
    #[serde(default = "first")]
    pub seed: u64,
    /// Above this number of viewers they are played by stand-ins: same messages, media abstracted.
    #[serde(default = "most_real_viewers")]
    pub real_viewers: u32,
    /// Everybody's clock is off by up to so many seconds.
    #[serde(default)]
    pub clock_skew_s: u64,
    /// Who watches.
    pub audience: Audience,
    /// Who helps.
    #[serde(default)]
    pub agents: Agents,
    /// Where they are; at least one.
    pub region: Vec<Region>,
    /// What they watch; at least one.
    pub content: Vec<Content>,
    /// Who is paid by the byte.
    #[serde(default)]
    pub origin: Origin,
    /// The operator's own peers.
    #[serde(default)]
    pub waypoints: Waypoints,
    /// How the control center is set up.
    #[serde(default)]
    pub coordinator: Coordinator,
    /// What goes wrong.
    #[serde(default)]
    pub fault: Vec<Fault>,
    /// Hostile agents that come.
    #[serde(default)]
    pub attacker: Vec<Attacker>,
    /// The policies of operators, networks and viewers.
    #[serde(default)]
    pub policy: Vec<PolicyInForce>,
    /// The lines of the operator's file of sites.
    #[serde(default)]
    pub site: Vec<SiteInForce>,
    /// The operator's affinity groups.
    #[serde(default)]
    pub group: Vec<Group>,
    /// Pairs of autonomous systems that peer, as the operator's file of relations says.
    #[serde(default)]
    pub peerings: Vec<(u32, u32)>,
    /// Faults by chance as well.
    pub chaos: Option<Chaos>,
    /// What must come out of it; a run that misses one fails.
    #[serde(default)]
    pub target: Targets,
}

const fn first() -> u64 {
    1
}

const fn most_real_viewers() -> u32 {
    60_000
}

/// Contents of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Its name; several get a number behind it.
    pub name: String,
    /// Whose it is.
    #[serde(default = "somebody")]
    pub provider: String,
    /// How many of this kind; the first is the most popular (Zipf).
    #[serde(default = "one")]
    pub count: u32,
    /// Live, or on demand.
    #[serde(default = "yes")]
    pub live: bool,
    /// Rates of its renditions in kbit/s, the best first.
    pub rates_kbps: Vec<u64>,
    /// Length of a segment, in seconds.
    #[serde(default = "two")]
    pub segment_s: u64,
    /// Its share of the audience.
    #[serde(default = "whole")]
    pub share: f64,
}

impl Content {
    /// Length of a segment.
    pub const fn segment(&self) -> Duration {
        Duration::from_secs(self.segment_s)
    }
}

fn somebody() -> String {
    "simulated".to_owned()
}

const fn one() -> u32 {
    1
}

const fn two() -> u64 {
    2
}

const fn yes() -> bool {
    true
}

const fn whole() -> f64 {
    1.0
}

/// The CDN.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// Time to the first byte in milliseconds, from and to.
    pub latency_ms: (u64, u64),
    /// Most that it sends to players in all, in Mbit/s.
    pub cap_mbps: Option<u64>,
    /// Price of a gigabyte, in whatever currency.
    pub cost_per_gb: f64,
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            latency_ms: (40, 160),
            cap_mbps: None,
            cost_per_gb: 0.02,
        }
    }
}

/// The operator's own peers: they attest, and are the head of the distribution.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Waypoints {
    /// How many in each region.
    pub per_region: u32,
    /// What each may send, in Mbit/s.
    pub uplink_mbps: u64,
    /// Price of a gigabyte that one sends.
    pub cost_per_gb: f64,
}

impl Default for Waypoints {
    fn default() -> Self {
        Self {
            per_region: 1,
            uplink_mbps: 1000,
            cost_per_gb: 0.005,
        }
    }
}

/// The control center's constants, where they differ from its defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Coordinator {
    /// Time between heartbeats, in milliseconds.
    pub heartbeat_ms: Option<u64>,
    /// Stripes of each track.
    pub stripes: Option<u8>,
    /// New sessions per second.
    pub admissions_per_second: Option<u32>,
    /// Whether it remembers what peers did when they were there before.
    pub history: bool,
    /// Whether what agents say that they offer counts only as far as others vouch for it.
    pub vouching: bool,
}

impl Default for Coordinator {
    fn default() -> Self {
        Self {
            heartbeat_ms: None,
            stripes: None,
            admissions_per_second: None,
            history: true,
            vouching: true,
        }
    }
}

impl Coordinator {
    /// Stripes of each track: the control center's own number where the file does not say.
    pub(crate) fn stripes(&self) -> u8 {
        self.stripes.unwrap_or(4)
    }
}

/// Faults by chance: the menu of [`Kind`], over and over.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chaos {
    /// From when on, in seconds.
    #[serde(default)]
    pub from_s: u64,
    /// Until when, in seconds.
    pub until_s: u64,
    /// How many.
    pub faults: u32,
}

/// What must come out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Targets {
    /// Offload at least this share of its bound, after the transient.
    pub offload_of_bound: Option<f64>,
    /// Stalls at most.
    pub stalls: Option<u64>,
    /// Share of viewers that play within 2 s of joining, at least.
    pub playing_within_2_s: Option<f64>,
    /// Data again after a parent's failure, 95th percentile, at most this many seconds.
    pub repair_p95_s: Option<f64>,
    /// Changes of parents without churn, failure or policy behind them, per peer and hour, at most.
    pub reassignments_per_peer_hour: Option<f64>,
    /// Copies that the origin sends, of what is played in one region, at most.
    pub copies: Option<f64>,
    /// Copies that enter a site of its own, from anybody outside, at most.
    pub copies_entering: Option<f64>,
    /// Seconds until a better node gets its data from a waypoint, at most.
    pub placed_s: Option<f64>,
    /// Seconds after the last fault until everybody plays again, at most.
    pub recovery_s: Option<u64>,
}

impl Scenario {
    /// The same evening with so many viewers: what the CDN, the waypoints and the control center's
    /// door let through changes in proportion.
    #[must_use]
    pub fn with_viewers(mut self, viewers: u32) -> Self {
        let before = u64::from(self.audience.viewers.max(1));
        let scaled = |count: u64| (count * u64::from(viewers)).div_ceil(before);
        self.audience.viewers = viewers;
        self.origin.cap_mbps = self.origin.cap_mbps.map(scaled);
        self.waypoints.uplink_mbps = scaled(self.waypoints.uplink_mbps);
        let door = &mut self.coordinator.admissions_per_second;
        *door = door.map(|door| u32::try_from(scaled(door.into())).unwrap_or(u32::MAX));
        self
    }

    /// The same evening where nothing is forbidden and no link has a limit.
    #[must_use]
    pub fn without_policies(mut self) -> Self {
        self.policy.clear();
        self.site.clear();
        self
    }

    /// Whether somebody has a join token that says something of its bearer.
    pub(crate) fn has_tokens(&self) -> bool {
        let audience = &self.audience;
        let says = !audience.plans.is_empty() || !audience.ages.is_empty();
        says || self.region.iter().any(|region| region.account.is_some())
    }

    /// Whether policies or the operator's file of sites forbid anything.
    pub(crate) const fn has_rules(&self) -> bool {
        !self.policy.is_empty() || !self.site.is_empty()
    }

    /// How long it lasts.
    pub const fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_s)
    }

    /// Regions that are a site of their own, a count.
    pub(crate) fn sites(&self) -> usize {
        self.region.iter().filter(|region| region.one_site).count()
    }

    /// The part that averages leave out.
    pub const fn warmup(&self) -> Duration {
        Duration::from_secs(self.warmup_s)
    }
}
