//! Firefox, which shares no code with Chromium: fed by an agent on another host, once by WebTransport and once by
//! WebRTC.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_tests::browser::Browser;
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Plan, within};
use runnel_tests::page::{Lack, Page};
use runnel_tests::stack::Provider;
use runnel_tests::token_server::TokenServer;
use serde::Deserialize;
use serde_json::Value;

use crate::access::Access;
use crate::town::{self, FIRST_SITE, READY, Show, Town, page_config};

const AGENT: &str = "agent";
const VIEWER: &str = "viewer";
/// Seconds of the picture that are watched.
const WATCHED: u32 = 20;
/// How long that may take.
const BOUND: Duration = Duration::from_secs(60);
/// Milliseconds for which a picture may stand still in all: what a browser on two busy cores costs.
const HITCH: f64 = 250.0;
/// The part of all bytes that has to come from the agent, the first segment's among them.
const FROM_PEERS: f64 = 0.8;

/// What the page says.
#[derive(Debug, Deserialize)]
struct Told {
    stalled: f64,
    startup: f64,
    bytes: Bytes,
    /// What carries its links.
    transports: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bytes {
    cdn: f64,
    waypoint: f64,
    peer: f64,
}

const TELL: &str = "({
    stalled: __runnel.stalls.reduce((sum, { ms }) => sum + (ms ?? 1e9), 0),
    startup: __runnel.startupMs,
    bytes: __runnel.stats.bytes,
    transports: __runnel.stats.links.map((link) => link.transport).filter((one) => one !== null),
})";

struct Seat {
    lack: Lack,
    config: Value,
    provider: Provider,
    logs: PathBuf,
}

impl Seat {
    async fn watch(self) -> Result<Told> {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-demo/dist");
        let page = Page::serve(&dist, 0, &self.config, self.lack).await?;
        let tokens = TokenServer::start(self.provider.clone(), "*").await?;
        let browser = Browser::open_firefox(&self.logs).await?;
        let query = [
            ("stream", "live"),
            ("consent", "1"),
            ("tokens", &tokens.url("free")),
        ];
        let url = reqwest::Url::parse_with_params(&page.url(), query)?;
        browser.goto(url.as_str()).await?;
        let position = "document.querySelector('video').currentTime";
        let moving = "globalThis.__runnel && __runnel.startupMs !== null";
        browser.wait_for(moving, BOUND).await?;
        let before: f64 = browser.eval(position).await?;
        let there = format!("{position} >= {}", before + f64::from(WATCHED));
        let watched = browser.wait_for(&there, BOUND).await;
        browser.screenshot(&self.logs.join("page.png")).await?;
        watched?;
        let told = browser.eval(TELL).await?;
        browser.close().await?;
        Ok(told)
    }
}

impl Told {
    fn is_fed_by(&self, transport: &str) -> Result<()> {
        ensure!(self.stalled <= HITCH, "stalled: {self:?}");
        let Bytes {
            cdn,
            waypoint,
            peer,
        } = self.bytes;
        ensure!(peer >= FROM_PEERS * (cdn + waypoint + peer), "{self:?}");
        let strange = self.transports.iter().any(|one| one != transport);
        ensure!(!strange && !self.transports.is_empty(), "{self:?}");
        Ok(())
    }
}

async fn watches() -> Result<()> {
    let mut plan = Plan::with_seed(24);
    town::found(&mut plan)?;
    for (site, name) in (FIRST_SITE..).zip([AGENT, VIEWER]) {
        let id = plan.site(Access::Open.gate(site, false), Line::IDEAL);
        plan.host(id, name, &Access::Open.addresses(site, 1))?;
    }
    let contents = ["live".to_owned()];
    let town = Town::start("firefox", plan.connect()?, Show::Ladder, &contents, "").await?;
    let mut agent = town.start_agent(AGENT, &contents).await?;
    agent.line("joined as regular peer", READY).await?;
    for (lack, transport) in [
        (Lack::WebRtc, "webtransport"),
        (Lack::WebTransport, "webrtc"),
    ] {
        let host = town.lab.host(VIEWER)?;
        let seat = Seat {
            lack,
            config: page_config(host, &contents),
            provider: town.provider().clone(),
            logs: town.folder(transport),
        };
        let watching = host.run(|| seat.watch())?;
        let told = tokio::task::spawn_blocking(move || watching.join()).await?;
        let told = told.ok().context("the viewer panicked")??;
        println!(
            "{transport}: {:.0} ms to the first picture, {told:?}",
            told.startup
        );
        told.is_fed_by(transport)?;
    }
    drop(agent);
    town.lab.end()?;
    Ok(())
}

#[test]
fn firefox_is_fed_by_an_agent_by_either_transport() -> Result<()> {
    within(
        "firefox::firefox_is_fed_by_an_agent_by_either_transport",
        watches(),
    )
}
