//! `cargo xtask simulate`: plays scenarios in virtual time, built as it is released.

use anyhow::{Context, Result};
use clap::Args;

use crate::{run, workspace};

/// Where scenarios live.
const FOLDER: &str = "simulator/scenarios";
/// The gate's share: some twenty seconds of CPU, as the tests are built.
const GATE: [&str; 6] = [
    "small",
    "hostile",
    "siege",
    "coordinator-dead",
    "licence",
    "plant-line",
];

#[derive(Args)]
pub(crate) struct Options {
    /// Scenarios by name or file; none for all of them.
    scenarios: Vec<String>,
    /// So many seeds of each: `chaos` is the scenario to explore with.
    #[arg(long)]
    seeds: Option<u64>,
    /// Whatever else `runnel-simulate --help` offers.
    #[arg(last = true)]
    more: Vec<String>,
}

/// Plays what was asked for, or everything that there is.
pub(crate) fn play(options: &Options) -> Result<()> {
    let mut files: Vec<String> = options.scenarios.iter().map(|name| file(name)).collect();
    if files.is_empty() {
        files = all()?;
    }
    let seeds = options.seeds.map(|seeds| format!("--seeds={seeds}"));
    run::run(&["cargo", "build", "--release", "-p=runnel-simulator"])?;
    let arguments = files.into_iter().chain(seeds).chain(options.more.clone());
    simulate("target/release/runnel-simulate", arguments)
}

/// What the gate plays.
pub(crate) fn gate() -> Result<()> {
    run::run(&["cargo", "build", "-p=runnel-simulator"])?;
    let files = GATE.iter().map(|name| file(name));
    simulate(
        "target/debug/runnel-simulate",
        files.chain(["--twice".to_owned()]),
    )
}

fn simulate(program: &str, arguments: impl Iterator<Item = String>) -> Result<()> {
    let arguments: Vec<String> = arguments.collect();
    let mut line = vec![program];
    line.extend(arguments.iter().map(String::as_str));
    run::run(&line)
}

/// A name stands for a file of the folder; a path for itself.
fn file(name: &str) -> String {
    if name.contains(['/', '.']) {
        name.to_owned()
    } else {
        format!("{FOLDER}/{name}.toml")
    }
}

fn all() -> Result<Vec<String>> {
    let folder = workspace::root().join(FOLDER);
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.push(format!("{FOLDER}/{name}"));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_scenario_and_a_path_is_itself() {
        assert_eq!(file("chaos"), "simulator/scenarios/chaos.toml");
        assert_eq!(file("/tmp/mine.toml"), "/tmp/mine.toml");
    }

    #[test]
    fn what_the_gate_plays_is_there() {
        let all = all().unwrap();
        assert!(GATE.iter().all(|name| all.contains(&file(name))));
    }
}
