//! A copy of the sources in which bugs are planted: the checkout itself is left alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Plant;
use crate::run::{output, run};
use crate::workspace;

/// Where the copy lies, below the checkout's root. What was built from it stays beside it.
const TREE: &str = "target/plants/tree";
const BUILT: &str = "target/plants/built";

pub(super) struct Copy {
    tree: PathBuf,
}

impl Copy {
    /// Every file that git knows or would take, as it stands.
    pub(super) fn fresh() -> Result<Self> {
        let copy = Self {
            tree: workspace::root().join(TREE),
        };
        copy.restore_all("*")?;
        Ok(copy)
    }

    /// Cargo's folder for what is built from the copy.
    pub(super) fn built() -> PathBuf {
        workspace::root().join(BUILT)
    }

    /// The copy's folder, below the checkout's root.
    pub(super) const fn folder() -> &'static str {
        TREE
    }

    pub(super) fn plant(&self, plant: &Plant) -> Result<()> {
        let (file, into) = (
            plant.file.display().to_string(),
            format!("--directory={TREE}"),
        );
        run(&["git", "apply", &into, &file])
    }

    /// Takes out whatever was planted.
    pub(super) fn weed(&self) -> Result<()> {
        self.restore_all("*.rs")
    }

    fn restore_all(&self, which: &str) -> Result<()> {
        let known = [
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
        ];
        let files = output(&[&["git", "ls-files"], &known[..], &[which]].concat())?;
        files.lines().try_for_each(|file| self.restore(file))
    }

    /// A file that is as it was keeps its date, so that nothing is built in vain.
    fn restore(&self, file: &str) -> Result<()> {
        let (from, to) = (workspace::root().join(file), self.tree.join(file));
        let shown = || from.display().to_string();
        let wanted = fs::read(&from).with_context(shown)?;
        if fs::read(&to).is_ok_and(|there| there == wanted) {
            return Ok(());
        }
        fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))?;
        fs::write(&to, wanted).with_context(shown)
    }
}
