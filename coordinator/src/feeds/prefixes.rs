//! What is said of prefixes: autonomous systems and countries.

use std::path::Path;

use ipnet::IpNet;
use runnel_coordinator_core::{Country, Prefixes};

use super::FeedError;
use super::rows::{self, MAX_RANGES};

/// `prefix,asn`: which autonomous system announces a prefix.
pub(super) fn systems(path: &Path) -> Result<Prefixes<u32>, FeedError> {
    from_rows(path, "asn", number)
}

/// `prefix,country`: which country a prefix is in.
pub(super) fn countries(path: &Path) -> Result<Prefixes<Country>, FeedError> {
    from_rows(path, "country", country)
}

/// Reads `64500` or `AS64500`.
pub(super) fn number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("AS").unwrap_or(text);
    let number = digits.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        format!("{text:?} is no number of an autonomous system: write one like 64500")
    })
}

fn country(text: &str) -> Result<Country, String> {
    let country = Country::parse(text);
    country.ok_or_else(|| format!("country {text:?} is not two capital letters, like DE"))
}

fn from_rows<T>(
    path: &Path,
    column: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Prefixes<T>, FeedError> {
    let mut said: Vec<(IpNet, T)> = Vec::new();
    rows::each(path, &["prefix", column], &[], |row| {
        if said.len() >= MAX_RANGES {
            return Err(format!("at most {MAX_RANGES} prefixes"));
        }
        said.push((row.range("prefix")?, read(row.get(column))?));
        Ok(())
    })?;
    Ok(said.into_iter().collect())
}
