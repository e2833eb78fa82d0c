//! When each segment of a recording that is played over and over appears, and the playlist that
//! shows it.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::recording::{Recording, Segment};

/// The live clock that all playlists of one stream share.
pub(super) struct Clock {
    /// When the first turn began.
    pub(super) epoch: SystemTime,
    /// Length of one turn of the recording, seconds.
    pub(super) turn: f64,
    /// How many segments a playlist shows.
    pub(super) window: usize,
}

/// A segment of one turn; `sequence` counts through all turns.
pub(super) struct Showing<'a> {
    pub(super) sequence: usize,
    pub(super) turn: usize,
    pub(super) segment: &'a Segment,
}

impl Showing<'_> {
    /// Each turn has URLs of its own, like a stream that never repeats.
    pub(super) fn uri(&self) -> String {
        format!("turn-{}/{}", self.turn, self.segment.uri)
    }
}

impl Clock {
    /// How many segments of `recording` are complete: a segment is published at its end.
    pub(super) fn published(&self, recording: &Recording, now: SystemTime) -> usize {
        let elapsed = now
            .duration_since(self.epoch)
            .unwrap_or_default()
            .as_secs_f64();
        let turns = (elapsed / self.turn).floor();
        let within = elapsed - turns * self.turn;
        let complete = recording
            .segments
            .iter()
            .filter(|segment| segment.end <= within);
        turns as usize * recording.segments.len() + complete.count()
    }

    /// The segment with this media sequence number.
    pub(super) fn showing<'a>(&self, recording: &'a Recording, sequence: usize) -> Showing<'a> {
        let length = recording.segments.len();
        Showing {
            sequence,
            turn: sequence / length,
            segment: &recording.segments[sequence % length],
        }
    }

    /// When a segment was complete.
    pub(super) fn published_at(&self, showing: &Showing<'_>) -> SystemTime {
        self.moment(showing.turn, showing.segment.end)
    }

    /// The live media playlist at `now`.
    pub(super) fn playlist(&self, recording: &Recording, now: SystemTime) -> String {
        let end = self.published(recording, now);
        let first = end.saturating_sub(self.window);
        let mut text = String::from("#EXTM3U\n");
        for tag in &recording.head {
            text.push_str(tag);
            text.push('\n');
        }
        // Each turn but the first begins with a discontinuity; those that left the window count.
        let gone = first.saturating_sub(1) / recording.segments.len();
        let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}");
        let _ = writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{gone}");
        for sequence in first..end {
            let showing = self.showing(recording, sequence);
            self.write_segment(&mut text, recording, &showing, sequence == first);
        }
        text
    }

    fn write_segment(
        &self,
        text: &mut String,
        recording: &Recording,
        showing: &Showing<'_>,
        first: bool,
    ) {
        let new_turn =
            showing.turn > 0 && showing.sequence.is_multiple_of(recording.segments.len());
        if new_turn {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(map) = recording.map.as_ref().filter(|_| first || new_turn) {
            let _ = writeln!(text, "{map}");
        }
        let start = self.moment(showing.turn, showing.segment.start);
        let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", written(start));
        for tag in &showing.segment.tags {
            let _ = writeln!(text, "{tag}");
        }
        let _ = writeln!(text, "{}", showing.uri());
    }

    fn moment(&self, turn: usize, within: f64) -> SystemTime {
        self.epoch + Duration::from_secs_f64(turn as f64 * self.turn + within)
    }
}

/// RFC 3339 with milliseconds, which is what players parse.
fn written(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    let moment = moment
        .replace_millisecond(moment.millisecond())
        .unwrap_or(moment);
    moment.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDING: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"i\"\n\
        #EXTINF:2.0,\na\n#EXTINF:2.0,\nb\n#EXTINF:2.0,\nc\n#EXT-X-ENDLIST\n";

    fn playlist_after(seconds: u64) -> String {
        let clock = Clock {
            epoch: SystemTime::UNIX_EPOCH,
            turn: 6.0,
            window: 2,
        };
        let recording = Recording::parse(RECORDING).unwrap();
        clock.playlist(
            &recording,
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        )
    }

    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|found| found == line)
    }

    #[test]
    fn a_segment_appears_when_it_is_complete_and_leaves_with_the_window() {
        assert!(!has(&playlist_after(1), "turn-0/a"));
        assert!(has(&playlist_after(2), "turn-0/a"));
        let third = playlist_after(6);
        assert!(has(&third, "#EXT-X-MEDIA-SEQUENCE:1"));
        assert!(!has(&third, "turn-0/a") && has(&third, "turn-0/c"));
        assert!(has(&third, "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:04Z"));
    }

    #[test]
    fn a_new_turn_has_new_urls_a_discontinuity_and_its_map_again() {
        let text = playlist_after(8);
        assert!(text.contains("turn-0/c\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"i\"\n"));
        assert!(has(&text, "turn-1/a"));
    }

    #[test]
    fn a_discontinuity_counts_once_it_left_the_window() {
        let heads_the_window = playlist_after(10);
        assert!(has(&heads_the_window, "#EXT-X-DISCONTINUITY"));
        assert!(has(&heads_the_window, "#EXT-X-DISCONTINUITY-SEQUENCE:0"));
        let gone = playlist_after(12);
        assert!(!has(&gone, "#EXT-X-DISCONTINUITY"));
        assert!(has(&gone, "#EXT-X-DISCONTINUITY-SEQUENCE:1"));
    }
}
