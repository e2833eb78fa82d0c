//! What the operator's table says of the regions of a scenario, and what checkers know of guests.

use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use ipnet::IpNet;
use runnel_coordinator_core::policy::schema::{ContentField, LinkField, PeerField};
use runnel_coordinator_core::policy::{Described, Facts, Value};
use runnel_coordinator_core::{Cost, Feeds, NetworkEntry, NetworkTable, SiteEntry, Tags, Tie};
use runnel_protocol::ids::PeerId;

use crate::population::{Guest, Role};
use crate::scenario::{self, Region, Scenario};
use crate::title::Title;

/// The table of regions of which something is said; all others are told apart by their addresses.
pub(crate) fn table(scenario: &Scenario) -> NetworkTable {
    let regions = scenario.region.iter().zip(0u8..);
    let told = regions.filter(|(region, _)| region.is_told());
    NetworkTable::new(told.flat_map(|(region, place)| lines(region, place)))
}

fn lines(region: &Region, place: u8) -> impl Iterator<Item = NetworkEntry> {
    ranges(region, place)
        .into_iter()
        .map(|(network, cidr)| NetworkEntry {
            cidr,
            region: region.place().to_owned(),
            name: format!("{} {network}", region.name),
            tags: Tags {
                country: region.country.clone(),
                asn: region.asn,
                groups: region.groups.clone(),
            },
        })
}

/// The networks of a region and their addresses: see where guests come from in `population`.
fn ranges(region: &Region, place: u8) -> Vec<(u32, IpNet)> {
    let range = |network, cidr: String| Some((network, cidr.parse().ok()?));
    let public = |network| range(network, format!("{}.{network}.0.0/16", 20 + place));
    if region.one_site {
        return range(0, format!("10.{place}.0.0/16")).into_iter().collect();
    }
    (1..=region.networks.clamp(1, 200))
        .filter_map(public)
        .collect()
}

/// What the operator's files say after so much time.
pub(crate) fn feeds(scenario: &Scenario, passed: Duration) -> Feeds {
    let regions = scenario.region.iter().zip(0u8..);
    let sites = regions.flat_map(|(region, place)| {
        let site = region.site.as_ref().map(|name| {
            let sharing = scenario::sharing(&scenario.site, name, passed);
            let name = name.as_str().into();
            Arc::new(SiteEntry { name, sharing })
        });
        let ranges = ranges(region, place).into_iter();
        ranges.filter_map(move |(_, cidr)| Some((cidr, Arc::clone(site.as_ref()?))))
    });
    let peerings = scenario.peerings.iter();
    Feeds {
        sites: sites.collect(),
        relations: peerings
            .map(|(one, other)| (*one, *other, Tie::Peers))
            .collect(),
        ..Feeds::default()
    }
}

/// A guest, as a checker knows it: by the scenario, and not by what the control center believes.
pub(crate) struct Known<'a> {
    pub(crate) peer: PeerId,
    pub(crate) guest: &'a Guest,
    pub(crate) scenario: &'a Scenario,
}

impl<'a> Known<'a> {
    fn region(&self) -> &'a Region {
        &self.scenario.region[usize::from(self.guest.region)]
    }

    /// The operator's waypoints stand outside of a region that is one building.
    fn is_inside(&self) -> bool {
        !(self.region().one_site && self.guest.role == Role::Waypoint)
    }

    /// The site of the operator's file that it belongs to.
    pub(crate) fn site(&self) -> Option<&'a str> {
        self.region().site.as_deref().filter(|_| self.is_inside())
    }

    /// What the operator's table says of its addresses.
    fn told(&self) -> Option<&'a Region> {
        let region = self.region();
        (self.is_inside() && region.is_told()).then_some(region)
    }

    fn system(&self) -> Option<u32> {
        self.told()?.asn
    }
}

impl Described for Known<'_> {
    fn facts(&self) -> Facts {
        let mut facts = PeerField::unknown();
        let role = self.guest.role;
        let kind = match role {
            Role::Waypoint => "waypoint",
            Role::Agent if self.guest.reachable => "regular",
            Role::Agent | Role::Viewer => "lightweight",
        };
        PeerField::Type.set(&mut facts, Value::text(kind));
        if let Some(plan) = &self.guest.plan {
            PeerField::Plan.set(&mut facts, Value::text(plan));
        }
        if let Some(account) = &self.guest.account {
            PeerField::Account.set(&mut facts, Value::text(account));
        }
        if let Some(age) = self.guest.age {
            PeerField::Age.set(&mut facts, Value::Number(age.into()));
        }
        let told = self.told();
        let groups = told.into_iter().flat_map(|region| &region.groups);
        let invited: Vec<String> = self
            .guest
            .groups
            .iter()
            .map(|one| format!("@{one}"))
            .collect();
        let groups = groups.chain(&invited).map(String::as_str);
        let groups = groups.chain(self.site());
        PeerField::Groups.set(&mut facts, Value::texts(groups));
        // Whoever belongs to none of the file's is told apart by the subnet.
        let subnet = || subnet(self.guest.address);
        let site = self.site().map_or_else(subnet, str::to_owned);
        PeerField::Site.set(&mut facts, Value::text(&site));
        let Some(region) = told else {
            return facts;
        };
        PeerField::Region.set(&mut facts, Value::text(region.place()));
        if let Some(country) = &region.country {
            PeerField::Country.set(&mut facts, Value::text(country));
        }
        if let Some(asn) = region.asn {
            PeerField::Asn.set(&mut facts, Value::Number(asn.into()));
        }
        facts
    }

    fn link(&self, peer: &Self) -> Facts {
        let mut facts = LinkField::unknown();
        if let Some((here, there)) = self.system().zip(peer.system()) {
            let pairs = &self.scenario.peerings;
            let peers = pairs.contains(&(here, there)) || pairs.contains(&(there, here));
            let relation = match (here == there, peers) {
                (true, _) => "same",
                (false, true) => "peer",
                (false, false) => "none",
            };
            LinkField::Relation.set(&mut facts, Value::text(relation));
            LinkField::Peering.set(&mut facts, Value::Truth(relation == "peer"));
        }
        LinkField::Cost.set(&mut facts, Value::Number(Cost::USUAL.0.into()));
        let mut groups = self.guest.groups.iter();
        let friends = groups.any(|group| peer.guest.groups.contains(group));
        LinkField::Friends.set(&mut facts, Value::Truth(friends));
        facts
    }

    fn id(&self) -> PeerId {
        self.peer
    }
}

fn subnet(address: IpAddr) -> String {
    let length = if address.is_ipv4() { 24 } else { 48 };
    let subnet = IpNet::new(address, length);
    subnet.map_or_else(|_| address.to_string(), |subnet| subnet.trunc().to_string())
}

/// What is known of a title.
pub(crate) fn content(title: &Title) -> Facts {
    let mut facts = ContentField::unknown();
    ContentField::Name.set(&mut facts, Value::text(&title.name));
    ContentField::Provider.set(&mut facts, Value::text(&title.provider));
    facts
}
