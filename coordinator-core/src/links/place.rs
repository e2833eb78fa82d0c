//! One link: its limits, what of it is leased to whom, and what may run over it at present.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_protocol::ids::ContentId;
use runnel_protocol::time::Timestamp;

use super::usage::Usage;
use crate::policy::{Limits, Link, Month, Ruling, Span, Zone};

/// How much of its limit is given away, in percent: encoders that vary by a tenth part nobody.
const FILLED: u64 = 90;
/// Leases are larger than what is used of them while so much is left, in percent.
const PLENTY: u64 = 20;
/// A lease ends when it was not refreshed for so long: three ticks.
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// What is left of a month's total is spread over so long: then a link that is used up closes
/// step by step, and what is under way when it does is little.
const LAST_MINUTE: Duration = Duration::from_secs(60);
/// What is left of a mean's total is spread over this part of its time, for the same reason: the
/// nearer the mean is to its limit, the nearer to it is the rate as well.
const LAST_PART: u32 = 8;

/// What limits a link at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Peak,
    Mean,
    Month,
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) name: Arc<str>,
    pub(super) limits: Limits,
    pub(super) zone: Option<Zone>,
    pub(super) ruling: Arc<Ruling>,
    pub(super) in_force: bool,
    /// What may run over it at present, bit/s, and what says so.
    pub(super) limit: u64,
    pub(super) bound: Bound,
    pub(super) month: Option<Month>,
    pub(super) leases: BTreeMap<ContentId, Lease>,
    /// The sum of what was leased, bit/s.
    pub(super) granted: u64,
    pub(super) had_room: bool,
    /// What each content uses, by the priorities of those whom it feeds there: told only while more
    /// runs over the link than it carries.
    pub(super) ranks: BTreeMap<ContentId, Ranks>,
}

/// Bit/s by priority.
pub(crate) type Ranks = BTreeMap<u8, u64>;

/// One delivery coordinator's part, bit/s.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lease {
    pub(super) granted: u64,
    pub(super) used: u64,
    pub(super) booked: u64,
    /// `None` until it is refreshed for the first time.
    pub(super) until: Option<Timestamp>,
}

impl Place {
    pub(super) fn new(link: &Link) -> Self {
        Self {
            name: Arc::clone(&link.name),
            limits: link.limits.clone(),
            zone: link.zone.clone(),
            ruling: Arc::clone(&link.ruling),
            in_force: true,
            limit: 0,
            bound: Bound::Peak,
            month: None,
            leases: BTreeMap::new(),
            granted: 0,
            had_room: true,
            ranks: BTreeMap::new(),
        }
    }

    pub(super) fn follow(&mut self, link: &Link) {
        self.limits = link.limits.clone();
        self.zone = link.zone.clone();
        self.ruling = Arc::clone(&link.ruling);
        self.in_force = true;
    }

    /// What of it is given away at most.
    pub(super) const fn filled(&self) -> u64 {
        percent(self.limit, FILLED)
    }

    pub(super) const fn pool(&self) -> u64 {
        self.filled().saturating_sub(self.granted)
    }

    /// What a delivery coordinator is leased beyond what it uses: so that most grants need nothing
    /// more. Where little is left it stays where everybody finds it.
    pub(super) fn headroom(&self, used: u64) -> u64 {
        let left = self.pool().saturating_sub(used);
        if left > percent(self.limit, PLENTY) {
            (used / 4).min(left / 2)
        } else {
            0
        }
    }

    /// What a content may go on using: the highest priorities first, whichever content they are
    /// fed with, and those of one priority in proportion.
    pub(super) fn share_of(&self, content: ContentId) -> u64 {
        let (mut left, mut its) = (self.filled(), 0);
        let mut totals = Ranks::new();
        for (priority, used) in self.ranks.values().flatten() {
            *totals.entry(*priority).or_default() += used;
        }
        let own = self.ranks.get(&content);
        for (priority, total) in totals.into_iter().rev() {
            let wanted = own.and_then(|own| own.get(&priority)).copied();
            let given = u128::from(total.min(left)) * u128::from(wanted.unwrap_or(0));
            its += u64::try_from(given / u128::from(total.max(1))).unwrap_or(u64::MAX);
            left = left.saturating_sub(total);
        }
        its
    }

    pub(super) fn used(&self) -> u64 {
        self.leases.values().map(|lease| lease.used).sum()
    }

    pub(super) fn set(&mut self, content: ContentId, lease: Lease) {
        let old = self.leases.insert(content, lease).unwrap_or_default();
        self.granted = self.granted - old.granted + lease.granted;
    }

    pub(super) fn end(&mut self, content: ContentId) {
        if let Some(old) = self.leases.remove(&content) {
            self.granted -= old.granted;
        }
    }

    pub(super) fn end_old_leases(&mut self, now: Timestamp) {
        let mut over = Vec::new();
        for (content, lease) in &mut self.leases {
            if *lease.until.get_or_insert(now + LEASE) < now {
                over.push(*content);
            }
        }
        over.into_iter().for_each(|content| self.end(content));
    }

    /// What may run over it from now on.
    pub(super) fn look_at(&mut self, usage: &mut Usage, now: Timestamp) {
        if self.limits.are_monthly() && self.month.is_none_or(|month| now >= month.ends) {
            self.month = self.zone.as_ref().and_then(|zone| zone.month(now));
        }
        let peak = self.limits.peak.map(|rate| (rate.0, Bound::Peak));
        let mean = self.limits.mean.map(|(rate, span)| {
            let (used, time) = match span {
                Span::Last(time) => (usage.of_last(time, now), time),
                Span::Month => self.of_month(usage),
            };
            let left = rate.bytes_in(time).saturating_sub(used);
            (rate_of(left, time / LAST_PART), Bound::Mean)
        });
        let month = self.limits.month.map(|most| {
            let left = most.saturating_sub(self.of_month(usage).0);
            (rate_of(left, LAST_MINUTE), Bound::Month)
        });
        let bounds = [peak, mean, month].into_iter().flatten();
        let least = bounds.min_by_key(|(rate, _)| *rate);
        (self.limit, self.bound) = least.unwrap_or((u64::MAX, Bound::Peak));
    }

    fn of_month(&self, usage: &mut Usage) -> (u64, Duration) {
        let month = self.month;
        month.map_or((0, LAST_MINUTE), |month| {
            (usage.since(month.begins), month.length())
        })
    }
}

pub(super) const fn percent(whole: u64, share: u64) -> u64 {
    whole / 100 * share
}

fn rate_of(bytes: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    let rate = u128::from(bytes) * 8000 / millis;
    u64::try_from(rate).unwrap_or(u64::MAX)
}
