//! What policies may know of a peer and of a content: the evidence that there is.

use runnel_protocol::control::{PeerType, Platform};

use crate::content::Content;
use crate::place::{NetworkTable, site_of};
use crate::policy::schema::{ContentField, PeerField};
use crate::policy::{Described, Facts, Standing, Value};
use crate::view::Record;

/// A peer with what the operator's table says of its address.
pub(crate) struct Known<'a> {
    pub(crate) record: &'a Record,
    pub(crate) networks: &'a NetworkTable,
}

impl Described for Known<'_> {
    fn facts(&self) -> Facts {
        let mut facts = PeerField::unknown();
        let record = self.record;
        let mut text = |field: PeerField, text: &str| field.set(&mut facts, Value::text(text));
        text(PeerField::Type, kind(record));
        text(PeerField::Platform, platform(record.platform));
        text(PeerField::Site, &site_of(record.address).to_string());
        let Some(line) = self.networks.line(record.address) else {
            return facts;
        };
        text(PeerField::Region, &line.region);
        if !line.name.is_empty() {
            text(PeerField::Network, &line.name);
        }
        if let Some(country) = &line.tags.country {
            text(PeerField::Country, country);
        }
        if let Some(asn) = line.tags.asn {
            PeerField::Asn.set(&mut facts, Value::Number(asn.into()));
        }
        PeerField::Groups.set(&mut facts, Value::texts(&line.tags.groups));
        facts
    }

    fn standing(&self) -> &Standing {
        &self.record.standing
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
