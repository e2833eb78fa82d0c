//! How long to wait before a router that refused is asked again.

use std::time::Duration;

/// The first pause; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Pauses that grow, jittered by a quarter: after a power cut all agents of a town come back at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    refused: u32,
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let mut byte = [0];
        // Without entropy all wait the same.
        getrandom::fill(&mut byte).ok();
        self.after(byte[0])
    }

    /// Three quarters of the pause and up to half of it more, by a byte of chance.
    fn after(&mut self, chance: u8) -> Duration {
        let pause = FIRST
            .saturating_mul(2u32.saturating_pow(self.refused))
            .min(LONGEST);
        self.refused = self.refused.saturating_add(1);
        pause * 3 / 4 + pause / 2 * u32::from(chance) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_an_hour_and_vary_by_a_quarter() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after(0), Duration::from_secs(45));
        assert_eq!(backoff.after(255), Duration::from_secs(150));
        let later: Vec<Duration> = (0..100).map(|_| backoff.after(255)).collect();
        assert_eq!(later.last(), Some(&(LONGEST * 5 / 4)));
        assert!(later.is_sorted());
    }
}
