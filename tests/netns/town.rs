//! The operator's machines on hosts of their own: origin, coordinator and waypoint, in the open and
//! under addresses of both families.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use runnel_peer_native::agent::thumbprint;
use runnel_peer_native::config::Config;
use runnel_tests::lab::gate::Gate;
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Host, Lab, Plan};
use runnel_tests::liar::take_the_largest_name;
use runnel_tests::media::noise::Noise;
use runnel_tests::media::{self, Shape};
use runnel_tests::process::{Process, binary};
use runnel_tests::stack::{Provider, Tokens};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::access::{Access, PORT};

/// How long any one process may take to be ready, on a machine that compiles something as well.
pub(crate) const READY: Duration = Duration::from_secs(30);
/// Bytes of a segment: one chunk, so that the first segment is the first byte.
const SEGMENT: u64 = 48 * 1024;
const SEGMENTS: u64 = 120;
/// Bit/s of what is played.
pub(crate) const BANDWIDTH: u64 = SEGMENT * 4;
const ORIGIN_PORT: u16 = 8080;
const DOOR: u16 = 8470;
/// Sites of the operator's three machines; everybody else's come after.
pub(crate) const FIRST_SITE: u8 = 4;

/// What the origin plays under the name of each content.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Show {
    /// On demand, segments of one chunk each: for those who play without a browser.
    Noise,
    /// Live, in its smallest rendition: for players that show pictures.
    Clip,
    /// Live, in all its renditions.
    Ladder,
}

/// The running machines.
pub(crate) struct Town {
    pub(crate) lab: Lab,
    folder: PathBuf,
    provider: Provider,
    _origin: Process,
    _coordinator: Process,
    _waypoint: Process,
}

/// Puts the operator's machines into a laboratory that is being planned.
pub(crate) fn found(plan: &mut Plan) -> Result<()> {
    for (number, name) in (1..FIRST_SITE).zip(["coordinator", "origin", "waypoint"]) {
        let site = plan.site(Gate::open(), Line::IDEAL);
        plan.host(site, name, &Access::Both.addresses(number, 1))?;
    }
    Ok(())
}

impl Town {
    /// Starts them, for contents of these names, with this added to the coordinator's settings.
    pub(crate) async fn start(
        name: &str,
        lab: Lab,
        show: Show,
        contents: &[String],
        settings: &str,
    ) -> Result<Self> {
        let folder = fresh_folder(name)?;
        let origin = start_origin(&lab, &folder, show, contents).await?;
        let data = folder.join("coordinator");
        let provider = Provider::new(&folder, data.clone(), Tokens::OfAnySite).await?;
        let coordinator = start_coordinator(&lab, &folder, contents, settings).await?;
        let code = enrol(&data, contents).await?;
        let waypoint = lab.host("waypoint")?;
        let mut command = agent(&folder.join("waypoint"), waypoint)?;
        command.args(["--waypoint", &code, "--allow-private-origins"]);
        let mut waypoint = waypoint.spawn("waypoint", command, &folder)?;
        waypoint.line("joined as regular peer", READY).await?;
        Ok(Self {
            lab,
            folder,
            provider,
            _origin: origin,
            _coordinator: coordinator,
            _waypoint: waypoint,
        })
    }

    /// Starts an agent on a host, with a token for everything.
    pub(crate) async fn start_agent(&self, name: &str, contents: &[String]) -> Result<Process> {
        self.start_agent_with(name, contents, &[]).await
    }

    /// The same with these options as well.
    pub(crate) async fn start_agent_with(
        &self,
        name: &str,
        contents: &[String],
        options: &[&str],
    ) -> Result<Process> {
        let mut command = self.prepare_agent(name, contents).await?;
        command.args(options);
        command.env("RUNNEL_LOG", "info,runnel_peer_native::driver=trace");
        self.lab.host(name)?.spawn(name, command, &self.folder)
    }

    /// Starts somebody on a host who lies in this way, with a key and a token that nobody has seen before,
    /// and more to upload than any agent.
    pub(crate) async fn start_liar(
        &self,
        host: &str,
        lie: &str,
        contents: &[String],
    ) -> Result<Process> {
        const UPLINK_KBPS: &str = "90000";
        let data = tempfile::tempdir_in(&self.folder)?.keep();
        let token = data.with_extension("token");
        take_the_largest_name(&data)?;
        self.mint(&data, &token).await?;
        let host = self.lab.host(host)?;
        let address = host.addresses().first().context("a host without address")?;
        let mut command = Command::new(binary("runnel-liar")?);
        command.args(["--coordinator", &door(host), "--lie", lie]);
        command.args(["--listen", &SocketAddr::new(*address, PORT).to_string()]);
        command.args(["--uplink-kbps", UPLINK_KBPS]);
        command.arg("--token-file").arg(&token);
        command.arg("--foreign").arg(self.segment("low-005.ts"));
        command.arg("--data").arg(&data);
        for content in contents {
            command.args(["--content", content]);
        }
        let name = format!("{}-{lie}", host.name());
        host.spawn(&name, command, &data)
    }

    /// The file in which the origin has a segment.
    pub(crate) fn segment(&self, name: &str) -> PathBuf {
        self.folder.join("media").join(name)
    }

    /// An agent with a token for everything.
    async fn prepare_agent(&self, name: &str, contents: &[String]) -> Result<Command> {
        let data = self.folder.join(name);
        let token = self.folder.join(format!("{name}.token"));
        self.mint(&data, &token).await?;
        let mut command = agent(&data, self.lab.host(name)?)?;
        command.arg("--token-file").arg(&token);
        for content in contents {
            command.args(["--content", content]);
        }
        Ok(command)
    }

    /// Starts the doctor on a host, by the configuration of an agent there.
    pub(crate) async fn start_doctor(
        &self,
        name: &str,
        contents: &[String],
        options: &[&str],
    ) -> Result<Process> {
        let mut command = self.prepare_agent(name, contents).await?;
        command.args(options).arg("doctor");
        self.lab.host(name)?.spawn(name, command, &self.folder)
    }

    /// What a peer that plays there, and keeps its own things under this name, starts with.
    pub(crate) async fn player(
        &self,
        name: &str,
        host: &Host,
        contents: &[String],
    ) -> Result<Config> {
        let data = self.folder.join(name);
        let token = self.folder.join(format!("{name}.token"));
        self.mint(&data, &token).await?;
        Ok(Config {
            coordinator: door(host),
            data,
            content: contents.to_vec(),
            token_file: Some(token),
            uplink_kbps: 1000,
            ..Config::default()
        })
    }

    /// Who mints tokens for everything.
    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Where everybody's logs are.
    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.clone()
    }

    /// A new folder of this name for somebody's own things.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    async fn mint(&self, data: &Path, token: &Path) -> Result<()> {
        let key = thumbprint(&Config {
            data: data.to_owned(),
            ..Config::default()
        })?;
        let minted = self
            .provider
            .mint(&["--contents", "*", "--for", &key])
            .await?;
        Ok(std::fs::write(token, minted)?)
    }

    /// What the coordinator says at a path of its API, to a program on its own machine.
    pub(crate) async fn ask(&self, path: &str) -> Result<Value> {
        let url = format!("http://127.0.0.1:{DOOR}{path}");
        // The second time it is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let asked = self.lab.host("coordinator")?.run(async move || {
            let response = reqwest::get(&url).await?.error_for_status()?;
            Ok(response.json::<Value>().await?)
        })?;
        let answer = tokio::task::spawn_blocking(move || asked.join()).await?;
        answer.ok().context("asking panicked")?
    }
}

/// Where peers on a host reach the coordinator.
pub(crate) fn door(host: &Host) -> String {
    match is_six_only(host) {
        true => format!("ws://[2001:db8:1::1]:{DOOR}/v1/peer"),
        false => format!("ws://198.18.1.1:{DOOR}/v1/peer"),
    }
}

/// What the viewer page on a host reads to know its coordinator and these contents.
pub(crate) fn page_config(host: &Host, contents: &[String]) -> Value {
    let origin = match is_six_only(host) {
        true => format!("http://[2001:db8:2::1]:{ORIGIN_PORT}"),
        false => format!("http://198.18.2.1:{ORIGIN_PORT}"),
    };
    let stream = |content: &String| json!({ "name": content, "src": format!("{origin}/{content}/master.m3u8"), "content": content });
    let streams: Vec<Value> = contents.iter().map(stream).collect();
    json!({ "coordinator": door(host), "streams": streams })
}

fn is_six_only(host: &Host) -> bool {
    host.addresses().iter().all(IpAddr::is_ipv6)
}

fn agent(data: &Path, host: &Host) -> Result<Command> {
    let mut command = Command::new(binary("runnel-agent")?);
    command.args([
        "--coordinator",
        &door(host),
        "--listen",
        &format!("[::]:{PORT}"),
    ]);
    command.args(["--uplink-kbps", "50000", "--quota-mb", "100"]);
    command.arg("--data").arg(data);
    Ok(command)
}

async fn start_origin(
    lab: &Lab,
    folder: &Path,
    show: Show,
    contents: &[String],
) -> Result<Process> {
    let media = folder.join("media");
    std::fs::create_dir_all(&media)?;
    let mode = match show {
        Show::Noise => {
            Noise::make(&media, SEGMENTS, SEGMENT, BANDWIDTH)?;
            "--vod"
        }
        Show::Clip => {
            media::prepare(Shape::Ts, &media)?;
            keep_the_smallest(&media.join("master.m3u8"))?;
            "--live"
        }
        Show::Ladder => {
            media::prepare(Shape::Ts, &media)?;
            "--live"
        }
    };
    let mut command = Command::new(binary("runnel-origin")?);
    command.args(["--listen", &format!("[::]:{ORIGIN_PORT}")]);
    for content in contents {
        command.args([mode, &format!("{content}={}", media.display())]);
    }
    let mut origin = lab.host("origin")?.spawn("origin", command, folder)?;
    origin.line("listening on ", READY).await?;
    Ok(origin)
}

/// Has a master playlist offer nothing but the clip's smallest rendition, its first.
fn keep_the_smallest(master: &Path) -> Result<()> {
    const SMALLEST: &str = "low.m3u8\n";
    let text = std::fs::read_to_string(master)?;
    let (before, _) = text.split_once(SMALLEST).context("another clip")?;
    Ok(std::fs::write(master, format!("{before}{SMALLEST}"))?)
}

async fn start_coordinator(
    lab: &Lab,
    folder: &Path,
    contents: &[String],
    settings: &str,
) -> Result<Process> {
    let mut file = format!("allow_private_origins = true\n{settings}");
    for id in contents {
        write!(
            file,
            "\n[[content]]\nid = {id:?}\nprovider = \"demo\"\n\
             url = \"http://198.18.2.1:{ORIGIN_PORT}/{id}/master.m3u8\"\n"
        )?;
    }
    let path = folder.join("coordinator.toml");
    std::fs::write(&path, file)?;
    let mut command = Command::new(binary("runnel-coordinator")?);
    command.args(["--listen", &format!("[::]:{DOOR}")]);
    command.arg("--data").arg(folder.join("coordinator"));
    command.arg("--config").arg(path);
    let host = lab.host("coordinator")?;
    let mut coordinator = host.spawn("coordinator", command, folder)?;
    coordinator.line("listening on ", READY).await?;
    Ok(coordinator)
}

async fn enrol(data: &Path, contents: &[String]) -> Result<String> {
    let mut command = Command::new(binary("runnel-coordinator")?);
    command.arg("enrol").arg("--data").arg(data);
    let output = command.args(["--contents", &contents.join(",")]).output();
    let output = output.await?;
    if !output.status.success() {
        bail!("no enrolment: {}", String::from_utf8_lossy(&output.stderr));
    }
    let printed = String::from_utf8(output.stdout)?;
    Ok(printed.lines().last().context("no code")?.trim().to_owned())
}

/// A folder of this name for logs and data, kept until the next run.
fn fresh_folder(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let mut above = program.ancestors();
    let built = above.find(|folder| folder.ends_with("target"));
    let built = built.context("a test outside of `target`")?;
    let folder = built.join("netns").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    ensure!(PORT != DOOR, "two doors behind one port");
    Ok(folder)
}
