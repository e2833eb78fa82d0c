//! The server under test, a process of its own, and what the kernel and its metrics say of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The kernel's clock ticks a second, on every Linux.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4096.0;

const SETTINGS: &str = "
listen = \"127.0.0.1:0\"
admissions_per_second = 100000
network_connections_burst = 1000000
probe = false
[[content]]
id = \"live\"
provider = \"bench\"
url = \"https://cdn.example/live/master.m3u8\"
";

pub(crate) struct Coordinator {
    process: Child,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Coordinator {
    /// Starts it with a store of its own and waits until its doors are open.
    pub(crate) async fn start(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("coordinator.toml");
        std::fs::write(&file, SETTINGS)?;
        let mut process = Command::new(program)
            .arg("--config")
            .arg(&file)
            .arg("--data")
            .arg(folder.path().join("data"))
            .env("RUNNEL_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let output = process.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let line = lines.next_line().await?.context("it says nothing")?;
        let address = line.rsplit('/').next().unwrap_or_default();
        Ok(Self {
            address: address.parse().with_context(|| line.clone())?,
            process,
            folder,
        })
    }

    /// A one-time code that makes an agent a waypoint.
    pub(crate) async fn code(&self, program: &Path) -> Result<String> {
        let output = Command::new(program)
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .args(["enrol", "--contents", "live"])
            .output()
            .await?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn proc(&self, file: &str) -> Result<String> {
        let id = self.process.id().context("it has ended")?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }

    /// Processor time since its start, user's and system's, in seconds.
    pub(crate) fn processor(&self) -> Result<f64> {
        let text = self.proc("stat")?;
        let (_, fields) = text.rsplit_once(')').context("an unusual kernel")?;
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = times.filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS)
    }

    /// Its resident set, in bytes.
    pub(crate) fn resident(&self) -> Result<f64> {
        let text = self.proc("statm")?;
        let pages = text.split_whitespace().nth(1).context("no resident set")?;
        Ok(pages.parse::<f64>()? * PAGE)
    }

    /// One of its metrics.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let mut socket = TcpStream::connect(self.address).await?;
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        socket.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        socket.read_to_string(&mut text).await?;
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = found.with_context(|| format!("no metric {name}"))?;
        Ok(value.trim().parse()?)
    }
}
