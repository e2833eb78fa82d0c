//! Sites of an evening, as the operator's file has them (docs/NETWORK.md), and when it says what.

use core::time::Duration;

use runnel_coordinator_core::Sharing;
use serde::Deserialize;

/// A line of the operator's file, for as long as it stands there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteInForce {
    /// The site; regions say that they are of it.
    pub name: String,
    /// What its machines may do.
    pub p2p: P2p,
    /// From when on, in seconds.
    #[serde(default)]
    pub from_s: u64,
    /// Until when, in seconds; to the end where it is not said.
    pub until_s: Option<u64>,
}

/// The words of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum P2p {
    /// Its machines get and give.
    On,
    /// They get.
    DownloadOnly,
    /// Neither.
    Off,
}

impl From<P2p> for Sharing {
    fn from(p2p: P2p) -> Self {
        match p2p {
            P2p::On => Self::Full,
            P2p::DownloadOnly => Self::DownloadOnly,
            P2p::Off => Self::Off,
        }
    }
}

/// What the machines of a site may do after so much time: of two lines the later one counts, and with none
/// they may do everything.
pub(crate) fn sharing(all: &[SiteInForce], name: &str, passed: Duration) -> Sharing {
    let passed = passed.as_secs();
    let stands = |site: &&SiteInForce| {
        let over = site.until_s.is_some_and(|until| until <= passed);
        site.name == name && site.from_s <= passed && !over
    };
    let last = all.iter().rfind(stands);
    last.map_or(Sharing::Full, |site| site.p2p.into())
}

/// When the file says something else than before.
pub(crate) fn changes(all: &[SiteInForce]) -> Vec<Duration> {
    let times = all.iter().flat_map(|one| [Some(one.from_s), one.until_s]);
    times.flatten().map(Duration::from_secs).collect()
}
