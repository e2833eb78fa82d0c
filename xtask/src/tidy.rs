//! What a compiler does not check: the walls between crates, and that the files speak of no
//! particular machine.

mod arrows;
mod paths;
mod purity;

use anyhow::{Result, bail};

/// All checks; every complaint is printed before it fails.
pub(crate) fn check() -> Result<()> {
    let complaints = [
        arrows::complaints()?,
        purity::complaints()?,
        paths::complaints()?,
    ]
    .concat();
    for complaint in &complaints {
        eprintln!("    {complaint}");
    }
    if !complaints.is_empty() {
        bail!("{} complaints from tidy", complaints.len());
    }
    Ok(())
}
