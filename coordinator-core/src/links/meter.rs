//! What runs over a link as measured, set against what is booked there.

use core::time::Duration;
use std::collections::VecDeque;

/// Ticks over which is measured: a few segments, which come in bursts.
const MEASURED: usize = 8;
/// Ticks for which a booking is counted in full: until the first segments have come and none of
/// the ticks that are measured was before them.
const FRESH: usize = 12;
/// In thousandths. Whoever uses less than half of what is booked may use all of it again at any
/// moment: no link is given away more than twice.
const LEAST: u64 = 500;
const WHOLE: u64 = 1000;

/// One lease's bookings, and what came of them.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bits that ran over the link and those that were booked, tick by tick.
    ticks: VecDeque<(u64, u64)>,
    /// What was booked in each tick, bit/s, the present one last.
    fresh: VecDeque<u64>,
}

impl Meter {
    /// So much was booked.
    pub(super) fn on_booked(&mut self, rate: u64) {
        if self.fresh.is_empty() {
            self.fresh.push_back(0);
        }
        if let Some(last) = self.fresh.back_mut() {
            *last = last.saturating_add(rate);
        }
    }

    /// A tick is over, in which so much ran over the link while so much was booked, bit/s.
    pub(super) fn on_tick(&mut self, bytes: u64, booked: u64, lasted: Duration) {
        let millis = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        let bits = (bytes.saturating_mul(8), booked / 1000 * millis);
        self.ticks.push_back(bits);
        self.fresh.push_back(0);
        if self.ticks.len() > MEASURED {
            self.ticks.pop_front();
        }
        if self.fresh.len() > FRESH {
            self.fresh.pop_front();
        }
    }

    /// Whether nothing is known that matters.
    pub(super) fn is_idle(&self) -> bool {
        self.ticks.iter().all(|(bits, _)| *bits == 0)
    }

    /// What is used of what is booked, bit/s.
    pub(super) fn used(&self, booked: u64) -> u64 {
        let fresh = self
            .fresh
            .iter()
            .fold(0u64, |sum, rate| sum.saturating_add(*rate));
        let fresh = fresh.min(booked);
        let settled = u128::from(booked - fresh) * u128::from(self.share());
        let settled = u64::try_from(settled / u128::from(WHOLE)).unwrap_or(u64::MAX);
        // Whoever has just come catches up: more than was booked is seen of the newest as well.
        let more = u128::from(fresh) * u128::from(self.share().max(WHOLE)) / u128::from(WHOLE);
        settled.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    }

    /// What ran over the link of what was booked, in thousandths; all of it where nobody told of
    /// anything.
    fn share(&self) -> u64 {
        let sums = self
            .ticks
            .iter()
            .fold((0u128, 0u128), |(ran, booked), tick| {
                (ran + u128::from(tick.0), booked + u128::from(tick.1))
            });
        let share = (sums.0 * u128::from(WHOLE)).checked_div(sums.1);
        let share = share.filter(|share| *share > 0);
        let share = share.unwrap_or(u128::from(WHOLE));
        u64::try_from(share).unwrap_or(u64::MAX).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MEGABIT: u64 = 1_000_000;

    fn run(meter: &mut Meter, seconds: usize, ran: u64, booked: u64) {
        for _ in 0..seconds {
            meter.on_tick(ran / 8, booked, SECOND);
        }
    }

    #[test]
    fn what_is_booked_counts_in_full_until_it_was_measured() {
        let mut meter = Meter::default();
        meter.on_booked(10 * MEGABIT);
        assert_eq!(meter.used(10 * MEGABIT), 10 * MEGABIT);
        run(&mut meter, FRESH - 1, 7 * MEGABIT, 10 * MEGABIT);
        assert_eq!(meter.used(10 * MEGABIT), 10 * MEGABIT);
        run(&mut meter, 1, 7 * MEGABIT, 10 * MEGABIT);
        assert_eq!(meter.used(10 * MEGABIT), 7 * MEGABIT);
    }

    #[test]
    fn more_than_booked_is_seen_and_less_than_half_is_not_believed() {
        let mut meter = Meter::default();
        run(&mut meter, MEASURED, 13 * MEGABIT, 10 * MEGABIT);
        assert_eq!(meter.used(10 * MEGABIT), 13 * MEGABIT);
        run(&mut meter, MEASURED, MEGABIT, 10 * MEGABIT);
        assert_eq!(meter.used(10 * MEGABIT), 5 * MEGABIT);
    }

    #[test]
    fn more_than_booked_is_seen_of_what_is_fresh_as_well() {
        let mut meter = Meter::default();
        meter.on_booked(10 * MEGABIT);
        run(&mut meter, 3, 12 * MEGABIT, 10 * MEGABIT);
        assert_eq!(meter.used(10 * MEGABIT), 12 * MEGABIT);
    }

    #[test]
    fn what_is_given_back_is_not_used_any_more() {
        let mut meter = Meter::default();
        run(&mut meter, MEASURED, 12 * MEGABIT, 10 * MEGABIT);
        assert_eq!(meter.used(5 * MEGABIT), 6 * MEGABIT);
        assert_eq!(meter.used(0), 0);
    }
}
