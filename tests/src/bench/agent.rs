//! `runnel-bench-agent`: how fast one agent feeds one native child over loopback, and at what cost,
//! beside a bare quinn stream under the same conditions.
//!
//! Both sides are two processes, server and client, with the same windows, certificates, cipher,
//! segmentation offload and read sizes. The bare server sends from memory and the bare client
//! forgets what it reads. The agent reads its disk (files in the page cache), proves every chunk,
//! and sends it; the child proves every chunk again, puts segments together and forgets them.
//! Agent and child are in the hands of a real coordinator, and the content came to the agent by
//! way of a real waypoint before the first measurement.

mod bare;
mod child;
mod cost;
mod hop;
mod report;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::media::noise::Noise;
use crate::process::{Process, binary};
use crate::stack::{Plan, Source, Stack};

pub use bare::{fetch, serve};
pub use child::{Home, follow, take};
pub use cost::Cost;
pub(super) use cost::processor_ms;
use report::Pair;

/// The program that starts itself for each part.
const PROGRAM: &str = "runnel-bench-agent";
/// Wide enough to be no limit: 100 Gbit/s.
const UPLINK_KBPS: u32 = 100_000_000;
/// Bytes of a segment: two seconds of a stream in 4K.
const SEGMENT: u64 = 8 << 20;
/// What its playlist says of it, bit/s.
const BANDWIDTH: u64 = SEGMENT * 4;
const READY: Duration = Duration::from_secs(30);
/// For one transfer: 1 GiB at 4 MB/s.
const TRANSFER: Duration = Duration::from_secs(270);
/// Rounds in which everything has to have come to the agent's disk.
const ROUNDS: u32 = 5;

/// One run's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Gibibytes in each transfer.
    pub gib: f64,
    /// Pairs of transfers: bare, agent, bare, agent…
    pub pairs: usize,
    /// Live seconds over which the hop is measured; 0 for not at all.
    pub live: u64,
}

/// Measures, prints, and writes the figures.
///
/// # Errors
/// When something does not start, or bytes come from elsewhere than they should.
pub async fn run(parameters: Parameters, json: Option<&Path>) -> Result<()> {
    let segments = ((parameters.gib * (1 << 30) as f64) / SEGMENT as f64).round() as u64;
    let segments = segments.max(16);
    let pairs = transfers(segments, parameters.pairs).await?;
    let hop = match parameters.live {
        0 => None,
        seconds => Some(hop::measure(seconds).await?),
    };
    report::tell(&pairs, hop.as_ref(), json)
}

async fn transfers(segments: u64, count: usize) -> Result<Vec<Pair>> {
    let folder = tempfile::tempdir()?;
    let recording = Noise::make(folder.path(), segments, SEGMENT, BANDWIDTH)?;
    let stack = start("bench-agent", &recording).await?;
    let agent = Feeder::start(&stack, "feeder", "warn").await?;
    agent.fill(&stack, &recording).await?;
    let bare = Bare::start(&stack).await?;
    let bytes = segments * SEGMENT;
    let mut pairs = Vec::new();
    for number in 0..count {
        let quinn = bare.transfer(&stack, bytes).await?;
        let agent = agent.feed(&stack, &recording).await?;
        ensure!(agent.bytes == bytes && quinn.bytes == bytes, "not all came");
        let pair = Pair { quinn, agent };
        eprintln!("{:>3} of {count}: {pair}", number + 1);
        pairs.push(pair);
    }
    stack.stop().await?;
    Ok(pairs)
}

async fn start(name: &str, recording: &Noise) -> Result<Stack> {
    let plan = Plan {
        source: Source::Recorded(recording.folder.clone()),
        agents: 0,
        waypoint_uplink_kbps: UPLINK_KBPS,
        ..Plan::default()
    };
    Stack::start(name, plan).await
}

/// The agent that is measured.
struct Feeder {
    process: Process,
    name: String,
}

impl Feeder {
    async fn start(stack: &Stack, name: &str, log: &str) -> Result<Self> {
        let mut command = Command::new(binary("runnel-agent")?);
        command.args(["--coordinator", &stack.door()?, "--listen", "127.0.0.1:0"]);
        command.args(["--uplink-kbps", &UPLINK_KBPS.to_string()]);
        command.args([
            "--content",
            "vod",
            "--content",
            "live",
            "--quota-mb",
            "20000",
        ]);
        command.arg("--data").arg(stack.folder().join(name));
        command.env("RUNNEL_LOG", log);
        let mut process = Process::spawn(name, command, stack.folder())?;
        process.line("joined as regular peer", READY).await?;
        Ok(Self {
            process,
            name: name.to_owned(),
        })
    }

    /// Has it fetch everything, until its disk holds all of it.
    async fn fill(&self, stack: &Stack, recording: &Noise) -> Result<()> {
        let cache = stack.folder().join(&self.name).join("cache/segments");
        for _ in 0..ROUNDS {
            let cost = self.feed(stack, recording).await?;
            eprintln!("warming: {:.0} MB/s", cost.mb_per_s());
            if size_on_disk(&cache)? >= recording.segments * recording.segment {
                return Ok(());
            }
        }
        anyhow::bail!("the agent's disk does not hold everything")
    }

    async fn feed(&self, stack: &Stack, recording: &Noise) -> Result<Cost> {
        let mut command = Command::new(binary(PROGRAM)?);
        command.args(["take", "--coordinator", &stack.door()?]);
        command.args(["--segments", &recording.segments.to_string()]);
        command.arg("--data").arg(stack.folder().join("child"));
        command.args(["--server-pid", &self.process.id().to_string()]);
        result(Process::spawn("child", command, stack.folder())?).await
    }
}

/// The server that is compared with.
struct Bare {
    process: Process,
    address: String,
}

impl Bare {
    async fn start(stack: &Stack) -> Result<Self> {
        let mut command = Command::new(binary(PROGRAM)?);
        command.arg("serve");
        command.arg("--data").arg(stack.folder().join("bare"));
        let mut process = Process::spawn("bare-server", command, stack.folder())?;
        let address = process.line("listening on ", READY).await?;
        Ok(Self { process, address })
    }

    async fn transfer(&self, stack: &Stack, bytes: u64) -> Result<Cost> {
        let mut command = Command::new(binary(PROGRAM)?);
        command.args(["fetch", "--from", &self.address]);
        command.args(["--bytes", &bytes.to_string()]);
        command.arg("--data").arg(stack.folder().join("bare"));
        command.args(["--server-pid", &self.process.id().to_string()]);
        result(Process::spawn("bare-client", command, stack.folder())?).await
    }
}

async fn result(mut client: Process) -> Result<Cost> {
    let line = client.line("cost ", TRANSFER).await?;
    serde_json::from_str(&line).with_context(|| format!("no cost: {line}"))
}

/// Bytes that the files below a folder take on its disk: holes do not count.
fn size_on_disk(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let known = entry.metadata()?;
        size += match known.is_dir() {
            true => size_on_disk(&entry.path())?,
            false if entry.path().extension().is_some_and(|kind| kind == "media") => {
                known.blocks() * 512
            }
            false => 0,
        };
    }
    Ok(size)
}
