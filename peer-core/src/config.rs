//! What a shell settles before the peer starts.

use core::time::Duration;

use runnel_protocol::control::Implementation;
use runnel_protocol::ids::PublicKey;
use runnel_protocol::units::BitsPerSecond;

/// Whether what only agents do is compiled in. It is 10 KB of the module that viewers download.
pub(crate) const AGENT: bool = cfg!(feature = "agent");

/// The peer's nature and limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its key; the private half is the shell's.
    pub key: PublicKey,
    /// What program it is and whether others may connect to it.
    pub implementation: Implementation,
    /// What it is willing to send; zero means no uploads.
    pub uplink: BitsPerSecond,
    /// The operator's root key, where the site pins it; else the coordinator's word is taken.
    pub root_key: Option<PublicKey>,
    /// A provider's JWT, where the operator asks for one.
    pub join_token: Option<String>,
    /// Whether the shell can fetch from the CDN. Agents that only serve cannot.
    pub origin: bool,
    /// Whether this peer is a waypoint: it attests instead of asking parents.
    pub waypoint: bool,
    /// Whether the shell keeps chunks on disk ([`crate::Output::Store`], [`crate::Output::Load`]).
    pub disk: bool,
    /// Most bytes of media in memory.
    pub memory: usize,
    /// Most links, both ways.
    pub max_links: usize,
    /// Most links of others that have not yet proven themselves.
    pub max_handshakes: usize,
}

impl Config {
    /// Media that a browser may hold in memory: half of the 48 MiB that the whole Worker may take.
    pub const BROWSER_MEMORY: usize = 24 * 1024 * 1024;
    /// Segments remembered by a page: what its memory holds at 400 kbit/s, sound in segments of its
    /// own. More would stay when their chunks are gone, in small blocks that keep chunks' larger
    /// blocks from becoming one again: with 2048 the Worker's memory grows for an hour.
    const PAGE_SEGMENTS: usize = 512;
    /// Segments remembered where a disk keeps them, at some 300 bytes each: 9 hours.
    const DISK_SEGMENTS: usize = 16_384;
    /// How long a handshake may take before the link is given up.
    pub const HANDSHAKE: Duration = Duration::from_secs(5);

    /// Whether there is a CDN to turn to. A page always has one.
    pub(crate) const fn has_origin(&self) -> bool {
        self.origin || !AGENT
    }

    /// Whether this peer attests.
    pub(crate) const fn is_waypoint(&self) -> bool {
        self.waypoint && AGENT
    }

    /// Whether chunks outlive memory.
    pub(crate) const fn has_disk(&self) -> bool {
        self.disk && AGENT
    }

    /// Most segments of which anything is remembered.
    pub(crate) fn most_segments(&self) -> usize {
        if self.has_disk() {
            Self::DISK_SEGMENTS
        } else {
            Self::PAGE_SEGMENTS
        }
    }
}
