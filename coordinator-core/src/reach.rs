//! Who can reach whom at which address, and how near the two are.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::place::{Place, Region};

/// How far two peers are apart, by their addresses; nearer is smaller (A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    /// The same public address: one machine or one NAT.
    SameAddress,
    /// See [`crate::place::Site`].
    SameSite,
    /// See [`crate::place::Network`].
    SameNetwork,
    /// See [`crate::place::Region`].
    SameRegion,
    /// Nothing in common that is known.
    Far,
}

impl Nearness {
    pub(crate) fn between(one: (IpAddr, Place), other: (IpAddr, Place)) -> Self {
        let ((one, here), (other, there)) = (one, other);
        if one == other {
            Self::SameAddress
        } else if here.site == there.site {
            Self::SameSite
        } else if here.network == there.network {
            Self::SameNetwork
        } else if here.region == there.region && here.region != Region::Elsewhere {
            Self::SameRegion
        } else {
            Self::Far
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::SameAddress => "behind the same address",
            Self::SameSite => "at the same site",
            Self::SameNetwork => "in the same network",
            Self::SameRegion => "in the same region",
            Self::Far => "in another network",
        }
    }
}

/// Whether an address means something only within one site.
pub(crate) fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.is_loopback() || four.is_link_local(),
        IpAddr::V6(six) => six.is_loopback() || is_unique_local(six) || six.is_unicast_link_local(),
    }
}

fn is_unique_local(six: Ipv6Addr) -> bool {
    six.octets()[0] & 0xfe == 0xfc
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
    use crate::place::{NetworkEntry, NetworkTable, Tags};

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
            Nearness::between((one, table.place(one)), (other, table.place(other)))
        };
        assert_eq!(near("192.0.2.7", "192.0.2.7"), Nearness::SameAddress);
        assert_eq!(near("192.0.2.7", "192.0.2.200"), Nearness::SameSite);
        assert_eq!(near("192.0.2.7", "192.0.77.1"), Nearness::SameNetwork);
        assert_eq!(near("192.0.2.7", "10.9.9.9"), Nearness::SameRegion);
        assert_eq!(near("192.0.2.7", "198.51.100.1"), Nearness::Far);
        assert_eq!(near("198.51.1.1", "198.51.2.1"), Nearness::SameNetwork);
        assert_eq!(near("198.51.1.1", "203.0.113.1"), Nearness::Far);
        assert_eq!(near("192.0.2.7", "2001:db8::1"), Nearness::Far);
        let six = near("2001:db8:1::1", "2001:db8:1:2::3");
        assert_eq!(six, Nearness::SameSite);
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
