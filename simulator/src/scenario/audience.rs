//! Who takes part: how many, from where, when, with what lines.

use core::time::Duration;

use serde::Deserialize;

use crate::dice::Dice;

/// Those who watch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// How many in all.
    pub viewers: u32,
    /// When they come.
    #[serde(default)]
    pub arrival: Arrival,
    /// How long they stay.
    #[serde(default)]
    pub session: Session,
    /// Downlinks in kbit/s.
    #[serde(default = "broadband")]
    pub down_kbps: Spread,
    /// Uplinks in kbit/s.
    #[serde(default = "narrow")]
    pub up_kbps: Spread,
    /// Share that allows uploads.
    #[serde(default)]
    pub uploads_share: f64,
    /// Share of packets lost on viewers' lines.
    #[serde(default)]
    pub loss: f64,
    /// What a live player keeps between itself and the newest segment, in seconds; three segments
    /// where it is not said, as players do.
    pub buffer_s: Option<u64>,
    /// What they paid for, as their join tokens say: pairs of weight and plan.
    #[serde(default)]
    pub plans: Vec<(f64, String)>,
    /// How old they are in years, and who runs the agents, as their join tokens say: pairs of weight
    /// and age. Of nobody it is known where there are none.
    #[serde(default)]
    pub ages: Vec<(f64, u8)>,
    /// How long their site lets a first picture wait for peers where a policy has it wait, in
    /// milliseconds. Stand-ins never wait.
    #[serde(default)]
    pub start_wait_ms: u64,
}

fn broadband() -> Spread {
    Spread(vec![(1.0, 20_000)])
}

fn narrow() -> Spread {
    Spread(vec![(1.0, 2_000)])
}

/// When viewers come.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum Arrival {
    /// Everybody is there from the start.
    #[default]
    AtOnce,
    /// Evenly over so many seconds.
    Ramp {
        /// From when on, in seconds.
        #[serde(default)]
        from_s: u64,
        /// For how long, in seconds.
        over_s: u64,
    },
    /// A kick-off: most come in the middle of so many seconds.
    Burst {
        /// From when on, in seconds.
        #[serde(default)]
        from_s: u64,
        /// For how long, in seconds.
        over_s: u64,
    },
    /// So many are there after the first seconds; whoever leaves makes room for the next.
    Steady {
        /// How long the first take to come, in seconds.
        fill_s: u64,
    },
}

impl Arrival {
    /// When one of them comes.
    pub(crate) fn draw(&self, dice: &mut Dice) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Ramp { from_s, over_s } => {
                Duration::from_secs(*from_s) + dice.millis(0, over_s * 1000)
            }
            // The sum of three dice looks like a bell.
            Self::Burst { from_s, over_s } => {
                let third = over_s * 1000 / 3;
                let sum: Duration = (0..3).map(|_| dice.millis(0, third)).sum();
                Duration::from_secs(*from_s) + sum
            }
            Self::Steady { fill_s } => dice.millis(0, fill_s * 1000),
        }
    }
}

/// How long viewers stay.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum Session {
    /// Until the end.
    #[default]
    Stay,
    /// So long on average, exponentially distributed.
    Exponential {
        /// In seconds.
        mean_s: u64,
    },
}

impl Session {
    /// How long one of them stays; `None` for ever.
    pub(crate) fn draw(&self, dice: &mut Dice) -> Option<Duration> {
        match self {
            Self::Stay => None,
            Self::Exponential { mean_s } => {
                Some(dice.exponential(Duration::from_secs(*mean_s)) + Duration::from_secs(2))
            }
        }
    }
}

/// Those who help.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agents {
    /// How many for each viewer: 0.12 is 12 agents for 100 viewers.
    pub per_viewer: f64,
    /// Uplinks in kbit/s.
    pub up_kbps: Spread,
    /// How long one runs.
    pub session: Session,
    /// Share of packets lost on their lines.
    pub loss: f64,
    /// Share of agents that claim to accept connections and cannot be reached.
    pub unreachable_share: f64,
    /// Share of agents through which somebody watches, beside the audience. Those of stand-ins only help.
    pub watching_share: f64,
}

/// A small distribution: pairs of weight and value.
#[derive(Debug, Clone, Deserialize)]
pub struct Spread(pub Vec<(f64, u64)>);

impl Default for Spread {
    fn default() -> Self {
        Self(vec![(1.0, 10_000)])
    }
}

impl Spread {
    pub(crate) fn draw(&self, dice: &mut Dice) -> u64 {
        dice.weighted(self.0.iter().copied()).unwrap_or_default()
    }
}

/// One part of the world.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Its share of the audience.
    #[serde(default = "one")]
    pub share: f64,
    /// Agents for each viewer, where it differs.
    pub agents_per_viewer: Option<f64>,
    /// Networks (providers) in it.
    #[serde(default = "ten")]
    pub networks: u32,
    /// Its waypoints, where the number differs.
    pub waypoints: Option<u32>,
    /// Its agents, a count, in place of so many for each viewer.
    pub agents: Option<u64>,
    /// What the operator's table calls the region, where it is not its name: several may be one.
    pub part_of: Option<String>,
    /// What the table says of its addresses besides: the country.
    pub country: Option<String>,
    /// The number of the autonomous system.
    pub asn: Option<u32>,
    /// Groups that everybody there belongs to.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The account that everybody there has signed in to, as their join tokens say.
    pub account: Option<String>,
    /// The site of the operator's file that all its addresses belong to.
    pub site: Option<String>,
    /// Everybody sits in one building behind one address.
    #[serde(default)]
    pub one_site: bool,
}

impl Region {
    /// Whether the operator's table has it.
    pub(crate) fn is_told(&self) -> bool {
        let told = self.country.is_some() || self.asn.is_some() || self.part_of.is_some();
        told || !self.groups.is_empty()
    }

    /// What the table calls it.
    pub(crate) fn place(&self) -> &str {
        self.part_of.as_deref().unwrap_or(&self.name)
    }
}

const fn one() -> f64 {
    1.0
}

const fn ten() -> u32 {
    10
}
