//! Who can reach whom at which address, and how near the two are.

use core::net::{IpAddr, SocketAddr};

use runnel_protocol::local::is_local;

use crate::place::{Cost, Hops, NetworkTable, Place, Region};

/// How far two peers are apart, by their addresses; nearer is smaller (A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    /// The same public address: one machine or one NAT.
    SameAddress,
    /// See [`crate::place::Site`].
    SameSite,
    /// See [`crate::place::Network`].
    SameNetwork,
    /// Somewhere else.
    Beyond(Way),
}

/// The way between two networks. Derived order is the rule: what providers would rather have, then
/// where, then over how many borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    cost: Cost,
    ground: Ground,
    hops: Hops,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ground {
    /// See [`crate::place::Region`].
    SameRegion,
    SameCountry,
    /// Nothing in common that is known.
    Far,
}

impl Nearness {
    /// Nothing in common, over nobody knows how many borders.
    #[cfg(test)]
    pub(crate) const FAR: Self = Self::Beyond(Way {
        cost: Cost::USUAL,
        ground: Ground::Far,
        hops: Hops::Unknown,
    });

    /// How near a peer is to the viewer that it may feed.
    pub(crate) fn between(
        peer: (IpAddr, Place),
        viewer: (IpAddr, Place),
        table: &NetworkTable,
    ) -> Self {
        let ((one, here), (other, there)) = (peer, viewer);
        if one == other {
            Self::SameAddress
        } else if here.site == there.site {
            Self::SameSite
        } else if here.network == there.network {
            Self::SameNetwork
        } else {
            Self::Beyond(Way {
                cost: table.cost(viewer, peer),
                ground: Ground::between(here, there),
                hops: table.hops(here, there),
            })
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::SameAddress => "behind the same address",
            Self::SameSite => "at the same site",
            Self::SameNetwork => "in the same network",
            Self::Beyond(way) => way.words(),
        }
    }
}

impl Way {
    const fn words(self) -> &'static str {
        match (self.ground, self.hops) {
            _ if self.cost.0 < Cost::USUAL.0 => "in a network that your provider prefers",
            _ if self.cost.0 > Cost::USUAL.0 => {
                "in a network that your provider would rather avoid"
            }
            (Ground::SameRegion, _) => "in the same region",
            (_, Hops::Neighbours) => "in a network that is linked with yours",
            (Ground::SameCountry, _) => "in the same country",
            (Ground::Far, Hops::Transit) => "one network away from yours",
            (Ground::Far, Hops::Unknown) => "in another network",
        }
    }
}

impl Ground {
    fn between(here: Place, there: Place) -> Self {
        if here.region == there.region && here.region != Region::Elsewhere {
            Self::SameRegion
        } else if here.country.is_some() && here.country == there.country {
            Self::SameCountry
        } else {
            Self::Far
        }
    }
}

/// Whether an address can be dialled at all.
pub(crate) fn is_usable(endpoint: &SocketAddr) -> bool {
    let address = endpoint.ip();
    endpoint.port() != 0 && !address.is_unspecified() && !address.is_multicast()
}

/// Which of `endpoints` whoever comes from `caller` is told: local ones only where the caller is
/// local itself, or comes from the very address that `owner` comes from. A public page that dials
/// a private address would make the browser ask its user.
pub(crate) fn offered(
    endpoints: &[SocketAddr],
    owner: IpAddr,
    caller: IpAddr,
    browser: bool,
) -> Vec<SocketAddr> {
    let local_allowed = is_local(caller) || (!browser && owner == caller);
    endpoints
        .iter()
        .filter(|endpoint| local_allowed || !is_local(endpoint.ip()))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{Country, Feeds, NetworkEntry, Source, Tags, Tie};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nearness_follows_the_areas_in_common() {
        let line = |cidr: &str, name: &str| NetworkEntry {
            cidr: cidr.parse().unwrap(),
            region: "north".to_owned(),
            name: name.to_owned(),
            tags: Tags::default(),
        };
        let table = NetworkTable::new([line("192.0.0.0/16", "alpha"), line("10.0.0.0/8", "beta")]);
        let near = |one: &str, other: &str| {
            let (one, other) = (ip(one), ip(other));
            let ends = ((one, table.place(one)), (other, table.place(other)));
            Nearness::between(ends.0, ends.1, &table)
        };
        assert_eq!(near("192.0.2.7", "192.0.2.7"), Nearness::SameAddress);
        assert_eq!(near("192.0.2.7", "192.0.2.200"), Nearness::SameSite);
        assert_eq!(near("192.0.2.7", "192.0.77.1"), Nearness::SameNetwork);
        let in_region = Nearness::Beyond(Way {
            cost: Cost::USUAL,
            ground: Ground::SameRegion,
            hops: Hops::Unknown,
        });
        assert_eq!(near("192.0.2.7", "10.9.9.9"), in_region);
        assert_eq!(near("192.0.2.7", "198.51.100.1"), Nearness::FAR);
        assert_eq!(near("198.51.1.1", "198.51.2.1"), Nearness::SameNetwork);
        assert_eq!(near("198.51.1.1", "203.0.113.1"), Nearness::FAR);
        assert_eq!(near("192.0.2.7", "2001:db8::1"), Nearness::FAR);
        let six = near("2001:db8:1::1", "2001:db8:1:2::3");
        assert_eq!(six, Nearness::SameSite);
    }

    /// Peers in these systems, told apart by what is known of them alone.
    fn told() -> NetworkTable {
        let range = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
        let systems = [
            ("10.1.0.0/16", 1),
            ("10.2.0.0/16", 2),
            ("10.3.0.0/16", 3),
            ("10.4.0.0/16", 4),
        ];
        let german = Country::parse("DE").unwrap();
        let mut table = NetworkTable::default();
        table.follow(Feeds {
            systems: systems
                .map(|(text, number)| (range(text), number))
                .into_iter()
                .collect(),
            countries: [(range("10.0.0.0/8"), german)].into_iter().collect(),
            relations: [
                (1, 2, Tie::Peers),
                (1, 9, Tie::Adjacent),
                (9, 3, Tie::Provides),
            ]
            .into_iter()
            .collect(),
            hints: [(range("10.1.0.0/16"), Source::System(4), Cost(10))]
                .into_iter()
                .collect(),
            ..Feeds::default()
        });
        table
    }

    #[test]
    fn beyond_its_network_what_its_provider_prefers_is_nearest_then_what_is_linked_with_it() {
        let table = told();
        let near = |peer: &str| {
            let (peer, viewer) = (ip(peer), ip("10.1.0.7"));
            let ends = ((peer, table.place(peer)), (viewer, table.place(viewer)));
            Nearness::between(ends.0, ends.1, &table)
        };
        let nearest_first = [
            "10.1.99.1",
            "10.4.0.1",
            "10.2.0.1",
            "10.3.0.1",
            "10.77.0.1",
            "198.51.100.1",
        ];
        let mut sorted = nearest_first;
        sorted.reverse();
        sorted.sort_by_key(|peer| near(peer));
        assert_eq!(sorted, nearest_first);
        assert_eq!(
            near("10.2.0.1").words(),
            "in a network that is linked with yours"
        );
    }

    #[test]
    fn a_public_page_learns_no_private_address() {
        let endpoints = [
            "192.168.1.5:4433".parse().unwrap(),
            "203.0.113.5:4433".parse().unwrap(),
        ];
        let home = ip("203.0.113.5");
        assert_eq!(offered(&endpoints, home, home, true), [endpoints[1]]);
        assert_eq!(offered(&endpoints, home, home, false), endpoints);
        assert_eq!(
            offered(&endpoints, home, ip("198.51.100.9"), false),
            [endpoints[1]]
        );
        assert_eq!(offered(&endpoints, home, ip("127.0.0.1"), true), endpoints);
    }
}
