//! Where a peer is, as far as its address and the operator tell: nested areas, the nearest first.

mod hints;
mod prefixes;
mod relations;
mod table;

use core::fmt;
use core::net::IpAddr;

use ipnet::IpNet;

pub use hints::{Cost, Hints, Source};
pub use prefixes::Prefixes;
pub(crate) use relations::{Hops, Relation};
pub use relations::{Relations, Tie};
pub use table::{Feeds, NetworkEntry, NetworkTable, SiteEntry, Tags};

/// The /24 (IPv4) or /48 (IPv6) around an address: usually one site or access network.
pub fn site_of(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 48 };
    let whole = IpNet::from(address);
    IpNet::new(address, bits).unwrap_or(whole).trunc()
}

/// Says that a number stands for a name, and not for a prefix.
const NAMED: u64 = 1 << 62;

/// A site that the operator names, or what [`site_of`] tells; in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Site(u64);

impl Site {
    /// The same number for the same name in all tables: one may follow on the other while peers
    /// have places of both.
    fn named(name: &str) -> Self {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..8]);
        Self(NAMED | u64::from_le_bytes(bytes) >> 2)
    }

    /// Distinct for each site.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// One provider's addresses: what the operator's table gives one name, an autonomous system, or a
/// /16 or /32; in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network(u64);

/// What a network's number stands for.
enum Called {
    /// A place in the operator's table.
    Named(u32),
    System(u32),
    /// The first address of a /16, and of a /32.
    Four(u32),
    Six(u128),
}

impl Network {
    const PREFIX: u64 = 1 << 61;

    /// By its place in the operator's table.
    const fn named(place: u32) -> Self {
        Self(place as u64)
    }

    /// By its number.
    const fn system(number: u32) -> Self {
        Self(NAMED | number as u64)
    }

    /// What it stands for.
    const fn called(self) -> Called {
        let Self(number) = self;
        #[expect(clippy::cast_possible_truncation, reason = "the parts of a number")]
        let (low, high) = (number as u32, number >> 61);
        match high {
            0 => Called::Named(low),
            1 => Called::Four(low << 16),
            5 => Called::Six((low as u128) << 96),
            _ => Called::System(low),
        }
    }

    fn around(address: IpAddr) -> Self {
        Self(Self::PREFIX | prefix(address, 16, 32))
    }
}

/// Part of the audience that feeds itself as far as it can; who is in no region of the table is
/// in one with all others of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Region {
    Elsewhere,
    Named(u16),
}

/// A country, by its two capital letters (ISO 3166-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two capital letters.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let capital = letters.iter().all(u8::is_ascii_uppercase);
        capital.then_some(Self(letters))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.0.map(char::from);
        write!(f, "{first}{second}")
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the machines of a site may do for others, and others for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// They get and give.
    #[default]
    Full,
    /// They get, and give nothing: lightweight, and no uplink (P4).
    DownloadOnly,
    /// They get and give nothing.
    Off,
}

impl Sharing {
    /// Whether its machines feed others.
    pub(crate) const fn gives(self) -> bool {
        matches!(self, Self::Full)
    }

    /// Whether others feed its machines.
    pub(crate) const fn gets(self) -> bool {
        !matches!(self, Self::Off)
    }
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "its site lets it receive from peers and feed them",
            Self::DownloadOnly => "its site lets it receive from peers, and not feed them",
            Self::Off => "its site has peer-to-peer delivery switched off",
        })
    }
}

/// The areas that an address lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) network: Network,
    pub(crate) region: Region,
    /// The number of its autonomous system.
    pub(crate) system: Option<u32>,
    pub(crate) country: Option<Country>,
    /// What its site allows.
    pub(crate) sharing: Sharing,
}

impl Place {
    /// What an address alone tells.
    pub(crate) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self {
            site: Site(prefix(address, 24, 48)),
            network: Network::around(address),
            region: Region::Elsewhere,
            system: None,
            country: None,
            sharing: Sharing::Full,
        }
    }
}

/// The first bits of an address; those of the two kinds never equal each other.
fn prefix(address: IpAddr, four: u32, six: u32) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits() >> (32 - four)),
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> (128 - six);
            1 << 63 | u64::try_from(bits).unwrap_or(u64::MAX >> 1)
        }
    }
}
