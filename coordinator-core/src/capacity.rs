//! One peer's uplink account, shared by all contents it takes part in (A4, A7).

use runnel_protocol::units::BitsPerSecond;

/// What a peer offers and what of it is given away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uplink {
    offered: BitsPerSecond,
    reserved: BitsPerSecond,
}

/// How much uplink there is to give away, in steps of a factor of two, so that peers are sorted
/// by it without being moved at each reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rung(u8);

impl Rung {
    /// Nothing to give away.
    pub(crate) const NONE: Self = Self(0);
    /// More than anybody has.
    pub(crate) const MAX: Self = Self(u8::MAX);

    /// The rung on which `spare` stands.
    pub(crate) fn of(spare: BitsPerSecond) -> Self {
        let bits = spare.0.checked_ilog2().map_or(0, |log| log + 1);
        Self(u8::try_from(bits).unwrap_or(u8::MAX))
    }
}

impl Uplink {
    pub(crate) const fn new(offered: BitsPerSecond) -> Self {
        Self {
            offered,
            reserved: BitsPerSecond(0),
        }
    }

    /// What may still be given away. Zero where less is offered than was given away: whoever
    /// shrinks its offer keeps its children only as far as they fit.
    pub(crate) const fn spare(&self) -> BitsPerSecond {
        self.offered.saturating_sub(self.reserved)
    }

    /// What one child may use that holds `own` of it already.
    pub(crate) const fn spare_with(&self, own: BitsPerSecond) -> BitsPerSecond {
        self.offered
            .saturating_sub(self.reserved.saturating_sub(own))
    }

    pub(crate) const fn offered(&self) -> BitsPerSecond {
        self.offered
    }

    pub(crate) const fn reserved(&self) -> BitsPerSecond {
        self.reserved
    }

    /// Whether more is given away than is offered (after the offer shrank).
    pub(crate) const fn is_overdrawn(&self) -> bool {
        self.reserved.0 > self.offered.0
    }

    pub(crate) fn offer(&mut self, offered: BitsPerSecond) {
        self.offered = offered;
    }

    pub(crate) fn reserve(&mut self, amount: BitsPerSecond) {
        self.reserved = self.reserved.saturating_add(amount);
    }

    pub(crate) fn release(&mut self, amount: BitsPerSecond) {
        debug_assert!(amount <= self.reserved, "released more than was reserved");
        self.reserved = self.reserved.saturating_sub(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_hundred_with_a_hundred_and_fifty_given_leaves_a_hundred_and_fifty() {
        let kilobits = BitsPerSecond::from_kilobits;
        let mut uplink = Uplink::new(kilobits(300));
        uplink.reserve(kilobits(150));
        assert_eq!(uplink.spare(), kilobits(150));
        assert_eq!(uplink.spare_with(kilobits(150)), kilobits(300));
        uplink.offer(kilobits(100));
        assert_eq!(uplink.spare(), kilobits(0));
        assert!(uplink.is_overdrawn());
        uplink.release(kilobits(150));
        assert_eq!(uplink.spare(), kilobits(100));
    }
}
