//! Random bytes as a recording that the origin plays: for whoever measures delivery, not pictures.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ring::rand::{SecureRandom as _, SystemRandom};
use runnel_protocol::ids::{PathHash, TrackId};
use runnel_protocol::segment::TrackAttributes;

/// A recording of segments of two seconds that are all alike in size, with one rendition.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Where it lies.
    pub folder: PathBuf,
    /// How many segments it has.
    pub segments: u64,
    /// Bytes of each.
    pub segment: u64,
}

impl Noise {
    /// Writes one to a folder; its rendition is said to have this bandwidth, bit/s.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn make(folder: &Path, segments: u64, segment: u64, bandwidth: u64) -> Result<Self> {
        let noise = Self {
            folder: folder.to_owned(),
            segments,
            segment,
        };
        let master = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}\nmedia.m3u8\n");
        std::fs::write(folder.join("master.m3u8"), master)?;
        let mut media = String::from(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n",
        );
        let random = SystemRandom::new();
        let mut bytes = vec![0; usize::try_from(segment)?];
        for number in 0..segments {
            let filled = random.fill(&mut bytes);
            filled.ok().context("no random bytes")?;
            std::fs::write(folder.join(file(number)), &bytes)?;
            write!(media, "#EXTINF:2.0,\n{}\n", file(number))?;
        }
        media.push_str("#EXT-X-ENDLIST\n");
        std::fs::write(folder.join("media.m3u8"), media)?;
        Ok(noise)
    }
}

/// The only track of a recording whose rendition has this bandwidth, bit/s.
pub fn track(bandwidth: u64) -> TrackId {
    let variant = TrackAttributes::Variant {
        bandwidth: &bandwidth.to_string(),
        resolution: "",
        codecs: "",
    };
    variant.id()
}

/// Path of a segment, where the origin plays the recording under this name.
pub fn path(name: &str, number: u64) -> PathHash {
    PathHash::of_url(&format!("/{name}/{}", file(number)))
}

fn file(number: u64) -> String {
    format!("s{number:04}.ts")
}
