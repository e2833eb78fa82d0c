//! Installs what is missing, one file per step; each step is a no-op when done already.

mod npm;
mod rust_target;
mod system;
mod tools;

use anyhow::Result;

/// All steps, in the order in which they need each other.
pub(crate) fn everything() -> Result<()> {
    system::install()?;
    rust_target::install()?;
    tools::install()?;
    npm::install()
}
