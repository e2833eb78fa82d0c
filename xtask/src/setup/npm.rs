//! The pages' npm packages, exactly as locked.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Result, bail};

use crate::{run, workspace};

const FOLDERS: [&str; 2] = ["peer-wasm/js", "web-demo"];

pub(super) fn install() -> Result<()> {
    for folder in FOLDERS {
        let path = workspace::root().join(folder);
        if !path.join("package.json").is_file() || is_fresh(&path) {
            continue;
        }
        if !workspace::has_program("npm") {
            bail!(
                "npm is missing; install Node.js 20 or newer with:\n    sudo apt-get install -y nodejs npm"
            );
        }
        run::run_in(folder, &["npm", "ci", "--no-audit", "--no-fund"])?;
    }
    Ok(())
}

/// npm writes the hidden lock file last: it is as new as the last complete installation.
fn is_fresh(folder: &Path) -> bool {
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    let wanted = modified(&folder.join("package-lock.json"));
    installed.is_some() && installed >= wanted
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}
