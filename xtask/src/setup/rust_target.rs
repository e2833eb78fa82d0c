//! The standard library for WebAssembly.

use anyhow::Result;

use crate::run;

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn install() -> Result<()> {
    let libraries = run::output(&["rustc", "--print", "target-libdir", "--target", TARGET])?;
    if std::path::Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    run::run(&["rustup", "target", "add", TARGET])
}
