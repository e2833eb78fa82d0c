//! When a segment is due, and how long peers may take before the CDN has to step in.

use core::time::Duration;
use std::collections::VecDeque;

use runnel_protocol::time::Timestamp;

/// What a CDN fetch is taken to last until the first one was measured.
const FIRST_GUESS: Duration = Duration::from_millis(800);
/// Measured fetches remembered: the slowest of 16 stands for the 95th percentile.
const REMEMBERED: usize = 16;
/// Kept in hand beyond the CDN's own time, where there is that much: the player needs a part of it
/// to parse and append, the rest is for a line that is slower just then than it ever was. With half a second one
/// chaotic evening in thirty had a stall that it would not have had without peers, with this none
/// of two hundred, and peers brought as much (93.5 %).
const MARGIN: Duration = Duration::from_millis(1500);
/// At most this part of the time that was left when the segment was wanted is kept in hand: the
/// second segment of a live stream may be due half a second after the first picture, and parents
/// bring it in less.
const MARGIN_PART: u32 = 4;

/// How long the CDN takes, from experience.
#[derive(Debug, Default)]
pub(crate) struct CdnPace {
    recent: VecDeque<Duration>,
    /// What the player's own fetch took.
    told: Option<Duration>,
}

impl CdnPace {
    /// The player itself fetched something of a segment's size: good enough until the first fetch
    /// from here was measured. One measurement says little of slow ones, so it counts double.
    pub(crate) fn tell(&mut self, took: Duration) {
        self.told = Some(took * 2);
    }

    /// A fetch from here was measured; one of a part of a segment counts only where it took longer
    /// than all of it is expected to.
    pub(crate) fn note(&mut self, took: Duration, whole: bool) {
        if !whole && took <= self.slow_case() {
            return;
        }
        self.recent.push_back(took);
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }

    fn slow_case(&self) -> Duration {
        let slowest = self.recent.iter().max().copied();
        slowest.or(self.told).unwrap_or(FIRST_GUESS)
    }

    /// The last moment at which the CDN still makes a segment that is wanted since `since` and due
    /// at `due`.
    pub(crate) fn rescue_at(&self, since: Timestamp, due: Timestamp) -> Timestamp {
        let margin = (due.since(since) / MARGIN_PART).min(MARGIN);
        due - self.slow_case() - margin
    }
}

/// Pushed segments remembered.
const PUSHES_REMEMBERED: usize = 8;

/// How long parents take to bring what they push, from experience. Where uplinks are used up a
/// stripe needs most of a segment's time for each hop: to ask others meanwhile would fill more of
/// them, and none of it would come sooner.
#[derive(Debug, Default)]
pub(crate) struct PushPace(VecDeque<Duration>);

impl PushPace {
    /// A segment was whole so long after it was wanted.
    pub(crate) fn note(&mut self, took: Duration) {
        self.0.push_back(took);
        if self.0.len() > PUSHES_REMEMBERED {
            self.0.pop_front();
        }
    }

    /// The slowest of them: what takes longer has been let down.
    fn slow_case(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    /// When others are asked for a segment that is wanted since `since` and would be asked for at
    /// `hedge` by what is left until it is due.
    pub(crate) fn hedge_at(&self, since: Timestamp, hedge: Timestamp) -> Timestamp {
        hedge.max(since + self.slow_case())
    }
}

/// What this peer has seen of both ways.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    pub(crate) cdn: CdnPace,
    pub(crate) pushes: PushPace,
}

/// How long a segment may go without progress before others are asked: a share of the time that
/// is left, within bounds, so that neither a frozen parent eats the buffer nor a short pause
/// costs the operator CDN bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Ask another peer.
    pub(crate) hedge: Duration,
    /// Ask the CDN.
    pub(crate) rescue: Duration,
}

impl Patience {
    pub(crate) fn within(left: Duration) -> Self {
        let rescue = (left / 2).clamp(Duration::from_millis(1500), Duration::from_secs(6));
        Self {
            hedge: rescue / 2,
            rescue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cdn_is_asked_while_its_slowest_answer_would_still_be_in_time() {
        let (since, due) = (
            Timestamp::from_micros(1_000_000),
            Timestamp::from_micros(10_000_000),
        );
        let mut pace = CdnPace::default();
        let before = |pace: &CdnPace| due.since(pace.rescue_at(since, due)) - MARGIN;
        assert_eq!(before(&pace), FIRST_GUESS);
        pace.note(Duration::from_secs(2), true);
        pace.note(Duration::from_millis(10), true);
        assert_eq!(before(&pace), Duration::from_secs(2));
        (0..REMEMBERED).for_each(|_| pace.note(Duration::from_millis(10), true));
        assert_eq!(before(&pace), Duration::from_millis(10));
    }

    #[test]
    fn others_are_asked_for_what_takes_longer_than_pushes_lately_do() {
        let since = Timestamp::from_micros(1_000_000);
        let (soon, second) = (since + Duration::from_millis(700), Duration::from_secs(1));
        let mut pace = PushPace::default();
        assert_eq!(pace.hedge_at(since, soon), soon);
        pace.note(second * 2);
        pace.note(second);
        assert_eq!(pace.hedge_at(since, soon), since + second * 2);
        (0..PUSHES_REMEMBERED).for_each(|_| pace.note(second));
        assert_eq!(pace.hedge_at(since, soon), since + second);
        assert_eq!(pace.hedge_at(since, since + second * 3), since + second * 3);
    }

    #[test]
    fn a_part_that_came_quickly_says_nothing_of_the_whole() {
        let due = Timestamp::from_micros(10_000_000);
        let mut pace = CdnPace::default();
        pace.note(Duration::from_millis(600), true);
        (0..REMEMBERED).for_each(|_| pace.note(Duration::from_millis(50), false));
        let since = due - Duration::from_secs(8);
        let before = |pace: &CdnPace| due.since(pace.rescue_at(since, due)) - MARGIN;
        assert_eq!(before(&pace), Duration::from_millis(600));
        pace.note(Duration::from_secs(1), false);
        assert_eq!(before(&pace), Duration::from_secs(1));
    }

    #[test]
    fn where_there_is_time_an_answer_that_takes_a_second_longer_than_ever_is_not_late() {
        let (since, due) = (
            Timestamp::from_micros(1_000_000),
            Timestamp::from_micros(11_000_000),
        );
        let mut pace = CdnPace::default();
        pace.note(Duration::from_millis(300), true);
        let answer = pace.rescue_at(since, due) + Duration::from_millis(1300);
        assert!(answer < due);
    }

    #[test]
    fn a_segment_due_soon_leaves_parents_most_of_its_time() {
        let since = Timestamp::from_micros(1_000_000);
        let due = since + Duration::from_millis(480);
        let mut pace = CdnPace::default();
        assert!(pace.rescue_at(since, due) < since);
        pace.tell(Duration::from_millis(50));
        let left = pace.rescue_at(since, due).since(since);
        assert_eq!(left, Duration::from_millis(480 - 100 - 120));
        pace.note(Duration::from_millis(300), true);
        let left = pace.rescue_at(since, due).since(since);
        assert_eq!(left, Duration::from_millis(480 - 300 - 120));
    }
}
