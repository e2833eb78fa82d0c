//! When a segment is due, and how long peers may take before the CDN has to step in.

use core::time::Duration;
use std::collections::VecDeque;

use runnel_protocol::time::Timestamp;

/// What a CDN fetch is taken to last until the first one was measured.
const FIRST_GUESS: Duration = Duration::from_millis(800);
/// Measured fetches remembered: the slowest of 16 stands for the 95th percentile.
const REMEMBERED: usize = 16;
/// Kept in hand beyond the CDN's own time: the player needs it to parse and append.
const MARGIN: Duration = Duration::from_millis(500);

/// How long the CDN takes, from experience.
#[derive(Debug, Default)]
pub(crate) struct CdnPace {
    recent: VecDeque<Duration>,
}

impl CdnPace {
    pub(crate) fn note(&mut self, took: Duration) {
        self.recent.push_back(took);
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }

    fn slow_case(&self) -> Duration {
        self.recent.iter().max().copied().unwrap_or(FIRST_GUESS)
    }

    /// The last moment at which the CDN still makes a segment that is due at `due`.
    pub(crate) fn rescue_at(&self, due: Timestamp) -> Timestamp {
        due - self.slow_case() - MARGIN
    }
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
        let due = Timestamp::from_micros(10_000_000);
        let mut pace = CdnPace::default();
        assert_eq!(pace.rescue_at(due), due - FIRST_GUESS - MARGIN);
        pace.note(Duration::from_secs(2));
        pace.note(Duration::from_millis(10));
        assert_eq!(pace.rescue_at(due), due - Duration::from_secs(2) - MARGIN);
        (0..REMEMBERED).for_each(|_| pace.note(Duration::from_millis(10)));
        assert_eq!(
            pace.rescue_at(due),
            due - Duration::from_millis(10) - MARGIN
        );
    }
}
