//! What a player thinks that its way to the media carries, as hls.js does: two averages that
//! forget at different speeds, of which the lower counts.

use core::time::Duration;

/// After so many seconds of transfer half of what was known is forgotten.
const HALF_LIVES: [f64; 2] = [3.0, 9.0];
/// A transfer counts as no shorter than this, in seconds.
const SHORTEST: f64 = 0.05;
/// Parts of what the way carries that a rendition may need: the one that plays, and a better one.
const STAY: f64 = 0.95;
const RISE: f64 = 0.7;

/// Measured transfers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Bandwidth {
    averages: [Average; 2],
}

#[derive(Debug, Default, Clone, Copy)]
struct Average {
    bps: f64,
    /// Seconds of transfer behind it.
    weight: f64,
}

impl Bandwidth {
    /// So many bytes took so long.
    pub(super) fn note(&mut self, bytes: u64, took: Duration) {
        let seconds = took.as_secs_f64().max(SHORTEST);
        let bps = crate::bounds::number(bytes * 8) / seconds;
        for (average, half_life) in self.averages.iter_mut().zip(HALF_LIVES) {
            let kept = 0.5_f64.powf(seconds / half_life);
            average.bps = average.bps * kept + bps * (1.0 - kept);
            average.weight += seconds;
        }
    }

    /// Bits per second; `None` before the first transfer.
    pub(super) fn bps(&self) -> Option<f64> {
        let averages = self.averages.iter().zip(HALF_LIVES);
        let known = averages.map(|(average, half_life)| {
            let begun = 1.0 - 0.5_f64.powf(average.weight / half_life);
            (begun > 0.0).then(|| average.bps / begun)
        });
        known.flatten().reduce(f64::min)
    }

    /// The best of `rates`, best first, that can be had while `present` plays: the last where
    /// nothing is known, or none fits.
    pub(super) fn best(&self, rates: impl Iterator<Item = u64>, present: usize) -> usize {
        let bps = self.bps().unwrap_or(0.0);
        let mut last = 0;
        for (place, rate) in rates.enumerate() {
            let part = if place < present { RISE } else { STAY };
            if crate::bounds::number(rate) < bps * part {
                return place;
            }
            last = place;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u64; 3] = [4_000_000, 2_000_000, 1_000_000];

    fn best(bandwidth: Bandwidth, present: usize) -> usize {
        bandwidth.best(RATES.into_iter(), present)
    }

    #[test]
    fn the_smallest_is_played_until_something_was_measured() {
        let mut bandwidth = Bandwidth::default();
        assert_eq!(best(bandwidth, 2), 2);
        bandwidth.note(1_000_000, Duration::from_secs(1));
        let known = bandwidth.bps().unwrap();
        assert!((known - 8_000_000.0).abs() < 1.0, "{known}");
        assert_eq!(best(bandwidth, 2), 0);
    }

    #[test]
    fn a_better_one_needs_more_to_spare_than_the_one_that_plays() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.note(550_000, Duration::from_secs(2));
        assert_eq!(best(bandwidth, 1), 1, "2.2 Mbit/s are enough to stay");
        assert_eq!(best(bandwidth, 2), 2, "and not to come");
    }

    #[test]
    fn a_few_slow_transfers_outweigh_many_quick_ones() {
        let mut bandwidth = Bandwidth::default();
        (0..20).for_each(|_| bandwidth.note(250_000, Duration::from_millis(100)));
        assert_eq!(best(bandwidth, 0), 0);
        (0..2).for_each(|_| bandwidth.note(250_000, Duration::from_secs(2)));
        assert_eq!(best(bandwidth, 0), 0);
        bandwidth.note(250_000, Duration::from_secs(2));
        assert_eq!(best(bandwidth, 0), 1, "{:?}", bandwidth.bps());
    }
}
