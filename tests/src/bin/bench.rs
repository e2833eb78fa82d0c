//! `runnel-bench`: measures the whole system on this machine. `cargo xtask bench` builds
//! everything and starts it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use runnel_tests::bench::{self, Parameters};
use runnel_tests::ending;

#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measures the whole system on this machine."
)]
enum Cli {
    /// Viewers in real browsers: offload, copies, stalls, latency, startup.
    Viewers(Viewers),
}

#[derive(clap::Args)]
struct Viewers {
    /// How many viewers; they join 3 s apart.
    #[arg(long, default_value_t = 6)]
    viewers: usize,
    /// How many agents.
    #[arg(long, default_value_t = 1)]
    agents: usize,
    /// Seconds behind the live edge (hls.js' liveSyncDuration).
    #[arg(long, default_value_t = 6.5)]
    latency: f64,
    /// Seconds from the first viewer on.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// A live stream (the default).
    #[arg(long)]
    live: bool,
    /// The same on demand.
    #[arg(long, conflicts_with = "live")]
    vod: bool,
    /// One rendition, or three to choose from freely.
    #[arg(long, default_value_t = 1)]
    renditions: u32,
    /// In browsers without WebTransport, so that everything goes by WebRTC.
    #[arg(long)]
    webrtc: bool,
    /// Compare this many pairs of starts, one tab at a time, instead.
    #[arg(long, value_name = "PAIRS")]
    startup_pairs: Option<usize>,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse() {
        Cli::Viewers(options) => ending::or_done(viewers(&options)).await,
    }
}

async fn viewers(options: &Viewers) -> Result<()> {
    let parameters = Parameters {
        viewers: options.viewers,
        agents: options.agents,
        latency: options.latency,
        seconds: options.seconds,
        live: !options.vod,
        renditions: options.renditions,
        webrtc: options.webrtc,
    };
    let json = options.json.as_deref();
    match options.startup_pairs {
        Some(pairs) => bench::pairs(&parameters, pairs, json).await,
        None => bench::run(&parameters, json).await,
    }
}
