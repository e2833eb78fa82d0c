//! Master playlists: which tracks there are, and where.

use std::collections::{BTreeMap, BTreeSet};

use quick_m3u8::config::ParsingOptionsBuilder;
use quick_m3u8::tag::{AttributeValue, UnknownTag};
use quick_m3u8::{HlsLine, Reader};
use runnel_protocol::control::MAX_LADDER;
use runnel_protocol::ids::TrackId;
use runnel_protocol::segment::TrackAttributes;
use runnel_protocol::units::BitsPerSecond;
use url::Url;

use super::{Master, PlaylistError, next_line};

/// Most renditions of a master playlist; real ones have a dozen.
const MAX_TRACKS: usize = 256;

/// Each track's media playlist, and the ladder. Nothing is interpreted by the library: attributes
/// are wanted as they stand.
pub(super) fn parse_master(text: &str, base: &Url) -> Result<Master, PlaylistError> {
    let mut tracks = BTreeMap::new();
    let mut ladder = BTreeSet::new();
    let mut variant = None;
    let mut reader = Reader::from_str(text, ParsingOptionsBuilder::new().build());
    while let Some(line) = next_line(&mut reader)? {
        let (track, uri) = match line {
            HlsLine::UnknownTag(tag) if tag.name() == "-X-STREAM-INF" => {
                let attributes = Attributes::of(&tag)?;
                ladder.extend(attributes.bandwidth());
                variant = Some(variant_of(&attributes));
                continue;
            }
            HlsLine::UnknownTag(tag) if tag.name() == "-X-MEDIA" => match rendition_of(&tag)? {
                Some((track, uri)) => (track, uri.to_owned()),
                None => continue,
            },
            HlsLine::Uri(uri) => match variant.take() {
                Some(track) => (track, uri.into_owned()),
                None => continue,
            },
            HlsLine::UnknownTag(_)
            | HlsLine::KnownTag(_)
            | HlsLine::Comment(_)
            | HlsLine::Blank => continue,
        };
        if tracks.len() >= MAX_TRACKS {
            return Err(PlaylistError::TooLong);
        }
        let url = base.join(&uri);
        let url = url.map_err(|_| PlaylistError::Malformed("a URI"))?;
        // The same rendition on a second pathway: the first one named is the preferred one.
        tracks.entry(track).or_insert(url);
    }
    let ladder = ladder.into_iter().take(MAX_LADDER).collect();
    Ok(Master { tracks, ladder })
}

fn variant_of(attributes: &Attributes<'_>) -> TrackId {
    let variant = TrackAttributes::Variant {
        bandwidth: attributes.text("BANDWIDTH"),
        resolution: attributes.text("RESOLUTION"),
        codecs: attributes.text("CODECS"),
    };
    variant.id()
}

/// A rendition that has a playlist of its own; captions inside the video have none.
fn rendition_of<'a>(tag: &UnknownTag<'a>) -> Result<Option<(TrackId, &'a str)>, PlaylistError> {
    let attributes = Attributes::of(tag)?;
    let rendition = TrackAttributes::Media {
        kind: attributes.text("TYPE"),
        group: attributes.text("GROUP-ID"),
        name: attributes.text("NAME"),
        language: attributes.text("LANGUAGE"),
    };
    let uri = attributes.text("URI");
    Ok((!uri.is_empty()).then(|| (rendition.id(), uri)))
}

/// A tag's attribute list, as it stands in the text.
struct Attributes<'a>(Vec<(&'a str, AttributeValue<'a>)>);

impl<'a> Attributes<'a> {
    fn of(tag: &UnknownTag<'a>) -> Result<Self, PlaylistError> {
        tag.value()
            .and_then(|value| value.try_as_ordered_attribute_list().ok())
            .map(Self)
            .ok_or(PlaylistError::Malformed("an attribute list"))
    }

    /// The variant's peak rate, where it is named as a number above zero.
    fn bandwidth(&self) -> Option<BitsPerSecond> {
        let rate: u64 = self.text("BANDWIDTH").parse().ok()?;
        (rate > 0).then_some(BitsPerSecond(rate))
    }

    /// The text of an attribute, without quotes; empty if absent.
    fn text(&self, name: &str) -> &'a str {
        let value = self.0.iter().find(|(found, _)| found.trim() == name);
        match value.map(|(_, value)| value) {
            Some(AttributeValue::Quoted(text)) => text,
            Some(AttributeValue::Unquoted(text)) => text.try_as_utf_8().unwrap_or_default().trim(),
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str) -> Result<Master, PlaylistError> {
        let base = Url::parse("https://origin.example/show/master.m3u8").unwrap();
        parse_master(&format!("#EXTM3U\n{lines}"), &base)
    }

    #[test]
    fn tracks_are_known_by_their_attributes_as_written() {
        let Master { tracks, ladder } = parse(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",URI=\"audio/en.m3u8\"\n\
             #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"CC\",INSTREAM-ID=\"CC1\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=0800000,AVERAGE-BANDWIDTH=7,RESOLUTION=640x360,CODECS=\"avc1.4d401e,mp4a.40.2\",AUDIO=\"aac\"\n\
             360/index.m3u8?token=x\n\
             #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"iframes.m3u8\"\n",
        )
        .unwrap();
        let variant = TrackAttributes::Variant {
            bandwidth: "0800000",
            resolution: "640x360",
            codecs: "avc1.4d401e,mp4a.40.2",
        };
        let audio = TrackAttributes::Media {
            kind: "AUDIO",
            group: "aac",
            name: "English",
            language: "en",
        };
        assert_eq!(tracks.len(), 2);
        assert_eq!(
            tracks[&variant.id()].as_str(),
            "https://origin.example/show/360/index.m3u8?token=x"
        );
        assert_eq!(
            tracks[&audio.id()].as_str(),
            "https://origin.example/show/audio/en.m3u8"
        );
        assert_eq!(ladder, [BitsPerSecond(800_000)]);
    }

    #[test]
    fn a_second_pathway_does_not_replace_the_first() {
        let master = parse(
            "#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"A\"\na.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"B\"\nb.m3u8\n",
        )
        .unwrap();
        let urls: Vec<_> = master.tracks.values().map(Url::path).collect();
        assert_eq!(urls, ["/show/a.m3u8"]);
    }

    #[test]
    fn the_ladder_has_each_bandwidth_once_from_the_smallest() {
        let variant =
            |bandwidth| format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}\n{bandwidth}.m3u8\n");
        let text: String = ["2000", "500", "x", "0", "500"].map(variant).concat();
        let rungs = parse(&text).unwrap().ladder;
        assert_eq!(rungs, [500, 2000].map(BitsPerSecond));
    }

    #[test]
    fn too_many_tracks_and_broken_lists_are_refused() {
        let many: String = (0..=MAX_TRACKS)
            .map(|count| format!("#EXT-X-STREAM-INF:BANDWIDTH={count}\n{count}.m3u8\n"))
            .collect();
        assert_eq!(parse(&many), Err(PlaylistError::TooLong));
        assert!(parse("#EXT-X-STREAM-INF:BANDWIDTH=\"1\na.m3u8\n").is_err());
    }
}
