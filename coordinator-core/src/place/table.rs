//! What the operator says of addresses: the lines of its settings, and feeds that change while
//! everybody watches.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::{
    Called, Cost, Country, Hints, Hops, Network, Place, Prefixes, Region, Relation, Relations,
    Sharing, Site,
};

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

/// Machines that share a line to the world: an office, a school, a house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteEntry {
    /// Its name: a group that whoever comes from there belongs to.
    pub name: Arc<str>,
    /// What its machines may do for others, and others for them.
    pub sharing: Sharing,
}

/// What an operator's files say. A copy shares what is in it, and costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Feeds {
    /// Sites, by their addresses.
    pub sites: Prefixes<Arc<SiteEntry>>,
    /// Numbers of autonomous systems, by the addresses that they announce.
    pub systems: Prefixes<u32>,
    /// Countries, by addresses.
    pub countries: Prefixes<Country>,
    /// What autonomous systems are to each other.
    pub relations: Relations,
    /// From where providers would rather have their users fed.
    pub hints: Hints,
}

type Areas = (Network, Region, Arc<Line>);

/// What the operator says of addresses; the longest prefix decides, and a line of the settings
/// before a feed.
#[derive(Clone, Default)]
pub struct NetworkTable {
    lines: Prefixes<Areas>,
    /// The names of networks and of regions, by their numbers.
    names: Arc<[String]>,
    regions: Arc<[String]>,
    /// Groups that a line or a site names.
    groups: BTreeSet<Arc<str>>,
    feeds: Feeds,
}

impl NetworkTable {
    /// A table of these lines; of two for the same addresses the later one stands. At most
    /// 65,536 regions are told apart, the others count as elsewhere.
    pub fn new(entries: impl IntoIterator<Item = NetworkEntry>) -> Self {
        let (mut networks, mut regions) = (BTreeMap::new(), BTreeMap::new());
        // A table of the whole world has many lines that say the same.
        let mut texts = BTreeMap::new();
        let lines = entries.into_iter().map(|entry| {
            let next = u32::try_from(networks.len()).unwrap_or(u32::MAX);
            let network = *networks.entry(entry.name.clone()).or_insert(next);
            let next = u16::try_from(regions.len()).map_or(Region::Elsewhere, Region::Named);
            let region = *regions.entry(entry.region.clone()).or_insert(next);
            let key = (entry.region, entry.name, entry.tags);
            let text = texts.entry(key).or_insert_with_key(|key| {
                let (region, name, tags) = key.clone();
                Arc::new(Line { region, name, tags })
            });
            (
                entry.cidr,
                (Network::named(network), region, Arc::clone(text)),
            )
        });
        let lines = lines.collect();
        let mut table = Self {
            lines,
            names: in_order(networks),
            regions: in_order(regions),
            ..Self::default()
        };
        table.note_groups();
        table
    }

    /// These feeds count from now on, in place of all others.
    pub fn follow(&mut self, feeds: Feeds) {
        self.feeds = feeds;
        self.note_groups();
    }

    fn note_groups(&mut self) {
        let lines = self.lines.iter();
        let of_lines = lines.flat_map(|(_, (_, _, line))| &line.tags.groups);
        let of_lines = of_lines.map(|group| group.as_str().into());
        let of_sites = self.feeds.sites.iter();
        let of_sites = of_sites.map(|(_, site)| Arc::clone(&site.name));
        self.groups = of_lines.chain(of_sites).collect();
    }

    /// A network, for people.
    pub(crate) fn name_of(&self, network: Network) -> String {
        match network.called() {
            Called::Named(place) => {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                let name = self.names.get(place).filter(|name| !name.is_empty());
                name.map_or_else(|| "unnamed".to_owned(), String::clone)
            }
            Called::System(number) => format!("AS{number}"),
            Called::Four(first) => format!("{}/16", Ipv4Addr::from_bits(first)),
            Called::Six(first) => format!("{}/32", Ipv6Addr::from_bits(first)),
        }
    }

    /// A region, for people.
    pub(crate) fn region_name(&self, region: Region) -> String {
        match region {
            Region::Named(place) => self.regions.get(usize::from(place)).cloned(),
            Region::Elsewhere => None,
        }
        .unwrap_or_else(|| "elsewhere".to_owned())
    }

    /// What the table's lines say of an address.
    pub(crate) fn line(&self, address: IpAddr) -> Option<&Line> {
        self.lines.get(address).map(|(_, _, line)| &**line)
    }

    /// The site that an address belongs to.
    pub(crate) fn site(&self, address: IpAddr) -> Option<&SiteEntry> {
        self.feeds.sites.get(address).map(|site| &**site)
    }

    /// Whether some line or site says who belongs to this group.
    pub(crate) fn names_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// How many borders of systems lie between two places.
    pub(crate) fn hops(&self, one: Place, other: Place) -> Hops {
        let relations = &self.feeds.relations;
        match one.system.zip(other.system) {
            Some((one, other)) if !relations.is_empty() => relations.hops(one, other),
            Some(_) | None => Hops::Unknown,
        }
    }

    /// What the second place's system is to the first one's.
    pub(crate) fn relation(&self, one: Place, other: Place) -> Option<Relation> {
        let (one, other) = one.system.zip(other.system)?;
        self.feeds.relations.of(one, other)
    }

    /// What it costs the viewer's provider to have it fed by a peer.
    pub(crate) fn cost(&self, viewer: (IpAddr, Place), peer: (IpAddr, Place)) -> Cost {
        let (viewer, peer) = (viewer.0, (peer.0, peer.1.system));
        self.feeds.hints.cost(viewer, peer)
    }

    /// The networks of systems that a place's own one is linked with: a few of those that cost it nothing
    /// first.
    pub(crate) fn neighbours(&self, place: Place) -> impl Iterator<Item = Network> {
        let own = place
            .system
            .map(|system| self.feeds.relations.neighbours(system));
        let systems = own.unwrap_or_default().iter().map(|(_, other, _)| *other);
        systems.map(Network::system)
    }

    /// The areas around an address.
    pub(crate) fn place(&self, address: IpAddr) -> Place {
        let mut place = Place::of(address);
        let line = self.lines.get(address);
        let tags = line.map(|(_, _, line)| &line.tags);
        let told = tags.and_then(|tags| tags.asn);
        place.system = told.or_else(|| self.feeds.systems.get(address).copied());
        let told = tags.and_then(|tags| tags.country.as_deref());
        let told = told.and_then(Country::parse);
        place.country = told.or_else(|| self.feeds.countries.get(address).copied());
        if let Some(system) = place.system {
            place.network = Network::system(system);
        }
        if let Some((network, region, line)) = line {
            place.region = *region;
            // A line without a name says nothing of networks where the number is known.
            if !line.name.is_empty() || place.system.is_none() {
                place.network = *network;
            }
        }
        if let Some(site) = self.site(address) {
            place.site = Site::named(&site.name);
            place.sharing = site.sharing;
        }
        place
    }
}

/// Names in the order of their numbers.
fn in_order<T: Ord>(names: BTreeMap<String, T>) -> Arc<[String]> {
    let mut names: Vec<(T, String)> = names
        .into_iter()
        .map(|(name, place)| (place, name))
        .collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

impl fmt::Debug for NetworkTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lines, feeds) = (self.lines.len(), &self.feeds);
        write!(f, "NetworkTable({lines} lines, {feeds:?})")
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

    fn said<T: Clone>(cidrs: &[&str], what: &T) -> Vec<(IpNet, T)> {
        let cidrs = cidrs.iter().map(|cidr| cidr.parse().unwrap());
        cidrs.map(|cidr| (cidr, what.clone())).collect()
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

    #[test]
    fn feeds_fill_what_the_lines_do_not_say() {
        let tags = Tags {
            country: Some("FR".to_owned()),
            asn: Some(64500),
            groups: Vec::new(),
        };
        let told = NetworkEntry {
            tags,
            ..line("203.0.113.0/24", "north", "")
        };
        let mut table = NetworkTable::new([told, line("192.0.2.0/24", "north", "alpha")]);
        let german = Country::parse("DE").unwrap();
        table.follow(Feeds {
            systems: said(&["0.0.0.0/0"], &64999).into_iter().collect(),
            countries: said(&["0.0.0.0/0"], &german).into_iter().collect(),
            ..Feeds::default()
        });
        let place = |address: &str| table.place(address.parse().unwrap());
        let (told, fed, named) = (
            place("203.0.113.1"),
            place("198.51.100.1"),
            place("192.0.2.1"),
        );
        assert_eq!(
            (told.system, told.country),
            (Some(64500), Country::parse("FR"))
        );
        assert_eq!((fed.system, fed.country), (Some(64999), Some(german)));
        assert_eq!(fed.network, place("100.64.0.1").network, "of one system");
        assert_ne!(told.network, fed.network);
        assert_ne!(named.network, fed.network, "a name goes before a number");
    }

    #[test]
    fn the_subnets_of_a_site_are_one_place() {
        let office = |sharing| {
            let name = "office".into();
            Arc::new(SiteEntry { name, sharing })
        };
        let mut table = NetworkTable::default();
        let sites = said(&["10.1.0.0/16", "203.0.113.0/24"], &office(Sharing::Off));
        let guests = said(&["10.1.9.0/24"], &office(Sharing::DownloadOnly));
        table.follow(Feeds {
            sites: sites.into_iter().chain(guests).collect(),
            ..Feeds::default()
        });
        let place = |address: &str| table.place(address.parse().unwrap());
        assert_eq!(place("10.1.2.3").site, place("203.0.113.9").site);
        assert_ne!(place("10.1.2.3").site, place("10.2.2.3").site);
        assert_eq!(place("10.1.2.3").sharing, Sharing::Off);
        assert_eq!(place("10.1.9.3").sharing, Sharing::DownloadOnly);
        assert_eq!(place("10.2.2.3").sharing, Sharing::Full);
        assert!(table.names_group("office") && !table.names_group("home"));
    }
}
