//! What autonomous systems are to each other: CAIDA's `as-rel` text.

use std::path::Path;

use runnel_coordinator_core::Tie;

use super::prefixes::number;
use super::{FeedError, lines};

/// Most ties: four times those that CAIDA sees.
pub(super) const MAX_TIES: usize = 2_000_000;

pub(super) type Ties = Vec<(u32, u32, Tie)>;

/// `a|b|-1` where a is b's provider, `a|b|0` where they peer; what follows says whence that is known.
pub(super) fn read(path: &Path) -> Result<Ties, FeedError> {
    let mut ties = Ties::new();
    lines::each(path, |text| {
        if ties.len() >= MAX_TIES {
            return Err(format!("at most {MAX_TIES} relations"));
        }
        ties.push(tie(text)?);
        Ok(())
    })?;
    Ok(ties)
}

fn tie(text: &str) -> Result<(u32, u32, Tie), String> {
    let mut fields = text.split('|');
    let mut next = || fields.next().unwrap_or_default();
    let (one, other, tie) = (number(next())?, number(next())?, next());
    let tie = match tie {
        "-1" => Tie::Provides,
        "0" => Tie::Peers,
        _ => {
            return Err(format!(
                "{text:?}: write 64500|64501|-1 where the first provides the second, and \
                 64500|64501|0 where they peer"
            ));
        }
    };
    Ok((one, other, tie))
}
