//! What passes: memory that is flat.
//!
//! The first third of the run is for warming up: caches and windows fill. The rest is cut in three
//! parts. The median of the last part may be above the median of the first by [`SHARE`] of it and
//! [`ROOM`]: medians, because collectors and allocators let go when they like. Chromium's processes
//! may grow by [`CHROMIUM_SHARE`]: they keep what the network brought the player for as long as they
//! like. With plain hls.js the renderer went from 184 to 277 MiB within five minutes, with peers
//! from 197 to 204; what is ours in it, the page's heap and the Worker's memory, is judged by itself.

use std::time::Duration;

use anyhow::{Result, ensure};

/// Below this many minutes not everything is full when it begins to count.
pub(super) const SHORTEST: u64 = 10;
/// Part of the run before which nothing counts: one of so many.
const WARM_UP: u32 = 3;
const PARTS: usize = 3;
/// What it may grow by: this share, and this many bytes.
const SHARE: f64 = 0.05;
const CHROMIUM_SHARE: f64 = 0.20;
const ROOM: f64 = (2 << 20) as f64;

/// Names of what Chromium's own processes hold.
pub(super) const CHROMIUMS: [&str; 2] = ["renderer", "rest of Chromium"];

/// One holder's memory over time.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) who: String,
    is_chromiums: bool,
    /// When, since the start, and bytes.
    samples: Vec<(Duration, u64)>,
}

impl Series {
    pub(super) fn of(who: String) -> Self {
        Self {
            is_chromiums: CHROMIUMS.contains(&who.as_str()),
            who,
            samples: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, at: Duration, bytes: u64) {
        self.samples.push((at, bytes));
    }

    /// Medians of the parts after warming up, bytes.
    pub(super) fn parts(&self) -> [f64; PARTS] {
        let warm = self.warm();
        let length = warm.len().div_ceil(PARTS).max(1);
        let mut parts = [0.0; PARTS];
        for (median, part) in parts.iter_mut().zip(warm.chunks(length)) {
            let mut bytes: Vec<u64> = part.iter().map(|(_, bytes)| *bytes).collect();
            bytes.sort_unstable();
            *median = bytes[bytes.len() / 2] as f64;
        }
        parts
    }

    pub(super) fn most(&self) -> u64 {
        self.samples
            .iter()
            .map(|(_, bytes)| *bytes)
            .max()
            .unwrap_or_default()
    }

    /// The median of the last part that would just pass.
    pub(super) fn limit(&self) -> f64 {
        let share = match self.is_chromiums {
            true => CHROMIUM_SHARE,
            false => SHARE,
        };
        self.parts()[0] * (1.0 + share) + ROOM
    }

    pub(super) fn is_flat(&self) -> bool {
        self.parts()[PARTS - 1] <= self.limit()
    }

    /// Bytes an hour, from the first part's middle to the last one's.
    pub(super) fn growth(&self) -> f64 {
        let [first, .., last] = self.parts();
        let warm = self.warm();
        let span = match (warm.first(), warm.last()) {
            (Some((from, _)), Some((to, _))) => to.saturating_sub(*from).as_secs_f64(),
            _ => 0.0,
        };
        (last - first) / (span * (PARTS - 1) as f64 / PARTS as f64).max(1.0) * 3_600.0
    }

    fn warm(&self) -> &[(Duration, u64)] {
        let end = self.samples.last().map_or(Duration::ZERO, |(at, _)| *at);
        let first = self.samples.partition_point(|(at, _)| *at < end / WARM_UP);
        &self.samples[first..]
    }
}

/// # Errors
/// Names those whose memory grew.
pub(super) fn all_flat(series: &[Series]) -> Result<()> {
    let grown = series.iter().filter(|one| !one.is_flat());
    let grown: Vec<&str> = grown.map(|one| one.who.as_str()).collect();
    ensure!(grown.is_empty(), "memory grew: {}", grown.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half an hour in samples of ten seconds.
    fn series(bytes: impl Fn(u64) -> u64) -> Series {
        let mut series = Series::of("somebody".to_owned());
        for number in 0..180 {
            series.note(Duration::from_secs(10 * number), bytes(number));
        }
        series
    }

    #[test]
    fn what_fills_while_warming_up_and_then_swings_is_flat() {
        let saw =
            series(|number| (20 << 20) + (number % 7) * (4 << 20) + number.min(50) * (1 << 20));
        assert!(saw.is_flat(), "{saw:?}");
        all_flat(&[saw]).unwrap();
    }

    #[test]
    fn what_grows_steadily_is_not_and_is_named() {
        let leak = series(|number| (20 << 20) + number * 100_000);
        assert!((leak.growth() - 36e6).abs() < 1e6, "{}", leak.growth());
        let error = all_flat(&[series(|_| 1 << 20), leak]).unwrap_err();
        assert_eq!(error.to_string(), "memory grew: somebody");
    }

    #[test]
    fn a_single_peak_at_the_end_is_no_growth() {
        let peak = series(|number| if number > 175 { 90 << 20 } else { 20 << 20 });
        assert!(peak.is_flat());
    }
}
