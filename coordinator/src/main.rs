//! `runnel-coordinator`: decides who feeds whom.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use runnel_coordinator::{
    DEFAULT_LIFE_SECONDS, Mint, PolicyCommand, ProviderCommand, Server, Settings, Store, new_code,
    start_logs,
};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

/// Runnel's coordinator decides which peer feeds which viewer, and can say why.
///
/// It carries no media. Settings come from defaults, the configuration file, the environment
/// (RUNNEL_COORDINATOR_LISTEN, …) and flags, the later ones first. RUNNEL_LOG filters the log.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
A configuration file:
  listen = \"0.0.0.0:8470\"
  data = \"/var/lib/runnel\"
  policies = \"/etc/runnel/policies\"    # a file or a folder, see docs/POLICIES.md
  provider_admissions_per_second = 250    # by one provider's tokens, where several have keys
  agent_viewers_per_hour = 4096   # an agent is made known to so many at most; 512 with a small uplink
  network_connections_burst = 2000    # a /24 or /48 may connect so often at once, and then
  network_connections_per_second = 200    # so often; set both high for a proxy elsewhere
  probe = true    # connect back to agents; false believes them, where UDP cannot get out
  [[content]]
  id = \"live\"
  provider = \"my-channel\"
  url = \"https://cdn.example/live/master.m3u8\"
  media_origins = [\"https://media.example\"]    # where else its media lie
  cdn_capacity_mbps = 20000    # what the CDN may send of it; leave it out for no limit
  enforce = true    # pages stop where a policy denies playback; else the CDN plays on
  [feeds]    # files that may change meanwhile, see docs/NETWORK.md
  sites = \"/etc/runnel/sites.csv\"
  [[network]]
  cidr = \"203.0.113.0/24\"
  region = \"north\"
  name = \"my-provider\"
  country = \"DE\"    # and asn = 64500, groups = [\"office\"]: what policies ask about"
)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args, Serialize)]
struct Flags {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8470]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Folder of the store: keys, contents, waypoints [default: ./runnel-coordinator-data]
    #[arg(long, value_name = "FOLDER", global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "RUNNEL_COORDINATOR_CONFIG_FILE"
    )]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Let contents name private, loopback and link-local origins
    #[arg(long)]
    #[serde(skip_serializing_if = "is_false")]
    allow_private_origins: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Print a one-time code that makes an agent a waypoint; works while the server runs
    Enrol {
        /// Contents that it may attest, with commas between them
        #[arg(long, value_delimiter = ',', required = true)]
        contents: Vec<String>,
        /// Hours until the code is void
        #[arg(long, default_value_t = DEFAULT_LIFE_SECONDS / 3600)]
        hours: u64,
    },
    /// Look at policies before they are in force
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Content providers, whose tokens let people in
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Join tokens, see docs/TOKENS.md
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Print a token, as a provider's own server would mint it
    Mint(Box<Mint>),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn main() -> ExitCode {
    start_logs();
    let cli = Cli::parse();
    if let Some(Command::Policy(command)) = &cli.command {
        return look_at_policies(command);
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what is well and what is wrong are the command's product"
)]
fn look_at_policies(command: &PolicyCommand) -> ExitCode {
    let (well, wrong) = command.run();
    well.iter().for_each(|line| println!("{line}"));
    wrong.iter().for_each(|line| eprintln!("{line}"));
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(cli: Cli) -> Result<()> {
    let settings = Settings::load(cli.flags.config.as_deref(), &cli.flags)?;
    match cli.command {
        Some(Command::Enrol { contents, hours }) => enrol(&settings, &contents, hours),
        Some(Command::Provider(command)) => {
            say(&command.run(&Store::open(&settings.data)?)?);
            Ok(())
        }
        Some(Command::Token(TokenCommand::Mint(mint))) => {
            say(&[mint.run()?]);
            Ok(())
        }
        Some(Command::Policy(_)) | None => {
            let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
            runtime.block_on(serve(settings))
        }
    }
}

#[expect(clippy::print_stdout, reason = "the lines are the command's product")]
fn say(lines: &[String]) {
    lines.iter().for_each(|line| println!("{line}"));
}

#[expect(clippy::print_stdout, reason = "the code is the command's product")]
fn enrol(settings: &Settings, contents: &[String], hours: u64) -> Result<()> {
    ensure!(
        contents.iter().all(|name| !name.trim().is_empty()),
        "a content's name is empty"
    );
    let contents: Vec<String> = contents.iter().map(|name| name.trim().to_owned()).collect();
    let code = new_code()?;
    Store::open(&settings.data)?.add_code(&code, &contents, hours.saturating_mul(3600))?;
    println!("{code}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "scripts wait for this line")]
async fn serve(settings: Settings) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(settings).await?;
    println!("listening on http://{}", server.address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("going down");
    server.stop().await;
    Ok(())
}
