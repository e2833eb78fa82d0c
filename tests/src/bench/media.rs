//! The media of a run: made once for each set of parameters, then kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ring::digest::{SHA256, digest};

use super::kept_media;
use crate::media::{Generated, generate};

/// A recording that is long enough not to start over within a run.
pub(super) struct Media {
    pub(super) folder: PathBuf,
    /// Rate of the best rendition with sound and container, kbit/s.
    pub(super) kbps: u32,
    segments: BTreeMap<String, String>,
}

impl Media {
    /// Media of this length with one or three renditions.
    pub(super) fn with(seconds: u32, renditions: u32) -> Result<Self> {
        let kbps = match renditions {
            1 => Generated::ONE,
            3 => Generated::THREE,
            other => anyhow::bail!("{other} renditions: 1 or 3 can be had"),
        };
        let folder = kept_media()?.join(format!("{seconds}s-{renditions}"));
        if !folder.is_dir() {
            make(Generated { seconds, kbps }, &folder)?;
        }
        Self::read(folder, seconds, renditions)
    }

    fn read(folder: PathBuf, seconds: u32, renditions: u32) -> Result<Self> {
        let best = format!("r{}-", renditions - 1);
        let mut bytes = 0;
        let mut segments = BTreeMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".ts") {
                continue;
            }
            let data = std::fs::read(entry.path())?;
            bytes += if name.starts_with(&best) {
                data.len() as u64
            } else {
                0
            };
            segments.insert(name, sha256(&data));
        }
        ensure!(bytes > 0, "no media in {}", folder.display());
        let kbps = u32::try_from(bytes * 8 / 1_000 / u64::from(seconds))?;
        Ok(Self {
            folder,
            kbps,
            segments,
        })
    }

    /// Is this what the file behind a URL or path holds?
    pub(super) fn has(&self, url: &str, sha256: &str) -> bool {
        let name = url.rsplit('/').next().unwrap_or_default();
        self.segments.get(name).is_some_and(|known| known == sha256)
    }
}

/// Made beside its place and moved there when complete.
fn make(media: Generated, folder: &Path) -> Result<()> {
    let parent = folder.parent().context("media in no folder")?;
    std::fs::create_dir_all(parent)?;
    let unfinished = tempfile::tempdir_in(parent)?;
    generate(media, unfinished.path())?;
    std::fs::rename(unfinished.keep(), folder)?;
    Ok(())
}

fn sha256(data: &[u8]) -> String {
    let bytes = digest(&SHA256, data);
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
