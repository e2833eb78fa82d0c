//! `runnel-soak`: does anybody's memory grow? `cargo xtask soak` builds everything and starts it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use runnel_tests::{ending, soak};

/// Watches live in a real browser and samples the memory of page, agents, waypoint and
/// coordinator. Fails where it grows.
#[derive(Parser)]
#[command(name = "cargo xtask soak")]
struct Cli {
    /// How long.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    ending::or_done(soak::run(cli.minutes, cli.json.as_deref())).await
}
