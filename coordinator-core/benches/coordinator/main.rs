//! What the control center costs: joins, heartbeats and decisions on one core, memory per peer.
//!
//! The real `ControlCenter` in one thread without sockets. Each size runs in a process of its
//! own, so that its memory is counted alone. Signatures are outside the core: each one that is
//! asked for is answered at once with constant data. `cargo xtask bench coordinator` starts it.

#![expect(clippy::print_stdout, reason = "figures are what this program is for")]
mod crowd;
mod driver;
mod figures;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use figures::Figures;

#[derive(Parser)]
#[command(about = "Measures the control center in one thread, without sockets.")]
struct Options {
    /// Sizes of the audience.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    peers: Vec<usize>,
    /// Affinity groups, of which each has half of the audience.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=8))]
    groups: u8,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure this one size here and print its figures as JSON.
    #[arg(long, hide = true)]
    one: Option<usize>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(peers) = options.one {
        println!("{}", driver::measure(peers, options.groups)?.to_json());
        return Ok(());
    }
    let mut all = Vec::new();
    println!("{}", figures::HEADING);
    for peers in options.peers {
        let figures = in_a_process_of_its_own(peers, options.groups)?;
        println!("{figures}");
        all.push(figures);
    }
    for pair in all.windows(2) {
        println!("{}", figures::slope(&pair[0], &pair[1]));
    }
    if let Some(file) = options.json {
        let list: Vec<_> = all.iter().map(|figures| figures.to_json()).collect();
        std::fs::write(file, serde_json::to_string_pretty(&list)?)?;
    }
    Ok(())
}

fn in_a_process_of_its_own(peers: usize, groups: u8) -> Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--one", &peers.to_string()])
        .args(["--groups", &groups.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{peers} peers: {}", output.status);
    let json = serde_json::from_slice(&output.stdout).context("no figures came")?;
    Figures::from_json(&json).context("a figure is missing")
}
