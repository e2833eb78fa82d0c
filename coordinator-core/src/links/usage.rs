//! How much ran over a link, by quarters of an hour: months begin at whole quarters everywhere.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_protocol::time::Timestamp;

/// Length of a quarter, in seconds.
const QUARTER: u64 = 900;
/// Quarters that are remembered: 40 days, longer than any month and any mean.
const REMEMBERED: u64 = 40 * 24 * 4;

/// Bytes that ran over a link in a quarter of an hour, or some of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkUse {
    /// The policy's name, a slash, and the link's own.
    pub link: Arc<str>,
    /// The quarter, counted from the UNIX epoch.
    pub quarter: u64,
    /// How many.
    pub bytes: u64,
}

/// What ran over one link.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    quarters: BTreeMap<u64, u64>,
    /// The sum from a quarter on, kept up.
    sum: Option<(u64, u64)>,
    /// What was not told yet.
    untold: BTreeMap<u64, u64>,
}

fn quarter(at: Timestamp) -> u64 {
    at.unix_seconds().0 / QUARTER
}

impl Usage {
    pub(super) fn add(&mut self, bytes: u64, now: Timestamp) {
        let quarter = quarter(now);
        self.note(quarter, bytes);
        *self.untold.entry(quarter).or_default() += bytes;
        let oldest = quarter.saturating_sub(REMEMBERED);
        while let Some(first) = self.quarters.first_entry()
            && *first.key() < oldest
        {
            first.remove();
        }
    }

    pub(super) fn remember(&mut self, told: &LinkUse) {
        self.note(told.quarter, told.bytes);
    }

    fn note(&mut self, quarter: u64, bytes: u64) {
        *self.quarters.entry(quarter).or_default() += bytes;
        if let Some((from, sum)) = &mut self.sum
            && *from <= quarter
        {
            *sum += bytes;
        }
    }

    /// Bytes since then, which is asked for again and again.
    pub(super) fn since(&mut self, begin: Timestamp) -> u64 {
        let from = quarter(begin);
        match self.sum {
            Some((known, sum)) if known == from => sum,
            Some(_) | None => {
                let sum = self.total_since(begin);
                self.sum = Some((from, sum));
                sum
            }
        }
    }

    /// The same, added up.
    pub(super) fn total_since(&self, begin: Timestamp) -> u64 {
        self.quarters
            .range(quarter(begin)..)
            .map(|(_, bytes)| bytes)
            .sum()
    }

    /// Bytes of the last quarters that make up so long a time, the present one among them. What ran
    /// in a part of the first one counts as well.
    pub(super) fn of_last(&self, time: Duration, now: Timestamp) -> u64 {
        let span = time.as_secs() / QUARTER;
        let first = quarter(now).saturating_sub(span);
        self.quarters.range(first..).map(|(_, bytes)| bytes).sum()
    }

    /// What was added since the last call.
    pub(super) fn take_uses(&mut self, link: &Arc<str>) -> Vec<LinkUse> {
        let untold = core::mem::take(&mut self.untold).into_iter();
        let told = untold.map(|(quarter, bytes)| LinkUse {
            link: Arc::clone(link),
            quarter,
            bytes,
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_hour_passes_and_a_month_goes_on() {
        let mut usage = Usage::default();
        let start = 1_800_000_000;
        for quarter in 0..8 {
            usage.add(10, at(start + quarter * QUARTER));
        }
        let now = at(start + 7 * QUARTER);
        assert_eq!(usage.of_last(HOUR, now), 50, "a part of the fifth counts");
        assert_eq!(usage.since(at(start)), 80);
        usage.add(5, now);
        assert_eq!(usage.since(at(start)), 85);
        assert_eq!(usage.since(at(start + 4 * QUARTER)), 45, "another month");
        assert_eq!(usage.of_last(HOUR, at(start + 20 * QUARTER)), 0);
    }

    #[test]
    fn what_was_told_is_remembered_as_it_was() {
        let link: Arc<str> = "a/b".into();
        let (mut one, mut other) = (Usage::default(), Usage::default());
        for second in [0, 5, QUARTER, 3 * QUARTER] {
            one.add(100, at(1_800_000_000 + second));
            one.take_uses(&link)
                .iter()
                .for_each(|told| other.remember(told));
        }
        let begin = at(1_800_000_000);
        assert_eq!(other.since(begin), one.since(begin));
        assert!(one.take_uses(&link).is_empty());
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut usage = Usage::default();
        for quarter in 0..2 * REMEMBERED {
            usage.add(1, at(quarter * QUARTER));
        }
        assert!(usage.quarters.len() <= usize::try_from(REMEMBERED).unwrap() + 1);
    }
}
