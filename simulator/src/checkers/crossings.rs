//! Y3: no link carries more than its limit, over any time, beyond one burst; and what is full in one month
//! opens with the next one.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use runnel_coordinator_core::policy::{LinkSet, LinkTerms, Month, PolicySet, Strictness};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::Verdict;

/// Whoever comes takes three segments at once, to fill its buffer, before it takes one after the
/// other: a link on which all are new may be ahead of its limit by so many seconds, and never more.
const AHEAD: Duration = Duration::from_secs(6);
/// A month's total is passed by no more than what is under way when it is reached.
const LATE: Duration = Duration::from_secs(4);
/// A link that was full carries more again than was left of its month, so long after the next one began.
const OPENS: Duration = Duration::from_secs(20);
/// Seconds over which the highest mean is told.
const TOLD: usize = 10;

/// What ran over a link.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// The policy's name, a slash, and its own.
    pub name: Arc<str>,
    /// Most of any moment.
    pub peak: Option<BitsPerSecond>,
    /// The highest mean of ten seconds.
    pub highest: BitsPerSecond,
    /// The largest burst ahead of the peak, in seconds of it.
    pub ahead_s: f64,
    /// Bytes in all.
    pub bytes: u64,
}

#[derive(Debug)]
struct Account {
    terms: LinkTerms,
    /// Bits ahead of the limit: a leaky bucket.
    level: u64,
    highest_level: u64,
    at: Timestamp,
    seconds: VecDeque<u64>,
    second: u64,
    highest: u64,
    bytes: u64,
    /// Of the present month, which it is, and of the month before.
    month: u64,
    present: Option<Month>,
    last_month: u64,
}

impl Account {
    fn new(terms: LinkTerms, now: Timestamp) -> Self {
        Self {
            terms,
            level: 0,
            highest_level: 0,
            at: now,
            seconds: VecDeque::new(),
            second: now.unix_seconds().0,
            highest: 0,
            bytes: 0,
            month: 0,
            present: None,
            last_month: 0,
        }
    }

    /// Begins another month where it is time to.
    fn follow_months(&mut self, now: Timestamp) {
        let over = self.present.is_none_or(|month| now >= month.ends);
        if let Some(zone) = self.terms.zone.as_ref().filter(|_| over) {
            if self.present.is_some() {
                (self.last_month, self.month) = (self.month, 0);
            }
            self.present = zone.month(now);
        }
    }

    fn add(&mut self, bytes: u64, known: bool, now: Timestamp) {
        self.follow_months(now);
        self.bytes += bytes;
        self.month += bytes;
        // What was under way when other limits came says nothing of these.
        if !known {
            (self.level, self.at) = (0, now);
            self.seconds.clear();
        }
        let second = now.unix_seconds().0;
        while self.second < second && self.seconds.len() <= TOLD {
            self.seconds.push_front(0);
            self.second += 1;
            self.seconds.truncate(TOLD);
        }
        self.second = second;
        match self.seconds.front_mut() {
            Some(front) => *front += bytes,
            None => self.seconds.push_front(bytes),
        }
        if self.seconds.len() == TOLD {
            self.highest = self.highest.max(self.seconds.iter().sum());
        }
        if let Some(peak) = self.terms.peak {
            let drained = peak.bytes_in(now.since(self.at));
            self.level = self.level.saturating_sub(drained) + bytes;
            self.at = now;
            self.highest_level = self.highest_level.max(self.level);
        }
    }

    fn crossing(&self) -> Crossing {
        let peak = self
            .terms
            .peak
            .unwrap_or_default()
            .bytes_in(Duration::from_secs(1));
        let number = crate::bounds::number;
        Crossing {
            name: Arc::clone(&self.terms.name),
            peak: self.terms.peak,
            highest: BitsPerSecond(self.highest * 8 / TOLD as u64),
            ahead_s: number(self.highest_level) / number(peak.max(1)),
            bytes: self.bytes,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Crossings {
    pub(crate) verdict: Verdict,
    accounts: BTreeMap<Arc<str>, Account>,
    in_force: Vec<(LinkSet, Arc<str>)>,
}

impl Default for Crossings {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("Y3 links carry what they may"),
            accounts: BTreeMap::new(),
            in_force: Vec::new(),
        }
    }
}

impl Crossings {
    /// Other links, or other limits, are in force from now on.
    pub(crate) fn change(&mut self, set: &PolicySet, now: Timestamp) {
        self.in_force.clear();
        for terms in set.link_terms() {
            let name = Arc::clone(&terms.name);
            self.in_force.push((terms.links, Arc::clone(&name)));
            let account = self.accounts.entry(name);
            let account = account.or_insert_with(|| Account::new(terms.clone(), now));
            if account.terms.peak != terms.peak {
                (account.highest, account.highest_level) = (0, 0);
            }
            account.terms = terms;
        }
    }

    /// Bytes run over some links; `known` says whether everybody has to keep to the limits.
    pub(crate) fn carried(&mut self, on: LinkSet, bytes: u64, known: bool, now: Timestamp) {
        for (links, name) in &self.in_force {
            let Some(account) = self.accounts.get_mut(name).filter(|_| on.meets(*links)) else {
                continue;
            };
            account.add(bytes, known, now);
            let terms = &account.terms;
            // Soft ones may have given way.
            if terms.strictness == Strictness::Soft || !known {
                continue;
            }
            let (level, month) = (account.level, account.month);
            if let Some(peak) = terms.peak {
                let most = peak.bytes_in(AHEAD);
                self.verdict.expect(level <= most, || {
                    format!("{name} is {level} bytes ahead of its limit ({most} allowed)")
                });
            }
            if let Some(most) = terms.month {
                let late = BitsPerSecond(most / 60 * 8).bytes_in(LATE);
                self.verdict.expect(month <= most + late, || {
                    format!("{name} has carried {month} bytes of {most}")
                });
            }
        }
    }

    /// Looks whether links that were full last month are open.
    pub(crate) fn look(&mut self, now: Timestamp) {
        for (_, name) in &self.in_force {
            let Some(account) = self.accounts.get_mut(name) else {
                continue;
            };
            account.follow_months(now);
            let Some((month, most)) = account.present.zip(account.terms.month) else {
                continue;
            };
            let was_full = account.last_month >= most / 10 * 9;
            if was_full && now.since(month.begins) > OPENS {
                let (carried, left) = (account.month, most.saturating_sub(account.last_month));
                self.verdict.expect(carried > left, || {
                    format!("{name}, of whose month {left} bytes were left, has carried {carried} in the next")
                });
            }
        }
    }

    /// What ran over each link.
    pub(crate) fn crossings(&self) -> Vec<Crossing> {
        self.accounts.values().map(Account::crossing).collect()
    }
}

#[cfg(test)]
mod tests {
    use runnel_coordinator_core::policy::{Zone, read};

    use super::*;

    fn crossings(limits: &str) -> (Crossings, LinkSet) {
        let text = format!(
            "name = \"p\"\nkind = \"network\"\nzone = \"UTC\"\n[[link]]\nname = \"line\"\n\
             when = 'true'\n{limits}\n"
        );
        let set = PolicySet::new(vec![read(&text).unwrap()]).unwrap();
        let mut crossings = Crossings::default();
        crossings.change(&set, crate::title::START);
        let links = set.link_terms().next().unwrap().links;
        (crossings, links)
    }

    fn run(crossings: &mut Crossings, on: LinkSet, kilobits: u64, seconds: u64) -> u64 {
        let step = Duration::from_millis(100);
        for number in 0..seconds * 10 {
            let now = crate::title::START + step * u32::try_from(number).unwrap();
            crossings.carried(on, kilobits * 1000 / 80, true, now);
        }
        crossings.verdict.violations
    }

    #[test]
    fn a_link_at_its_limit_is_fine_and_a_tenth_more_is_seen_in_time() {
        let (mut fine, on) = crossings("max_mbps = 10");
        assert_eq!(run(&mut fine, on, 10_000, 120), 0);
        let highest = fine.crossings()[0].highest;
        assert_eq!(highest, BitsPerSecond(10_000_000));
        let (mut over, on) = crossings("max_mbps = 10");
        assert!(run(&mut over, on, 11_000, 60) > 0);
        let (mut elsewhere, _) = crossings("max_mbps = 10");
        assert_eq!(run(&mut elsewhere, LinkSet::EMPTY, 11_000, 60), 0);
    }

    #[test]
    fn a_month_that_is_passed_is_seen() {
        let (mut month, on) = crossings("max_gb_per_month = 1");
        assert_eq!(run(&mut month, on, 100_000, 80), 0);
        assert!(run(&mut month, on, 100_000, 10) > 0);
    }

    #[test]
    fn a_link_that_stays_closed_in_a_new_month_is_seen() {
        let ends = Zone::named("UTC").unwrap().month(crate::title::START);
        let ends = ends.unwrap().ends;
        let (mut month, on) = crossings("max_gb_per_month = 1");
        month.carried(on, 950_000_000, true, crate::title::START);
        month.look(ends + OPENS);
        assert_eq!(month.verdict.violations, 0);
        month.carried(on, 50_000_000, true, ends + OPENS);
        month.look(ends + OPENS * 2);
        assert_eq!(month.verdict.violations, 1, "it is what was left");
        // What ran in the month before does not count in this one.
        month.carried(on, 950_000_000, true, ends + OPENS * 2);
        month.look(ends + OPENS * 3);
        assert_eq!(month.verdict.violations, 1);
    }
}
