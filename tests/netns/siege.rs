//! One attacker has all of the agents, then most, and the widest of them (T10): six lie, each in a way and from a
//! network of its own, two tell the truth too slowly, and when they are known they come again under new names, as do
//! honest ones. Whoever watches is no worse off than with the CDN alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_tests::browser::Browser;
use runnel_tests::cached::is_the_origins;
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Plan, within};
use runnel_tests::page::{Lack, Page};
use runnel_tests::process::Process;
use runnel_tests::stack::Provider;
use runnel_tests::taps::Tap;
use runnel_tests::token_server::TokenServer;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Barrier, oneshot};
use tokio::time::timeout;

use crate::access::Access;
use crate::town::{self, FIRST_SITE, READY, Show, Town, page_config};

/// How each of the attacker's agents lies. The last two sit in one network.
const LIES: [&str; 8] = [
    "flip",
    "truncate",
    "swap",
    "rendition",
    "forge",
    "replay",
    "drip",
    "drip",
];
/// Accusers from so many networks that nobody is sent to a liar any more, whatever it calls itself.
const ENOUGH: usize = 3;
const HONEST: u8 = 2;
const VIEWERS: u8 = 4;
/// Seconds of the picture that everybody watches in each of the two attacks.
const WATCHED: u32 = 20;
/// How long anything may take, with four browsers on two cores.
const BOUND: Duration = Duration::from_secs(120);
/// Milliseconds for which a picture may stand still in all: what four browsers on two busy cores cost one of them.
const HITCH: f64 = 250.0;
/// The part of the second attack's bytes that has to come from peers all the same.
const FROM_PEERS: f64 = 0.5;

fn liar(number: usize) -> String {
    format!("liar-{number}")
}

fn honest(number: u8) -> String {
    format!("agent-{number}")
}

fn viewer(number: u8) -> String {
    format!("viewer-{number}")
}

/// Everybody at a site of its own, but for the last two liars.
fn town() -> Result<Plan> {
    let mut plan = Plan::with_seed(23);
    town::found(&mut plan)?;
    let last = LIES.len() - 1;
    let alone = (0..last).map(liar);
    let others = (0..HONEST).map(honest).chain((0..VIEWERS).map(viewer));
    for (site, name) in (FIRST_SITE..).zip(alone.chain(others)) {
        let id = plan.site(Access::Open.gate(site, false), Line::IDEAL);
        plan.host(id, &name, &Access::Open.addresses(site, 1))?;
        if name == liar(last - 1) {
            plan.host(id, &liar(last), &Access::Open.addresses(site, 2))?;
        }
    }
    Ok(plan)
}

/// The attacker's agents, each under a new name.
struct Attack(Vec<(Process, String)>);

impl Attack {
    async fn begin(town: &Town, contents: &[String]) -> Result<Self> {
        let mut started = Vec::new();
        for (number, lie) in LIES.iter().enumerate() {
            started.push(town.start_liar(&liar(number), lie, contents).await?);
        }
        let mut joined = Vec::new();
        for mut process in started {
            let said = process.line("joined as regular peer ", READY).await?;
            let name = said.split_once(':').context("no name")?.0.to_owned();
            joined.push((process, name));
        }
        Ok(Self(joined))
    }

    /// Who says of each that it sent false media.
    async fn accusers(&self, town: &Town) -> Result<Vec<Vec<String>>> {
        let mut all = Vec::new();
        for (_, name) in &self.0 {
            let mut told = town.ask(&format!("/v1/explain?peer={name}")).await?;
            let events: Vec<Told> = serde_json::from_value(told["events"].take())?;
            let accused = events
                .into_iter()
                .filter(|event| event.words.contains("says that it sent"));
            let mut by: Vec<String> = accused.filter_map(|event| event.other).collect();
            by.sort();
            by.dedup();
            all.push(by);
        }
        Ok(all)
    }
}

/// One thing that happened to a peer.
#[derive(Deserialize)]
struct Told {
    other: Option<String>,
    words: String,
}

/// Bytes that reached a player, by source.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Bytes {
    cdn: f64,
    waypoint: f64,
    peer: f64,
}

/// A moment in which the picture stood still.
#[derive(Debug, Deserialize)]
struct Stall {
    /// How long; `None` while it lasts.
    ms: Option<f64>,
}

/// Somebody in front of a browser.
struct Seat {
    config: Value,
    provider: Provider,
    logs: PathBuf,
    /// Told once the picture moves.
    plays: oneshot::Sender<()>,
    /// Where everybody waits for the second attack, twice: until it may come, and until it is there.
    attack: Arc<Barrier>,
}

/// What somebody saw.
#[derive(Debug)]
struct Watched {
    peer: String,
    startup: f64,
    stalls: Vec<Stall>,
    /// When the second attack began, and in the end.
    bytes: [Bytes; 2],
    taps: Vec<Tap>,
}

impl Seat {
    async fn watch(self) -> Result<Watched> {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-demo/dist");
        let page = Page::serve(&dist, 0, &self.config, Lack::Nothing).await?;
        let tokens = TokenServer::start(self.provider.clone(), "*").await?;
        let browser = Browser::open(&self.logs).await?;
        let query = [
            ("stream", "live"),
            ("consent", "1"),
            ("tap", "1"),
            ("tokens", &tokens.url("free")),
        ];
        let url = reqwest::Url::parse_with_params(&page.url(), query)?;
        browser.goto(url.as_str()).await?;
        let moving = "window.__runnel && __runnel.startupMs !== null";
        browser.wait_for(moving, BOUND).await?;
        // Nobody waits any more where another viewer has failed.
        let _ = self.plays.send(());
        watches(&browser, &self.logs).await?;
        meet(&self.attack).await?;
        meet(&self.attack).await?;
        let before = bytes(&browser).await?;
        watches(&browser, &self.logs).await?;
        let watched = Watched {
            peer: browser.eval("__runnel.stats.peer").await?,
            startup: browser.eval("__runnel.startupMs").await?,
            stalls: browser.eval("__runnel.stalls").await?,
            bytes: [before, bytes(&browser).await?],
            taps: browser.eval("__runnel.taps").await?,
        };
        browser.screenshot(&self.logs.join("page.png")).await?;
        browser.close().await?;
        Ok(watched)
    }
}

async fn watches(browser: &Browser, logs: &Path) -> Result<()> {
    let position = "document.querySelector('video')?.currentTime";
    let before: f64 = browser.eval(position).await?;
    let there = format!("{position} >= {}", before + f64::from(WATCHED));
    let watched = browser.wait_for(&there, BOUND).await;
    if watched.is_err() {
        browser.screenshot(&logs.join("failed.png")).await?;
    }
    watched
}

async fn bytes(browser: &Browser) -> Result<Bytes> {
    browser.eval("__runnel.stats.bytes").await
}

async fn meet(barrier: &Barrier) -> Result<()> {
    let met = timeout(BOUND, barrier.wait()).await;
    met.context("somebody never came").map(|_| ())
}

impl Watched {
    /// The part of what came in the second attack that peers brought.
    fn share_of_peers(&self) -> f64 {
        let [before, after] = self.bytes;
        let of = |bytes: Bytes| bytes.cdn + bytes.waypoint + bytes.peer;
        (after.peer - before.peer) / (of(after) - of(before)).max(1.0)
    }

    /// The picture never stopped and showed what the origin has, and peers brought most of it.
    fn is_no_worse_off(&self, town: &Town) -> Result<()> {
        let Self {
            peer, stalls, taps, ..
        } = self;
        let stalled: f64 = stalls
            .iter()
            .map(|stall| stall.ms.unwrap_or(f64::MAX))
            .sum();
        ensure!(stalled <= HITCH, "{peer}: stalled for {stalled} ms");
        ensure!(!taps.is_empty(), "the player got nothing");
        for tap in taps {
            let name = tap.url.rsplit('/').next().context("no name")?;
            tap.equals(&std::fs::read(town.segment(name))?)?;
        }
        let share = self.share_of_peers();
        ensure!(share >= FROM_PEERS, "{peer}: {share} from peers");
        Ok(())
    }
}

async fn besieged() -> Result<()> {
    let contents = ["live".to_owned()];
    let town = Town::start("siege", town()?.connect()?, Show::Ladder, &contents, "").await?;
    // Nobody else is there yet: whom others vouch for comes before a stranger, whatever that offers.
    let first = Attack::begin(&town, &contents).await?;
    let (viewers, barrier) = sit_down(&town, &contents).await?;
    meet(&barrier).await?;
    let known = first.accusers(&town).await?;
    // Without a word, as whoever pulls the plug.
    drop(first);
    let mut agents = Vec::new();
    for number in 0..HONEST {
        let mut agent = town.start_agent(&honest(number), &contents).await?;
        agent.line("joined as regular peer", READY).await?;
        agents.push(agent);
    }
    let second = Attack::begin(&town, &contents).await?;
    meet(&barrier).await?;
    let saw = stand_up(viewers).await?;
    let again = second.accusers(&town).await?;
    drop(second);
    tell(&known, &again, &saw);
    saw.iter().try_for_each(|one| one.is_no_worse_off(&town))?;
    ensure!(known.iter().any(|by| !by.is_empty()), "nobody was lied to");
    for ((lie, known), again) in LIES.iter().zip(&known).zip(&again) {
        let came_through = known.len() >= ENOUGH && !again.is_empty();
        ensure!(!came_through, "{lie} was known, and had a new name");
    }
    for (number, agent) in (0..HONEST).zip(agents) {
        agent.stop(Duration::from_secs(10)).await?;
        let cache = town.folder(&honest(number)).join("cache");
        is_the_origins(&cache, &town.folder("media"))?;
    }
    println!("{:?}", town.lab.end()?);
    Ok(())
}

type Watching = JoinHandle<Result<Watched>>;

/// One after the other begins to watch, and will wait there for the second attack.
async fn sit_down(town: &Town, contents: &[String]) -> Result<(Vec<Watching>, Arc<Barrier>)> {
    let barrier = Arc::new(Barrier::new(usize::from(VIEWERS) + 1));
    let mut watching = Vec::new();
    for number in 0..VIEWERS {
        let host = town.lab.host(&viewer(number))?;
        let (plays, playing) = oneshot::channel();
        let seat = Seat {
            config: page_config(host, contents),
            provider: town.provider().clone(),
            logs: town.folder(host.name()),
            plays,
            attack: Arc::clone(&barrier),
        };
        let watch = async move || {
            let watched = seat.watch().await;
            // Said at once: the others wait.
            watched.inspect_err(|error| eprintln!("viewer {number}: {error:#}"))
        };
        watching.push(host.run(watch)?);
        playing.await.context("it does not play: see above")?;
    }
    Ok((watching, barrier))
}

async fn stand_up(viewers: Vec<Watching>) -> Result<Vec<Watched>> {
    let mut saw = Vec::new();
    for viewer in viewers {
        let joined = tokio::task::spawn_blocking(move || viewer.join()).await?;
        saw.push(joined.ok().context("a viewer panicked")??);
    }
    Ok(saw)
}

fn tell(known: &[Vec<String>], again: &[Vec<String>], saw: &[Watched]) {
    for ((lie, known), again) in LIES.iter().zip(known).zip(again) {
        let (known, again) = (known.len(), again.len());
        println!("{lie:<9} found out by {known}, under its second name by {again}");
    }
    for one in saw {
        println!(
            "{}: {:.0} ms to the first picture, {} stalls, {:.0} % from peers in the second attack, {:?}",
            one.peer,
            one.startup,
            one.stalls.len(),
            100.0 * one.share_of_peers(),
            one.bytes[1]
        );
    }
}

#[test]
fn an_attacker_with_most_of_the_agents_costs_nobody_a_stall() -> Result<()> {
    within(
        "siege::an_attacker_with_most_of_the_agents_costs_nobody_a_stall",
        besieged(),
    )
}
