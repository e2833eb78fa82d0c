//! The browser's side: the wasm module, the npm package around it, and the viewer page.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{run, workspace};

/// What a viewer should download of ours, compressed: module and glue together.
const BUDGET: usize = 100 * 1024;
/// What it is while the module is over its budget: nothing may add to it, and it only falls.
const CEILING: usize = 123 * 1024;

/// Builds everything that the page consists of.
pub(crate) fn build() -> Result<()> {
    for folder in ["peer-wasm/js", "web-demo"] {
        run::run_in(folder, &["npm", "run", "build"])?;
    }
    Ok(())
}

/// Types of both sides, and what of the npm package is tested without a browser.
pub(crate) fn check_typescript() -> Result<()> {
    run::run_in("peer-wasm/js", &["npm", "run", "typecheck"])?;
    run::run_in("peer-wasm/js", &["npm", "test"])?;
    run::run_in("web-demo", &["npm", "run", "typecheck"])
}

/// Fails when module and glue, compressed, exceed their ceiling; says how far the budget is.
pub(crate) fn check_size() -> Result<()> {
    let folder = workspace::root().join("peer-wasm/js/dist");
    let mut total = 0;
    for name in ["runnel.wasm", "worker.js", "index.js"] {
        let size = gzipped(&folder.join(name).to_string_lossy())?;
        eprintln!("    {size:>7} bytes  {name}");
        total += size;
    }
    eprintln!("    {total:>7} bytes, gzip -9; the budget is {BUDGET}, the ceiling {CEILING}");
    if total > CEILING {
        bail!("module and glue are {total} bytes compressed; the ceiling is {CEILING}");
    }
    Ok(())
}

fn gzipped(file: &str) -> Result<usize> {
    let output = run::command(".", &["gzip", "-9", "-c", file])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start gzip")?;
    if !output.status.success() {
        bail!("gzip failed on {file}");
    }
    Ok(output.stdout.len())
}
