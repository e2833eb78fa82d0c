//! MaxMind's format (MMDB): any database with countries or numbers of autonomous systems.

use std::path::Path;

use ipnet::IpNet;
use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};
use runnel_coordinator_core::{Country, Prefixes};
use serde::Deserialize;

use super::FeedError;
use super::rows::MAX_RANGES;

/// Where databases keep a country: with its name in GeoLite2 and DB-IP, by itself in IPinfo.
const COUNTRY: [&str; 2] = ["country", "country_code"];
/// Where they keep the number of an autonomous system: GeoLite2 and DB-IP, and IPinfo.
const SYSTEM: [&str; 2] = ["autonomous_system_number", "asn"];

/// A field as databases write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Number(u32),
    Text(String),
    Country { iso_code: String },
    Other(serde::de::IgnoredAny),
}

/// Which autonomous system announces a prefix.
pub(super) fn systems(path: &Path) -> Result<Prefixes<u32>, FeedError> {
    ranges(path, &SYSTEM, |field| match field {
        Field::Number(number) => Some(number),
        Field::Text(text) => text.strip_prefix("AS")?.parse().ok(),
        Field::Country { .. } | Field::Other(_) => None,
    })
}

/// Which country a prefix is in.
pub(super) fn countries(path: &Path) -> Result<Prefixes<Country>, FeedError> {
    ranges(path, &COUNTRY, |field| match field {
        Field::Text(code) | Field::Country { iso_code: code } => Country::parse(&code),
        Field::Number(_) | Field::Other(_) => None,
    })
}

/// All ranges of which a database has one of these fields.
fn ranges<T>(
    path: &Path,
    fields: &[&str],
    read: impl Fn(Field) -> Option<T>,
) -> Result<Prefixes<T>, FeedError> {
    let wrong = |error: MaxMindDbError| {
        let words = format!("this is no usable MMDB: {error}; load it anew from its maker");
        FeedError::file(path, words)
    };
    let bytes = std::fs::read(path).map_err(FeedError::unreadable(path))?;
    let database = Reader::from_source(bytes).map_err(wrong)?;
    let options = WithinOptions::default().skip_empty_values();
    let mut said = Vec::new();
    for found in database.networks(options).map_err(wrong)? {
        let found = found.map_err(wrong)?;
        for field in fields {
            let field: Option<Field> = found
                .decode_path(&[PathElement::Key(field)])
                .map_err(wrong)?;
            if let Some(one) = field.and_then(&read) {
                let network = found.network().map_err(wrong)?;
                let cidr = IpNet::new(network.ip(), network.prefix());
                let cidr = cidr.map_err(|error| FeedError::file(path, error.to_string()))?;
                said.push((cidr, one));
                break;
            }
        }
        if said.len() > MAX_RANGES {
            return Err(FeedError::file(
                path,
                format!("at most {MAX_RANGES} prefixes"),
            ));
        }
    }
    if said.is_empty() {
        let (kind, wanted) = (&database.metadata().database_type, fields.join(", "));
        let words = format!("this database ({kind}) has none of {wanted}: is it the right one?");
        return Err(FeedError::file(path, words));
    }
    Ok(said.into_iter().collect())
}
