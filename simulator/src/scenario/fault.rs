//! The fault menu.

use core::time::Duration;

use serde::Deserialize;

/// Something that goes wrong at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When, in seconds.
    pub at_s: f64,
    /// For how long, in seconds; for ever where it is not said and the kind has an end.
    pub for_s: Option<f64>,
    /// What.
    pub kind: Kind,
    /// To whom.
    #[serde(default)]
    pub who: Target,
    /// To how many of them.
    #[serde(default = "one")]
    pub count: u32,
    /// Or to which share of them.
    pub share: Option<f64>,
    /// How strong: the loss (0 to 1), milliseconds of latency, the factor of a rate, kbit/s of
    /// a better node, Mbit/s of a backbone; each kind has its own default.
    pub strength: Option<f64>,
}

const fn one() -> u32 {
    1
}

impl Fault {
    /// When it begins.
    pub(crate) fn at(&self) -> Duration {
        Duration::from_secs_f64(self.at_s)
    }

    /// When it is over; `None` for never.
    pub(crate) fn over(&self) -> Option<Duration> {
        self.for_s
            .map(|time| self.at() + Duration::from_secs_f64(time))
    }
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The process dies.
    Crash,
    /// The process stops and goes on later.
    Hang,
    /// It leaves in order.
    Leave,
    /// It sends wrong bytes.
    Lie,
    /// It sends a part of what it should.
    Drip,
    /// It shares nothing of what it has, and says nothing.
    Freeride,
    /// Packets are lost on its line.
    Loss,
    /// Its line takes longer.
    Latency,
    /// What it sends to anybody does not arrive, what it is sent does.
    OneWay,
    /// Its line becomes narrow; what it offers stays.
    RateCollapse,
    /// It offers less.
    Shrink,
    /// The control center is gone, and knows nothing when it is back.
    CoordinatorDown,
    /// Messages of the control center arrive twice, and late.
    DuplicateAndLate,
    /// The CDN fails.
    CdnOutage,
    /// The line between two regions collapses.
    Backbone,
    /// A wide agent joins.
    BetterNode,
}

impl Kind {
    /// The whole menu.
    pub const ALL: [Self; 16] = [
        Self::Crash,
        Self::Hang,
        Self::Leave,
        Self::Lie,
        Self::Drip,
        Self::Freeride,
        Self::Loss,
        Self::Latency,
        Self::OneWay,
        Self::RateCollapse,
        Self::Shrink,
        Self::CoordinatorDown,
        Self::DuplicateAndLate,
        Self::CdnOutage,
        Self::Backbone,
        Self::BetterNode,
    ];

    /// What its name is in a scenario file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Leave => "leave",
            Self::Lie => "lie",
            Self::Drip => "drip",
            Self::Freeride => "freeride",
            Self::Loss => "loss",
            Self::Latency => "latency",
            Self::OneWay => "one-way",
            Self::RateCollapse => "rate-collapse",
            Self::Shrink => "shrink",
            Self::CoordinatorDown => "coordinator-down",
            Self::DuplicateAndLate => "duplicate-and-late",
            Self::CdnOutage => "cdn-outage",
            Self::Backbone => "backbone",
            Self::BetterNode => "better-node",
        }
    }

    pub(crate) const fn default_strength(self) -> f64 {
        match self {
            Self::Loss => 0.05,
            Self::Latency => 400.0,
            Self::RateCollapse => 0.1,
            Self::Shrink => 0.5,
            Self::Drip => 0.2,
            Self::Lie => 0.1,
            Self::DuplicateAndLate => 0.3,
            Self::BetterNode => 100_000.0,
            Self::Backbone => 5.0,
            Self::Crash
            | Self::Hang
            | Self::Leave
            | Self::Freeride
            | Self::OneWay
            | Self::CoordinatorDown
            | Self::CdnOutage => 1.0,
        }
    }
}

/// Whom a fault befalls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Agents by chance.
    #[default]
    Agents,
    /// Agents by chance, and the same ones in every fault.
    ShakyAgents,
    /// The agents that feed most.
    BusiestAgents,
    /// Viewers by chance.
    Viewers,
    /// Waypoints by chance.
    Waypoints,
    /// Everybody of the first region.
    FirstRegion,
}
