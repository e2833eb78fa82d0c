//! What nobody can do better than, with these uplinks.

use crate::population::{Population, Role};
use crate::scenario::Scenario;
use crate::tally::Second;

/// Theoretical bounds of a run, to be read beside its results.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// Highest rate that everybody could get, in kbit/s: min{u_s, (u_s + Σ u_i) / N}.
    pub r_max_kbps: f64,
    /// Peers' share of all bytes: min{1, Σ u_i / (N r)}, the mean over the run without its
    /// transient. Whoever lies, drips or gives nothing has no uplink.
    pub offload: f64,
    /// Copies that the origin has to send: one for each region.
    pub copies: f64,
    /// Links from a waypoint to the farthest viewer, at least, if the widest feed first.
    pub depth: u32,
}

impl Bounds {
    /// The bounds of what `seconds` have seen.
    pub(crate) fn of(scenario: &Scenario, population: &Population, seconds: &[Second]) -> Self {
        let rate = mean_rate(seconds);
        let busiest = seconds
            .iter()
            .map(|second| second.moment.players)
            .max()
            .unwrap_or_default();
        let source = source(scenario, population);
        let offered = seconds
            .iter()
            .map(|second| second.moment.offered)
            .max()
            .unwrap_or_default();
        let everybody = (source + number(offered)) / number(busiest.max(1));
        Self {
            r_max_kbps: source.min(everybody) / 1000.0,
            offload: share(seconds),
            copies: number(scenario.region.len() as u64),
            depth: depth(population, source, rate, busiest),
        }
    }
}

/// What waypoints and the CDN can send, in bit/s.
fn source(scenario: &Scenario, population: &Population) -> f64 {
    let waypoints = population
        .guests
        .iter()
        .filter(|guest| guest.role == Role::Waypoint);
    let waypoints: u64 = waypoints.map(|guest| guest.offers.0).sum();
    let cdn = scenario
        .origin
        .cap_mbps
        .map_or(f64::INFINITY, |mbps| number(mbps) * 1e6);
    number(waypoints) + cdn
}

/// The mean of what peers could have brought, weighted with what players wanted.
fn share(seconds: &[Second]) -> f64 {
    let (mut could, mut wanted) = (0.0, 0.0);
    for second in seconds {
        let demand = number(second.moment.demand);
        could += number(second.moment.offered).min(demand);
        wanted += demand;
    }
    if wanted > 0.0 { could / wanted } else { 0.0 }
}

/// What a player takes, in bit/s.
fn mean_rate(seconds: &[Second]) -> f64 {
    let demand: u64 = seconds.iter().map(|second| second.moment.demand).sum();
    let players: u64 = seconds.iter().map(|second| second.moment.players).sum();
    number(demand) / number(players.max(1))
}

/// Levels of a tree in which the widest stand nearest to the source.
fn depth(population: &Population, source: f64, rate: f64, viewers: u64) -> u32 {
    if rate <= 0.0 {
        return 0;
    }
    let agents = population
        .guests
        .iter()
        .filter(|guest| guest.role == Role::Agent);
    let mut uplinks: Vec<f64> = agents.map(|guest| number(guest.offers.0)).collect();
    uplinks.sort_by(|one, other| other.total_cmp(one));
    let mut uplinks = uplinks.into_iter();
    let (mut places, mut depth, mut left) = (source / rate, 0, number(viewers));
    while left > 0.0 && depth < 64 {
        depth += 1;
        let level: Vec<f64> = uplinks.by_ref().take(whole(places)).collect();
        let (fed, next) = (
            level.len() as f64,
            level.iter().map(|uplink| uplink / rate).sum(),
        );
        left -= (places - fed).max(0.0);
        if next == 0.0 {
            break;
        }
        places = next;
    }
    depth
}

#[expect(clippy::cast_precision_loss, reason = "rates and counts for people")]
pub(crate) const fn number(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of places; infinity saturates"
)]
const fn whole(number: f64) -> usize {
    number as usize
}
