//! What policies may know of a peer and of a content: the evidence that there is.

use runnel_protocol::control::{PeerType, Platform};
use runnel_protocol::ids::PeerId;

use crate::content::Content;
use crate::groups::{Groups, in_policies, is_borrowed};
use crate::place::{Hops, NetworkTable, Place, Relation, site_of};
use crate::policy::schema::{ContentField, LinkField, PeerField};
use crate::policy::{Described, Facts, Value};
use crate::token::Attributes;
use crate::view::Record;

/// A peer with what the operator's table says of its address.
pub(crate) struct Known<'a> {
    pub(crate) peer: PeerId,
    pub(crate) record: &'a Record,
    pub(crate) networks: &'a NetworkTable,
    pub(crate) groups: &'a Groups,
}

impl Described for Known<'_> {
    fn facts(&self) -> Facts {
        let mut facts = PeerField::unknown();
        let record = self.record;
        let named = self.networks.site(record.address);
        let site = named.map_or_else(
            || site_of(record.address).to_string(),
            |site| site.name.to_string(),
        );
        for (field, text) in [
            (PeerField::Type, kind(record)),
            (PeerField::Platform, platform(record.platform)),
            (PeerField::Site, &*site),
        ] {
            field.set(&mut facts, Value::text(text));
        }
        let line = self.networks.line(record.address);
        // Whoever is in neither the table nor a token belongs to none. A group that the table names is
        // the operator's: no provider can put anybody in.
        let by_table = line.map(|line| &line.tags.groups).into_iter().flatten();
        let by_table = by_table.map(String::as_str);
        let by_table = by_table.chain(named.map(|site| &*site.name));
        let attributes = record.held.as_ref().map(|held| &held.pass.attributes);
        let by_token = attributes.map(|said| &said.groups).into_iter().flatten();
        let by_token = by_token.map(String::as_str);
        let by_token = by_token.filter(|group| !self.networks.names_group(group));
        let by_others = by_table.chain(by_token);
        let by_others = by_others.filter(|group| !is_borrowed(group));
        let listed = self.groups.named(self.peer).map(in_policies);
        let mut groups: Vec<String> = by_others.map(str::to_owned).chain(listed).collect();
        groups.sort_unstable();
        groups.dedup();
        PeerField::Groups.set(&mut facts, Value::texts(groups));
        if let Some(said) = attributes {
            describe(&mut facts, said);
        }
        let place = self.networks.place(record.address);
        if let Some(country) = place.country {
            let country = Value::text(&country.to_string());
            PeerField::Country.set(&mut facts, country);
        }
        if let Some(system) = place.system {
            PeerField::Asn.set(&mut facts, Value::Number(system.into()));
        }
        let Some(line) = line else {
            return facts;
        };
        PeerField::Region.set(&mut facts, Value::text(&line.region));
        if !line.name.is_empty() {
            PeerField::Network.set(&mut facts, Value::text(&line.name));
        }
        facts
    }

    fn link(&self, peer: &Self) -> Facts {
        let mut facts = LinkField::unknown();
        let table = self.networks;
        let (viewer, feeder) = (self.record.address, peer.record.address);
        let (here, there) = (table.place(viewer), table.place(feeder));
        if let Some(relation) = relation(table, here, there) {
            LinkField::Relation.set(&mut facts, Value::text(relation));
            LinkField::Peering.set(&mut facts, Value::Truth(relation == "peer"));
        }
        let cost = table.cost((viewer, here), (feeder, there));
        LinkField::Cost.set(&mut facts, Value::Number(cost.0.into()));
        let friends = self.groups.bond(self.peer, peer.peer).friends;
        LinkField::Friends.set(&mut facts, Value::Truth(friends));
        facts
    }

    fn id(&self) -> PeerId {
        self.peer
    }
}

/// One end of a pair.
pub(crate) enum Present<'a> {
    /// It has a session.
    Here(Known<'a>),
    /// Nothing is known of it.
    Away,
}

impl Described for Present<'_> {
    fn facts(&self) -> Facts {
        match self {
            Self::Here(known) => known.facts(),
            Self::Away => PeerField::unknown(),
        }
    }

    /// All who are away are of one class.
    fn id(&self) -> PeerId {
        match self {
            Self::Here(known) => known.peer,
            Self::Away => PeerId([0; 16]),
        }
    }
}

/// What the second place's system is to the first one's; `None` where one of them is not known.
fn relation(table: &NetworkTable, one: Place, other: Place) -> Option<&'static str> {
    if one.system? == other.system? {
        return Some("same");
    }
    let relation = table.relation(one, other);
    Some(match (relation, table.hops(one, other)) {
        (Some(Relation::Customer), _) => "customer",
        (Some(Relation::Peer), _) => "peer",
        (Some(Relation::Provider), _) => "provider",
        (Some(Relation::Adjacent), _) | (None, Hops::Neighbours) => "linked",
        (None, Hops::Transit) => "transit",
        (None, Hops::Unknown) => "none",
    })
}

/// What a provider's token says of its bearer.
fn describe(facts: &mut Facts, said: &Attributes) {
    for (field, text) in [
        (PeerField::Account, &said.account),
        (PeerField::Plan, &said.plan),
    ] {
        if let Some(text) = text {
            field.set(facts, Value::text(text));
        }
    }
    if let Some(age) = said.age {
        PeerField::Age.set(facts, Value::Number(age.into()));
    }
}

const fn kind(record: &Record) -> &'static str {
    match record.kind {
        _ if record.waypoint => "waypoint",
        PeerType::Regular => "regular",
        PeerType::Lightweight => "lightweight",
    }
}

const fn platform(platform: Platform) -> &'static str {
    match platform {
        Platform::Browser => "browser",
        Platform::Native => "native",
    }
}

/// What policies may know of a content.
pub(crate) fn content(content: &Content) -> Facts {
    let mut facts = ContentField::unknown();
    ContentField::Name.set(&mut facts, Value::text(&content.name));
    ContentField::Provider.set(&mut facts, Value::text(&content.provider));
    facts
}
