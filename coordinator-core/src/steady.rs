//! No flapping: why a member's parents change, how often they may, and which offers are believed.
//!
//! The bound: a repair is always made, and each costs a pair its trust for ten seconds or more.
//! Whatever else changes a peer's parents happens at most [`PER_MINUTE`] times a minute, and what
//! neither churn nor failure nor policy asks for at most once an hour, and so often all in all as
//! there are peers and hours.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::table::Table;

/// Changes without a failure behind them per peer and minute.
pub(crate) const PER_MINUTE: u8 = 4;
const MINUTE: u32 = 60;
/// Least time between two changes of one peer that nothing but a wish stands behind.
const HOUR: u32 = 3600;
/// An offer that rises is believed once it has stood for this long; one that falls, at once.
pub(crate) const HOLD: Duration = Duration::from_secs(10);

/// What stands behind a change of somebody's parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A parent went away.
    ParentGone,
    /// A policy changed, or its time came: it forbids a pair, or allows one again.
    Policy,
    /// A parent has fallen silent, or a rule objects to it.
    ParentUnfit,
    /// A link failed, was lost, or brought nothing.
    LinkFailed,
    /// A link brought less than the stream's rate.
    LinkSlow,
    /// What a parent sent did not arrive in time.
    LinkCongested,
    /// A parent was accused of bad data.
    Misconduct,
    /// A stripe had no parent.
    Uncovered,
    /// The uplinks do not carry everybody.
    Infeasible,
    /// The uplinks carry everybody again.
    FeasibleAgain,
    /// All that it had came from one parent, and losing that one would have lost all.
    Alone,
    /// A better peer came: it moved near the source.
    Promoted,
    /// A better peer took its place and became its parent.
    Preempted,
    /// Somebody came who can feed it at less cost.
    Newcomer,
    /// What had failed, or somebody as cheap, has room again: it need not stay with whoever was
    /// left.
    Recovered,
    /// Somebody has room now who can feed it at less cost.
    Improvement,
}

/// How much a cause excuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excuse {
    Failure,
    Churn,
    Wish,
}

impl Cause {
    /// Every cause, in the order in which they are counted.
    pub const ALL: [Self; 16] = [
        Self::ParentGone,
        Self::Policy,
        Self::ParentUnfit,
        Self::LinkFailed,
        Self::LinkSlow,
        Self::LinkCongested,
        Self::Misconduct,
        Self::Uncovered,
        Self::Infeasible,
        Self::FeasibleAgain,
        Self::Alone,
        Self::Promoted,
        Self::Preempted,
        Self::Newcomer,
        Self::Recovered,
        Self::Improvement,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ParentGone => "parent_gone",
            Self::Policy => "policy",
            Self::ParentUnfit => "parent_unfit",
            Self::LinkFailed => "link_failed",
            Self::LinkSlow => "link_slow",
            Self::LinkCongested => "link_congested",
            Self::Misconduct => "misconduct",
            Self::Uncovered => "uncovered",
            Self::Infeasible => "infeasible",
            Self::FeasibleAgain => "feasible_again",
            Self::Alone => "alone",
            Self::Promoted => "promoted",
            Self::Preempted => "preempted",
            Self::Newcomer => "newcomer",
            Self::Recovered => "recovered",
            Self::Improvement => "improvement",
        }
    }

    /// Whether neither churn nor failure nor policy asks for it.
    pub fn is_voluntary(self) -> bool {
        self.excuse() == Excuse::Wish
    }

    /// Whether something broke, is missing or is forbidden, so that it is seen to however often that
    /// happens.
    pub(crate) fn is_failure(self) -> bool {
        self.excuse() == Excuse::Failure
    }

    /// What is behind the change of whoever makes room for somebody that moves for this cause.
    pub(crate) const fn of_who_gives_way(self) -> Self {
        match self {
            Self::Improvement => Self::Improvement,
            Self::ParentGone
            | Self::Policy
            | Self::ParentUnfit
            | Self::LinkFailed
            | Self::LinkSlow
            | Self::LinkCongested
            | Self::Misconduct
            | Self::Uncovered
            | Self::Infeasible
            | Self::FeasibleAgain
            | Self::Alone
            | Self::Promoted
            | Self::Preempted
            | Self::Newcomer
            | Self::Recovered => Self::Preempted,
        }
    }

    const fn excuse(self) -> Excuse {
        match self {
            Self::ParentGone
            | Self::Policy
            | Self::ParentUnfit
            | Self::LinkFailed
            | Self::LinkSlow
            | Self::LinkCongested
            | Self::Misconduct
            | Self::Uncovered
            | Self::Infeasible
            | Self::FeasibleAgain => Excuse::Failure,
            Self::Alone | Self::Promoted | Self::Preempted | Self::Newcomer | Self::Recovered => {
                Excuse::Churn
            }
            Self::Improvement => Excuse::Wish,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ParentGone => "a parent went away",
            Self::Policy => "the policies say something else than before",
            Self::ParentUnfit => "a parent could not go on feeding it",
            Self::LinkFailed => "a link to a parent failed",
            Self::LinkSlow => "a parent brought less than the stream's rate",
            Self::LinkCongested => "what a parent sent did not arrive in time",
            Self::Misconduct => "a parent was accused of bad data",
            Self::Uncovered => "some stripes had no parent",
            Self::Infeasible => "all uplinks together do not carry everybody",
            Self::FeasibleAgain => "the uplinks carry everybody again",
            Self::Alone => "one parent alone fed it",
            Self::Promoted => "its uplink is of most use near the source",
            Self::Preempted => "a peer with more uplink took its place nearer to the source",
            Self::Newcomer => "somebody came who feeds it at less cost",
            Self::Recovered => "what had failed feeds it again at less cost",
            Self::Improvement => "somebody got room who feeds it at less cost",
        })
    }
}

/// Changes of somebody's parents since the start, by cause.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reassignments([u64; Cause::ALL.len()]);

impl Reassignments {
    pub(crate) fn count(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }

    /// Adds those of another control center, or of another time.
    pub fn add(&mut self, other: &Self) {
        let sums = self.0.iter_mut().zip(other.0);
        sums.for_each(|(sum, more)| *sum += more);
    }

    /// Changes for this cause.
    pub const fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those that neither churn nor failure nor policy asked for.
    pub fn voluntary(&self) -> u64 {
        let wishes = Cause::ALL.into_iter().filter(|cause| cause.is_voluntary());
        wishes.map(|cause| self.of(cause)).sum()
    }
}

/// One member's account of changes. Seconds, to keep a million of them small.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Account {
    minute: u32,
    changes: u8,
    /// Second of the last wish that was granted, and zero before the first.
    wished: u32,
}

impl Account {
    /// Whether a change for this cause may be made.
    pub(crate) fn permits(&self, cause: Cause, now: Timestamp) -> bool {
        let second = seconds(now);
        let calm = second.saturating_sub(self.minute) >= MINUTE || self.changes < PER_MINUTE;
        let rested = self.wished == 0 || second.saturating_sub(self.wished) >= HOUR;
        match cause.excuse() {
            Excuse::Failure => true,
            Excuse::Churn => calm,
            Excuse::Wish => calm && rested,
        }
    }

    /// A change was made.
    pub(crate) fn note(&mut self, cause: Cause, now: Timestamp) {
        let second = seconds(now);
        match cause.excuse() {
            Excuse::Failure => return,
            Excuse::Churn => {}
            Excuse::Wish => self.wished = second,
        }
        if second.saturating_sub(self.minute) >= MINUTE {
            (self.minute, self.changes) = (second, 0);
        }
        self.changes = self.changes.saturating_add(1);
    }
}

/// What all members of a content together may still wish for, in member-seconds: one change costs
/// an hour of one member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    saved: u64,
    at: Timestamp,
}

impl Wishes {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { saved: 0, at: now }
    }

    /// So many members have been there since the last call. What is saved for longer than a minute
    /// is lost, unless it is not even one change.
    pub(crate) fn save(&mut self, members: usize, now: Timestamp) {
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        let more = members.saturating_mul(now.since(self.at).as_secs());
        let most = members.saturating_mul(MINUTE.into()).max(HOUR.into());
        if more > 0 {
            self.saved = self.saved.saturating_add(more).min(most);
            self.at = now;
        }
    }

    pub(crate) const fn permit_one(&self) -> bool {
        self.saved >= HOUR as u64
    }

    pub(crate) const fn grant_one(&mut self) {
        self.saved = self.saved.saturating_sub(HOUR as u64);
    }
}

fn seconds(now: Timestamp) -> u32 {
    u32::try_from(now.unix_seconds().0).unwrap_or(u32::MAX)
}

/// An offer that rose, and since when it has stood; `None` after it fell again.
#[derive(Debug, Clone, Copy)]
struct Rise {
    said: BitsPerSecond,
    since: Option<Timestamp>,
}

/// Offers that rose and are not believed yet: at most one of each peer.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    rises: Table<PeerId, Rise>,
    /// When to look at each of them next.
    due: VecDeque<(Timestamp, PeerId)>,
}

impl Offers {
    /// What to believe of a peer that says `said` while `believed` was.
    pub(crate) fn hear(
        &mut self,
        peer: PeerId,
        said: BitsPerSecond,
        believed: BitsPerSecond,
        now: Timestamp,
    ) -> BitsPerSecond {
        let rise = self.rises.get_mut(&peer);
        if said <= believed {
            if let Some(rise) = rise {
                rise.since = None;
            }
            return said;
        }
        if let Some(rise) = rise {
            let stands = rise.since.filter(|_| said >= rise.said);
            (rise.said, rise.since) = (said, Some(stands.unwrap_or(now)));
        } else {
            let since = Some(now);
            self.rises.insert(peer, Rise { said, since });
            self.due.push_back((now + HOLD, peer));
        }
        believed
    }

    /// The next offer that has stood long enough; it is believed from now on.
    pub(crate) fn next_ripe(&mut self, now: Timestamp) -> Option<(PeerId, BitsPerSecond)> {
        while let Some((_, peer)) = self.due.front().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_front();
            let rise = self.rises.swap_remove(&peer)?;
            match rise.since {
                Some(since) if now.since(since) >= HOLD => return Some((peer, rise.said)),
                Some(since) => {
                    self.rises.insert(peer, rise);
                    self.due.push_back((since + HOLD, peer));
                }
                None => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros((1_800_000_000 + seconds) * 1_000_000)
    }

    /// Changes that this many members together are granted who ask all the time.
    fn granted_together(members: usize, time: u64) -> usize {
        let mut wishes = Wishes::new(at(0));
        let ask = |second: &u64| {
            wishes.save(members, at(*second));
            let granted = wishes.permit_one();
            if granted {
                wishes.grant_one();
            }
            granted
        };
        (1..=time).filter(ask).count()
    }

    #[test]
    fn all_together_change_for_the_better_once_an_hour_and_member() {
        assert_eq!(granted_together(100, 35), 0, "not even at the beginning");
        assert_eq!(granted_together(100, 3600), 100);
        assert_eq!(granted_together(1, 7200), 2);
        assert_eq!(granted_together(1_000_000, 10), 10, "one at a time here");
    }

    #[test]
    fn what_nobody_wished_for_is_not_saved_for_long() {
        let mut wishes = Wishes::new(at(0));
        wishes.save(600, at(3600));
        let granted = core::iter::from_fn(|| wishes.permit_one().then(|| wishes.grant_one()));
        assert_eq!(granted.count(), 10, "a minute of 600 members");
    }

    /// Changes granted to somebody who asks every second for `time` seconds.
    fn granted(cause: Cause, time: u64) -> usize {
        let mut account = Account::default();
        (0..time)
            .filter(|second| {
                let permits = account.permits(cause, at(*second));
                if permits {
                    account.note(cause, at(*second));
                }
                permits
            })
            .count()
    }

    #[test]
    fn wishes_are_granted_once_an_hour() {
        assert_eq!(granted(Cause::Improvement, 3600), 1);
        assert_eq!(granted(Cause::Improvement, 3 * 3600), 3);
    }

    #[test]
    fn churn_moves_a_peer_a_few_times_a_minute_and_failures_whenever_they_occur() {
        assert_eq!(granted(Cause::Newcomer, 60), usize::from(PER_MINUTE));
        assert_eq!(granted(Cause::Preempted, 600), 10 * usize::from(PER_MINUTE));
        assert_eq!(granted(Cause::LinkFailed, 600), 600);
    }

    #[test]
    fn each_cause_is_counted_under_its_own_name() {
        let mut counted = Reassignments::default();
        for cause in Cause::ALL {
            counted.count(cause);
            assert_eq!(counted.of(cause), 1, "{}", cause.name());
        }
        assert_eq!(counted.total(), Cause::ALL.len() as u64);
        assert_eq!(counted.voluntary(), 1);
        let names: std::collections::BTreeSet<_> =
            Cause::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
    }

    const PEER: PeerId = PeerId([1; 16]);
    const LOW: BitsPerSecond = BitsPerSecond(1);
    const HIGH: BitsPerSecond = BitsPerSecond(9);

    #[test]
    fn an_offer_that_falls_is_believed_at_once_and_one_that_rises_after_ten_seconds() {
        let mut offers = Offers::default();
        assert_eq!(offers.hear(PEER, LOW, HIGH, at(0)), LOW);
        assert_eq!(offers.hear(PEER, HIGH, LOW, at(1)), LOW);
        assert_eq!(offers.next_ripe(at(10)), None);
        assert_eq!(offers.next_ripe(at(11)), Some((PEER, HIGH)));
        assert_eq!(offers.next_ripe(at(99)), None);
    }

    #[test]
    fn an_offer_that_swings_is_believed_at_its_lowest() {
        let mut offers = Offers::default();
        let mut believed = HIGH;
        for second in (0..300).step_by(5) {
            let said = if second % 10 == 0 { LOW } else { HIGH };
            believed = offers.hear(PEER, said, believed, at(second));
            while let Some((_, offered)) = offers.next_ripe(at(second)) {
                believed = offered;
            }
            assert_eq!(believed, LOW, "second {second}");
        }
        assert!(offers.due.len() <= 2, "{:?}", offers.due);
    }
}
