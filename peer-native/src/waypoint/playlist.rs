//! Reading HLS playlists (RFC 8216) as far as attesting needs it.
//!
//! Attributes are taken as they stand in the text: a track's id is the hash of them, and a
//! number that was parsed and written again might not be the same text.

mod master;
mod media;

use std::collections::BTreeMap;

use quick_m3u8::tag::NoCustomTag;
use quick_m3u8::{HlsLine, Reader};
use runnel_protocol::ids::TrackId;
use runnel_protocol::units::BitsPerSecond;
use url::Url;

pub use media::{Media, Segment};

/// Why a text is not a playlist to work with. Always the origin's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    /// Not text in UTF-8.
    #[error("the playlist is not UTF-8")]
    NotText,
    /// Not a playlist, or one that breaks the rules of RFC 8216.
    #[error("the playlist is malformed: {0}")]
    Malformed(&'static str),
    /// More lines than any honest playlist has.
    #[error("the playlist has too many entries")]
    TooLong,
}

/// What a content's URL turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Playlist {
    /// A master playlist.
    Master(Master),
    /// A media playlist that stands alone.
    Media(Media),
}

/// What a master playlist says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Master {
    /// Where each track's media playlist is.
    pub tracks: BTreeMap<TrackId, Url>,
    /// Bandwidths of the variants, as many as [`runnel_protocol::control::MAX_LADDER`], from the smallest.
    pub ladder: Vec<BitsPerSecond>,
}

impl Playlist {
    /// Reads the playlist that was found at `base`.
    ///
    /// # Errors
    /// It is not a playlist that can be worked with.
    pub fn parse(bytes: &[u8], base: &Url) -> Result<Self, PlaylistError> {
        let text = text_of(bytes)?;
        if text
            .lines()
            .any(|line| line.starts_with("#EXT-X-STREAM-INF"))
        {
            master::parse_master(text, base).map(Self::Master)
        } else {
            Media::parse_text(text, base).map(Self::Media)
        }
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, PlaylistError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PlaylistError::NotText)?;
    if text.trim_start_matches('\u{feff}').starts_with("#EXTM3U") {
        Ok(text)
    } else {
        Err(PlaylistError::Malformed("no #EXTM3U"))
    }
}

type Line<'a> = HlsLine<'a, NoCustomTag>;

fn next_line<'a>(
    reader: &mut Reader<&'a str, NoCustomTag>,
) -> Result<Option<Line<'a>>, PlaylistError> {
    reader
        .read_line()
        .map_err(|_| PlaylistError::Malformed("a tag without a name"))
}
