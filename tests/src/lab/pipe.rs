//! One direction of an access link: a rate with a bounded queue before it, a delay, and loss.

use std::time::Duration;

/// What a line is like, in both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What it carries, bit/s; `None` carries anything at once.
    pub rate: Option<u64>,
    /// Time from one end to the other.
    pub delay: Duration,
    /// Packets that get lost, of a thousand.
    pub lost_per_mille: u32,
}

impl Line {
    /// A line that is never in anybody's way.
    pub const IDEAL: Self = Self {
        rate: None,
        delay: Duration::ZERO,
        lost_per_mille: 0,
    };

    /// 20 Mbit/s, 20 ms each way (40 ms there and back), 1 % lost: a home that is not near.
    pub const HOME: Self = Self {
        rate: Some(20_000_000),
        delay: Duration::from_millis(20),
        lost_per_mille: 10,
    };
}

/// How long packets wait at most before a line: what home routers buffer.
const QUEUE: Duration = Duration::from_millis(100);

/// A line in one direction.
#[derive(Clone, Debug)]
pub struct Pipe {
    line: Line,
    /// When all that waits will have gone in.
    free: Duration,
    chance: fastrand::Rng,
}

impl Pipe {
    /// Losses follow from the seed.
    pub fn new(line: Line, seed: u64) -> Self {
        Self {
            line,
            free: Duration::ZERO,
            chance: fastrand::Rng::with_seed(seed),
        }
    }

    /// When a packet of so many bytes comes out, if it does.
    pub fn accept(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        if self.chance.u32(0..1000) < self.line.lost_per_mille {
            return None;
        }
        let Some(rate) = self.line.rate else {
            return Some(now + self.line.delay);
        };
        let begins = self.free.max(now);
        if begins - now > QUEUE {
            return None;
        }
        let nanos = bytes as u64 * 8 * 1_000_000_000 / rate.max(1);
        self.free = begins + Duration::from_nanos(nanos);
        Some(self.free + self.line.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_in_order_at_the_lines_rate_and_too_many_are_dropped() {
        let line = Line {
            lost_per_mille: 0,
            ..Line::HOME
        };
        let mut pipe = Pipe::new(line, 1);
        // 2,500 bytes take a millisecond.
        let out: Vec<_> = (0..200)
            .filter_map(|_| pipe.accept(2500, Duration::ZERO))
            .collect();
        assert_eq!(out[0], Duration::from_millis(21));
        assert_eq!(out[9], Duration::from_millis(30));
        assert_eq!(
            out.len(),
            101,
            "a tenth of a second waits, and one is going in"
        );
        let later = Duration::from_secs(1);
        assert_eq!(
            pipe.accept(2500, later),
            Some(later + Duration::from_millis(21))
        );
    }

    #[test]
    fn as_many_are_lost_as_it_says_and_the_same_for_the_same_seed() {
        let line = Line {
            rate: None,
            ..Line::HOME
        };
        let lost = |seed| {
            let mut pipe = Pipe::new(line, seed);
            let lost = |number: &u64| pipe.accept(100, Duration::from_millis(*number)).is_none();
            (0..100_000).filter(lost).collect::<Vec<u64>>()
        };
        assert_eq!(lost(7), lost(7));
        assert_ne!(lost(7), lost(8));
        assert!((800..1200).contains(&lost(7).len()), "{}", lost(7).len());
    }
}
