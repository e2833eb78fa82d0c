//! Agents that mean harm from the moment they come.

use serde::Deserialize;

use super::{Arrival, Kind, Session, Spread};

/// Hostile agents of one kind. Each has an address, and a key, that nobody has seen before, and takes part
/// without being asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attacker {
    /// How many in all.
    pub count: u32,
    /// What they do: `lie`, `drip` or `freeride`.
    pub kind: Kind,
    /// How strong it is, see [`super::Fault::strength`].
    pub strength: Option<f64>,
    /// What they offer, in kbit/s. Their lines carry it.
    #[serde(default)]
    pub up_kbps: Spread,
    /// When they come.
    #[serde(default)]
    pub arrival: Arrival,
    /// How long each of them stays.
    #[serde(default)]
    pub session: Session,
}

impl Attacker {
    /// What an [`Attacker`] can do: other faults befall honest agents.
    pub(super) const fn is_hostile(&self) -> bool {
        matches!(self.kind, Kind::Lie | Kind::Drip | Kind::Freeride)
    }
}
