//! How far an agent's word counts: what it says that it offers costs it nothing, until those whom it
//! feeds have vouched for it (T10).
//!
//! What is believed only orders the choice among those who can feed. It keeps nobody from feeding, and
//! leaves no uplink unused: where all are new, or there is nobody else, new ones are taken.

use runnel_protocol::units::BitsPerSecond;

/// Sites whose word is enough to believe the whole offer.
const ENOUGH: u32 = 6;

/// The sites that vouch for an agent, since it came; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Vouchers(u64);

impl Vouchers {
    /// Of somebody who has fed nobody yet.
    pub(crate) const NONE: Self = Self(0);
    /// Of somebody whose word is believed, and stays so.
    pub(crate) const ALL: Self = Self(u64::MAX);

    /// A site vouches, known by one bit of a hash; true where it has not before.
    pub(crate) const fn add(&mut self, site: u64) -> bool {
        let before = self.0;
        self.0 |= site;
        self.0 != before
    }

    /// A site complains, which weighs as much as one that vouches.
    pub(crate) fn take_back(&mut self) {
        if *self != Self::ALL {
            self.0 &= self.0.wrapping_sub(1);
        }
    }

    /// How many there are; `None` where none is needed.
    pub(crate) fn sites(self) -> Option<u32> {
        (self != Self::ALL).then(|| self.0.count_ones())
    }

    /// Whether the whole offer is believed.
    pub(crate) const fn are_enough(self) -> bool {
        self.0.count_ones() >= ENOUGH
    }

    /// As much of an offer as is believed, where a stream has this rate: one stream of somebody who has fed
    /// nobody yet, and twice as much with each site.
    pub(crate) fn believed(self, rate: BitsPerSecond) -> BitsPerSecond {
        if self.are_enough() {
            return BitsPerSecond(u64::MAX);
        }
        BitsPerSecond(rate.0.saturating_mul(1 << self.0.count_ones()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: BitsPerSecond = BitsPerSecond::from_kilobits(2000);

    fn vouched(sites: u32) -> Vouchers {
        let mut vouchers = Vouchers::NONE;
        for site in 0..sites {
            assert!(vouchers.add(1 << (site * 7)));
        }
        vouchers
    }

    #[test]
    fn what_is_believed_doubles_with_each_site_until_all_of_it_is() {
        let streams: Vec<u64> = (0..ENOUGH)
            .map(|sites| vouched(sites).believed(RATE).0 / RATE.0)
            .collect();
        assert_eq!(streams, [1, 2, 4, 8, 16, 32]);
        assert!(vouched(ENOUGH).are_enough());
        assert_eq!(vouched(ENOUGH).believed(RATE), BitsPerSecond(u64::MAX));
    }

    #[test]
    fn one_site_vouches_once_however_many_sit_there() {
        let mut vouchers = vouched(1);
        assert!(!vouchers.add(1));
        assert_eq!(vouchers, vouched(1));
    }

    #[test]
    fn each_complaint_takes_one_voucher_away_and_none_is_owed() {
        let mut vouchers = vouched(ENOUGH);
        vouchers.take_back();
        assert!(!vouchers.are_enough());
        (0..2 * ENOUGH).for_each(|_| vouchers.take_back());
        assert_eq!(vouchers, Vouchers::NONE);
        assert!(vouchers.add(1));
    }
}
