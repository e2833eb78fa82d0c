//! `cargo xtask soak`: builds everything, then hands over to the program that watches.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::run::{self, run};
use crate::{page, setup};

#[derive(Args)]
pub(crate) struct Options {
    /// How long to watch.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Does not return when all is well: the watch takes this process's place and gets its Ctrl-C.
pub(crate) fn watch(options: &Options) -> Result<()> {
    setup::everything()?;
    run(&["cargo", "build", "--workspace", "--bins"])?;
    page::build()?;
    let mut soak = run::command(".", &["target/debug/runnel-soak"]);
    soak.args(["--minutes", &options.minutes.to_string()]);
    if let Some(file) = &options.json {
        soak.arg("--json").arg(std::path::absolute(file)?);
    }
    Err(soak.exec()).context("cannot start target/debug/runnel-soak")
}
