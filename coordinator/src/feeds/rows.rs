//! CSV with a header; what is wrong is told with its line.

use std::net::IpAddr;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use ipnet::IpNet;

use super::{FeedError, lines};

/// Most ranges in one file: four times the routes of the Internet.
pub(super) const MAX_RANGES: usize = 4_000_000;

/// Where each column that may be there stands.
type Columns = Vec<(&'static str, Option<usize>)>;

/// One line, by the names of its columns.
pub(super) struct Row<'a> {
    columns: &'a Columns,
    fields: &'a StringRecord,
}

impl Row<'_> {
    /// A column's text; empty where the file has none of that name.
    pub(super) fn get(&self, column: &str) -> &str {
        let known = self.columns.iter().find(|(name, _)| *name == column);
        let field = known.and_then(|(_, place)| self.fields.get((*place)?));
        field.unwrap_or_default()
    }

    /// A column with an address range.
    pub(super) fn range(&self, column: &str) -> Result<IpNet, String> {
        range(self.get(column))
    }
}

/// Reads `203.0.113.0/24`, or one address.
pub(super) fn range(text: &str) -> Result<IpNet, String> {
    let whole = || text.parse::<IpAddr>().map(IpNet::from).ok();
    let found = text.parse().ok().or_else(whole);
    found.ok_or_else(|| {
        format!("{text:?} is no address range: write one like 203.0.113.0/24 or 2001:db8::/32")
    })
}

/// Hands each line after the first one to `take`. Columns may stand in any order; the optional ones may be
/// left out, and there may be none but these.
pub(super) fn each(
    path: &Path,
    columns: &[&'static str],
    optional: &[&'static str],
    mut take: impl FnMut(&Row<'_>) -> Result<(), String>,
) -> Result<(), FeedError> {
    let mut header: Option<(Columns, usize)> = None;
    lines::each(path, |text| {
        let fields = fields(text)?;
        let Some((columns, width)) = &header else {
            header = Some((places(&fields, columns, optional)?, fields.len()));
            return Ok(());
        };
        if fields.len() != *width {
            return Err(format!(
                "{} columns, and the first line has {width}",
                fields.len()
            ));
        }
        let fields = &fields;
        take(&Row { columns, fields })
    })?;
    let wanted = || format!("it is empty: the first line is to be {}", columns.join(","));
    header
        .map(drop)
        .ok_or_else(|| FeedError::file(path, wanted()))
}

fn fields(text: &str) -> Result<StringRecord, String> {
    if !text.contains('"') {
        return Ok(text.split(',').map(str::trim).collect());
    }
    let mut fields = StringRecord::new();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let read = reader.read_record(&mut fields);
    read.map(|_| fields).map_err(|error| error.to_string())
}

fn places(
    header: &StringRecord,
    columns: &[&'static str],
    optional: &[&'static str],
) -> Result<Columns, String> {
    let all = [columns, optional].concat();
    let wanted = || format!("the first line is to be {}", all.join(","));
    if let Some(other) = header.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no column {other:?}: {}", wanted()));
    }
    let place = |name: &str| header.iter().position(|one| one == name);
    if let Some(missing) = columns.iter().find(|name| place(name).is_none()) {
        return Err(format!("the column {missing:?} is missing: {}", wanted()));
    }
    Ok(all.iter().map(|name| (*name, place(name))).collect())
}
