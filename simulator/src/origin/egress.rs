//! What a CDN that may send only so much sends: all answers under way share it evenly, as
//! connections do.

use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::Question;
use crate::network::on_the_line;

/// Work is counted in millionths of a bit, so that a microsecond's share of it is whole.
const MICRO: u128 = 1_000_000;

/// Answers that share one rate.
#[derive(Debug)]
pub(super) struct Egress {
    cap: BitsPerSecond,
    /// What each of those that were there all the time has got, in millionths of a bit.
    level: u128,
    /// When that was so.
    at: Timestamp,
    /// Where the level has to rise to for an answer to be complete.
    ends: BTreeSet<(u128, Question)>,
    answers: BTreeMap<Question, Answer>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    bytes: u64,
    begun: u128,
    end: u128,
}

impl Egress {
    pub(super) const fn new(cap: BitsPerSecond, now: Timestamp) -> Self {
        Self {
            cap,
            level: 0,
            at: now,
            ends: BTreeSet::new(),
            answers: BTreeMap::new(),
        }
    }

    pub(super) fn begin(&mut self, question: Question, bytes: u64, now: Timestamp) {
        self.pass(now);
        let end = self.level + u128::from(on_the_line(bytes)) * 8 * MICRO;
        let answer = Answer {
            bytes,
            begun: self.level,
            end,
        };
        self.ends.insert((end, question));
        self.answers.insert(question, answer);
    }

    /// The player wants no more of it: bytes that were sent by then.
    pub(super) fn stop(&mut self, question: Question, now: Timestamp) -> u64 {
        let sent = self.sent_of(question, now);
        if let Some(answer) = self.answers.remove(&question) {
            self.ends.remove(&(answer.end, question));
        }
        sent.unwrap_or(0)
    }

    /// Bytes that were sent of it; `None` where it is not under way.
    pub(super) fn sent_of(&mut self, question: Question, now: Timestamp) -> Option<u64> {
        self.pass(now);
        let answer = self.answers.get(&question)?;
        let whole = (answer.end - answer.begun).max(1);
        let sent = u128::from(answer.bytes) * (self.level - answer.begun) / whole;
        Some(
            u64::try_from(sent)
                .unwrap_or(answer.bytes)
                .min(answer.bytes),
        )
    }

    /// Those that are complete by `now`, with their bytes.
    pub(super) fn take_complete(&mut self, now: Timestamp) -> Vec<(Question, u64)> {
        self.pass(now);
        let mut complete = Vec::new();
        while let Some((end, question)) = self.ends.first().copied()
            && end <= self.level
        {
            self.ends.pop_first();
            let answer = self.answers.remove(&question);
            complete.extend(answer.map(|answer| (question, answer.bytes)));
        }
        complete
    }

    /// When the next one will be complete, if none comes or goes before.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let (end, _) = self.ends.first()?;
        let left = end.saturating_sub(self.level) * self.ends.len() as u128;
        let micros = left.div_ceil(u128::from(self.cap.0.max(1)));
        let micros = u64::try_from(micros).unwrap_or(u64::MAX / 2);
        Some(self.at + core::time::Duration::from_micros(micros))
    }

    fn pass(&mut self, now: Timestamp) {
        let micros = now.since(self.at).as_micros();
        self.at = self.at.max(now);
        if let Some(each) = (u128::from(self.cap.0) * micros).checked_div(self.ends.len() as u128) {
            self.level += each;
        }
    }
}
