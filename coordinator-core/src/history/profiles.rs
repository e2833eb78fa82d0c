//! Those of whom nothing is known are expected to be like others of their kind.

use std::collections::BTreeMap;

use ipnet::IpNet;
use runnel_protocol::control::Platform;
use runnel_protocol::units::BitsPerSecond;

use super::Figures;
use crate::place::NetworkTable;
use crate::record::Record;

/// Most profiles; the one that was added to longest ago makes room.
const MAX_PROFILES: usize = 4096;
/// Stays below which a profile says nothing.
const ENOUGH: u16 = 4;
/// What a stay is taken to last where nothing is known at all, in seconds.
const USUAL_STAY_S: u32 = 600;

/// A kind of peers: their network, what they run on, and how wide their uplink is, which is as
/// much as peers tell of how they are connected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileName {
    /// The network by the operator's table, or the first 16 (IPv4) or 32 bits (IPv6) of the
    /// address; empty for everywhere.
    pub network: String,
    /// Where they run.
    pub platform: Platform,
    /// The uplink in steps of a factor of four, counted from 1 bit/s.
    pub uplink: u8,
}

impl ProfileName {
    /// The same kind, everywhere.
    fn everywhere(&self) -> Self {
        Self {
            network: String::new(),
            ..*self
        }
    }
}

/// A kind of peers with its sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Which kind.
    pub name: ProfileName,
    /// The sums.
    pub figures: Figures,
}

/// The kind that a peer is of.
pub(crate) fn profile_of(record: &Record, networks: &NetworkTable) -> ProfileName {
    let named = networks.line(record.address).map(|line| line.name.as_str());
    let network = named.filter(|name| !name.is_empty()).map(str::to_owned);
    let prefix = || {
        let address = record.address.to_canonical();
        let bits = if address.is_ipv4() { 16 } else { 32 };
        let whole = IpNet::from(address);
        let net = IpNet::new(address, bits).unwrap_or(whole).trunc();
        net.to_string()
    };
    ProfileName {
        network: network.unwrap_or_else(prefix),
        platform: record.platform,
        uplink: step(record.uplink.offered()),
    }
}

fn step(uplink: BitsPerSecond) -> u8 {
    let log = uplink.0.checked_ilog2().unwrap_or(0);
    u8::try_from(log / 2).unwrap_or(u8::MAX)
}

/// What a newcomer is expected to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// Seconds that it stays.
    pub(crate) stay_s: u32,
    /// Attempts to connect that fail, and links that lose a quarter or more, in quarters.
    pub(crate) unreached: u8,
    pub(crate) lossy: u8,
}

impl Default for Estimate {
    fn default() -> Self {
        Self {
            stay_s: USUAL_STAY_S,
            unreached: 0,
            lossy: 0,
        }
    }
}

impl From<&Figures> for Estimate {
    fn from(figures: &Figures) -> Self {
        let quarters = |bad: u16, all: u16| {
            let quarters = (u32::from(bad) * 4).checked_div(all.into()).unwrap_or(0);
            u8::try_from(quarters).unwrap_or(u8::MAX)
        };
        Self {
            stay_s: figures.mean_stay_s().unwrap_or(USUAL_STAY_S),
            unreached: quarters(figures.failed(), figures.tried),
            lossy: quarters(figures.lossy(), figures.links()),
        }
    }
}

/// Sums by kind.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    /// With the number of the addition that was the last one.
    known: BTreeMap<ProfileName, (Figures, u64)>,
    additions: u64,
}

impl Profiles {
    /// Adds what one of this kind has done: to its network's, and to everybody's.
    pub(crate) fn add(&mut self, name: &ProfileName, figures: &Figures) {
        self.additions += 1;
        for name in [name.clone(), name.everywhere()] {
            if self.known.len() >= MAX_PROFILES && !self.known.contains_key(&name) {
                self.make_room();
            }
            let (sums, last) = self.known.entry(name).or_default();
            sums.add(figures);
            *last = self.additions;
        }
    }

    fn make_room(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, (_, last))| *last);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.known.remove(&name);
        }
    }

    /// What is to be expected of a newcomer: as of the nearest kind of which enough is known.
    pub(crate) fn estimate(&self, name: &ProfileName) -> Estimate {
        let nearest = [name.clone(), name.everywhere()];
        let mut known = nearest.iter().filter_map(|name| self.known.get(name));
        let enough = known.find(|(figures, _)| figures.stays >= ENOUGH);
        enough.map_or_else(Estimate::default, |(figures, _)| Estimate::from(figures))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
