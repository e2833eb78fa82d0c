//! The whole system on loopback: origin, coordinator, a waypoint and agents, each a real process.

mod control_center;
mod plan;
mod provider;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

pub use plan::{Content, Elsewhere, Plan, Source, Tokens};
pub use provider::Provider;

use crate::meter::Meter;
use crate::process::{Process, binary};
use control_center::ControlCenter;

/// How long any one process may take to be ready, on a machine that compiles something as well.
const READY: Duration = Duration::from_secs(30);

const NO_CENTER: &str = "a plan without control center";

/// How long it may take to end in good order.
const END: Duration = Duration::from_secs(10);

/// The running system. Dropping it kills everything; [`Stack::stop`] ends it in good order.
#[derive(Debug)]
pub struct Stack {
    folder: PathBuf,
    contents: Vec<Content>,
    origin: Option<(Process, String)>,
    center: Option<ControlCenter>,
    provider: Option<Provider>,
    waypoint: Option<Process>,
    agents: Vec<Process>,
    agent_uplink_kbps: u32,
    groups: bool,
    metered: bool,
    meters: Vec<(String, Meter)>,
    http: reqwest::Client,
}

impl Stack {
    /// Starts what the plan says. Logs and data are kept in `target/stories/NAME` until the next
    /// start of the same name.
    ///
    /// # Errors
    /// When a program is not built, or is not ready in time; with the end of its log.
    pub async fn start(name: &str, plan: Plan) -> Result<Self> {
        let folder = fresh_folder(name)?;
        let prepared = plan.source.prepare(&folder.join("media"))?;
        let origin = start_origin(&folder, &plan, &prepared).await?;
        let contents = match &origin {
            Some((_, url)) => prepared.contents(url),
            None => prepared.contents(""),
        };
        let provider = match plan.tokens {
            Tokens::NotAsked => None,
            asked @ (Tokens::OfOneSite | Tokens::OfAnySite) => {
                Some(Provider::new(&folder, folder.join("coordinator"), asked).await?)
            }
        };
        let center = match plan.center {
            true => Some(ControlCenter::start(&folder, &contents, plan.enforced).await?),
            false => None,
        };
        let mut stack = Self {
            folder,
            contents,
            origin,
            center,
            provider,
            waypoint: None,
            agents: Vec::new(),
            agent_uplink_kbps: plan.agent_uplink_kbps,
            groups: plan.groups,
            metered: plan.metered,
            meters: Vec::new(),
            http: client()?,
        };
        if plan.waypoint {
            stack.start_waypoint(plan.waypoint_uplink_kbps).await?;
        }
        for _ in 0..plan.agents {
            stack.add_agent().await?;
        }
        Ok(stack)
    }

    /// Folder with logs and data of everybody.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the coordinator knows, with the master playlists' URLs.
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// The master playlist of the content with this id.
    ///
    /// # Errors
    /// When the plan has no such content.
    pub fn master(&self, id: &str) -> Result<&str> {
        let found = self.contents.iter().find(|content| content.id == id);
        found
            .map(|content| content.url.as_str())
            .with_context(|| format!("no content {id}"))
    }

    /// Where peers reach the coordinator: `ws://…/v1/peer`.
    ///
    /// # Errors
    /// When the plan has no control center.
    pub fn door(&self) -> Result<String> {
        Ok(self.the_center()?.door())
    }

    /// The coordinator's address for people and programs: `http://…`.
    ///
    /// # Errors
    /// When the plan has no control center.
    pub fn center_url(&self) -> Result<String> {
        Ok(self.the_center()?.url())
    }

    /// What the viewer page reads to know its coordinator and streams.
    pub fn page_config(&self) -> Value {
        let stream = |content: &Content| json!({ "name": content.title(), "src": content.url, "content": content.id });
        let streams: Vec<Value> = self.contents.iter().map(stream).collect();
        json!({ "coordinator": self.door().ok(), "streams": streams })
    }

    /// The control center's process, to be killed and [revived](Stack::revive_center).
    ///
    /// # Errors
    /// When the plan has no control center.
    pub fn center(&self) -> Result<&Process> {
        Ok(self.the_center()?.process())
    }

    /// Puts a line above its settings, for its next start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_center(&self, line: &str) -> Result<()> {
        let file = self.folder.join("coordinator.toml");
        let settings = std::fs::read_to_string(&file)?;
        Ok(std::fs::write(file, format!("{line}\n{settings}"))?)
    }

    /// Starts the control center again where it was, with what it had stored.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn revive_center(&mut self) -> Result<()> {
        self.center.as_mut().context(NO_CENTER)?.revive().await
    }

    /// The waypoint's process, if the plan has one.
    pub fn waypoint(&self) -> Option<&Process> {
        self.waypoint.as_ref()
    }

    /// The agents' processes, in the order in which they started.
    pub fn agents(&self) -> &[Process] {
        &self.agents
    }

    /// What stands before waypoint and agents, with their names, where the plan is metered.
    pub fn meters(&self) -> &[(String, Meter)] {
        &self.meters
    }

    /// Starts one more agent and waits until it has joined.
    ///
    /// # Errors
    /// When it does not join in time.
    async fn add_agent(&mut self) -> Result<()> {
        let name = format!("agent-{}", self.agents.len() + 1);
        let token = match &self.provider {
            Some(provider) => {
                let data = self.folder.join(&name);
                let file = self.folder.join(format!("{name}.token"));
                let key = provider.key_of_agent(&data).await?;
                std::fs::write(&file, provider.mint(&["--for", &key]).await?)?;
                Some(file)
            }
            None => None,
        };
        let token = token.as_ref().map(|file| file.to_string_lossy());
        let mut role: Vec<&str> = match &token {
            Some(file) => vec!["--token-file", file],
            None => Vec::new(),
        };
        let invitations = self.invitations_of(&name);
        let invitations = invitations.to_string_lossy();
        if self.groups {
            std::fs::write(&*invitations, "")?;
            role.extend(["--group-file", &invitations]);
        }
        let agent = self
            .start_agent(&name, self.agent_uplink_kbps, &role)
            .await?;
        self.agents.push(agent);
        Ok(())
    }

    fn invitations_of(&self, agent: &str) -> PathBuf {
        self.folder.join(format!("{agent}.invitations"))
    }

    /// Has an agent that follows a file of invitations join a group.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn invite_agent(&self, agent: &str, invitation: &str) -> Result<()> {
        let file = self.invitations_of(agent);
        Ok(std::fs::write(file, format!("{invitation}\n"))?)
    }

    /// Asks the first agent to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// When there is none, or it does not end in good order and in time.
    pub async fn retire_agent(&mut self) -> Result<()> {
        ensure!(!self.agents.is_empty(), "no agent");
        let status = self.agents.remove(0).stop(END).await?;
        ensure!(status.success(), "the agent ended with {status}");
        Ok(())
    }

    /// What the control center says at a path of its API.
    ///
    /// # Errors
    /// When it does not answer, or not with JSON.
    pub async fn ask(&self, path: &str) -> Result<Value> {
        self.get_json(&format!("{}{path}", self.center_url()?))
            .await
    }

    /// What the origin's sockets have sent by path, and what its live playlists have published.
    ///
    /// # Errors
    /// When the origin is not ours, or does not answer.
    pub async fn origin_stats(&self) -> Result<Value> {
        let (_, url) = self.origin.as_ref().context("somebody else's origin")?;
        self.get_json(&format!("{url}/__origin/stats")).await
    }

    /// The bytes at a URL, or those from the first up to (not including) the second of `range`.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn fetch_range(&self, url: &str, range: Option<(u64, u64)>) -> Result<Vec<u8>> {
        let mut request = self.http.get(url);
        if let Some((start, end)) = range {
            request = request.header("Range", format!("bytes={start}-{}", end.saturating_sub(1)));
        }
        let response = request.send().await?.error_for_status()?;
        Ok(response.bytes().await?.to_vec())
    }

    /// Ends everything in good order: those who serve first, the control center and origin last.
    ///
    /// # Errors
    /// When somebody does not end when asked; everybody has ended all the same.
    pub async fn stop(mut self) -> Result<()> {
        let mut leaving: Vec<Process> = self.agents.drain(..).collect();
        leaving.extend(self.waypoint.take());
        leaving.extend(self.center.take().map(ControlCenter::into_process));
        leaving.extend(self.origin.take().map(|(process, _)| process));
        let mut outcome = Ok(());
        for process in leaving {
            outcome = outcome.and(process.stop(END).await.map(|_| ()));
        }
        outcome
    }

    /// Who mints tokens for the contents of this system.
    ///
    /// # Errors
    /// When the plan asks for no tokens.
    pub fn provider(&self) -> Result<&Provider> {
        self.provider.as_ref().context("a plan without tokens")
    }

    async fn start_waypoint(&mut self, uplink_kbps: u32) -> Result<()> {
        let code = self.the_center()?.enrol(&self.contents).await?;
        let role = ["--waypoint", code.as_str(), "--allow-private-origins"];
        self.waypoint = Some(self.start_agent("waypoint", uplink_kbps, &role).await?);
        Ok(())
    }

    async fn start_agent(
        &mut self,
        name: &str,
        uplink_kbps: u32,
        more: &[&str],
    ) -> Result<Process> {
        let mut command = Command::new(binary("runnel-agent")?);
        command.args(["--coordinator", &self.door()?, "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(self.folder.join(name));
        command
            .args(["--uplink-kbps", &uplink_kbps.to_string()])
            .args(more);
        let meter = match self.metered {
            true => Some(Meter::bind().await?),
            false => None,
        };
        if let Some(meter) = &meter {
            command.args(["--advertise", &meter.address().to_string()]);
        }
        let mut agent = Process::spawn(name, command, &self.folder)?;
        let address = agent.line("listening on ", READY).await?;
        if let Some(meter) = meter {
            meter.leads_to(address.parse().context("no address of an agent")?);
            self.meters.push((name.to_owned(), meter));
        }
        agent.line("joined as regular peer", READY).await?;
        Ok(agent)
    }

    fn the_center(&self) -> Result<&ControlCenter> {
        self.center.as_ref().context(NO_CENTER)
    }

    async fn get_json(&self, url: &str) -> Result<Value> {
        let response = self.http.get(url).send().await?.error_for_status()?;
        response
            .json()
            .await
            .with_context(|| format!("no JSON at {url}"))
    }
}

async fn start_origin(
    folder: &Path,
    plan: &Plan,
    prepared: &plan::Prepared,
) -> Result<Option<(Process, String)>> {
    let arguments = prepared.arguments();
    if arguments.is_empty() {
        return Ok(None);
    }
    let mut command = Command::new(binary("runnel-origin")?);
    command.args(arguments);
    command.args(["--window", &plan.window.to_string()]);
    command.args(["--latency-ms", &plan.origin_latency_ms.to_string()]);
    let mut origin = Process::spawn("origin", command, folder)?;
    let url = origin.line("listening on ", READY).await?;
    Ok(Some((origin, url)))
}

fn fresh_folder(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let built = program
        .ancestors()
        .find(|folder| folder.ends_with("target"));
    let folder = built
        .unwrap_or(&std::env::temp_dir())
        .join("stories")
        .join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn client() -> Result<reqwest::Client> {
    // Everything here is plain HTTP on loopback, but the client wants to know how it would do TLS.
    // Installing it twice is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder()
        .timeout(READY)
        .no_proxy()
        .build()?)
}
