//! Which addresses to advertise, and how to write addresses into logs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address without its last parts (/24, /48): enough to debug a network, too little to find
/// a person (T6).
#[derive(Debug, Clone, Copy)]
pub struct Truncated(pub SocketAddr);

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ip().to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                write!(f, "{a}.{b}.{c}.x")
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                write!(f, "{a:x}:{b:x}:{c:x}::x")
            }
        }
    }
}

/// What others are told to dial: `advertised` if anything is, else the address listened on, or
/// the machine's own addresses where that is "any".
pub fn to_advertise(listening: SocketAddr, advertised: &[SocketAddr]) -> Vec<SocketAddr> {
    if !advertised.is_empty() {
        return advertised.to_vec();
    }
    if !listening.ip().is_unspecified() {
        return vec![listening];
    }
    let port = listening.port();
    let v4 = outward_v4().map(IpAddr::V4);
    let v6 = listening
        .is_ipv6()
        .then(|| outward(Ipv6Addr::UNSPECIFIED.into(), documentation_v6()))
        .flatten();
    [v6, v4]
        .into_iter()
        .flatten()
        .map(|ip| SocketAddr::new(ip, port))
        .collect()
}

/// Whether an address has a meaning only behind the router that gave it away, be it a provider's (RFC 6598).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_private() || four.is_link_local() || is_shared(four),
        IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local(),
    }
}

/// 100.64.0.0/10: shared by the customers behind one provider's translator.
const fn is_shared(four: Ipv4Addr) -> bool {
    let [first, second, ..] = four.octets();
    first == 100 && second & 0xc0 == 64
}

/// The IPv4 address that this machine has on the way to the world.
pub(crate) fn outward_v4() -> Option<Ipv4Addr> {
    match outward(Ipv4Addr::UNSPECIFIED.into(), documentation_v4())? {
        IpAddr::V4(four) => Some(four),
        IpAddr::V6(_) => None,
    }
}

/// The address that this machine has on the way to `target`. Nothing is sent: connecting a UDP
/// socket only asks the routing table.
fn outward(any: IpAddr, target: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// TEST-NET-1 (RFC 5737): takes the default route and reaches nobody.
fn documentation_v4() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

/// Documentation prefix (RFC 3849).
fn documentation_v6() -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_name_networks_not_people() {
        let v4: SocketAddr = "203.0.113.77:4000".parse().unwrap();
        assert_eq!(Truncated(v4).to_string(), "203.0.113.x");
        let v6: SocketAddr = "[2001:db8:7:1::9]:4000".parse().unwrap();
        assert_eq!(Truncated(v6).to_string(), "2001:db8:7::x");
        let mapped: SocketAddr = "[::ffff:203.0.113.77]:1".parse().unwrap();
        assert_eq!(Truncated(mapped).to_string(), "203.0.113.x");
    }

    #[test]
    fn what_the_operator_says_goes_before_what_is_found() {
        let any = "0.0.0.0:4000".parse().unwrap();
        let said = vec!["198.51.100.1:443".parse().unwrap()];
        assert_eq!(to_advertise(any, &said), said);
        let literal = "127.0.0.1:4000".parse().unwrap();
        assert_eq!(to_advertise(literal, &[]), [literal]);
        assert!(to_advertise(any, &[]).iter().all(|one| one.port() == 4000));
    }
}
