//! What operators know of addresses, in files that may change while the server runs: read, checked
//! and put in force as a whole. A file that is wrong leaves what it said before in force.

mod bgp;
mod error;
mod hints;
mod lines;
mod mmdb;
mod prefixes;
mod relations;
mod rows;
mod sites;
mod watch;

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use runnel_coordinator_core::policy::Policy;
use runnel_coordinator_core::{Feeds, Prefixes, Tie};
use serde::{Deserialize, Serialize};

use crate::store::Fingerprint;
pub use error::FeedError;
pub(crate) use sites::SITE_LINES;
pub(crate) use watch::{FeedState, Governed, Watch, watch};

/// `[feeds]`: the files, each of which may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedSettings {
    /// Sites by subnet (CSV).
    pub sites: Option<PathBuf>,
    /// Which autonomous system announces which prefix (CSV, or MMDB where its name ends so).
    pub systems: Option<PathBuf>,
    /// Which country a prefix is in (CSV or MMDB).
    pub countries: Option<PathBuf>,
    /// Which system provides which, and which ones peer (CAIDA's `as-rel` text).
    pub relations: Option<PathBuf>,
    /// A table of BGP (MRT, or text): who announces what, and who is linked with whom.
    pub routes: Option<PathBuf>,
    /// From where providers would rather have their users fed (CSV).
    pub hints: Option<PathBuf>,
}

/// What a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Sites,
    Systems,
    Countries,
    Relations,
    Routes,
    Hints,
}

impl Kind {
    /// Its key in the settings, and its name in metrics and the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sites => "sites",
            Self::Systems => "systems",
            Self::Countries => "countries",
            Self::Relations => "relations",
            Self::Routes => "routes",
            Self::Hints => "hints",
        }
    }

    /// Largest file, in bytes: a table of the whole Internet has a million prefixes, in 30 MB of text; a
    /// dump of BGP has them once for each of a collector's peers.
    const fn most_bytes(self) -> u64 {
        match self {
            Self::Sites => 4 << 20,
            Self::Hints | Self::Relations => 64 << 20,
            Self::Systems | Self::Countries => 512 << 20,
            Self::Routes => 4 << 30,
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

/// Bytes of a file that are in memory while its hash is taken.
const HASHED_AT_ONCE: usize = 256 << 10;

/// What all files say together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) feeds: Feeds,
    /// What the lines of sites to the world carry, as a policy.
    pub(crate) site_lines: Option<(Policy, String)>,
    /// What the file of systems says, if there is one, and what routes say.
    systems: Option<Prefixes<u32>>,
    origins: Prefixes<u32>,
    /// Ties that are known, and those that routes show.
    known: Arc<[(u32, u32, Tie)]>,
    seen: Arc<[(u32, u32, Tie)]>,
    /// A hash of each file.
    files: BTreeMap<Kind, Fingerprint>,
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
        let hash = hash(path)?;
        let count = self.read(kind, path)?;
        self.files.insert(kind, hash);
        Ok(count)
    }

    fn read(&mut self, kind: Kind, path: &Path) -> Result<usize, FeedError> {
        match kind {
            Kind::Sites => {
                let (sites, lines) = sites::read(path)?;
                let count = sites.len();
                (self.feeds.sites, self.site_lines) = (sites, lines);
                Ok(count)
            }
            Kind::Systems => {
                let read = if is_mmdb(path) {
                    mmdb::systems
                } else {
                    prefixes::systems
                };
                self.systems = Some(read(path)?);
                self.combine();
                Ok(self.feeds.systems.len())
            }
            Kind::Countries => {
                let read = if is_mmdb(path) {
                    mmdb::countries
                } else {
                    prefixes::countries
                };
                self.feeds.countries = read(path)?;
                Ok(self.feeds.countries.len())
            }
            Kind::Relations => {
                self.known = relations::read(path)?.into();
                self.combine();
                Ok(self.known.len())
            }
            Kind::Routes => {
                let (origins, seen) = bgp::read(path)?;
                let count = origins.len();
                (self.origins, self.seen) = (origins, seen.into());
                self.combine();
                Ok(count)
            }
            Kind::Hints => {
                self.feeds.hints = hints::read(path)?;
                Ok(self.feeds.hints.len())
            }
        }
    }
}

impl Said {
    /// Several files say something of systems: a file of them goes before the routes.
    fn combine(&mut self) {
        let systems = self.systems.as_ref().unwrap_or(&self.origins);
        self.feeds.systems = systems.clone();
        let ties = self.seen.iter().chain(self.known.iter());
        self.feeds.relations = ties.copied().collect();
    }

    /// Sites are as they were in `before`.
    fn take_back_sites(&mut self, before: &Self) {
        self.feeds.sites = before.feeds.sites.clone();
        self.site_lines.clone_from(&before.site_lines);
        match before.files.get(&Kind::Sites) {
            Some(hash) => self.files.insert(Kind::Sites, *hash),
            None => self.files.remove(&Kind::Sites),
        };
    }

    /// A hash of all files, and of what is known without any.
    pub(crate) fn fingerprint(&self, besides: Fingerprint) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&besides);
        for (kind, hash) in &self.files {
            hasher.update(kind.name().as_bytes());
            hasher.update(hash);
        }
        *hasher.finalize().as_bytes()
    }
}

fn hash(path: &Path) -> Result<Fingerprint, FeedError> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(FeedError::unreadable(path))?;
    let mut file = BufReader::with_capacity(HASHED_AT_ONCE, file);
    loop {
        let piece = file.fill_buf().map_err(FeedError::unreadable(path))?;
        if piece.is_empty() {
            return Ok(*hasher.finalize().as_bytes());
        }
        hasher.update(piece);
        let length = piece.len();
        file.consume(length);
    }
}

fn is_mmdb(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "mmdb")
}

impl FeedSettings {
    fn files(&self) -> Vec<(Kind, PathBuf)> {
        let all = [
            (Kind::Sites, &self.sites),
            (Kind::Systems, &self.systems),
            (Kind::Countries, &self.countries),
            (Kind::Relations, &self.relations),
            (Kind::Routes, &self.routes),
            (Kind::Hints, &self.hints),
        ];
        let named = all.into_iter();
        named
            .filter_map(|(kind, path)| Some((kind, path.clone()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
