//! Who can reach whom at which address, and how near the two are.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// How far two peers are apart, by their addresses; nearer is smaller (A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    /// The same public address: one machine or one NAT.
    SameAddress,
    /// The same /24 (IPv4) or /48 (IPv6): usually one site or access network.
    SameSite,
    /// The same /16 or /32: usually one provider.
    SameProvider,
    /// Nothing in common that is known.
    Far,
}

impl Nearness {
    pub(crate) fn between(one: IpAddr, other: IpAddr) -> Self {
        let (site, provider) = match (one, other) {
            (IpAddr::V4(_), IpAddr::V4(_)) => (24, 16),
            (IpAddr::V6(_), IpAddr::V6(_)) => (48, 32),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Self::Far,
        };
        let common = (bits(one) ^ bits(other)).leading_zeros();
        if one == other {
            Self::SameAddress
        } else if common >= site {
            Self::SameSite
        } else if common >= provider {
            Self::SameProvider
        } else {
            Self::Far
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::SameAddress => "behind the same address",
            Self::SameSite => "in the same network",
            Self::SameProvider => "in a neighbouring network",
            Self::Far => "in another network",
        }
    }
}

/// The address's bits, left-aligned.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(four.to_bits()) << 96,
        IpAddr::V6(six) => six.to_bits(),
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

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nearness_follows_the_common_prefix() {
        let home = ip("192.0.2.7");
        assert_eq!(Nearness::between(home, home), Nearness::SameAddress);
        assert_eq!(
            Nearness::between(home, ip("192.0.2.200")),
            Nearness::SameSite
        );
        assert_eq!(
            Nearness::between(home, ip("192.0.77.1")),
            Nearness::SameProvider
        );
        assert_eq!(Nearness::between(home, ip("198.51.100.1")), Nearness::Far);
        assert_eq!(Nearness::between(home, ip("2001:db8::1")), Nearness::Far);
        let six = Nearness::between(ip("2001:db8:1::1"), ip("2001:db8:1:2::3"));
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
