//! Links that operators name, and what may run over them (Y3).

use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::units::BitsPerSecond;

use super::calendar::Zone;
use super::expression::{Case, Expression};
use super::set::{Ruling, Strictness};

/// Most links in force. There are twice as many places for them, so that each keeps its own while
/// policies change, and one that is new finds one that nobody uses.
pub(crate) const MAX_LINKS: u8 = 32;
pub(crate) const MAX_PLACES: u8 = 64;

/// Some of the links in force, each by its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkSet(u64);

impl LinkSet {
    /// None of them.
    pub const EMPTY: Self = Self(0);

    /// Whether it is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn with(self, place: u8) -> Self {
        debug_assert!(place < MAX_PLACES);
        Self(self.0 | 1 << place)
    }

    pub(crate) const fn contains(self, place: u8) -> bool {
        self.0 & 1 << place != 0
    }

    /// Whether some link is in both.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The places, in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let place = u8::try_from(left.trailing_zeros()).ok();
            let place = place.filter(|place| *place < MAX_PLACES)?;
            left &= left - 1;
            Some(place)
        })
    }
}

/// Over which time an average is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// The last so many hours, at any moment.
    Last(Duration),
    /// Each month of the policy's zone.
    Month,
}

/// What may run over a link; at least one is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// At any moment.
    pub(crate) peak: Option<BitsPerSecond>,
    /// On average.
    pub(crate) mean: Option<(BitsPerSecond, Span)>,
    /// In each month of the policy's zone, in bytes.
    pub(crate) month: Option<u64>,
}

impl Limits {
    /// Whether it has to be known when a month begins.
    pub(crate) const fn are_monthly(&self) -> bool {
        self.month.is_some() || matches!(self.mean, Some((_, Span::Month)))
    }
}

/// A link and its limits, for whoever looks on.
#[derive(Debug, Clone)]
pub struct LinkTerms {
    /// It, as verdicts name it.
    pub links: LinkSet,
    /// The policy's name, a slash, and its own.
    pub name: Arc<str>,
    /// Whether its limits may give way.
    pub strictness: Strictness,
    /// Most at any moment.
    pub peak: Option<BitsPerSecond>,
    /// Most bytes in a month.
    pub month: Option<u64>,
    /// Whose months these are.
    pub zone: Option<Zone>,
}

/// A link as a policy declares it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// The policy's name, a slash, and its own.
    pub(crate) name: Arc<str>,
    /// Which transfers run over it. Where too little is known to say, they do.
    pub(super) when: Expression,
    pub(crate) limits: Limits,
    pub(crate) zone: Option<Zone>,
    /// How important it is, and whether it may give way.
    pub(crate) ruling: Arc<Ruling>,
    /// Its place in every [`LinkSet`].
    pub(super) place: u8,
}

impl Link {
    /// Its name within its policy.
    pub(super) fn own_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// Whether a pair's transfers run over it.
    pub(super) fn carries(&self, case: &Case<'_>) -> bool {
        self.when.truth(case) != Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let set = LinkSet::EMPTY.with(0).with(63).with(7);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 7, 63]);
        assert!(set.contains(63) && !set.contains(62));
        let less = set.without(LinkSet::EMPTY.with(7));
        assert_eq!(less.iter().collect::<Vec<_>>(), [0, 63]);
        assert!(LinkSet::EMPTY.is_empty());
    }
}
