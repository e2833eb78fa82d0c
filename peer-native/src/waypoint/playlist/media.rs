//! Media playlists: the timeline of one track.

use std::time::Duration;

use quick_m3u8::config::{ParsingOptions, ParsingOptionsBuilder};
use quick_m3u8::tag::hls::Tag;
use quick_m3u8::tag::{HlsPlaylistType, KnownTag};
use quick_m3u8::{HlsLine, Reader};
use runnel_protocol::segment::ByteRange;
use url::Url;

use super::{PlaylistError, next_line, text_of};

/// Most segments of a media playlist: a day of two-second segments.
const MAX_SEGMENTS: usize = 43_200;
/// Longest target duration that is believed, in seconds.
const MAX_TARGET: u64 = 60;

/// One media playlist at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Longest segment; sets the pace of polling.
    pub target: Duration,
    /// Whether no more segments will come (EXT-X-ENDLIST).
    pub ended: bool,
    /// Whether all of it lies ready: VOD, or a live stream that is over.
    pub on_demand: bool,
    /// Segments, oldest first.
    pub segments: Vec<Segment>,
}

/// One entry of a media playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Media sequence number.
    pub sequence: u64,
    /// Discontinuity sequence number.
    pub discontinuity: u64,
    /// Set where several segments share one resource.
    pub range: Option<ByteRange>,
    /// The resource.
    pub url: Url,
    /// Playing time.
    pub duration: Duration,
}

impl Media {
    /// Reads a media playlist that was found at `base`.
    ///
    /// # Errors
    /// It is not a media playlist that can be worked with.
    pub fn parse(bytes: &[u8], base: &Url) -> Result<Self, PlaylistError> {
        Self::parse_text(text_of(bytes)?, base)
    }

    pub(super) fn parse_text(text: &str, base: &Url) -> Result<Self, PlaylistError> {
        let mut media = MediaReader::new(base);
        let mut reader = Reader::from_str(text, media_tags());
        while let Some(line) = next_line(&mut reader)? {
            match line {
                HlsLine::KnownTag(KnownTag::Hls(tag)) => media.on_tag(&tag)?,
                HlsLine::Uri(uri) => media.on_uri(&uri)?,
                HlsLine::UnknownTag(_)
                | HlsLine::KnownTag(KnownTag::Custom(_))
                | HlsLine::Comment(_)
                | HlsLine::Blank => {}
            }
        }
        media.finish()
    }
}

/// Only what a media playlist's timeline is made of is interpreted.
fn media_tags() -> ParsingOptions {
    ParsingOptionsBuilder::new()
        .with_parsing_for_targetduration()
        .with_parsing_for_media_sequence()
        .with_parsing_for_discontinuity_sequence()
        .with_parsing_for_discontinuity()
        .with_parsing_for_playlist_type()
        .with_parsing_for_endlist()
        .with_parsing_for_inf()
        .with_parsing_for_byterange()
        .with_parsing_for_gap()
        .build()
}

/// Builds up the timeline line by line.
struct MediaReader<'a> {
    base: &'a Url,
    target: Option<Duration>,
    ended: bool,
    on_demand: bool,
    sequence: u64,
    discontinuity: u64,
    duration: Option<Duration>,
    range: Option<(u64, Option<u64>)>,
    gap: bool,
    segments: Vec<Segment>,
}

impl<'a> MediaReader<'a> {
    fn new(base: &'a Url) -> Self {
        Self {
            base,
            target: None,
            ended: false,
            on_demand: false,
            sequence: 0,
            discontinuity: 0,
            duration: None,
            range: None,
            gap: false,
            segments: Vec::new(),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "no other tag is interpreted, see media_tags"
    )]
    fn on_tag(&mut self, tag: &Tag<'_>) -> Result<(), PlaylistError> {
        match tag {
            Tag::Targetduration(target) => {
                let seconds = target.target_duration().clamp(1, MAX_TARGET);
                self.target = Some(Duration::from_secs(seconds));
            }
            Tag::MediaSequence(first) => self.sequence = first.media_sequence(),
            Tag::DiscontinuitySequence(first) => {
                self.discontinuity = first.discontinuity_sequence();
            }
            Tag::Discontinuity(_) => self.discontinuity = self.discontinuity.saturating_add(1),
            Tag::PlaylistType(kind) => {
                self.on_demand = kind.playlist_type() == HlsPlaylistType::Vod;
            }
            Tag::Endlist(_) => self.ended = true,
            Tag::Inf(inf) => {
                let duration = Duration::try_from_secs_f64(inf.duration());
                self.duration = Some(duration.map_err(|_| PlaylistError::Malformed("EXTINF"))?);
            }
            Tag::Byterange(range) => self.range = Some((range.length(), range.offset())),
            Tag::Gap(_) => self.gap = true,
            _ => {}
        }
        Ok(())
    }

    fn on_uri(&mut self, uri: &str) -> Result<(), PlaylistError> {
        if self.segments.len() >= MAX_SEGMENTS {
            return Err(PlaylistError::TooLong);
        }
        let malformed = PlaylistError::Malformed;
        let url = self.base.join(uri).map_err(|_| malformed("a URI"))?;
        let duration = self.duration.take().ok_or(malformed("no EXTINF"))?;
        let range = match self.range.take() {
            None => None,
            Some((length, offset)) => {
                let offset = offset.or_else(|| self.end_of_previous(&url));
                let offset = offset.ok_or(malformed("EXT-X-BYTERANGE without an offset"))?;
                offset
                    .checked_add(length)
                    .ok_or(malformed("EXT-X-BYTERANGE"))?;
                Some(ByteRange { offset, length })
            }
        };
        let segment = Segment {
            sequence: self.sequence,
            discontinuity: self.discontinuity,
            range,
            url,
            duration,
        };
        self.sequence = self.sequence.saturating_add(1);
        // A gap is a place in the timeline where nothing can be fetched.
        if !std::mem::take(&mut self.gap) {
            self.segments.push(segment);
        }
        Ok(())
    }

    /// Where a range without an offset begins (RFC 8216 §4.3.2.2).
    fn end_of_previous(&self, url: &Url) -> Option<u64> {
        let previous = self.segments.last().filter(|one| one.url == *url)?;
        previous.range.map(|range| range.offset + range.length)
    }

    fn finish(self) -> Result<Media, PlaylistError> {
        let target = self.target;
        Ok(Media {
            target: target.ok_or(PlaylistError::Malformed("no EXT-X-TARGETDURATION"))?,
            on_demand: self.on_demand || self.ended,
            ended: self.ended,
            segments: self.segments,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str) -> Result<Media, PlaylistError> {
        let base = Url::parse("https://origin.example/live/720/index.m3u8").unwrap();
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}");
        Media::parse(text.as_bytes(), &base)
    }

    #[test]
    fn a_live_window_of_transport_stream_segments() {
        let media = parse(
            "#EXT-X-MEDIA-SEQUENCE:41\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
             #EXTINF:2.000,\nseg41.ts?token=a\n\
             #EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-22T12:00:00Z\n\
             #EXTINF:1.5,title, with comma\n/other/seg42.ts\n",
        )
        .unwrap();
        assert!(!media.ended && !media.on_demand);
        assert_eq!(media.target, Duration::from_secs(2));
        let named: Vec<_> = media
            .segments
            .iter()
            .map(|one| (one.sequence, one.discontinuity, one.url.as_str()))
            .collect();
        assert_eq!(
            named,
            [
                (41, 3, "https://origin.example/live/720/seg41.ts?token=a"),
                (42, 4, "https://origin.example/other/seg42.ts"),
            ]
        );
        assert_eq!(media.segments[1].duration, Duration::from_millis(1500));
    }

    #[test]
    fn byte_ranges_continue_where_the_last_one_ended() {
        let media = parse(
            "#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"700@0\"\n\
             #EXTINF:2,\n#EXT-X-BYTERANGE:1000@700\nall.mp4\n\
             #EXTINF:2,\n#EXT-X-BYTERANGE:500\nall.mp4\n#EXT-X-ENDLIST\n",
        )
        .unwrap();
        let ranges: Vec<_> = media.segments.iter().filter_map(|one| one.range).collect();
        let expected = [(700, 1000), (1700, 500)];
        assert_eq!(
            ranges,
            expected.map(|(offset, length)| ByteRange { offset, length })
        );
        assert!(media.ended && media.on_demand);
    }

    #[test]
    fn a_range_without_a_beginning_is_refused() {
        let refused = parse("#EXTINF:2,\n#EXT-X-BYTERANGE:500\nall.mp4\n");
        assert!(matches!(refused, Err(PlaylistError::Malformed(_))));
        let overflow = format!("#EXTINF:2,\n#EXT-X-BYTERANGE:{}@1\na.mp4\n", u64::MAX);
        assert!(parse(&overflow).is_err());
    }

    #[test]
    fn a_gap_keeps_its_number_and_is_not_fetched() {
        let media =
            parse("#EXTINF:2,\na.ts\n#EXT-X-GAP\n#EXTINF:2,\nb.ts\n#EXTINF:2,\nc.ts\n").unwrap();
        let numbers: Vec<_> = media.segments.iter().map(|one| one.sequence).collect();
        assert_eq!(numbers, [0, 2]);
    }

    #[test]
    fn what_is_no_playlist_is_refused() {
        let base = Url::parse("https://origin.example/").unwrap();
        assert_eq!(
            Media::parse(b"\xff\xfe", &base),
            Err(PlaylistError::NotText)
        );
        assert!(Media::parse(b"<html>", &base).is_err());
        assert!(Media::parse(b"#EXTM3U\n#EXTINF:2,\na.ts\n", &base).is_err());
        assert!(parse("no-duration.ts\n").is_err());
        assert!(parse("#EXTINF:-1,\na.ts\n").is_err());
    }
}
