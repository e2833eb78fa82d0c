//! Text, line by line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::FeedError;

/// Hands each line to `take`, but empty ones and those that begin with `#`.
pub(super) fn each(
    path: &Path,
    mut take: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), FeedError> {
    let file = File::open(path).map_err(FeedError::unreadable(path))?;
    let mut file = BufReader::new(file);
    let (mut line, mut place) = (String::new(), 0);
    loop {
        line.clear();
        place += 1;
        let read = file.read_line(&mut line);
        let read = read.map_err(|error| FeedError::line(path, place, error.to_string()))?;
        if read == 0 {
            return Ok(());
        }
        let text = line.trim();
        if !text.is_empty() && !text.starts_with('#') {
            take(text).map_err(|words| FeedError::line(path, place, words))?;
        }
    }
}
