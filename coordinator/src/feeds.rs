//! What operators know of addresses, in files that may change while the server runs: read, checked
//! and put in force as a whole. A file that is wrong leaves what it said before in force.

mod error;
mod lines;
mod prefixes;
mod rows;
mod sites;
mod watch;

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use runnel_coordinator_core::Feeds;
use runnel_coordinator_core::policy::Policy;
use serde::{Deserialize, Serialize};

pub use error::FeedError;
pub(crate) use sites::SITE_LINES;
pub(crate) use watch::{FeedState, Watch, watch};

/// `[feeds]`: the files, each of which may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedSettings {
    /// Sites by subnet (CSV).
    pub sites: Option<PathBuf>,
    /// Which autonomous system announces which prefix (CSV).
    pub systems: Option<PathBuf>,
    /// Which country a prefix is in (CSV).
    pub countries: Option<PathBuf>,
}

/// What a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Sites,
    Systems,
    Countries,
}

impl Kind {
    /// Its key in the settings, and its name in metrics and the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sites => "sites",
            Self::Systems => "systems",
            Self::Countries => "countries",
        }
    }

    /// Largest file, in bytes: a table of the whole Internet has a million prefixes, in 30 MB of text.
    const fn most_bytes(self) -> u64 {
        match self {
            Self::Sites => 4 << 20,
            Self::Systems | Self::Countries => 512 << 20,
        }
    }
}

/// What tells one version of a file from the next: a file that is replaced has another inode, one
/// that is written to another date or length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            changed: file.modified().ok(),
            bytes: file.len(),
            inode: file.ino(),
        }
    }

    fn read(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|file| Self::of(&file))
    }
}

/// What all files say together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) feeds: Feeds,
    /// What the lines of sites to the world carry, as a policy.
    pub(crate) site_lines: Option<(Policy, String)>,
}

impl Said {
    /// Takes in one file; how many entries it has. Nothing is changed by a file that is wrong.
    fn take(&mut self, kind: Kind, path: &Path) -> Result<usize, FeedError> {
        let file = std::fs::metadata(path).map_err(FeedError::unreadable(path))?;
        if file.len() > kind.most_bytes() {
            return Err(FeedError::TooLarge {
                path: path.to_owned(),
                most: kind.most_bytes() >> 20,
            });
        }
        match kind {
            Kind::Sites => {
                let (sites, lines) = sites::read(path)?;
                let count = sites.len();
                (self.feeds.sites, self.site_lines) = (sites, lines);
                Ok(count)
            }
            Kind::Systems => {
                self.feeds.systems = prefixes::systems(path)?;
                Ok(self.feeds.systems.len())
            }
            Kind::Countries => {
                self.feeds.countries = prefixes::countries(path)?;
                Ok(self.feeds.countries.len())
            }
        }
    }
}

impl FeedSettings {
    fn files(&self) -> Vec<(Kind, PathBuf)> {
        let all = [
            (Kind::Sites, &self.sites),
            (Kind::Systems, &self.systems),
            (Kind::Countries, &self.countries),
        ];
        let named = all.into_iter();
        named
            .filter_map(|(kind, path)| Some((kind, path.clone()?)))
            .collect()
    }
}
