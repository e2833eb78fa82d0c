//! The CDN: answers everybody, costs money, and sends no more than it is paid for.

mod egress;

use runnel_peer_core::FetchId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::dice::Dice;
use crate::node::At;
use crate::scenario;
use egress::Egress;

/// Who asked for something, in which of its lives, and under which name.
pub(crate) type Question = (At, u32, FetchId);

/// The CDN's state.
#[derive(Debug)]
pub(crate) struct Origin {
    latency_ms: (u64, u64),
    egress: Option<Egress>,
    /// Faults of it that are under way.
    pub(crate) outages: u32,
    seed: u64,
    /// Bytes that it sent, to anybody.
    pub(crate) sent: u64,
    /// Requests that it did not answer.
    pub(crate) failed: u64,
}

impl Origin {
    pub(crate) fn new(settings: &scenario::Origin, seed: u64, now: Timestamp) -> Self {
        let cap = settings.cap_mbps;
        let cap = cap.map(|mbps| BitsPerSecond::from_kilobits(mbps * 1000));
        Self {
            latency_ms: settings.latency_ms,
            egress: cap.map(|cap| Egress::new(cap, now)),
            outages: 0,
            seed,
            sent: 0,
            failed: 0,
        }
    }

    /// When the first byte of an answer leaves; an error says when that arrives. The same request
    /// meets the same latency in a run and in its twin.
    pub(crate) fn ready(&mut self, request: u64, now: Timestamp) -> Result<Timestamp, Timestamp> {
        let (first, last) = self.latency_ms;
        let ready = now + Dice::quick(self.seed, request).millis(first, last);
        if self.outages > 0 {
            self.failed += 1;
            return Err(ready);
        }
        Ok(ready)
    }

    /// The first byte of an answer to a player leaves. `false` if all of it does at once.
    pub(crate) fn begin(&mut self, question: Question, bytes: u64, now: Timestamp) -> bool {
        match &mut self.egress {
            Some(egress) => egress.begin(question, bytes, now),
            None => self.sent += bytes,
        }
        self.egress.is_some()
    }

    /// The player wants no more of an answer.
    pub(crate) fn stop(&mut self, question: Question, now: Timestamp) {
        if let Some(egress) = &mut self.egress {
            self.sent += egress.stop(question, now);
        }
    }

    /// Bytes of an answer under way that have left; `None` where it is not.
    pub(crate) fn sent_of(&mut self, question: Question, now: Timestamp) -> Option<u64> {
        self.egress.as_mut()?.sent_of(question, now)
    }

    /// Answers of which the last byte has left by `now`.
    pub(crate) fn take_complete(&mut self, now: Timestamp) -> Vec<Question> {
        let egress = self.egress.as_mut();
        let complete = egress.map(|egress| egress.take_complete(now));
        let complete = complete.unwrap_or_default();
        self.sent += complete.iter().map(|(_, bytes)| bytes).sum::<u64>();
        complete.into_iter().map(|(question, _)| question).collect()
    }

    /// When there will be such a one.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.egress.as_ref()?.next()
    }

    /// A waypoint's answer, which the operator has it fetch from behind the CDN: it does not share
    /// what the audience gets.
    pub(crate) fn answer_waypoint(
        &mut self,
        request: u64,
        bytes: u64,
        now: Timestamp,
    ) -> Result<Timestamp, Timestamp> {
        let ready = self.ready(request, now)?;
        self.sent += bytes;
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::title::START;

    /// What a cap of 8 Mbit/s sends in a second, headers included.
    const SECOND: u64 = 1_000_000 * 100 / 104;

    fn cdn() -> Origin {
        let settings = scenario::Origin {
            cap_mbps: Some(8),
            ..scenario::Origin::default()
        };
        Origin::new(&settings, 1, START)
    }

    fn player(number: u32) -> Question {
        (At(number), 0, FetchId(1))
    }

    fn after(seconds: f64) -> Timestamp {
        START + Duration::from_secs_f64(seconds)
    }

    /// When each answer ends, in seconds, as far as `until`.
    fn ends(cdn: &mut Origin, until: f64) -> Vec<(u32, f64)> {
        let mut ends = Vec::new();
        while let Some(at) = cdn.next().filter(|at| *at <= after(until)) {
            let seconds = at.since(START).as_secs_f64();
            let done = cdn.take_complete(at);
            ends.extend(
                done.iter()
                    .map(|(at, _, _)| (at.0, (seconds * 100.0).round() / 100.0)),
            );
        }
        ends
    }

    #[test]
    fn answers_share_the_cap_and_short_ones_come_first() {
        let mut cdn = cdn();
        assert!(cdn.begin(player(1), 2 * SECOND, START));
        assert!(cdn.begin(player(2), SECOND / 2, START));
        assert_eq!(ends(&mut cdn, 9.0), [(2, 1.0), (1, 2.5)]);
        assert_eq!(cdn.sent, 2 * SECOND + SECOND / 2);
    }

    #[test]
    fn what_is_called_off_leaves_its_share_to_the_others() {
        let mut cdn = cdn();
        cdn.begin(player(1), SECOND, START);
        cdn.begin(player(2), SECOND, START);
        cdn.stop(player(2), after(1.0));
        assert_eq!(cdn.sent, SECOND / 2, "only what had left");
        assert_eq!(ends(&mut cdn, 9.0), [(1, 1.5)]);
        cdn.stop(player(2), after(2.0));
        assert_eq!(cdn.sent, SECOND + SECOND / 2);
    }

    #[test]
    fn a_waypoint_is_served_while_the_audience_shares_the_cap() {
        let mut cdn = cdn();
        (0..5).for_each(|number| assert!(cdn.begin(player(number), SECOND, START)));
        let soon = cdn.answer_waypoint(6, SECOND, START).unwrap();
        assert!(soon < after(1.0));
        assert_eq!(ends(&mut cdn, 4.9), []);
    }
}
