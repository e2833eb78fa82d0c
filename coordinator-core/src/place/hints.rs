//! What a provider would rather have: from which networks its users are to be fed.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::Prefixes;

/// What it costs a provider, in its own measure, to have somebody fed from a network: less is preferred. An ordinal
/// cost like those of ALTO (RFC 7285, section 6.1.2.2), between 0 and 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(pub u8);

impl Cost {
    /// Of a network that no hint names: what is below is preferred, what is above is shunned.
    pub const USUAL: Self = Self(100);
}

/// Where somebody would be fed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An autonomous system.
    System(u32),
    /// Addresses.
    Range(IpNet),
}

/// The costs of those in one range.
#[derive(Debug, Default)]
struct Costs {
    systems: BTreeMap<u32, Cost>,
    ranges: Prefixes<Cost>,
}

/// The same as they are told: by systems and by ranges.
type Told = (BTreeMap<u32, Cost>, BTreeMap<IpNet, Cost>);

/// All hints. A copy shares what is in it, and costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    of: Prefixes<Arc<Costs>>,
    count: usize,
}

impl Hints {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What feeding `viewer` from `peer`, in `system`, costs. Addresses go before systems.
    pub(crate) fn cost(&self, viewer: IpAddr, (peer, system): (IpAddr, Option<u32>)) -> Cost {
        let Some(costs) = self.of.get(viewer) else {
            return Cost::USUAL;
        };
        let of_system = || costs.systems.get(&system?).copied();
        let found = costs.ranges.get(peer).copied().or_else(of_system);
        found.unwrap_or(Cost::USUAL)
    }
}

/// Viewers in the first are fed from the second at this cost. Of two for one pair the later one stands.
impl FromIterator<(IpNet, Source, Cost)> for Hints {
    fn from_iter<I: IntoIterator<Item = (IpNet, Source, Cost)>>(hints: I) -> Self {
        let mut of: BTreeMap<IpNet, Told> = BTreeMap::new();
        for (viewers, source, cost) in hints {
            let (systems, ranges) = of.entry(viewers.trunc()).or_default();
            match source {
                Source::System(number) => systems.insert(number, cost),
                Source::Range(range) => ranges.insert(range.trunc(), cost),
            };
        }
        let counts = of.values().map(|(one, other)| one.len() + other.len());
        let count = counts.sum();
        let of = of.into_iter().map(|(viewers, (systems, ranges))| {
            let ranges = ranges.into_iter().collect();
            (viewers, Arc::new(Costs { systems, ranges }))
        });
        Self {
            of: of.collect(),
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_before_systems_and_who_is_not_named_costs_the_usual() {
        let range = |text: &str| text.parse::<IpNet>().unwrap();
        let hints = [
            (range("203.0.113.0/24"), Source::System(64500), Cost(10)),
            (
                range("203.0.113.0/24"),
                Source::Range(range("192.0.2.0/24")),
                Cost(200),
            ),
            (range("0.0.0.0/0"), Source::System(64500), Cost(150)),
        ];
        let hints: Hints = hints.into_iter().collect();
        let cost = |viewer: &str, peer: &str, system| {
            hints.cost(viewer.parse().unwrap(), (peer.parse().unwrap(), system))
        };
        assert_eq!(cost("203.0.113.7", "198.51.100.1", Some(64500)), Cost(10));
        assert_eq!(cost("203.0.113.7", "192.0.2.9", Some(64500)), Cost(200));
        assert_eq!(cost("203.0.113.7", "198.51.100.1", None), Cost::USUAL);
        assert_eq!(cost("10.0.0.1", "198.51.100.1", Some(64500)), Cost(150));
        assert_eq!(
            cost("2001:db8::1", "198.51.100.1", Some(64500)),
            Cost::USUAL
        );
        assert_eq!(hints.len(), 3);
    }
}
