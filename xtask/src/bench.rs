//! `cargo xtask bench`: builds everything as it is released, then hands over to the program that
//! measures it.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use clap::Args;

use crate::run::{self, run};
use crate::{page, setup};

#[derive(Args)]
pub(crate) struct Options {
    /// What to measure, and how: `viewers --help`, `agent --help` and `coordinator --help` say more.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "WHAT"
    )]
    what: Vec<String>,
}

/// The same packages for all: another choice of them unites other features, and is built anew.
const RELEASE: [&str; 5] = ["cargo", "build", "--release", "--workspace", "--bins"];

/// Does not return when all is well: the bench takes this process's place and gets its Ctrl-C.
pub(crate) fn measure(options: &Options) -> Result<()> {
    match options.split() {
        Some(("agent", more)) => return measure_agent(more),
        Some(("coordinator", more)) => return measure_coordinator(more),
        Some(_) | None => {}
    }
    setup::everything()?;
    run(&RELEASE)?;
    page::build()?;
    let mut bench = run::command(".", &["target/release/runnel-bench"]);
    bench.args(&options.what);
    Err(bench.exec()).context("cannot start target/release/runnel-bench")
}

/// Needs neither browser nor page.
fn measure_agent(more: &[String]) -> Result<()> {
    run(&RELEASE)?;
    let mut bench = run::command(".", &["target/release/runnel-bench-agent", "run"]);
    bench.args(more);
    Err(bench.exec()).context("cannot start target/release/runnel-bench-agent")
}

/// The control center alone, in one thread, or with `--server` the whole server over WebSocket.
fn measure_coordinator(more: &[String]) -> Result<()> {
    let server = more.iter().any(|option| option == "--server");
    let package = if server {
        run(&RELEASE)?;
        "runnel-coordinator"
    } else {
        "runnel-coordinator-core"
    };
    let bench = ["cargo", "bench", "-q", "-p", package, "--bench"];
    let name = if server { "server" } else { "coordinator" };
    let mut bench = run::command(".", &bench);
    bench.arg(name).arg("--");
    bench.args(more.iter().filter(|option| *option != "--server"));
    Err(bench.exec()).context("cannot start cargo bench")
}

impl Options {
    fn split(&self) -> Option<(&str, &[String])> {
        let (first, more) = self.what.split_first()?;
        Some((first, more))
    }
}
