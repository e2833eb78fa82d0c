//! What policies may know of a peer and of a content: the evidence that there is.

use runnel_protocol::control::{PeerType, Platform};
use runnel_protocol::ids::PeerId;

use crate::content::Content;
use crate::place::{NetworkTable, site_of};
use crate::policy::schema::{ContentField, PeerField};
use crate::policy::{Described, Facts, Value};
use crate::view::Record;

/// A peer with what the operator's table says of its address.
pub(crate) struct Known<'a> {
    pub(crate) peer: PeerId,
    pub(crate) record: &'a Record,
    pub(crate) networks: &'a NetworkTable,
}

impl Described for Known<'_> {
    fn facts(&self) -> Facts {
        let mut facts = PeerField::unknown();
        let record = self.record;
        for (field, text) in [
            (PeerField::Type, kind(record)),
            (PeerField::Platform, platform(record.platform)),
            (PeerField::Site, &*site_of(record.address).to_string()),
        ] {
            field.set(&mut facts, Value::text(text));
        }
        let line = self.networks.line(record.address);
        // The table alone says who belongs to a group: whoever is not in it belongs to none.
        let groups = line.map(|line| &line.tags.groups).into_iter().flatten();
        PeerField::Groups.set(&mut facts, Value::texts(groups));
        let Some(line) = line else {
            return facts;
        };
        PeerField::Region.set(&mut facts, Value::text(&line.region));
        if !line.name.is_empty() {
            PeerField::Network.set(&mut facts, Value::text(&line.name));
        }
        if let Some(country) = &line.tags.country {
            PeerField::Country.set(&mut facts, Value::text(country));
        }
        if let Some(asn) = line.tags.asn {
            PeerField::Asn.set(&mut facts, Value::Number(asn.into()));
        }
        facts
    }

    fn id(&self) -> PeerId {
        self.peer
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
