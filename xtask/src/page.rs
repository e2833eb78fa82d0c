//! The browser's side: the wasm module, the npm package around it, and the viewer page.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{run, workspace};

/// What a viewer downloads of ours, compressed: the budget for module and glue together.
const BUDGET: usize = 100 * 1024;

/// Builds everything that the page consists of.
pub(crate) fn build() -> Result<()> {
    for folder in ["peer-wasm/js", "web-demo"] {
        run::run_in(folder, &["npm", "run", "build"])?;
    }
    Ok(())
}

/// Fails when module and glue, compressed, exceed their budget.
pub(crate) fn check_size() -> Result<()> {
    let folder = workspace::root().join("peer-wasm/js/pkg");
    let mut total = 0;
    for entry in std::fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
        let path = entry?.path();
        if !path
            .extension()
            .is_some_and(|ending| ending == "wasm" || ending == "js")
        {
            continue;
        }
        let size = gzipped(&path.to_string_lossy())?;
        eprintln!("    {:>7} bytes  {}", size, path.display());
        total += size;
    }
    eprintln!("    {total:>7} bytes of {BUDGET}, gzip -9");
    if total == 0 || total > BUDGET {
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
