//! A host: a network namespace with one interface, whose other end the router holds.

use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::process::Command;
use tokio::runtime::Handle;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::process::Process;

/// The only interface besides loopback.
pub(super) const INTERFACE: &str = "net0";
/// Bytes of the longest packet, everywhere.
pub(super) const MTU: u16 = 1500;

/// A machine of its own, as far as the network is concerned.
#[derive(Debug)]
pub struct Host {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) namespace: File,
}

impl Host {
    /// Makes a namespace; what its programs send comes out of the device.
    pub(super) fn new(name: &str, addresses: &[IpAddr]) -> Result<(Self, SyncDevice)> {
        let made = std::thread::scope(|scope| scope.spawn(|| make(addresses)).join());
        let made = made.map_err(|_| anyhow!("the thread of a host panicked"))?;
        let (namespace, device) = made.with_context(|| format!("host {name}"))?;
        let host = Self {
            name: name.to_owned(),
            addresses: addresses.to_vec(),
            namespace,
        };
        Ok((host, device))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Starts a program there: see [`Process::spawn`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, command: Command, logs: &Path) -> Result<Process> {
        let runtime = Handle::current();
        let start = || {
            let _entered = runtime.enter();
            setns(&self.namespace, CloneFlags::CLONE_NEWNET)?;
            Process::spawn(name, command, logs)
        };
        let started = std::thread::scope(|scope| scope.spawn(start).join());
        started.map_err(|_| anyhow!("the thread that starts {name} panicked"))?
    }

    /// Does some work there, on a thread with a runtime of its own: its sockets are this host's.
    ///
    /// # Errors
    /// When the namespace cannot be entered; the work's own errors are with the thread.
    pub fn run<T: Send + 'static, W: Future<Output = Result<T>>>(
        &self,
        work: impl FnOnce() -> W + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let namespace = self.namespace.try_clone()?;
        let thread = std::thread::Builder::new().name(self.name.clone());
        let thread = thread.spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build()?;
            runtime.block_on(work())
        });
        Ok(thread?)
    }
}

fn make(addresses: &[IpAddr]) -> Result<(File, SyncDevice)> {
    unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
    let device = DeviceBuilder::new().name(INTERFACE).mtu(MTU).build_sync();
    let device = device.context("no TUN interface")?;
    device.set_nonblocking(true)?;
    let mut lines = vec!["link set lo up".to_owned()];
    for address in addresses {
        let (whole, duplicates) = match address {
            IpAddr::V4(_) => (32, ""),
            // Nobody else has it, and waiting to find that out takes a second.
            IpAddr::V6(_) => (128, "nodad"),
        };
        lines.push(format!(
            "address add {address}/{whole} dev {INTERFACE} {duplicates}"
        ));
    }
    lines.push(format!("link set {INTERFACE} up"));
    for (family, is_known) in [
        ("0.0.0.0/0", IpAddr::is_ipv4 as fn(&IpAddr) -> bool),
        ("::/0", IpAddr::is_ipv6),
    ] {
        if addresses.iter().any(is_known) {
            lines.push(format!("route add {family} dev {INTERFACE}"));
        }
    }
    configure(&lines)?;
    Ok((this_namespace()?, device))
}

/// The network namespace of this thread.
pub(super) fn this_namespace() -> Result<File> {
    Ok(File::open("/proc/thread-self/ns/net")?)
}

/// Has iproute2 carry out these lines.
pub(super) fn configure(lines: &[String]) -> Result<()> {
    let mut ip = std::process::Command::new("ip");
    ip.args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut ip = ip.spawn().context("no program `ip` (Debian: iproute2)")?;
    let mut input = ip.stdin.take().context("no way to tell `ip` anything")?;
    input.write_all((lines.join("\n") + "\n").as_bytes())?;
    drop(input);
    let output = ip.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("ip -batch: {said}");
    }
    ensure!(said.is_empty(), "ip -batch: {said}");
    Ok(())
}
