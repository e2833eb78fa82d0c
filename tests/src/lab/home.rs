//! A home behind a router that is a machine of its own: its kernel translates and filters, and a daemon may have it
//! forward ports. The laboratory's gates know no protocol in which they could be asked to.
//!
//! The translation keeps ports and lets in answers only, from whom they were asked of (port-restricted, RFC 4787 §5).

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::process::Command;

use super::Host;
use super::host::{INTERFACE, configure, this_namespace};
use crate::process::{Process, installed};

/// The router, as its home knows it.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
/// Who lives there.
pub const INHABITANT: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);
/// The router's interface towards the home; the other one is that of every host.
const HOMEWARD: &str = "home0";
/// What the router's kernel does, with the chains that the daemon fills.
const RULES: &str = "
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname home0 accept
        jump miniupnpd
    }
    chain input { type filter hook input priority 0; policy accept; }
    chain miniupnpd { }
}
table inet nat {
    chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
    chain postrouting {
        type nat hook postrouting priority 100;
        jump postrouting_miniupnpd
        oifname net0 masquerade
    }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
";

/// What a router can be asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// PCP, and NAT-PMP by those who know no PCP.
    Pcp,
    /// NAT-PMP alone: what begins like PCP is lost at its door.
    NatPmp,
    /// UPnP IGD.
    Upnp,
}

/// A daemon that has a router forward ports.
#[derive(Debug)]
pub struct Daemon {
    /// Forwards while it runs.
    pub process: Process,
}

impl Daemon {
    /// Starts one on a router; `more` are lines of its settings.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start(router: &Host, asked: Asked, more: &str, folder: &Path) -> Result<Self> {
        if asked == Asked::NatPmp {
            let version_2 = "udp dport 5351 @th,64,8 2 drop";
            nft(router, &format!("add rule inet filter input {version_2}\n"))?;
        }
        let settings = folder.join(format!("{}.conf", router.name()));
        std::fs::write(&settings, self::settings(router, asked, more, folder)?)?;
        let mut command = Command::new(installed("miniupnpd", "miniupnpd-nftables")?);
        command.arg("-d").arg("-f").arg(settings);
        command
            .arg("-P")
            .arg(folder.join(format!("{}.pid", router.name())));
        let process = router.spawn(&format!("{}-daemon", router.name()), command, folder)?;
        Ok(Self { process })
    }
}

fn settings(router: &Host, asked: Asked, more: &str, folder: &Path) -> Result<String> {
    let yes = |is: bool| if is { "yes" } else { "no" };
    let upnp = asked == Asked::Upnp;
    let mut text = format!(
        "ext_ifname={INTERFACE}\nlistening_ip={HOMEWARD}\nhttp_port=0\nenable_upnp={}\nenable_natpmp={}\n",
        yes(upnp),
        yes(!upnp)
    );
    for (key, value) in [
        ("secure_mode", "yes"),
        ("system_uptime", "yes"),
        ("uuid", "00000000-0000-0000-0000-000000000001"),
        ("upnp_table_name", "filter"),
        ("upnp_nat_table_name", "nat"),
        ("upnp_forward_chain", "miniupnpd"),
        ("upnp_nat_chain", "prerouting_miniupnpd"),
        ("upnp_nat_postrouting_chain", "postrouting_miniupnpd"),
    ] {
        writeln!(text, "{key}={value}")?;
    }
    writeln!(text, "lease_file={}", leases(router, folder).display())?;
    writeln!(text, "{more}")?;
    writeln!(text, "allow 1024-65535 {INHABITANT}/32 1024-65535")?;
    writeln!(text, "deny 0-65535 0.0.0.0/0 0-65535")?;
    Ok(text)
}

/// The file in which the daemon keeps what it forwards, one a line.
pub fn leases(router: &Host, folder: &Path) -> std::path::PathBuf {
    folder.join(format!("{}.leases", router.name()))
}

/// What the router's kernel does with packets that come from outside and were not asked for, as `nft` prints it.
///
/// # Errors
/// When `nft` fails.
pub fn forwards(router: &Host) -> Result<String> {
    nft(router, "list chain inet nat prerouting_miniupnpd\n")
}

/// Has a router forward nothing that the daemon has put there, as if it had lost its memory.
///
/// # Errors
/// When `nft` fails.
pub fn forgets(router: &Host) -> Result<()> {
    nft(router, "flush chain inet nat prerouting_miniupnpd\n")?;
    Ok(())
}

/// Puts a router's other interface, its rules and a host behind it in place.
pub(super) fn furnish(router: &Host, inhabitant: &str) -> Result<Host> {
    let namespace = apart(|| {
        unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
        this_namespace()
    })?;
    apart(|| {
        setns(&router.namespace, CloneFlags::CLONE_NEWNET)?;
        plug(namespace.try_clone()?)?;
        configure(&[
            format!("address add {ROUTER}/24 dev {HOMEWARD}"),
            format!("link set {HOMEWARD} up"),
        ])?;
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("no forwarding of packets")
    })?;
    nft(router, RULES)?;
    apart(|| {
        setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        configure(&[
            "link set lo up".to_owned(),
            format!("address add {INHABITANT}/24 dev {INTERFACE}"),
            format!("link set {INTERFACE} up"),
            format!("route add default via {ROUTER}"),
        ])
    })?;
    Ok(Host {
        name: inhabitant.to_owned(),
        addresses: vec![INHABITANT.into()],
        namespace,
    })
}

/// A cable from this namespace to that one.
fn plug(namespace: File) -> Result<()> {
    let mut ip = std::process::Command::new("ip");
    ip.args([
        "link", "add", HOMEWARD, "type", "veth", "peer", "name", INTERFACE,
    ]);
    // Where it finds the other namespace.
    ip.args(["netns", "/proc/self/fd/0"]).stdin(namespace);
    let output = ip.output().context("no program `ip` (Debian: iproute2)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip link add: {said}");
    Ok(())
}

/// Has `nft` carry out these lines on a router; what it prints.
fn nft(router: &Host, lines: &str) -> Result<String> {
    apart(|| {
        setns(&router.namespace, CloneFlags::CLONE_NEWNET)?;
        let mut nft = std::process::Command::new(installed("nft", "nftables")?);
        nft.args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut nft = nft.spawn()?;
        let mut input = nft.stdin.take().context("no way to tell `nft` anything")?;
        input.write_all(lines.as_bytes())?;
        drop(input);
        let output = nft.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "nft: {said}");
        Ok(String::from_utf8(output.stdout)?)
    })
}

/// Work on a thread of its own, which may be in another namespace than the rest.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    done.map_err(|_| anyhow!("the thread of a home panicked"))?
}
