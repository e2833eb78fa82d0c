//! Pairs that are kept apart for a while (P8): longer with each failure, forgotten in time.

use core::time::Duration;
use std::collections::BTreeSet;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::table::Table;

/// The first ban; it doubles with each further failure.
const FIRST: Duration = Duration::from_secs(10);
/// The longest ban that failures lead to.
const LONGEST: Duration = Duration::from_secs(600);
/// After a ban has ended, its failures are remembered for this long.
const MEMORY: Duration = Duration::from_secs(600);
/// Most pairs remembered; the one that is forgotten soonest makes room.
const MAX_PAIRS: usize = 65_536;

/// Why two peers are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Apart {
    /// They could not connect.
    Unreachable,
    /// One had no link left for the other.
    Full,
    /// Their link was lost.
    Lost,
    /// Their link stood and nothing came.
    Stalled,
    /// Their link stood and brought too little.
    Slow,
    /// What one sent did not reach the other in time.
    Congested,
    /// One says that the other sent what an honest peer cannot send.
    Misbehaved,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ban {
    pub(crate) until: Timestamp,
    pub(crate) cause: Apart,
    failures: u32,
}

type Pair = (PeerId, PeerId);

#[derive(Debug, Default)]
pub(crate) struct Blacklist {
    pairs: Table<Pair, Ban>,
    /// The same pairs, by when their bans end: the first is forgotten soonest.
    ends: BTreeSet<(Timestamp, Pair)>,
}

fn key(one: PeerId, other: PeerId) -> Pair {
    (one.min(other), one.max(other))
}

impl Blacklist {
    /// The ban in force, if any.
    pub(crate) fn ban(&self, one: PeerId, other: PeerId, now: Timestamp) -> Option<Ban> {
        let ban = self.pairs.get(&key(one, other))?;
        (now < ban.until).then_some(*ban)
    }

    /// Keeps a pair apart and says until when. A failure of a pair that is kept apart already is
    /// the same event seen from the other end, or seen again: it counts once.
    pub(crate) fn add(
        &mut self,
        one: PeerId,
        other: PeerId,
        cause: Apart,
        now: Timestamp,
    ) -> Timestamp {
        let pair = key(one, other);
        if let Some(ban) = self.ban(one, other, now)
            && (cause != Apart::Misbehaved || ban.cause == Apart::Misbehaved)
        {
            return ban.until;
        }
        let failures = self.pairs.get(&pair).map_or(0, |ban| ban.failures) + 1;
        let time = match cause {
            Apart::Misbehaved => LONGEST,
            Apart::Unreachable
            | Apart::Full
            | Apart::Lost
            | Apart::Stalled
            | Apart::Slow
            | Apart::Congested => (FIRST * 2u32.saturating_pow((failures - 1).min(8))).min(LONGEST),
        };
        let until = now + time;
        self.forget(pair);
        let ban = Ban {
            until,
            cause,
            failures,
        };
        self.pairs.insert(pair, ban);
        self.ends.insert((until, pair));
        self.make_room();
        until
    }

    /// The two have connected after all; misbehaviour is not forgiven by that.
    pub(crate) fn forgive(&mut self, one: PeerId, other: PeerId) {
        let pair = key(one, other);
        if self
            .pairs
            .get(&pair)
            .is_some_and(|ban| ban.cause == Apart::Unreachable)
        {
            self.forget(pair);
        }
    }

    /// Forgets what is old enough.
    pub(crate) fn decay(&mut self, now: Timestamp) {
        while let Some((until, pair)) = self.ends.first().copied()
            && until + MEMORY <= now
        {
            self.forget(pair);
        }
    }

    fn forget(&mut self, pair: Pair) {
        if let Some(ban) = self.pairs.swap_remove(&pair) {
            self.ends.remove(&(ban.until, pair));
        }
    }

    fn make_room(&mut self) {
        if self.pairs.len() > MAX_PAIRS
            && let Some((_, pair)) = self.ends.first().copied()
        {
            self.forget(pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_grow_with_each_failure_and_are_forgotten_in_time() {
        let (a, b) = (PeerId([1; 16]), PeerId([2; 16]));
        let start = Timestamp::from_micros(0);
        let mut list = Blacklist::default();
        assert_eq!(list.add(a, b, Apart::Unreachable, start), start + FIRST);
        assert_eq!(
            list.add(b, a, Apart::Lost, start),
            start + FIRST,
            "one event, two reports"
        );
        let later = start + FIRST;
        assert!(list.ban(b, a, later).is_none());
        assert_eq!(list.add(b, a, Apart::Lost, later), later + FIRST * 2);
        assert!(list.ban(a, b, later + FIRST * 2).is_none());
        list.decay(later + FIRST * 2 + MEMORY);
        assert_eq!(list.add(a, b, Apart::Stalled, start), start + FIRST);
    }

    #[test]
    fn connecting_forgives_a_failed_attempt_but_not_a_lie() {
        let (a, b) = (PeerId([1; 16]), PeerId([2; 16]));
        let start = Timestamp::from_micros(0);
        let mut list = Blacklist::default();
        list.add(a, b, Apart::Unreachable, start);
        list.forgive(a, b);
        assert!(list.ban(a, b, start).is_none());
        list.add(a, b, Apart::Misbehaved, start);
        list.forgive(a, b);
        assert!(list.ban(a, b, start).is_some());
    }

    #[test]
    fn of_too_many_pairs_the_one_whose_ban_ends_first_is_forgotten() {
        let peer = |number: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            PeerId(id)
        };
        let (one, now) = (PeerId([255; 16]), Timestamp::from_micros(0));
        let mut list = Blacklist::default();
        list.add(one, peer(0), Apart::Misbehaved, now);
        for number in 1..=MAX_PAIRS {
            let at = now + Duration::from_micros(number as u64);
            list.add(one, peer(number), Apart::Slow, at);
        }
        assert!(list.ban(one, peer(0), now).is_some(), "it lasts longest");
        assert!(list.ban(one, peer(1), now).is_none());
        assert!(list.ban(one, peer(2), now).is_some());
        assert_eq!((list.pairs.len(), list.ends.len()), (MAX_PAIRS, MAX_PAIRS));
        list.decay(now + LONGEST + MEMORY);
        assert!(list.pairs.is_empty() && list.ends.is_empty());
    }
}
