//! `cargo xtask bench`: builds everything as it is released, then hands over to the program that
//! measures it.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use clap::Args;

use crate::run::{self, run};
use crate::{page, setup};

#[derive(Args)]
pub(crate) struct Options {
    /// What to measure, and how: `viewers --help` and `agent --help` say more.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "WHAT"
    )]
    what: Vec<String>,
}

/// Does not return when all is well: the bench takes this process's place and gets its Ctrl-C.
pub(crate) fn measure(options: &Options) -> Result<()> {
    if let Some(("agent", more)) = options.split() {
        return measure_agent(more);
    }
    setup::everything()?;
    run(&["cargo", "build", "--release", "--workspace", "--bins"])?;
    page::build()?;
    let mut bench = run::command(".", &["target/release/runnel-bench"]);
    bench.args(&options.what);
    Err(bench.exec()).context("cannot start target/release/runnel-bench")
}

/// Needs neither browser nor page.
fn measure_agent(more: &[String]) -> Result<()> {
    run(&[
        "cargo",
        "build",
        "--release",
        "-p=runnel-peer-native",
        "-p=runnel-coordinator",
        "-p=runnel-tests",
        "--bins",
    ])?;
    let mut bench = run::command(".", &["target/release/runnel-bench-agent", "run"]);
    bench.args(more);
    Err(bench.exec()).context("cannot start target/release/runnel-bench-agent")
}

impl Options {
    fn split(&self) -> Option<(&str, &[String])> {
        let (first, more) = self.what.split_first()?;
        Some((first, more))
    }
}
