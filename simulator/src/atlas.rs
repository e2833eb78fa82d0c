//! What the operator's table says of the regions of a scenario, and what checkers know of guests.

use ipnet::IpNet;
use runnel_coordinator_core::policy::schema::{ContentField, PeerField};
use runnel_coordinator_core::policy::{Described, Facts, Value};
use runnel_coordinator_core::{NetworkEntry, NetworkTable, Tags};
use runnel_protocol::ids::PeerId;

use crate::population::{Guest, Role};
use crate::scenario::{Region, Scenario};
use crate::title::Title;

/// Whose contents all are.
pub(crate) const PROVIDER: &str = "simulated";

/// The table of regions of which something is said; all others are told apart by their addresses.
pub(crate) fn table(scenario: &Scenario) -> NetworkTable {
    let regions = scenario.region.iter().zip(0u8..);
    let told = regions.filter(|(region, _)| region.is_told());
    NetworkTable::new(told.flat_map(|(region, place)| lines(region, place)))
}

fn lines(region: &Region, place: u8) -> Vec<NetworkEntry> {
    let line = |cidr: String, name: String| {
        let cidr: IpNet = cidr.parse().ok()?;
        Some(NetworkEntry {
            cidr,
            region: region.place().to_owned(),
            name,
            tags: Tags {
                country: region.country.clone(),
                asn: region.asn,
                groups: region.groups.clone(),
            },
        })
    };
    // See where guests come from in `population`.
    let named = |network: u32| format!("{} {network}", region.name);
    let public = |network| line(format!("{}.{network}.0.0/16", 20 + place), named(network));
    let site = || line(format!("10.{place}.0.0/16"), named(0));
    if region.one_site {
        return site().into_iter().collect();
    }
    (1..=region.networks.clamp(1, 200))
        .filter_map(public)
        .collect()
}

/// A guest, as a checker knows it: by the scenario, and not by what the control center believes.
pub(crate) struct Known<'a> {
    pub(crate) peer: PeerId,
    pub(crate) guest: &'a Guest,
    pub(crate) region: &'a Region,
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
        // The operator's waypoints stand outside of a site.
        let inside = !(self.region.one_site && role == Role::Waypoint) && self.region.is_told();
        let groups = self.region.groups.iter().filter(|_| inside);
        PeerField::Groups.set(&mut facts, Value::texts(groups));
        if !inside {
            return facts;
        }
        PeerField::Region.set(&mut facts, Value::text(self.region.place()));
        if let Some(country) = &self.region.country {
            PeerField::Country.set(&mut facts, Value::text(country));
        }
        if let Some(asn) = self.region.asn {
            PeerField::Asn.set(&mut facts, Value::Number(asn.into()));
        }
        facts
    }

    fn id(&self) -> PeerId {
        self.peer
    }
}

/// What is known of a title.
pub(crate) fn content(title: &Title) -> Facts {
    let mut facts = ContentField::unknown();
    ContentField::Name.set(&mut facts, Value::text(&title.name));
    ContentField::Provider.set(&mut facts, Value::text(PROVIDER));
    facts
}
