//! What is remembered of peers from one stay to the next (N2): how long they stay, how often others
//! could connect to them, how much their links lost.
//!
//! A peer is known again by its key. Agents keep theirs; a page has a new one each time, so that
//! nobody can follow a viewer, and is remembered only in the means of its [`Profile`].
//!
//! Nobody betters its own figures by words: how long somebody stays is seen by the control center,
//! and of links those tell who are fed. What they tell is bounded as well: each site is heard once in
//! ten minutes ([`voices`]), and what prunes a peer takes the word of three sites.

mod chronicle;
mod deeds;
mod profiles;
mod voices;

use core::fmt;
use core::time::Duration;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};

pub(crate) use chronicle::Chronicle;
pub(crate) use deeds::History;
pub(crate) use profiles::{Estimate, Profiles, profile_of};
pub use profiles::{Profile, ProfileName};

/// Buckets of the histogram of losses. The first holds links on which less than 1/128 was missing
/// when it was due, each further one twice as much, the last one those on which half was.
pub const LOSS_BUCKETS: usize = 8;

/// Stays, attempts and links after which the older ones count half: what somebody did a year ago
/// says little of today.
const STAYS: u16 = 32;
const ATTEMPTS: u16 = 64;
const LINKS: u16 = 64;

/// Attempts, or links, below which nobody is left out for how they went.
const ENOUGH: u16 = 8;
/// Sites that have to complain before somebody is left out.
const COMPLAINTS: u32 = 3;
/// For how long after the last complaint; then it gets another chance.
const AVOIDED_FOR: u64 = 3600;
/// The bucket from which on a link counts as lossy: a quarter of what was due was missing.
const LOSSY: usize = 6;

/// A peer's figures, or the sums of a profile. Of fixed size, and older ones count less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times that it came.
    pub stays: u16,
    /// Seconds that it was there.
    pub uptime_s: u32,
    /// Attempts to connect to it that its children told of.
    pub tried: u16,
    /// Those of them that succeeded.
    pub connected: u16,
    /// Links from it to its children, by what was missing: see [`LOSS_BUCKETS`].
    pub loss: [u16; LOSS_BUCKETS],
    /// A bit for each site that had to complain, by a hash: as many as there are, or fewer.
    pub blamed_by: u64,
    /// When the last one did.
    pub blamed_at: UnixSeconds,
}

impl Figures {
    /// Adds what came later.
    pub fn add(&mut self, later: &Self) {
        self.stays = self.stays.saturating_add(later.stays);
        self.uptime_s = self.uptime_s.saturating_add(later.uptime_s);
        self.tried = self.tried.saturating_add(later.tried);
        self.connected = self.connected.saturating_add(later.connected);
        for (sum, more) in self.loss.iter_mut().zip(later.loss) {
            *sum = sum.saturating_add(more);
        }
        self.blamed_by |= later.blamed_by;
        self.blamed_at = self.blamed_at.max(later.blamed_at);
        self.fade(later.blamed_by);
    }

    /// Halves what has become much; only those who complained lately are remembered then.
    fn fade(&mut self, blamed_lately_by: u64) {
        while self.stays > STAYS {
            self.stays /= 2;
            self.uptime_s /= 2;
        }
        while self.tried > ATTEMPTS {
            self.tried /= 2;
            self.connected /= 2;
            self.blamed_by = blamed_lately_by;
        }
        while self.links() > LINKS {
            self.loss.iter_mut().for_each(|count| *count /= 2);
            self.blamed_by = blamed_lately_by;
        }
        self.connected = self.connected.min(self.tried);
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Links from it that were looked at.
    pub fn links(&self) -> u16 {
        self.loss
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Attempts that failed.
    pub const fn failed(&self) -> u16 {
        self.tried.saturating_sub(self.connected)
    }

    /// Seconds that one stay lasted on average; `None` where none is known.
    pub fn mean_stay_s(&self) -> Option<u32> {
        self.uptime_s.checked_div(self.stays.into())
    }

    /// How many of its links lost a quarter or more.
    fn lossy(&self) -> u16 {
        self.loss[LOSSY..]
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What somebody is left out for, if anything.
    pub(crate) fn blemish(&self, now: Timestamp) -> Option<Blemish> {
        let lately = now.unix_seconds().0.saturating_sub(self.blamed_at.0) < AVOIDED_FOR;
        if !lately || self.blamed_by.count_ones() < COMPLAINTS {
            return None;
        }
        let (tried, failed) = (self.tried, self.failed());
        if tried >= ENOUGH && u32::from(failed) * 4 >= u32::from(tried) * 3 {
            return Some(Blemish::Unreached { tried, failed });
        }
        let (links, lossy) = (self.links(), self.lossy());
        let bad = links >= ENOUGH && u32::from(lossy) * 2 >= u32::from(links);
        bad.then_some(Blemish::Lossy { links, lossy })
    }
}

/// The bucket of a link on which so many of the expected bytes were missing.
fn bucket(missing: u64, expected: u64) -> usize {
    let share = missing
        .saturating_mul(128)
        .checked_div(expected)
        .unwrap_or(0);
    let place = share.checked_ilog2().map_or(0, |log| log as usize + 1);
    place.min(LOSS_BUCKETS - 1)
}

/// Why a peer is left out for what is remembered of it, in words once displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blemish {
    Unreached { tried: u16, failed: u16 },
    Lossy { links: u16, lossy: u16 },
}

impl fmt::Display for Blemish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached { tried, failed } => write!(
                f,
                "{failed} of the last {tried} attempts to connect to it failed, seen from \
                 {COMPLAINTS} sites and more"
            ),
            Self::Lossy { links, lossy } => write!(
                f,
                "{lossy} of its last {links} links lost a quarter of what was due or more, seen \
                 from {COMPLAINTS} sites and more"
            ),
        }
    }
}

/// What somebody looks like among equals; derived order is the rule, less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trouble {
    /// Attempts that failed and links that lost, in quarters, and its load.
    pub(crate) faults: u8,
    /// The shorter it is going to stay, the more: each step is a factor of two.
    pub(crate) brevity: u8,
}

impl Trouble {
    /// For somebody who is expected to stay so long.
    pub(crate) fn new(faults: u8, stay: Duration) -> Self {
        let log = stay.as_secs().checked_ilog2().unwrap_or(0);
        Self {
            faults,
            brevity: u8::try_from(32u32.saturating_sub(log)).unwrap_or(0),
        }
    }
}

impl Default for Trouble {
    /// Of somebody of whom nothing is known.
    fn default() -> Self {
        Self::new(0, Duration::from_secs(Estimate::default().stay_s.into()))
    }
}

/// What is to be kept: added to what is kept of the peer and of its profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Who; `None` where it will not come back under this name.
    pub peer: Option<PeerId>,
    /// What it is like.
    pub profile: ProfileName,
    /// What is new.
    pub figures: Figures,
    /// When.
    pub at: Timestamp,
}

/// What is kept of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Its figures.
    pub figures: Figures,
    /// When it was last told of.
    pub seen: UnixSeconds,
}

/// One link's account, from what the child says: bytes in steps of a KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LinkAccount {
    expected: u32,
    missing: u32,
    received: u32,
    beats: u16,
    vouched: bool,
}

/// Heartbeats after which a link that stays is told of.
const LONG: u16 = 900;
/// What a link brings in so long, at the rate that was set aside for it, has its child vouch for the parent.
const VOUCHED_AFTER: Duration = Duration::from_secs(4);
/// The bucket from which on it does not: an eighth of what was due was missing.
const LATE: usize = 5;
/// Heartbeats before which it says little.
const SHORT: u16 = 4;

impl LinkAccount {
    /// A heartbeat in which something was expected; where chunks were due, what did not come is
    /// missing.
    pub(crate) fn observe(&mut self, expected: u64, received: u64, late: bool) {
        let missing = if late {
            expected.saturating_sub(received)
        } else {
            0
        };
        let kibibytes = |bytes: u64| u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
        self.expected = self
            .expected
            .saturating_add(kibibytes(expected.max(received)));
        self.missing = self.missing.saturating_add(kibibytes(missing));
        self.received = self.received.saturating_add(kibibytes(received));
        self.beats = self.beats.saturating_add(1);
    }

    /// Whether it has brought enough, in time, for the child to vouch for its parent: true once.
    pub(crate) fn vouches(&mut self, reserved: BitsPerSecond) -> bool {
        let enough = reserved.bytes_in(VOUCHED_AFTER) >> 10;
        let brought = enough > 0 && u64::from(self.received) >= enough;
        let in_time = bucket(self.missing.into(), self.expected.into()) < LATE;
        brought && in_time && !core::mem::replace(&mut self.vouched, true)
    }

    pub(crate) const fn is_long(&self) -> bool {
        self.beats >= LONG
    }

    /// The bucket that it belongs to; `None` while it says little.
    pub(crate) fn bucket(&self) -> Option<usize> {
        let says = self.beats >= SHORT && self.expected > 0;
        says.then(|| bucket(self.missing.into(), self.expected.into()))
    }
}

#[cfg(test)]
mod tests;
