//! Where a peer is, as far as its address tells: nested areas, the nearest first.

use core::net::IpAddr;

/// A /24 (IPv4) or /48 (IPv6): usually one site or access network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site(u64);

/// One provider's addresses: a /16 or /32 where nothing better is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network(u64);

/// The areas that an address lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) network: Network,
}

impl Place {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self {
            site: Site(prefix(address, 24, 48)),
            network: Network(prefix(address, 16, 32)),
        }
    }
}

/// The first bits of an address; those of the two kinds never equal each other.
fn prefix(address: IpAddr, four: u32, six: u32) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits() >> (32 - four)),
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> (128 - six);
            1 << 63 | u64::try_from(bits).unwrap_or(u64::MAX >> 1)
        }
    }
}
