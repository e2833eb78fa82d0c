//! What a content needs, from what its players report.

use core::time::Duration;
use std::collections::BTreeSet;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

/// A rate is forgotten after one to two of these.
const WINDOW: Duration = Duration::from_secs(15);
/// Renditions of a content that are told apart; a player may claim any rate.
const MOST: usize = 16;

/// The rates that were reported lately, one for each rendition that is played: whoever feeds
/// others hands on all that those below it play.
#[derive(Debug)]
pub(crate) struct RatesInUse {
    fallback: BitsPerSecond,
    before: BTreeSet<BitsPerSecond>,
    lately: BTreeSet<BitsPerSecond>,
    turned: Timestamp,
}

impl RatesInUse {
    pub(crate) fn new(fallback: BitsPerSecond, now: Timestamp) -> Self {
        Self {
            fallback,
            before: BTreeSet::new(),
            lately: BTreeSet::new(),
            turned: now,
        }
    }

    pub(crate) fn observe(&mut self, rate: BitsPerSecond, now: Timestamp) {
        if now.since(self.turned) >= WINDOW {
            self.before = core::mem::take(&mut self.lately);
            self.turned = now;
        }
        self.lately.insert(rate);
        if self.lately.len() > MOST {
            self.lately.pop_first();
        }
    }

    /// The lowest of them, or the default when nobody reports.
    pub(crate) fn least(&self) -> BitsPerSecond {
        let known = self.lately.union(&self.before).next().copied();
        known.unwrap_or(self.fallback)
    }

    /// The sum of those that are smaller than `rate`.
    pub(crate) fn sum_below(&self, rate: BitsPerSecond) -> BitsPerSecond {
        let known = self.lately.union(&self.before);
        let smaller = known.filter(|other| **other < rate);
        smaller.fold(BitsPerSecond(0), |sum, other| sum.saturating_add(*other))
    }

    /// Rates above this are played no longer.
    pub(crate) fn forget_above(&mut self, most: BitsPerSecond) {
        for known in [&mut self.lately, &mut self.before] {
            known.retain(|rate| *rate <= most);
        }
    }

    /// Their sum, or the last known one when nobody reports, or the default.
    pub(crate) fn sum(&self) -> BitsPerSecond {
        let known = self.lately.union(&self.before);
        match known.fold(0u64, |sum, rate| sum.saturating_add(rate.0)) {
            0 => self.fallback,
            sum => BitsPerSecond(sum),
        }
    }
}

/// Whether `actual` is so far from what was planned with that reservations are made anew: by
/// more than a quarter, since encoders vary by less.
pub(crate) fn differs(planned: BitsPerSecond, actual: BitsPerSecond) -> bool {
    planned.0.abs_diff(actual.0) > planned.0 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000);

    fn kilobits(rate: u64) -> BitsPerSecond {
        BitsPerSecond::from_kilobits(rate)
    }

    #[test]
    fn two_renditions_that_are_played_are_both_carried_however_many_play_them() {
        let mut rates = RatesInUse::new(kilobits(500), START);
        assert_eq!(rates.sum(), kilobits(500));
        for rate in [2000, 1000, 2000, 1000] {
            rates.observe(kilobits(rate), START);
        }
        assert_eq!(rates.sum(), kilobits(3000));
        assert_eq!(rates.least(), kilobits(1000));
        assert_eq!(rates.sum_below(kilobits(2000)), kilobits(1000));
        rates.forget_above(kilobits(1000));
        assert_eq!(rates.sum(), kilobits(1000));
    }

    #[test]
    fn a_rendition_that_nobody_plays_any_more_is_forgotten() {
        let mut rates = RatesInUse::new(kilobits(500), START);
        rates.observe(kilobits(2000), START);
        for after in [1, 2, 3] {
            rates.observe(kilobits(1000), START + WINDOW * after);
        }
        assert_eq!(rates.sum(), kilobits(1000));
    }

    #[test]
    fn rates_made_up_by_players_are_bounded() {
        let mut rates = RatesInUse::new(kilobits(500), START);
        (1..1000).for_each(|rate| rates.observe(kilobits(rate), START));
        assert!(rates.sum() <= kilobits(1000 * MOST as u64));
    }
}
