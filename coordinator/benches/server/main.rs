//! What the whole server costs: the real `runnel-coordinator`, thousands of WebSockets from the
//! same machine, real keys. `cargo xtask bench coordinator --server` builds both and starts it.

#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

mod process;
mod visitor;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use process::Coordinator;
use visitor::{Beats, Visitor};

/// Handshakes going on at a time.
const AT_A_TIME: usize = 64;
/// Time for the first assignments to settle.
const SETTLE: Duration = Duration::from_secs(3);

#[derive(Parser)]
#[command(about = "Measures the whole coordinator over WebSocket on this machine.")]
struct Options {
    /// Connections; one of eight is an agent.
    #[arg(long, default_value_t = 5000)]
    connections: usize,
    /// Heartbeats offered per second, by all together.
    #[arg(long, default_value_t = 25_000)]
    rate: u32,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// The server [default: the one built beside this program]
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let program = match &options.server {
        Some(program) => program.clone(),
        None => beside()?,
    };
    let coordinator = Coordinator::start(&program).await?;
    let (go, start) = watch::channel(false);
    let came = Instant::now();
    let spent = coordinator.processor()?;
    let code = coordinator.code(&program).await?;
    let mut visits = arrive(&options, &coordinator, &code, &start).await?;
    let arrival = came.elapsed().as_secs_f64();
    let join_cost = (coordinator.processor()? - spent) / options.connections as f64;
    tokio::time::sleep(SETTLE).await;
    go.send(true)?;
    tokio::time::sleep(SETTLE).await;
    let figures = measure(&options, &coordinator).await?;
    visits.abort_all();
    while visits.join_next().await.is_some() {}
    tell(&options, &figures, arrival, join_cost)
}

/// `target/release/runnel-coordinator`, from `target/release/deps/server-…`.
fn beside() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.ancestors().nth(2).context("an unusual place")?;
    Ok(folder.join("runnel-coordinator"))
}

/// Connects everybody and has them open the content; they wait for `start`. The first one is the
/// waypoint.
async fn arrive(
    options: &Options,
    coordinator: &Coordinator,
    code: &str,
    start: &watch::Receiver<bool>,
) -> Result<JoinSet<Result<()>>> {
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    let mut arrivals = JoinSet::new();
    for number in 0..options.connections {
        let room = Arc::clone(&room);
        let address = coordinator.address;
        let code = (number == 0).then(|| code.to_owned());
        arrivals.spawn(async move {
            let _turn = room.acquire().await?;
            Visitor::arrive(address, number, code).await
        });
    }
    let interval = Duration::from_secs(1) * u32::try_from(options.connections)? / options.rate;
    let mut visits = JoinSet::new();
    while let Some(visitor) = arrivals.join_next().await {
        let beats = Beats {
            start: start.clone(),
            interval,
        };
        visits.spawn(visitor??.stay(beats));
    }
    Ok(visits)
}

struct Figures {
    peers: f64,
    heartbeats_per_s: f64,
    cpu_us_per_heartbeat: f64,
    cores: f64,
    bytes_per_connection: f64,
}

async fn measure(options: &Options, coordinator: &Coordinator) -> Result<Figures> {
    let (before, spent, start) = (
        coordinator.metric("runnel_heartbeats_total").await?,
        coordinator.processor()?,
        Instant::now(),
    );
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let beats = coordinator.metric("runnel_heartbeats_total").await? - before;
    let (spent, time) = (coordinator.processor()? - spent, start.elapsed());
    ensure!(beats > 0.0, "no heartbeat arrived");
    let peers = coordinator.metric("runnel_peers").await?;
    Ok(Figures {
        peers,
        heartbeats_per_s: beats / time.as_secs_f64(),
        cpu_us_per_heartbeat: spent * 1e6 / beats,
        cores: spent / time.as_secs_f64(),
        bytes_per_connection: coordinator.resident()? / peers,
    })
}

fn tell(options: &Options, figures: &Figures, arrival: f64, join_cost: f64) -> Result<()> {
    let Figures {
        peers,
        heartbeats_per_s,
        cpu_us_per_heartbeat,
        cores,
        bytes_per_connection,
    } = figures;
    println!(
        "connections            {peers:>10.0}  (asked for: {})",
        options.connections
    );
    println!(
        "joins                  {:>10.0}  a second, {:.0} µs of processor time each",
        peers / arrival,
        join_cost * 1e6
    );
    println!(
        "heartbeats             {heartbeats_per_s:>10.0}  a second (offered: {})",
        options.rate
    );
    println!(
        "processor time         {cpu_us_per_heartbeat:>10.1}  µs a heartbeat; {cores:.2} cores"
    );
    println!("resident memory        {bytes_per_connection:>10.0}  bytes a connection");
    println!(
        "heartbeats             {:>10.0}  a second and core",
        1e6 / cpu_us_per_heartbeat
    );
    if let Some(file) = &options.json {
        write(file, figures, join_cost)?;
    }
    Ok(())
}

fn write(file: &Path, figures: &Figures, join_cost: f64) -> Result<()> {
    let figures = json!({
        "connections": figures.peers,
        "heartbeats_per_s": figures.heartbeats_per_s,
        "cpu_us_per_heartbeat": figures.cpu_us_per_heartbeat,
        "cores": figures.cores,
        "bytes_per_connection": figures.bytes_per_connection,
        "cpu_us_per_join": join_cost * 1e6,
    });
    std::fs::write(file, serde_json::to_string_pretty(&figures)?)?;
    Ok(())
}
