//! Where a peer is, as far as its address tells: nested areas, the nearest first.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

/// The /24 (IPv4) or /48 (IPv6) around an address: usually one site or access network.
pub fn site_of(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 48 };
    let whole = IpNet::from(address);
    IpNet::new(address, bits).unwrap_or(whole).trunc()
}

/// What [`site_of`] tells, in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site(u64);

/// One provider's addresses: what the operator's table gives one name, or a /16 or /32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Network {
    Named(u32),
    Prefix(u64),
}

/// Part of the audience that feeds itself as far as it can; who is in no region of the table is
/// in one with all others of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Region {
    Elsewhere,
    Named(u16),
}

/// The areas that an address lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) network: Network,
    pub(crate) region: Region,
}

impl Place {
    /// What an address alone tells.
    pub(crate) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self {
            site: Site(prefix(address, 24, 48)),
            network: Network::Prefix(prefix(address, 16, 32)),
            region: Region::Elsewhere,
        }
    }
}

/// One line of the operator's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkEntry {
    /// Addresses.
    pub cidr: IpNet,
    /// The region that they are in, by name.
    pub region: String,
    /// The network that they belong to, by name; several lines may share one.
    pub name: String,
    /// What policies may ask about besides.
    pub tags: Tags,
}

/// What an operator says of addresses, for policies to ask about.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tags {
    /// The country, by its two letters.
    pub country: Option<String>,
    /// The number of the autonomous system.
    pub asn: Option<u32>,
    /// Groups that whoever comes from there belongs to.
    pub groups: Vec<String>,
}

/// One line, for people and policies.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) tags: Tags,
}

/// Which addresses belong to which region and network; the longest prefix decides.
#[derive(Clone, Default)]
pub struct NetworkTable {
    lines: JointPrefixMap<IpNet, (Network, Region, Arc<Line>)>,
    groups: BTreeSet<String>,
}

impl NetworkTable {
    /// A table of these lines; of two for the same addresses the later one stands. At most
    /// 65,536 regions are told apart, the others count as elsewhere.
    pub fn new(entries: impl IntoIterator<Item = NetworkEntry>) -> Self {
        let mut table = Self::default();
        let (mut networks, mut regions) = (BTreeMap::new(), BTreeMap::new());
        // A table of the whole world has many lines that say the same.
        let mut texts = BTreeMap::new();
        for entry in entries {
            let next = u32::try_from(networks.len()).unwrap_or(u32::MAX);
            let network = *networks.entry(entry.name.clone()).or_insert(next);
            let next = u16::try_from(regions.len()).map_or(Region::Elsewhere, Region::Named);
            let region = *regions.entry(entry.region.clone()).or_insert(next);
            table.groups.extend(entry.tags.groups.iter().cloned());
            let key = (entry.region, entry.name, entry.tags);
            let text = texts.entry(key).or_insert_with_key(|key| {
                let (region, name, tags) = key.clone();
                Arc::new(Line { region, name, tags })
            });
            let line = (Network::Named(network), region, Arc::clone(text));
            table.lines.insert(entry.cidr.trunc(), line);
        }
        table
    }

    /// What the table says of an address.
    pub(crate) fn line(&self, address: IpAddr) -> Option<&Line> {
        let found = self.lines.get_lpm(&IpNet::from(address.to_canonical()));
        found.map(|(_, (_, _, line))| &**line)
    }

    /// Whether some line says who belongs to this group.
    pub(crate) fn names_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// The areas around an address.
    pub(crate) fn place(&self, address: IpAddr) -> Place {
        let unknown = Place::of(address);
        let found = self.lines.get_lpm(&IpNet::from(address.to_canonical()));
        found.map_or(unknown, |(_, (network, region, _))| Place {
            network: *network,
            region: *region,
            ..unknown
        })
    }
}

impl core::fmt::Debug for NetworkTable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NetworkTable({} lines)", self.lines.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cidr: &str, region: &str, name: &str) -> NetworkEntry {
        NetworkEntry {
            cidr: cidr.parse().unwrap(),
            region: region.to_owned(),
            name: name.to_owned(),
            tags: Tags::default(),
        }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let table = NetworkTable::new([
            line("203.0.113.0/24", "south", "beta"),
            line("203.0.113.64/26", "north", "alpha"),
            line("2001:db8::/32", "north", "alpha"),
        ]);
        let place = |address: &str| table.place(address.parse().unwrap());
        let (south, north) = (place("203.0.113.1"), place("203.0.113.70"));
        assert_ne!(south.region, north.region);
        assert_eq!(south.site, north.site, "one /24 all the same");
        assert_eq!(place("2001:db8:7::1").network, north.network);
        assert_eq!(
            place("::ffff:203.0.113.70"),
            north,
            "one address, written in two ways"
        );
        assert_eq!(place("198.51.100.1").region, Region::Elsewhere);
        assert_ne!(place("198.51.100.1").network, place("192.0.2.1").network);
    }
}
