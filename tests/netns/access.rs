//! The ways in which people are connected, and what they are called in the tables.

use std::fmt;
use std::net::IpAddr;

use runnel_tests::lab::gate::{Filtering, Gate, Mapping};

/// The port on which every agent listens.
pub(crate) const PORT: u16 = 4433;

/// One way of being connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// A public address, and nobody in between.
    Open,
    /// Public addresses of both families.
    Both,
    FullCone,
    AddressRestricted,
    PortRestricted,
    Symmetric,
    /// A public address behind a firewall that lets in answers only.
    Firewall,
    /// Behind a port-restricted NAT that lets no UDP pass.
    NoUdp,
    /// A public IPv6 address, and no other.
    Six,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Both => "v4 and v6",
            Self::FullCone => "full cone",
            Self::AddressRestricted => "addr. NAT",
            Self::PortRestricted => "port NAT",
            Self::Symmetric => "symm. NAT",
            Self::Firewall => "firewall",
            Self::NoUdp => "no UDP",
            Self::Six => "IPv6 only",
        })
    }
}

impl Access {
    fn nat(self) -> Option<(Mapping, Filtering)> {
        use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        match self {
            Self::Open | Self::Both | Self::Firewall | Self::Six => None,
            Self::FullCone => Some((Mapping::EndpointIndependent, EndpointIndependent)),
            Self::AddressRestricted => Some((Mapping::EndpointIndependent, AddressDependent)),
            Self::PortRestricted | Self::NoUdp => {
                Some((Mapping::EndpointIndependent, AddressAndPortDependent))
            }
            Self::Symmetric => Some((Mapping::AddressAndPortDependent, AddressAndPortDependent)),
        }
    }

    /// The gate of a site with this number; `forwarded` leads to the first host's port.
    pub(crate) fn gate(self, site: u8, forwarded: bool) -> Gate {
        let mut gate = match (self.nat(), self) {
            (Some((mapping, filtering)), _) => {
                Gate::nat(mapping, filtering, [198, 18, site, 1].into())
            }
            (None, Self::Firewall) => Gate::firewall(),
            (None, _) => Gate::open(),
        };
        if forwarded {
            for address in self.addresses(site, 1) {
                gate.forward(PORT, (address, PORT).into());
            }
        }
        match self {
            Self::NoUdp => gate.without_udp(),
            _ => gate,
        }
    }

    /// The addresses of a site's host with this number, from 1 on.
    pub(crate) fn addresses(self, site: u8, host: u8) -> Vec<IpAddr> {
        let four = match self.nat() {
            Some(_) => IpAddr::from([192, 168, site, host + 1]),
            None => IpAddr::from([198, 18, site, host]),
        };
        let (site, host) = (u16::from(site), u16::from(host));
        let six = IpAddr::from([0x2001, 0xdb8, site, 0, 0, 0, 0, host]);
        match self {
            Self::Six => vec![six],
            Self::Both => vec![four, six],
            _ => vec![four],
        }
    }
}
