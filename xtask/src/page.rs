//! The browser's side: the wasm module, the npm package around it, and the viewer page.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{run, workspace};

/// Most bytes of ours that a viewer may have to download, compressed: module and glue together.
const BUDGET: usize = 100_000;

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

/// Fails when module and glue, compressed, exceed their budget.
pub(crate) fn check_size() -> Result<()> {
    let folder = workspace::root().join("peer-wasm/js/dist");
    let mut total = 0;
    for name in ["runnel.wasm", "worker.js", "index.js"] {
        let size = gzipped(&folder.join(name).to_string_lossy())?;
        eprintln!("    {size:>7} bytes  {name}");
        total += size;
    }
    eprintln!("    {total:>7} bytes, gzip -9; the budget is {BUDGET}");
    if total > BUDGET {
        bail!("module and glue are {total} bytes compressed; the budget is {BUDGET}");
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
