//! A media playlist that was made for on-demand play, taken apart.

use anyhow::{Context, Result};

/// A media playlist's segments and what stands above them.
#[derive(Debug)]
pub(super) struct Recording {
    /// Tags for the whole playlist that also hold when it is played live.
    pub(super) head: Vec<String>,
    /// `EXT-X-MAP`, where there is one.
    pub(super) map: Option<String>,
    pub(super) segments: Vec<Segment>,
}

#[derive(Debug)]
pub(super) struct Segment {
    /// `EXTINF`, `EXT-X-BYTERANGE` and the like, in the playlist's order.
    pub(super) tags: Vec<String>,
    pub(super) uri: String,
    /// Start and end within the recording, seconds.
    pub(super) start: f64,
    pub(super) end: f64,
    /// Length and offset within the file, where the segment is a part of one.
    pub(super) range: Option<(u64, u64)>,
}

impl Recording {
    /// Reads a complete media playlist.
    ///
    /// # Errors
    /// When a segment lacks its duration, or there is none.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut recording = Self {
            head: Vec::new(),
            map: None,
            segments: Vec::new(),
        };
        let mut tags = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if !line.starts_with('#') {
                recording.add(std::mem::take(&mut tags), line)?;
            } else if line.starts_with("#EXT-X-MAP:") {
                recording.map = Some(line.to_owned());
            } else if belongs_to_segment(line) {
                tags.push(line.to_owned());
            } else if holds_when_live(line) {
                recording.head.push(line.to_owned());
            }
        }
        recording
            .segments
            .last()
            .context("a playlist without segments")?;
        Ok(recording)
    }

    /// Length of the whole, seconds.
    pub(super) fn duration(&self) -> f64 {
        self.segments.last().map_or(0.0, |segment| segment.end)
    }

    fn add(&mut self, tags: Vec<String>, uri: &str) -> Result<()> {
        let duration = value(&tags, "#EXTINF:").context("a segment without EXTINF")?;
        let duration: f64 = duration.split(',').next().unwrap_or_default().parse()?;
        let start = self.duration();
        self.segments.push(Segment {
            range: value(&tags, "#EXT-X-BYTERANGE:")
                .map(parse_range)
                .transpose()?,
            tags,
            uri: uri.to_owned(),
            start,
            end: start + duration,
        });
        Ok(())
    }
}

fn value<'a>(tags: &'a [String], name: &str) -> Option<&'a str> {
    tags.iter().find_map(|tag| tag.strip_prefix(name))
}

fn parse_range(text: &str) -> Result<(u64, u64)> {
    let (length, offset) = text
        .split_once('@')
        .context("a byte range without its offset")?;
    Ok((length.parse()?, offset.parse()?))
}

fn belongs_to_segment(line: &str) -> bool {
    line.starts_with("#EXTINF:") || line.starts_with("#EXT-X-BYTERANGE:")
}

fn holds_when_live(line: &str) -> bool {
    [
        "#EXT-X-VERSION:",
        "#EXT-X-TARGETDURATION:",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    .iter()
    .any(|tag| line.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,\n\
        #EXT-X-BYTERANGE:100@7\na.m4s\n#EXTINF:1.5,\nb.m4s\n#EXT-X-ENDLIST\n";

    #[test]
    fn a_recording_keeps_what_holds_live_and_forgets_that_it_ended() {
        let recording = Recording::parse(PLAYLIST).unwrap();
        assert_eq!(
            recording.head,
            ["#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2"]
        );
        assert_eq!(
            recording.map.as_deref(),
            Some("#EXT-X-MAP:URI=\"init.mp4\"")
        );
        assert!((recording.duration() - 3.5).abs() < 1e-9);
        assert_eq!(recording.segments[0].range, Some((100, 7)));
        assert_eq!(recording.segments[1].range, None);
    }

    #[test]
    fn a_segment_without_duration_is_refused() {
        Recording::parse("#EXTM3U\na.ts\n").unwrap_err();
    }
}
