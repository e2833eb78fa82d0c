//! From byte ranges of one file to one file per segment, without any tool.

use std::path::Path;

use anyhow::{Context, Result};

/// Writes the recording in `from` to `to`, cut at its byte ranges.
pub(super) fn into_files(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name == "master.m3u8" {
            std::fs::copy(&path, to.join(name))?;
        } else if let Some(stem) = name.strip_suffix(".m3u8") {
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(to.join(&name), cut(&text, stem, from, to)?)?;
        }
    }
    Ok(())
}

/// Cuts one rendition and returns its new playlist.
fn cut(playlist: &str, stem: &str, from: &Path, to: &Path) -> Result<String> {
    let mut text = String::new();
    let mut range = None;
    let mut count = 0;
    for line in playlist.lines() {
        if let Some(found) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = Some(
                found
                    .split_once('@')
                    .context("a byte range without offset")?,
            );
            continue;
        }
        if line.starts_with('#') || line.is_empty() {
            text.push_str(line);
        } else {
            let (length, offset) = range.take().context("a segment without byte range")?;
            let (length, offset): (usize, usize) = (length.parse()?, offset.parse()?);
            let whole = std::fs::read(from.join(line))?;
            let part = whole
                .get(offset..offset + length)
                .context("a range beyond the file")?;
            let name = format!("{stem}-{count:03}.ts");
            std::fs::write(to.join(&name), part)?;
            text.push_str(&name);
            count += 1;
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_put_together_are_the_file_that_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let clip = crate::media::clip();
        into_files(&clip, folder.path()).unwrap();
        for rendition in ["low", "middle", "high"] {
            let playlist =
                std::fs::read_to_string(folder.path().join(format!("{rendition}.m3u8"))).unwrap();
            let parts: Vec<u8> = playlist
                .lines()
                .filter(|line| !line.starts_with('#'))
                .flat_map(|name| std::fs::read(folder.path().join(name)).unwrap())
                .collect();
            let whole = std::fs::read(clip.join(format!("{rendition}.ts"))).unwrap();
            assert!(parts == whole, "{rendition} differs");
        }
    }
}
