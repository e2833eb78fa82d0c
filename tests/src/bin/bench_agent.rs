//! `runnel-bench-agent`: one agent and one child over loopback, beside bare quinn. `cargo xtask
//! bench agent` builds what it needs, optimised, and starts it.

#![expect(
    clippy::print_stdout,
    reason = "addresses and costs are what its parts tell each other"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use runnel_tests::bench::agent::{self, Home, Parameters};
use runnel_tests::ending;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(about = "Measures one agent and one child over loopback, beside bare quinn.")]
enum Cli {
    /// Everything; starts the other parts.
    Run {
        /// Gibibytes in each transfer.
        #[arg(long, default_value_t = 1.0)]
        gib: f64,
        /// Pairs of transfers, bare quinn and agent in turn.
        #[arg(long, default_value_t = 10)]
        pairs: usize,
        /// Seconds of live stream for the time from parent to child; 0: not measured.
        #[arg(long, default_value_t = 30)]
        live: u64,
        /// Write the figures here.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// The bare server.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        data: PathBuf,
    },
    /// The bare client.
    #[command(hide = true)]
    Fetch {
        #[arg(long)]
        from: SocketAddr,
        #[arg(long)]
        bytes: u64,
        #[arg(long)]
        server_pid: u32,
        #[arg(long)]
        data: PathBuf,
    },
    /// The agent's child, on demand.
    #[command(hide = true)]
    Take {
        #[arg(long)]
        coordinator: String,
        #[arg(long)]
        segments: u64,
        #[arg(long)]
        server_pid: u32,
        #[arg(long)]
        data: PathBuf,
    },
    /// The agent's child, live.
    #[command(hide = true)]
    Follow {
        #[arg(long)]
        coordinator: String,
        #[arg(long)]
        from: u64,
        #[arg(long)]
        seconds: u64,
        #[arg(long)]
        data: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_env("RUNNEL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    match Cli::parse() {
        Cli::Run {
            gib,
            pairs,
            live,
            json,
        } => {
            let parameters = Parameters { gib, pairs, live };
            ending::or_done(agent::run(parameters, json.as_deref())).await
        }
        Cli::Serve { data } => agent::serve(&data, tell).await,
        Cli::Fetch {
            from,
            bytes,
            server_pid,
            data,
        } => cost(agent::fetch(from, bytes, server_pid, &data).await?),
        Cli::Take {
            coordinator,
            segments,
            server_pid,
            data,
        } => cost(agent::take(Home { coordinator, data }, segments, server_pid).await?),
        Cli::Follow {
            coordinator,
            from,
            seconds,
            data,
        } => {
            agent::follow(Home { coordinator, data }, from, seconds).await?;
            println!("followed");
            Ok(())
        }
    }
}

fn tell(address: SocketAddr) -> Result<()> {
    println!("listening on {address}");
    Ok(())
}

fn cost(cost: agent::Cost) -> Result<()> {
    println!("cost {}", serde_json::to_string(&cost)?);
    Ok(())
}
