//! Addresses that mean something only where they are.

use core::net::{IpAddr, Ipv6Addr};

/// Whether an address means something only within one site.
pub fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.is_loopback() || four.is_link_local(),
        IpAddr::V6(six) => six.is_loopback() || is_unique_local(six) || six.is_unicast_link_local(),
    }
}

fn is_unique_local(six: Ipv6Addr) -> bool {
    six.octets()[0] & 0xfe == 0xfc
}
