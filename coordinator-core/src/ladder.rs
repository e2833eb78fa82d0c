//! The best rendition that everybody can have: where the CDN may send only so much, a few who
//! play the best one would leave the others without a picture.

use core::time::Duration;
use std::collections::VecDeque;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::rate::RatesInUse;

/// A better rendition is suggested no sooner than this after the last change: an audience that
/// grows would be sent up and down.
const RISE_AFTER: Duration = Duration::from_secs(30);
/// Part of what all can send, in percent, that may be needed for a better rendition.
const RISE_WITHIN: u64 = 90;
/// A crowd that has been coming for so many seconds is taken to come for as many more: when the
/// CDN is full, it is too late to ask.
const AHEAD: usize = 10;
/// Players turn to another rendition with the next segment and say so with the next heartbeat.
const HEED_WITHIN: Duration = Duration::from_secs(15);

/// Who takes a content, and what all together can send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Those who play.
    pub(crate) players: u64,
    /// Stripes that agents carry for others, all of them together, and how many make the whole.
    pub(crate) carried: u64,
    pub(crate) stripes: u8,
    /// Uplink of them and of waypoints, and what the CDN may send, in bit/s.
    pub(crate) supply: u64,
}

impl Load {
    /// What is needed where all players choose `rung`: who carries it carries what the others
    /// play below it as well.
    fn needs(&self, rung: BitsPerSecond, rates: &RatesInUse) -> u64 {
        let whole = rung.saturating_add(rates.sum_below(rung));
        let played = rung.0.saturating_mul(self.players);
        let carried = whole.0.saturating_mul(self.carried) / u64::from(self.stripes.max(1));
        played.saturating_add(carried)
    }
}

/// Bandwidths of a content's variants, as its waypoints read them, and which of them players are
/// asked not to exceed.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    /// From the smallest.
    rungs: Box<[BitsPerSecond]>,
    suggested: Option<BitsPerSecond>,
    /// When that changed last.
    since: Option<Timestamp>,
    /// Players at the last looks, a second apart; the oldest comes first.
    players: VecDeque<u64>,
}

impl Ladder {
    /// What a waypoint says; one that has not read the master playlist yet says nothing, and what
    /// others know stays.
    pub(crate) fn learn(&mut self, rungs: &[BitsPerSecond]) {
        if rungs.is_empty() {
            return;
        }
        let mut rungs = rungs.to_vec();
        rungs.sort_unstable();
        rungs.dedup();
        self.rungs = rungs.into();
    }

    /// The bandwidth that players are asked not to exceed; `None` where they may choose any.
    pub(crate) const fn suggested(&self) -> Option<BitsPerSecond> {
        self.suggested
    }

    /// Whether a player that reports this rate may not have heeded yet what it was asked.
    pub(crate) fn is_outdated(&self, rate: BitsPerSecond, now: Timestamp) -> bool {
        let lately = |since: Timestamp| now.since(since) < HEED_WITHIN;
        self.suggested.is_some_and(|most| rate > most) && self.since.is_some_and(lately)
    }

    /// Once a second: suggests what the load allows, at least the smallest; whether that is
    /// something else than before. No load means that the CDN sends whatever is asked for.
    pub(crate) fn suggest(
        &mut self,
        load: Option<Load>,
        rates: &RatesInUse,
        now: Timestamp,
    ) -> bool {
        let next = load.and_then(|load| self.next(load, rates, now));
        let changes = next != self.suggested;
        if changes {
            (self.suggested, self.since) = (next, Some(now));
        }
        changes
    }

    fn next(&mut self, load: Load, rates: &RatesInUse, now: Timestamp) -> Option<BitsPerSecond> {
        let best = *self.rungs.last()?;
        let present = self.suggested.unwrap_or(best);
        let coming = self.count(load.players);
        let soon = Load {
            players: load.players + coming,
            ..load
        };
        let fits = self.best_within(soon.supply, soon, rates);
        let rises = self.best_within(soon.supply / 100 * RISE_WITHIN, soon, rates);
        let rested = self
            .since
            .is_none_or(|since| now.since(since) >= RISE_AFTER);
        let next = if fits < present {
            fits
        } else if rises > present && rested {
            rises
        } else {
            present
        };
        Some(next).filter(|next| *next < best)
    }

    /// How many more have come since the oldest look.
    fn count(&mut self, players: u64) -> u64 {
        let before = self.players.front().copied().unwrap_or(players);
        if self.players.len() >= AHEAD {
            self.players.pop_front();
        }
        self.players.push_back(players);
        players.saturating_sub(before)
    }

    /// The best rendition that everybody can have, or the smallest.
    fn best_within(&self, supply: u64, load: Load, rates: &RatesInUse) -> BitsPerSecond {
        let fits = |rung: &&BitsPerSecond| load.needs(**rung, rates) <= supply;
        let best = self.rungs.iter().rev().find(fits);
        best.or(self.rungs.first()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABIT: u64 = 1_000_000;

    fn ladder() -> Ladder {
        let mut ladder = Ladder::default();
        let rungs = [4, 1, 2].map(|rung| BitsPerSecond(rung * MEGABIT));
        ladder.learn(&rungs);
        ladder
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000) + Duration::from_secs(seconds)
    }

    fn load(players: u64, carriers: u64) -> Load {
        Load {
            players,
            carried: 4 * carriers,
            stripes: 4,
            supply: 100 * MEGABIT,
        }
    }

    /// What is suggested, in Mbit/s, once so many have been there for a while.
    fn suggestion(ladder: &mut Ladder, players: u64, seconds: u64) -> Option<u64> {
        ladder.players.clear();
        let rates = RatesInUse::new(BitsPerSecond(MEGABIT), at(0));
        ladder.suggest(Some(load(players, 0)), &rates, at(seconds));
        ladder.suggested().map(|rung| rung.0 / MEGABIT)
    }

    #[test]
    fn the_larger_the_audience_the_smaller_the_rendition_that_all_can_have() {
        let mut ladder = ladder();
        assert_eq!(suggestion(&mut ladder, 25, 0), None, "the best for all");
        assert_eq!(suggestion(&mut ladder, 26, 1), Some(2));
        ladder.learn(&[]);
        assert_eq!(suggestion(&mut ladder, 26, 1), Some(2), "another waypoint");
        assert_eq!(suggestion(&mut ladder, 60, 2), Some(1));
        assert_eq!(suggestion(&mut ladder, 500, 3), Some(1), "there is no less");
    }

    #[test]
    fn a_better_one_has_to_fit_with_room_to_spare_and_for_a_while() {
        let mut ladder = ladder();
        assert_eq!(suggestion(&mut ladder, 26, 0), Some(2));
        assert_eq!(suggestion(&mut ladder, 20, 10), Some(2), "too soon");
        assert_eq!(suggestion(&mut ladder, 24, 60), Some(2), "96 % of all");
        assert_eq!(suggestion(&mut ladder, 22, 61), None);
        assert_eq!(suggestion(&mut ladder, 26, 62), Some(2), "down at once");
    }

    #[test]
    fn nothing_is_suggested_where_the_cdn_has_no_limit_or_the_variants_are_unknown() {
        let mut ladder = ladder();
        let rates = RatesInUse::new(BitsPerSecond(MEGABIT), at(0));
        assert_eq!(suggestion(&mut ladder, 60, 0), Some(1));
        assert!(ladder.suggest(None, &rates, at(1)), "no limit any more");
        assert_eq!(ladder.suggested(), None);
        assert_eq!(suggestion(&mut Ladder::default(), 60, 0), None);
    }

    #[test]
    fn a_crowd_that_is_coming_is_asked_before_it_is_there() {
        let mut ladder = ladder();
        let rates = RatesInUse::new(BitsPerSecond(MEGABIT), at(0));
        let mut come = |players| {
            ladder.suggest(Some(load(players, 0)), &rates, at(players));
            ladder.suggested()
        };
        for players in 1..=15 {
            assert_eq!(come(players), None, "{players}");
        }
        assert_eq!(come(16), Some(BitsPerSecond(2 * MEGABIT)), "16 and 10 more");
    }

    #[test]
    fn agents_carry_all_that_is_played_below_them() {
        let mut rates = RatesInUse::new(BitsPerSecond(MEGABIT), at(0));
        let suggested = |rates: &RatesInUse| {
            let mut ladder = ladder();
            ladder.suggest(Some(load(5, 20)), rates, at(0));
            ladder.suggested()
        };
        assert_eq!(suggested(&rates), None, "25 copies of 4 Mbit/s");
        rates.observe(BitsPerSecond(MEGABIT), at(0));
        assert_eq!(suggested(&rates), Some(BitsPerSecond(2 * MEGABIT)));
    }

    #[test]
    fn an_agent_with_one_stripe_of_four_carries_a_quarter() {
        let rates = RatesInUse::new(BitsPerSecond(MEGABIT), at(0));
        let suggested = |carried| {
            let mut ladder = ladder();
            let load = Load {
                carried,
                ..load(20, 0)
            };
            ladder.suggest(Some(load), &rates, at(0));
            ladder.suggested()
        };
        assert_eq!(suggested(20), None, "20 copies and five that are carried");
        assert_eq!(suggested(21), Some(BitsPerSecond(2 * MEGABIT)));
    }

    #[test]
    fn a_rate_above_what_was_asked_for_is_old_news_for_a_while() {
        let mut ladder = ladder();
        assert_eq!(suggestion(&mut ladder, 26, 0), Some(2));
        let reports =
            |rate, seconds| ladder.is_outdated(BitsPerSecond(rate * MEGABIT), at(seconds));
        assert!(reports(4, 14));
        assert!(!reports(2, 14));
        assert!(!reports(4, 15), "somebody chose it by hand");
    }
}
