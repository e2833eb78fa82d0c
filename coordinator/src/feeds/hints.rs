//! What a provider would rather have: `viewers,from,cost`.

use std::path::Path;

use runnel_coordinator_core::{Cost, Hints, Source};

use super::FeedError;
use super::prefixes::number;
use super::rows;

/// Most hints.
const MAX_HINTS: usize = 262_144;

/// `viewers` is a range, `from` one or an autonomous system (`AS64500`), and `cost` 0 to 255.
pub(super) fn read(path: &Path) -> Result<Hints, FeedError> {
    let mut hints = Vec::new();
    rows::each(path, &["viewers", "from", "cost"], &[], |row| {
        if hints.len() >= MAX_HINTS {
            return Err(format!("at most {MAX_HINTS} hints"));
        }
        let from = row.get("from");
        let source = if from.starts_with("AS") {
            Source::System(number(from)?)
        } else {
            Source::Range(rows::range(from)?)
        };
        let cost = row.get("cost");
        let cost = cost.parse().map_err(|_| {
            format!("cost {cost:?}: write 0 to 255; 100 is the usual, and less is preferred")
        })?;
        hints.push((row.range("viewers")?, source, Cost(cost)));
        Ok(())
    })?;
    Ok(hints.into_iter().collect())
}
