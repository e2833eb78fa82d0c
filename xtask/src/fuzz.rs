//! `cargo xtask fuzz`: libFuzzer looks for what breaks a door, for as long as one likes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run::{self, run};
use crate::workspace;

/// Most that a door may allocate at once, and in all, MiB: a bulk stream's frame and the message
/// of greatest length are far below.
const AT_ONCE: u32 = 16;
const IN_ALL: u32 = 1_024;
/// Seconds that one input may take.
const PATIENCE: u32 = 5;

#[derive(Args)]
pub(crate) struct Options {
    /// How long, all doors together.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Only this door (may be repeated): a folder of fuzz/corpus names each.
    #[arg(long, value_name = "DOOR")]
    door: Vec<String>,
}

/// Stops at the first input that breaks a door; it lies in `fuzz/found/DOOR`.
pub(crate) fn search(options: &Options) -> Result<()> {
    if !run::succeeds(&["rustup", "run", "nightly", "cargo", "fuzz", "--version"]) {
        bail!(
            "libFuzzer needs a nightly compiler; type:\n    rustup toolchain install nightly \
             --profile minimal\n    cargo install cargo-fuzz --locked"
        );
    }
    run(&[
        "cargo",
        "run",
        "--quiet",
        "-p",
        "runnel-fuzz",
        "--example",
        "seeds",
    ])?;
    let doors = match options.door.as_slice() {
        [] => doors()?,
        some => some.to_vec(),
    };
    let seconds = 60 * options.minutes / doors.len().max(1) as u64;
    doors.iter().try_for_each(|door| attack(door, seconds))
}

fn attack(door: &str, seconds: u64) -> Result<()> {
    let found = format!("fuzz/found/{door}/");
    std::fs::create_dir_all(workspace::root().join(&found))?;
    let limits = [
        format!("-max_total_time={seconds}"),
        format!("-malloc_limit_mb={AT_ONCE}"),
        format!("-rss_limit_mb={IN_ALL}"),
        format!("-timeout={PATIENCE}"),
        format!("-artifact_prefix={found}"),
        "-print_final_stats=1".to_owned(),
    ];
    let corpus = format!("fuzz/corpus/{door}");
    let line = [
        "rustup",
        "run",
        "nightly",
        "cargo",
        "fuzz",
        "run",
        "--fuzz-dir=fuzz",
        "--target-dir=target/fuzz",
        "--features=libfuzzer",
        door,
        &corpus,
        "--",
    ];
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    run(&[&line[..], &limits].concat()).with_context(|| {
        format!("{found} has what breaks it; `cargo test -p runnel-fuzz` tries it again")
    })
}

/// Each has its seeds in a folder of its own.
fn doors() -> Result<Vec<String>> {
    let corpus = workspace::root().join("fuzz/corpus");
    let folders: Result<Vec<PathBuf>> = std::fs::read_dir(corpus)?
        .map(|folder| Ok(folder?.path()))
        .collect();
    let mut names: Vec<String> = folders?.iter().filter_map(|folder| name(folder)).collect();
    names.sort();
    Ok(names)
}

fn name(folder: &Path) -> Option<String> {
    Some(folder.file_name()?.to_str()?.to_owned())
}
