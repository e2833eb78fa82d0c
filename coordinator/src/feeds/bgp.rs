//! A dump of BGP's table: who announces what, and who is linked with whom.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use bgpkit_parser::BgpkitParser;
use bgpkit_parser::models::AsPath;
use bgpkit_parser::parser::text_dump::TextDumpElemIterator;
use ipnet::IpNet;
use runnel_coordinator_core::{Prefixes, Tie};

use super::prefixes::number;
use super::relations::{MAX_TIES, Ties};
use super::rows::{self, MAX_RANGES};
use super::{FeedError, lines};

/// What is read, for whoever brought something else.
const WANTED: &str = "give an MRT dump (TABLE_DUMP_V2), the lines of `bgpdump -m`, or those of \
                      `show ip bgp`";

/// A table of BGP, as far as it is of use here.
#[derive(Debug, Default)]
pub(super) struct Routes {
    origins: Vec<(IpNet, u32)>,
    ties: BTreeSet<(u32, u32)>,
}

/// What a dump says: the systems by their prefixes, and those that are next to each other on a path.
pub(super) fn read(path: &Path) -> Result<(Prefixes<u32>, Ties), FeedError> {
    let mut routes = Routes::default();
    match begin(path)? {
        [0x1f, 0x8b, ..] | [b'B', b'Z', b'h', _] => {
            return Err(FeedError::file(path, "it is compressed: unpack it first"));
        }
        [b'T', b'A', b'B', b'L'] | [b'#', ..] => machine_lines(path, &mut routes)?,
        // Times of MRT are between 2004 and 2106: their first byte is none of a text's lines.
        [first, ..] if first < 0x30 || !first.is_ascii() || is_mrt(path)? => {
            mrt(path, &mut routes)?
        }
        _ => human_lines(path, &mut routes)?,
    }
    if routes.origins.is_empty() {
        let words = format!("there is no route in it: {WANTED}");
        return Err(FeedError::file(path, words));
    }
    let ties = routes.ties.into_iter();
    let ties = ties.map(|(one, other)| (one, other, Tie::Adjacent));
    Ok((routes.origins.into_iter().collect(), ties.collect()))
}

fn open(path: &Path) -> Result<BufReader<File>, FeedError> {
    let file = File::open(path).map_err(FeedError::unreadable(path))?;
    Ok(BufReader::new(file))
}

fn begin(path: &Path) -> Result<[u8; 4], FeedError> {
    let mut first = [0; 4];
    let mut file = open(path)?;
    let words = "it is empty";
    file.read_exact(&mut first)
        .map_err(|_| FeedError::file(path, words))?;
    Ok(first)
}

/// Whether the header of a record stands where text has letters: the type is 13 (RFC 6396, section 4.3).
fn is_mrt(path: &Path) -> Result<bool, FeedError> {
    let mut head = [0; 6];
    let read = open(path)?.read_exact(&mut head);
    Ok(read.is_ok() && head[4..] == [0, 13])
}

fn mrt(path: &Path, routes: &mut Routes) -> Result<(), FeedError> {
    let parser = BgpkitParser::from_reader(open(path)?).disable_warnings();
    for route in parser.into_fallible_route_iter() {
        let wrong = |error: &dyn std::fmt::Display| {
            FeedError::file(
                path,
                format!("this is no whole MRT dump: {error}; load it anew"),
            )
        };
        let route = route.map_err(|error| wrong(&error))?;
        if let Some(way) = route.as_path.as_deref() {
            let added = routes.add(route.prefix.prefix, way);
            added.map_err(|words| FeedError::file(path, words))?;
        }
    }
    Ok(())
}

/// The lines of `bgpdump -m`: `TABLE_DUMP2|time|B|peer|its system|prefix|path|…`.
fn machine_lines(path: &Path, routes: &mut Routes) -> Result<(), FeedError> {
    lines::each(path, |text| {
        let fields: Vec<&str> = text.split('|').collect();
        let [kind, _, _, _, _, prefix, way, ..] = fields[..] else {
            return Err(format!(
                "{text:?} has less than seven fields: write `bgpdump -m`'s lines"
            ));
        };
        if !kind.starts_with("TABLE_DUMP") {
            return Err(format!(
                "{kind:?}: only TABLE_DUMP and TABLE_DUMP2 are tables"
            ));
        }
        // Sets, in braces, name no order.
        let systems: Result<Vec<u32>, String> = way
            .split_whitespace()
            .take_while(|one| !one.starts_with('{'))
            .map(number)
            .collect();
        let mut systems = systems?;
        systems.dedup();
        routes.add_sequence(rows::range(prefix)?, &systems)
    })
}

/// Those of `show ip bgp`, on a Cisco or what talks like one.
fn human_lines(path: &Path, routes: &mut Routes) -> Result<(), FeedError> {
    let wrong = |words: String| FeedError::file(path, words);
    let elements = TextDumpElemIterator::new(open(path)?, 0.0);
    for element in elements.map_err(|error| wrong(format!("{error}: {WANTED}")))? {
        if let Some(way) = &element.as_path {
            routes.add(element.prefix.prefix, way).map_err(wrong)?;
        }
    }
    Ok(())
}

impl Routes {
    fn add(&mut self, prefix: IpNet, way: &AsPath) -> Result<(), String> {
        let Some(systems) = way.to_u32_vec_opt(true) else {
            // A set: who announces the prefix may still be known.
            let origin = way.get_origin_opt();
            return origin.map_or(Ok(()), |origin| {
                self.add_sequence(prefix, &[origin.to_u32()])
            });
        };
        self.add_sequence(prefix, &systems)
    }

    fn add_sequence(&mut self, prefix: IpNet, systems: &[u32]) -> Result<(), String> {
        let Some(origin) = systems.last() else {
            return Ok(());
        };
        // The table of one collector has a route of each of its peers, one after another. Everything
        // is announced by somebody: a default route tells nothing.
        let known = self.origins.last() == Some(&(prefix, *origin));
        if !known && prefix.prefix_len() > 0 {
            self.origins.push((prefix, *origin));
        }
        for pair in systems.windows(2) {
            self.ties
                .insert((pair[0].min(pair[1]), pair[0].max(pair[1])));
        }
        if self.origins.len() > MAX_RANGES * 8 || self.ties.len() > MAX_TIES {
            return Err(format!(
                "more than {} routes or {MAX_TIES} ties: take the table of one collector",
                MAX_RANGES * 8
            ));
        }
        Ok(())
    }
}
