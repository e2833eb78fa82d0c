//! Random bytes as a recording that the origin plays.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ring::rand::{SecureRandom as _, SystemRandom};
use runnel_protocol::ids::{PathHash, TrackId};
use runnel_protocol::segment::TrackAttributes;

/// Bytes of a segment: two seconds of a stream in 4K.
pub(super) const SEGMENT: u64 = 8 << 20;
const BANDWIDTH: &str = "33554432";

/// A recording of segments that are all alike in size.
pub(super) struct Recording {
    pub(super) folder: PathBuf,
    pub(super) segments: u64,
    /// Bytes of each.
    pub(super) segment: u64,
}

impl Recording {
    pub(super) fn make(folder: &Path, segments: u64, segment: u64) -> Result<Self> {
        let master = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={BANDWIDTH}\nmedia.m3u8\n");
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
        Ok(Self {
            folder: folder.to_owned(),
            segments,
            segment,
        })
    }
}

/// The only track.
pub(super) fn track() -> TrackId {
    let variant = TrackAttributes::Variant {
        bandwidth: BANDWIDTH,
        resolution: "",
        codecs: "",
    };
    variant.id()
}

/// Path of a segment on demand.
pub(super) fn path(number: u64) -> PathHash {
    PathHash::of_url(&format!("/vod/{}", file(number)))
}

fn file(number: u64) -> String {
    format!("s{number:04}.ts")
}

/// Bytes that the files below a folder take on its disk: holes do not count.
pub(super) fn size_on_disk(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let known = entry.metadata()?;
        size += match known.is_dir() {
            true => size_on_disk(&entry.path())?,
            false if entry.path().extension().is_some_and(|kind| kind == "media") => {
                known.blocks() * 512
            }
            false => 0,
        };
    }
    Ok(size)
}
