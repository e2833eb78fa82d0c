//! Whether a link brings what it should, from heartbeats alone: what was expected against what
//! came (R2, R3), and what the parent sent against what the child received (H4).

use core::time::Duration;

use runnel_protocol::segment::{MAX_SUBSTREAMS, Substream};
use runnel_protocol::units::BitsPerSecond;

/// Heartbeats in a row after which a link is given up.
pub(crate) const BEATS: u8 = 4;
/// Of what a link should bring, the part below which a heartbeat counts against it, in percent.
/// Encoders stay within it: reservations are made for the peak rate.
const ENOUGH_PERCENT: u64 = 75;

/// What a child says of one parent in one heartbeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beat {
    /// What the reserved rate brings in the time that the heartbeat covers.
    pub(crate) expected: u64,
    pub(crate) received: u64,
    /// Chunks were due and did not come. Between two segments nothing is.
    pub(crate) late: bool,
    /// The parent itself is short: the fault lies above it, and is looked for there. Says nothing
    /// where nothing is late.
    pub(crate) starved: bool,
}

impl Beat {
    pub(crate) fn new(reserved: BitsPerSecond, covers: Duration, received: u64) -> Self {
        Self {
            expected: reserved.bytes_in(covers),
            received,
            late: false,
            starved: false,
        }
    }

    fn is_enough(&self) -> bool {
        self.received.saturating_mul(100) >= self.expected.saturating_mul(ENOUGH_PERCENT)
    }
}

/// What [`BEATS`] heartbeats in a row say of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Nothing came (R2).
    Silent,
    /// Too little came (R3).
    Slow,
}

/// One link's account of received against expected.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watch {
    short: u8,
    /// Some of the short ones brought something.
    drips: bool,
}

impl Watch {
    /// Takes in a heartbeat. After a verdict other than fine the account begins anew.
    pub(crate) fn observe(&mut self, beat: Beat) -> Verdict {
        if beat.is_enough() && beat.received > 0 {
            *self = Self::default();
        } else if beat.late && !(beat.starved && beat.received > 0) {
            self.short += 1;
            self.drips |= beat.received > 0;
        }
        if self.short < BEATS {
            return Verdict::Fine;
        }
        let drips = core::mem::take(self).drips;
        if drips {
            Verdict::Slow
        } else {
            Verdict::Silent
        }
    }

    /// Whether the last word of this link was that too little came.
    pub(crate) const fn is_short(&self) -> bool {
        self.short > 0
    }
}

/// One substream of one link, in chunks since the link stands.
#[derive(Debug, Clone, Copy)]
struct Lane {
    substream: Substream,
    /// As the parent's last report says, and the one before it.
    sent: u64,
    sent_before: u64,
    received: u64,
    /// Sent and never to come: what the child had from elsewhere is not counted twice.
    lost: u64,
    /// Reports in which it was behind while chunks were due.
    behind: u8,
}

/// One link's sequence numbers. What the parent had sent by its last report but one is at least a
/// heartbeat old: on a link that carries its load it has arrived.
#[derive(Debug, Default, Clone)]
pub(crate) struct Lag {
    lanes: Vec<Lane>,
}

impl Lag {
    /// The parent's half.
    pub(crate) fn on_sent(&mut self, numbers: &[(Substream, u64)]) {
        for (substream, sent) in numbers.iter().copied() {
            let known = self
                .lanes
                .iter()
                .position(|lane| lane.substream == substream);
            match known {
                Some(place) => self.lanes[place].on_sent(sent),
                None if self.lanes.len() < usize::from(MAX_SUBSTREAMS) => {
                    self.lanes.push(Lane::new(substream, sent));
                }
                None => {}
            }
        }
    }

    /// How many chunks the parent's last report tells of, and how many the child lacks, where some are due, of those
    /// that were sent before.
    pub(crate) fn crossing(&self, numbers: &[(Substream, u64)], late: bool) -> (u64, u64) {
        let pairs = numbers.iter().filter_map(|(substream, received)| {
            let mut lanes = self.lanes.iter();
            let lane = lanes.find(|lane| lane.substream == *substream)?;
            let sent = lane.sent.saturating_sub(lane.sent_before);
            let arrived = received.saturating_add(lane.lost);
            let missing = lane.sent_before.saturating_sub(arrived);
            Some((sent, if late { missing.min(sent) } else { 0 }))
        });
        pairs.fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1))
    }

    /// The child's half, and whether chunks were due that did not come; `true` once a substream
    /// has been behind for [`BEATS`] reports.
    pub(crate) fn on_received(&mut self, numbers: &[(Substream, u64)], late: bool) -> bool {
        for (substream, received) in numbers {
            let lane = self
                .lanes
                .iter_mut()
                .find(|lane| lane.substream == *substream);
            if lane.is_some_and(|lane| lane.on_received(*received, late)) {
                self.lanes.clear();
                return true;
            }
        }
        false
    }
}

impl Lane {
    fn new(substream: Substream, sent: u64) -> Self {
        Self {
            substream,
            sent,
            sent_before: 0,
            received: 0,
            lost: 0,
            behind: 0,
        }
    }

    /// A number that runs backwards belongs to a new link.
    fn on_sent(&mut self, sent: u64) {
        if sent < self.sent {
            *self = Self::new(self.substream, sent);
        } else {
            self.sent_before = core::mem::replace(&mut self.sent, sent);
        }
    }

    fn on_received(&mut self, received: u64, late: bool) -> bool {
        let before = core::mem::replace(&mut self.received, received);
        if received.saturating_add(self.lost) >= self.sent_before {
            self.behind = 0;
        } else if late {
            self.behind += 1;
        } else if received == before && self.sent == self.sent_before {
            // Nothing moves and nothing is missed: the rest is not going to come.
            self.lost = self.sent.saturating_sub(received);
            self.behind = 0;
        }
        self.behind >= BEATS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = 250_000;

    fn beat(received: u64, late: bool) -> Beat {
        let rate = BitsPerSecond::from_kilobits(2000);
        Beat {
            late,
            ..Beat::new(rate, Duration::from_secs(1), received)
        }
    }

    fn verdicts(beats: &[Beat]) -> Vec<Verdict> {
        let mut watch = Watch::default();
        beats.iter().map(|beat| watch.observe(*beat)).collect()
    }

    #[test]
    fn too_little_is_borne_for_three_heartbeats_and_not_for_four() {
        let slow = beat(FULL / 2, true);
        let said = verdicts(&[slow; 4]);
        assert_eq!(said[..3], [Verdict::Fine; 3]);
        assert_eq!(said[3], Verdict::Slow);
    }

    #[test]
    fn nothing_at_all_is_told_apart_from_too_little() {
        let said = verdicts(&[beat(0, true); 4]);
        assert_eq!(said[3], Verdict::Silent);
    }

    #[test]
    fn a_heartbeat_that_brings_enough_ends_the_series() {
        let (slow, good) = (beat(FULL / 2, true), beat(FULL, true));
        let said = verdicts(&[slow, slow, slow, good, slow, slow, slow]);
        assert_eq!(said, [Verdict::Fine; 7]);
    }

    #[test]
    fn the_pause_between_two_segments_is_no_fault() {
        let segment = [beat(6 * FULL, false), beat(0, false), beat(0, false)];
        let said = verdicts(&segment.repeat(20));
        assert_eq!(said, [Verdict::Fine; 60]);
    }

    #[test]
    fn a_link_whose_parent_is_itself_short_is_left_until_nothing_comes() {
        let starved = |received| Beat {
            starved: true,
            ..beat(received, true)
        };
        assert_eq!(verdicts(&[starved(FULL / 2); 9]), [Verdict::Fine; 9]);
        assert_eq!(verdicts(&[starved(0); 4])[3], Verdict::Silent);
    }

    const ONE: Substream = Substream(1);

    /// Ten chunks are sent per beat; `arrive` says how many of all have arrived by the child's
    /// report, and whether some were due. Tells in which beat congestion is seen.
    fn lagging(arrive: impl Fn(u64) -> (u64, bool), beats: u64) -> Option<u64> {
        let mut lag = Lag::default();
        (1..=beats).find(|beat| {
            lag.on_sent(&[(Substream(0), 10 * beat), (ONE, 10 * beat)]);
            let (received, late) = arrive(*beat);
            lag.on_received(&[(Substream(0), 10 * beat), (ONE, received)], late)
        })
    }

    #[test]
    fn chunks_in_flight_are_not_taken_for_congestion() {
        assert_eq!(lagging(|beat| (10 * (beat - 1), true), 50), None);
        let hiccup = |beat| if beat % 5 == 4 { 0 } else { 10 * beat };
        assert_eq!(lagging(|beat| (hiccup(beat), true), 50), None);
        let buffered = |beat| 10u64.saturating_mul(beat).saturating_sub(30);
        assert_eq!(lagging(|beat| (buffered(beat), false), 50), None);
    }

    #[test]
    fn a_backlog_that_stays_for_four_heartbeats_is_congestion() {
        // The first report is nothing to compare with; from the third on, the second is missed.
        assert_eq!(lagging(|beat| (4 * beat, true), 50), Some(2 + 3));
        let breaks = |beat| if beat < 7 { 10 * beat } else { 60 };
        assert_eq!(lagging(|beat| (breaks(beat), true), 50), Some(8 + 3));
    }

    #[test]
    fn what_has_not_arrived_a_heartbeat_later_counts_as_late_once_for_each_that_was_sent() {
        let mut lag = Lag::default();
        assert_eq!(lag.crossing(&[(ONE, 0)], true), (0, 0));
        for beat in 1..5 {
            lag.on_sent(&[(ONE, 10 * beat)]);
        }
        assert_eq!(
            lag.crossing(&[(ONE, 30)], true),
            (10, 0),
            "ten are on their way"
        );
        assert_eq!(lag.crossing(&[(ONE, 26)], true), (10, 4));
        assert_eq!(
            lag.crossing(&[(ONE, 26)], false),
            (10, 0),
            "none of them is due"
        );
        assert_eq!(
            lag.crossing(&[(ONE, 2)], true),
            (10, 10),
            "no more than were sent"
        );
        assert_eq!(lag.crossing(&[(Substream(7), 2)], true), (0, 0));
    }

    #[test]
    fn what_the_child_had_from_elsewhere_is_not_missed_for_ever() {
        let mut lag = Lag::default();
        for beat in 1..50u64 {
            // Bursts with a pause; of the first one five chunks came from the CDN meanwhile.
            let sent = 10 * beat.div_ceil(3);
            lag.on_sent(&[(ONE, sent)]);
            let late = beat == 3 || beat > 6;
            assert!(!lag.on_received(&[(ONE, sent - 5)], late), "beat {beat}");
        }
    }

    #[test]
    fn a_new_link_counts_from_the_beginning() {
        let mut lag = Lag::default();
        lag.on_sent(&[(ONE, 1000)]);
        lag.on_sent(&[(ONE, 1010)]);
        for beat in 1..20 {
            lag.on_sent(&[(ONE, 10 * beat)]);
            assert!(!lag.on_received(&[(ONE, 10 * beat)], true));
        }
    }
}
