//! The CDN: answers everybody, costs money, and sends no more than it is paid for.

use core::time::Duration;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::dice::Dice;
use crate::network::takes;
use crate::scenario;

/// Whoever has waited so long for the first byte gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The CDN's state.
#[derive(Debug)]
pub(crate) struct Origin {
    latency_ms: (u64, u64),
    cap: Option<BitsPerSecond>,
    free: Timestamp,
    /// Faults of it that are under way.
    pub(crate) outages: u32,
    seed: u64,
    /// Bytes that it sent, to anybody.
    pub(crate) sent: u64,
    /// Requests that it answered, and that it did not.
    pub(crate) answered: u64,
    pub(crate) failed: u64,
}

impl Origin {
    pub(crate) fn new(settings: &scenario::Origin, seed: u64, now: Timestamp) -> Self {
        Self {
            latency_ms: settings.latency_ms,
            cap: settings
                .cap_mbps
                .map(|mbps| BitsPerSecond::from_kilobits(mbps * 1000)),
            free: now,
            outages: 0,
            seed,
            sent: 0,
            answered: 0,
            failed: 0,
        }
    }

    /// When the last of `bytes` leaves for a player, the first byte's time included; an error
    /// says when that arrives. The same question meets the same latency in a run and in its twin.
    pub(crate) fn answer(
        &mut self,
        question: u64,
        bytes: u64,
        now: Timestamp,
    ) -> Result<Timestamp, Timestamp> {
        let ready = self.ready(question, now)?;
        let Some(cap) = self.cap else {
            return self.send(bytes, ready);
        };
        let start = self.free.max(ready);
        if start.since(ready) > PATIENCE {
            self.failed += 1;
            return Err(ready + PATIENCE);
        }
        self.free = start + takes(bytes, cap);
        self.send(bytes, self.free)
    }

    /// The same for a waypoint, which the operator has fetch from behind the CDN: it does not
    /// stand in line with the audience.
    pub(crate) fn answer_waypoint(
        &mut self,
        question: u64,
        bytes: u64,
        now: Timestamp,
    ) -> Result<Timestamp, Timestamp> {
        let ready = self.ready(question, now)?;
        self.send(bytes, ready)
    }

    fn ready(&mut self, question: u64, now: Timestamp) -> Result<Timestamp, Timestamp> {
        let (first, last) = self.latency_ms;
        let ready = now + Dice::quick(self.seed, question).millis(first, last);
        if self.outages > 0 {
            self.failed += 1;
            return Err(ready);
        }
        Ok(ready)
    }

    fn send(&mut self, bytes: u64, at: Timestamp) -> Result<Timestamp, Timestamp> {
        self.sent += bytes;
        self.answered += 1;
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::title::START;

    #[test]
    fn a_waypoint_is_served_while_the_audience_stands_in_line() {
        let settings = scenario::Origin {
            cap_mbps: Some(8),
            ..scenario::Origin::default()
        };
        let mut cdn = Origin::new(&settings, 1, START);
        let second_of_the_cap = 1_000_000;
        let late = (0..5).map(|question| cdn.answer(question, second_of_the_cap, START));
        let late = late.last().unwrap().unwrap();
        assert!(late > START + Duration::from_secs(5));
        let soon = cdn.answer_waypoint(6, second_of_the_cap, START).unwrap();
        assert!(soon < START + Duration::from_secs(1));
        assert_eq!(cdn.sent, 6 * second_of_the_cap);
    }
}
