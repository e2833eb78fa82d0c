//! The type of a peer: what its implementation information settles (P3a), and what a test does.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use runnel_protocol::control::{Implementation, PeerType, Platform};
use runnel_protocol::ids::CertificateHash;
use runnel_protocol::local::is_local;

use crate::family::Family;
use crate::reach::is_usable;

/// Most addresses of one peer that are tested.
pub(crate) const MAX_TESTED: usize = 4;

/// Why a peer is of its type, in words once displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Browser,
    DoesNotAccept,
    NoAddress,
    NoCertificate,
    /// What it named is neither where it comes from nor in its own network.
    ForeignAddress,
    NotTestedYet,
    /// It came without a join token, which only a waypoint may.
    Unvouched,
    /// Nobody could connect to this address, or to any other that was tested.
    NotReached(Tested),
    /// It named addresses in its own network, and none that a test has shown to lead in from
    /// outside.
    InItsNetwork,
    /// The same, and this address was tested: nobody could connect to it from outside.
    OnlyInItsNetwork(Tested),
    Reached,
    /// Over one address family; over the other, nobody could connect to this address.
    ReachedBut(Tested),
    /// Neither was it reached, nor could it connect to anybody who was.
    NoUdp,
    /// The operator has switched the test off.
    Believed,
}

/// An address that was tested, in the room that a record has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tested(IpAddr, u16);

impl From<SocketAddr> for Tested {
    fn from(endpoint: SocketAddr) -> Self {
        Self(endpoint.ip(), endpoint.port())
    }
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.0, self.1).fmt(f)
    }
}

impl Why {
    /// The type that this is the reason for.
    pub(crate) const fn kind(self) -> PeerType {
        match self {
            Self::Browser
            | Self::DoesNotAccept
            | Self::NoAddress
            | Self::NoCertificate
            | Self::ForeignAddress
            | Self::NotTestedYet
            | Self::Unvouched
            | Self::NoUdp
            | Self::NotReached(_) => PeerType::Lightweight,
            Self::InItsNetwork
            | Self::OnlyInItsNetwork(_)
            | Self::Reached
            | Self::ReachedBut(_)
            | Self::Believed => PeerType::Regular,
        }
    }

    /// Whether a test has shown that others get to it from outside.
    pub(crate) const fn is_reached(self) -> bool {
        matches!(self, Self::Reached | Self::ReachedBut(_))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Browser => {
                "a web page cannot accept connections: it receives from agents and is never dialled"
            }
            Self::DoesNotAccept => "this agent says that it does not accept connections",
            Self::NoAddress => "this agent accepts connections but named no address to reach it at",
            Self::NoCertificate => {
                "this agent accepts connections but named no certificate to know it by"
            }
            Self::ForeignAddress => {
                "this agent named only addresses that it does not come from, which nobody is sent \
                 to: have it advertise the address under which the coordinator sees it"
            }
            Self::NotTestedYet => "its address has not been tested yet",
            Self::Unvouched => {
                "this agent brought no join token: start it with --token-file, or enrol it as a \
                 waypoint"
            }
            Self::NotReached(address) => {
                return write!(
                    f,
                    "nobody could connect to {address} over UDP: open that port in the firewall \
                     and forward it on the router, or have the agent advertise the address and \
                     port that lead to it; until then it only receives"
                );
            }
            Self::InItsNetwork => {
                "an installed agent that accepts connections in its own network: it can feed \
                 others there"
            }
            Self::OnlyInItsNetwork(address) => {
                return write!(
                    f,
                    "it can feed others in its own network only: nobody outside could connect to \
                     {address} over UDP; forward that port to it on the router if it should feed \
                     others as well"
                );
            }
            Self::Reached => "connections to it were tested and accepted: it can feed others",
            Self::ReachedBut(address) => {
                return write!(
                    f,
                    "connections to it were tested and accepted over one address family, but nobody could \
                     connect to {address} over UDP: forward that port to it on the router, and open it in the \
                     firewall, to feed those others as well"
                );
            }
            Self::NoUdp => {
                "no UDP gets out of its network: it cannot connect to anybody who can be reached. Let UDP out \
                 to all ports, and answers in; until then it can neither receive nor feed others"
            }
            Self::Believed => "an installed agent that says that it accepts connections",
        })
    }
}

/// What the implementation information settles; `None` where it depends on how the peer can be reached.
pub(crate) const fn judge(implementation: &Implementation) -> Option<Why> {
    match implementation.platform {
        Platform::Browser => Some(Why::Browser),
        Platform::Native if !implementation.accepts => Some(Why::DoesNotAccept),
        Platform::Native => None,
    }
}

/// What an agent has not named that it takes to connect to it; `None` where it has named all.
pub(crate) fn lacks(endpoints: &[SocketAddr], certificates: &[CertificateHash]) -> Option<Why> {
    if !endpoints.iter().any(is_usable) {
        return Some(Why::NoAddress);
    }
    certificates.is_empty().then_some(Why::NoCertificate)
}

/// The addresses that a peer named, by what may be done with them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// To be tested.
    pub(crate) tested: Vec<SocketAddr>,
    /// In its own network: nobody outside is told, so there is no victim, and no test.
    pub(crate) local: Vec<SocketAddr>,
}

impl Named {
    fn test(&mut self, endpoint: SocketAddr) {
        if self.tested.len() < MAX_TESTED && !self.tested.contains(&endpoint) {
            self.tested.push(endpoint);
        }
    }
}

/// Sorts what was named by a peer that comes from `from`. Tested is the very address that it comes
/// from: others may be a victim's, at whom everybody could have the coordinator send packets (T13).
/// Behind a router, that address with the port of a local one is where a forwarded port leads in.
/// One public address of the other family is tested as well, as often as [`crate::probing`] allows:
/// nobody is told it before the peer has answered there (T12). A waypoint's addresses are the
/// operator's word.
pub(crate) fn sort(endpoints: &[SocketAddr], from: IpAddr, waypoint: bool) -> Named {
    let mut named = Named::default();
    for endpoint in endpoints {
        let address = endpoint.ip().to_canonical();
        let own = address == from || (address.is_loopback() && from.is_loopback());
        if own || (waypoint && !is_local(address)) {
            named.test(SocketAddr::new(address, endpoint.port()));
        } else if is_local(address) && !address.is_loopback() {
            named.local.push(*endpoint);
            if address.is_ipv4() && from.is_ipv4() && !is_local(from) {
                named.test(SocketAddr::new(from, endpoint.port()));
            }
        }
    }
    if let Some(other) = across(endpoints, from) {
        named.test(other);
    }
    named
}

/// The first public address of the family that `from` is not of: nothing proves that it is the peer's.
pub(crate) fn across(endpoints: &[SocketAddr], from: IpAddr) -> Option<SocketAddr> {
    let mut public = endpoints
        .iter()
        .map(|one| SocketAddr::new(one.ip().to_canonical(), one.port()))
        .filter(|one| !is_local(one.ip()) && !from.is_loopback());
    public.find(|one| Family::of(one.ip()) != Family::of(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(from: &str, waypoint: bool) -> (Vec<String>, Vec<String>) {
        let endpoints = [
            "203.0.113.7:1",
            "198.51.100.9:2",
            "192.168.1.5:3",
            "127.0.0.1:4",
            "[::ffff:203.0.113.7]:5",
        ];
        let endpoints = endpoints.map(|one| one.parse().unwrap());
        let named = sort(&endpoints, from.parse().unwrap(), waypoint);
        let words = |all: &[SocketAddr]| all.iter().map(ToString::to_string).collect();
        (words(&named.tested), words(&named.local))
    }

    #[test]
    fn only_the_address_that_a_peer_comes_from_is_tested() {
        let (tested, local) = sorted("203.0.113.7", false);
        assert_eq!(tested, ["203.0.113.7:1", "203.0.113.7:3", "203.0.113.7:5"]);
        assert_eq!(local, ["192.168.1.5:3"]);
        let forwarded = sorted("203.0.113.8", false).0;
        assert_eq!(forwarded, ["203.0.113.8:3"], "a router may forward it");
        assert_eq!(
            sorted("2001:db8::8", false).0,
            ["203.0.113.7:1"],
            "IPv6 is not translated, but it may have one address of the other family"
        );
        assert_eq!(sorted("192.168.1.5", false).0, ["192.168.1.5:3"]);
        assert_eq!(sorted("::1", false).0, ["127.0.0.1:4"]);
    }

    #[test]
    fn the_operator_vouches_for_a_waypoints_addresses() {
        let (tested, _) = sorted("127.0.0.1", true);
        let public = [
            "203.0.113.7:1",
            "198.51.100.9:2",
            "127.0.0.1:4",
            "203.0.113.7:5",
        ];
        assert_eq!(tested, public);
    }
}
