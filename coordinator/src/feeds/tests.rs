//! Stories of files that operators load: real ones, made here by the makers' own libraries.

use std::net::IpAddr;
use std::path::PathBuf;

use bgpkit_parser::BgpElem;
use bgpkit_parser::encoder::MrtRibEncoder;
use bgpkit_parser::models::{AsPath, NetworkPrefix};
use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use runnel_coordinator_core::{Country, Relations};
use serde::Serialize;
use tempfile::TempDir;

use super::*;

struct Desk {
    folder: TempDir,
    said: Said,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            said: Said::default(),
        }
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn take(&mut self, kind: Kind, name: &str, bytes: impl AsRef<[u8]>) -> Result<usize, String> {
        let path = self.put(name, bytes);
        let taken = self.said.take(kind, &path);
        taken.map_err(|error| error.to_string())
    }

    fn system(&self, address: &str) -> Option<u32> {
        self.said.feeds.systems.get(ip(address)).copied()
    }

    fn country(&self, address: &str) -> Option<Country> {
        self.said.feeds.countries.get(ip(address)).copied()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A database with a record for each range.
fn mmdb<T: Serialize>(records: &[(&str, T)]) -> Vec<u8> {
    let mut database = Database::default();
    database.metadata.ip_version = IpVersion::V4;
    database.metadata.database_type = "Story".to_owned();
    // MaxMind DB File Format 2.0, which the writer leaves to whoever uses it.
    database.metadata.binary_format_major_version = 2;
    for (range, record) in records {
        let record = database.insert_value(record).unwrap();
        let range: IpAddrWithMask = range.parse().unwrap();
        database.insert_node(range, record);
    }
    database.write_to(Vec::new()).unwrap()
}

#[derive(Serialize)]
struct GeoLite {
    country: Coded,
    autonomous_system_number: u32,
}

#[derive(Serialize)]
struct Coded {
    iso_code: &'static str,
}

#[derive(Serialize)]
struct IpInfo {
    country: &'static str,
    asn: &'static str,
}

#[test]
fn countries_and_systems_are_read_from_the_databases_that_operators_have() {
    let german = GeoLite {
        country: Coded { iso_code: "DE" },
        autonomous_system_number: 64500,
    };
    let french = IpInfo {
        country: "FR",
        asn: "AS64501",
    };
    let geolite = mmdb(&[("203.0.113.0/24", german)]);
    let ipinfo = mmdb(&[("198.51.100.0/24", french)]);
    let mut desk = Desk::new();
    for (file, address, country, system) in [
        (&geolite, "203.0.113.9", "DE", 64500),
        (&ipinfo, "198.51.100.9", "FR", 64501),
    ] {
        assert_eq!(desk.take(Kind::Countries, "places.mmdb", file), Ok(1));
        assert_eq!(desk.take(Kind::Systems, "systems.mmdb", file), Ok(1));
        assert_eq!(desk.country(address), Country::parse(country));
        assert_eq!(desk.system(address), Some(system));
        assert_eq!(desk.system("192.0.2.1"), None);
    }
}

#[test]
fn a_database_that_is_cut_off_or_about_something_else_is_refused() {
    let mut desk = Desk::new();
    let named = mmdb(&[("203.0.113.0/24", Coded { iso_code: "DE" })]);
    let error = desk
        .take(Kind::Systems, "systems.mmdb", &named)
        .unwrap_err();
    assert!(
        error.contains("(Story) has none of autonomous_system_number, asn"),
        "{error}"
    );
    let cut = &named[..named.len() / 2];
    let error = desk.take(Kind::Countries, "places.mmdb", cut).unwrap_err();
    assert!(error.contains("no usable MMDB"), "{error}");
}

/// A collector's table: a route of 203.0.113.0/24 by two peers, one of IPv6, and a default route.
fn routes() -> Vec<BgpElem> {
    let route = |prefix: &str, peer: &str, way: &[u32]| BgpElem {
        timestamp: 1_700_000_000.0,
        prefix: NetworkPrefix::new(prefix.parse().unwrap(), None),
        peer_ip: ip(peer),
        peer_asn: way[0].into(),
        next_hop: Some(ip(peer)),
        as_path: Some(AsPath::from_sequence(way)),
        ..BgpElem::default()
    };
    vec![
        route("203.0.113.0/24", "192.0.2.1", &[64510, 64520, 64500]),
        route("203.0.113.0/24", "192.0.2.2", &[64511, 64500, 64500]),
        route("0.0.0.0/0", "192.0.2.1", &[64510]),
    ]
}

fn assert_read(desk: &Desk) {
    assert_eq!(desk.system("203.0.113.9"), Some(64500));
    assert_eq!(
        desk.system("198.51.100.1"),
        None,
        "a default route says nothing"
    );
    let ties = [(64510, 64520), (64520, 64500), (64511, 64500)];
    let ties: Relations = ties
        .into_iter()
        .map(|(one, other)| (one, other, Tie::Adjacent))
        .collect();
    assert_eq!(
        format!("{:?}", desk.said.feeds.relations),
        format!("{ties:?}")
    );
}

#[test]
fn a_dump_of_bgp_tells_who_announces_what_and_who_is_linked() {
    let mut encoder = MrtRibEncoder::new();
    for route in routes() {
        encoder.process_elem(&route).unwrap();
    }
    let dump = encoder.export_bytes().unwrap();
    let mut desk = Desk::new();
    assert_eq!(desk.take(Kind::Routes, "rib.mrt", &dump), Ok(1));
    assert_read(&desk);
    let error = desk
        .take(Kind::Routes, "rib.mrt", &dump[..dump.len() - 5])
        .unwrap_err();
    assert!(error.contains("no whole MRT dump"), "{error}");
    assert_read(&desk);
}

#[test]
fn the_same_is_read_from_the_lines_that_people_have() {
    let bgpdump = "TABLE_DUMP2|1700000000|B|192.0.2.1|64510|203.0.113.0/24|64510 64520 64500|IGP|\n\
                   TABLE_DUMP2|1700000000|B|192.0.2.2|64511|203.0.113.0/24|64511 64500 64500|IGP|\n\
                   TABLE_DUMP2|1700000000|B|192.0.2.1|64510|0.0.0.0/0|64510|IGP|\n";
    let show = "BGP table version is 1, local router ID is 192.0.2.254\n\
                Status codes: s suppressed, * valid, > best, i - internal\n\
                Origin codes: i - IGP, e - EGP, ? - incomplete\n\
                \n\
                \x20  Network          Next Hop            Metric LocPrf Weight Path\n\
                *> 203.0.113.0/24   192.0.2.1                0             0 64510 64520 64500 i\n\
                *                   192.0.2.2                0             0 64511 64500 64500 i\n\
                *> 0.0.0.0/0        192.0.2.1                0             0 64510 i\n";
    for (name, text) in [("bgpdump.txt", bgpdump), ("show.txt", show)] {
        let mut desk = Desk::new();
        assert_eq!(desk.take(Kind::Routes, name, text), Ok(1), "{name}");
        assert_read(&desk);
    }
}

#[test]
fn what_is_no_table_of_bgp_is_refused_with_what_to_do() {
    let mut desk = Desk::new();
    let wrong: [(&[u8], &str); 7] = [
        (b"\x1f\x8b\x08\x00\x00", "unpack it first"),
        (b"BZh91AY", "unpack it first"),
        (b"", "it is empty"),
        (b"Good morning, everybody\n", "give an MRT dump"),
        (
            b"TABLE_DUMP2|1|B|192.0.2.1|1|203.0.113.0/24\n",
            "routes:1: ",
        ),
        (
            b"TABLE_DUMP2|1|B|192.0.2.1|1|203.0.113/24|1 2|IGP\n",
            "routes:1: \"203.0.113/24\" is no",
        ),
        (
            b"TABLE_DUMP2|1|B|192.0.2.1|1|203.0.113.0/24|1 x|IGP\n",
            "routes:1: \"x\" is no number",
        ),
    ];
    for (bytes, words) in wrong {
        let error = desk.take(Kind::Routes, "routes", bytes).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_file_of_systems_goes_before_what_routes_say_of_them() {
    let mut desk = Desk::new();
    let route = "TABLE_DUMP2|1|B|192.0.2.1|1|203.0.113.0/24|1 2|IGP\n";
    desk.take(
        Kind::Systems,
        "systems.csv",
        "prefix,asn\n203.0.113.0/24,7\n",
    )
    .unwrap();
    desk.take(Kind::Routes, "routes", route).unwrap();
    assert_eq!(desk.system("203.0.113.1"), Some(7));
    desk.take(
        Kind::Relations,
        "as-rel.txt",
        "# source: CAIDA\n2|1|-1|bgp\n8|9|0\n",
    )
    .unwrap();
    assert_eq!(desk.said.feeds.relations.len(), 2, "one pair is told twice");
}

#[test]
fn relations_and_hints_are_refused_with_their_line() {
    let mut desk = Desk::new();
    for (text, words) in [
        ("1|2|-1\n1|2\n", "as-rel.txt:2: \"1|2\": write"),
        ("1|2|7\n", "as-rel.txt:1: "),
        ("one|2|0\n", "as-rel.txt:1: \"one\" is no number"),
    ] {
        let error = desk.take(Kind::Relations, "as-rel.txt", text).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let head = "viewers,from,cost\n";
    for (text, words) in [
        ("10.0.0.0/8,AS64500,256\n", "cost \"256\": write 0 to 255"),
        ("10.0.0.0/8,ASx,1\n", "is no number"),
        ("10.0.0.0/8,10.0.0,1\n", "is no address range"),
    ] {
        let error = desk
            .take(Kind::Hints, "hints.csv", format!("{head}{text}"))
            .unwrap_err();
        assert!(
            error.contains("hints.csv:2: ") && error.contains(words),
            "{error}"
        );
    }
    let good = format!("{head}10.0.0.0/8,AS64500,10\n10.0.0.0/8,192.0.2.0/24,200\n");
    assert_eq!(desk.take(Kind::Hints, "hints.csv", good), Ok(2));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let mut desk = Desk::new();
    let path = desk.put("sites.csv", "group,cidrs,p2p\n");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(Kind::Sites.most_bytes() + 1).unwrap();
    let error = desk.said.take(Kind::Sites, &path).unwrap_err().to_string();
    assert!(error.contains("larger than 4 MiB"), "{error}");
}
