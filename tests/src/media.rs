//! The recordings that the origin plays: the clip in its several shapes, a packaged movie, and
//! media generated for one run.

mod ffmpeg;
pub mod noise;
mod split;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use ffmpeg::{Generated, generate, package};

/// The shape in which the clip is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// MPEG-TS, a file per segment.
    Ts,
    /// MPEG-TS, byte ranges of one file per rendition.
    ByteRange,
    /// Fragmented MP4 with init segments.
    Fmp4,
    /// Fragmented MP4, sound in a rendition of its own.
    SeparateAudio,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ts, Self::ByteRange, Self::Fmp4, Self::SeparateAudio];

    /// What a stream's name ends with: `live` and `vod` alone are MPEG-TS.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Ts => "",
            Self::ByteRange => "-byterange",
            Self::Fmp4 => "-fmp4",
            Self::SeparateAudio => "-audio",
        }
    }
}

/// The clip in the repository.
pub fn clip() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media/clip")
}

/// Puts the clip in this shape into a folder. MPEG-TS needs no ffmpeg; the others are repackaged,
/// never encoded again.
///
/// # Errors
/// When the folder cannot be written, or ffmpeg is needed and fails.
pub fn prepare(shape: Shape, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    match shape {
        Shape::Ts => split::into_files(&clip(), folder),
        Shape::ByteRange => copy(&clip(), folder),
        Shape::Fmp4 => ffmpeg::repackage(&clip(), folder, false),
        Shape::SeparateAudio => ffmpeg::repackage(&clip(), folder, true),
    }
    .with_context(|| format!("cannot prepare {shape:?} in {}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
