//! Whose word counts: each site is heard once in a while, so that neither one liar nor one who has
//! many names weighs more than anybody else.

use core::time::Duration;

use runnel_protocol::time::Timestamp;

use crate::place::Site;

/// For how long a site that was heard of a matter is not heard of it again.
const SILENT_FOR: Duration = Duration::from_secs(600);
/// Most that are heard of one peer in that time.
const MAX_VOICES: usize = 32;

/// Odd, and near the golden ratio of 2^64.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// One of 64 bits for a site.
pub(super) const fn bit(site: Site) -> u64 {
    1 << (site.number().wrapping_mul(SPREAD) >> 58)
}

/// What a voice speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matter {
    Connecting,
    Loss,
}

/// Who was heard lately.
#[derive(Debug, Default)]
pub(super) struct Voices(Vec<(Site, Matter, Timestamp)>);

impl Voices {
    /// Whether this word counts; the next one of the same site will not.
    pub(super) fn hear(&mut self, site: Site, matter: Matter, now: Timestamp) -> bool {
        self.0.retain(|(_, _, at)| now.since(*at) < SILENT_FOR);
        let known = self
            .0
            .iter()
            .any(|(who, what, _)| (*who, *what) == (site, matter));
        if known || self.0.len() >= MAX_VOICES {
            return false;
        }
        self.0.push((site, matter, now));
        true
    }
}
