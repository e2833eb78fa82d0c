//! Who can be fed by whom: every way in which a viewer is connected against every way in which an
//! agent is, each expected outcome in a table, each seen one beside it.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use runnel_protocol::ids::PeerId;
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::within;
use runnel_tests::process::Process;
use serde::Deserialize;

use crate::cast::{AGENTS, Feeder, Stage, VIEWERS, contents};
use crate::table::{self, Cell, Part, Row, Verdict};
use crate::town::{READY, Show, Town};
use crate::watcher::{Account, watch};

/// How long somebody who has nothing from a peer yet keeps asking.
const PATIENCE: Duration = Duration::from_secs(12);

/// Somebody who watches, on a thread of a host.
pub(crate) type Watching = JoinHandle<Result<Account>>;

async fn watcher(town: &Town, name: &str, contents: &[String]) -> Result<Watching> {
    let host = town.lab.host(name)?;
    let config = town.player(name, host, contents).await?;
    host.run(move || watch(config, PATIENCE))
}

pub(crate) async fn watched(watching: Watching) -> Result<Account> {
    let joined = tokio::task::spawn_blocking(move || watching.join()).await?;
    joined.ok().context("a watcher panicked")?
}

/// Lightweight peers: what each agent's content brought to a viewer of each kind, and to a neighbour.
struct Light {
    viewers: Vec<Account>,
    neighbours: Vec<Account>,
}

impl Light {
    async fn watch(town: &Town, rows: &[Row]) -> Result<Self> {
        let all = contents("light", rows);
        let mut viewers = Vec::new();
        for site in (VIEWERS..).take(table::VIEWERS.len()) {
            viewers.push(watcher(town, &format!("viewer-{site}"), &all).await?);
        }
        let mut neighbours = Vec::new();
        for (site, content) in (AGENTS..).zip(&all) {
            let own = std::slice::from_ref(content);
            neighbours.push(watcher(town, &format!("neighbour-{site}"), own).await?);
        }
        let mut seen = Self {
            viewers: Vec::new(),
            neighbours: Vec::new(),
        };
        for watching in viewers {
            seen.viewers.push(watched(watching).await?);
        }
        for watching in neighbours {
            seen.neighbours.push(watched(watching).await?);
        }
        Ok(seen)
    }

    fn cells(&self, row: usize) -> Vec<Cell> {
        let content = format!("light-{row}");
        let accounts = self.viewers.iter().chain(self.neighbours.get(row));
        accounts
            .map(|account| Cell::of(account.contents.get(&content)))
            .collect()
    }

    fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.viewers.iter().chain(&self.neighbours)
    }
}

/// Agents at viewers' places: what each agent's content brought to them, and through them to the
/// viewer beside them.
struct Regular {
    children: Vec<(Process, Account)>,
}

impl Regular {
    async fn watch(town: &Town, rows: &[Row]) -> Result<Self> {
        let all = contents("agent", rows);
        let mut started = Vec::new();
        for (site, _) in (VIEWERS..).zip(table::VIEWERS) {
            let mut child = town.start_agent(&format!("child-{site}"), &all).await?;
            child.line("joined as regular peer", READY).await?;
            started.push((site, child));
        }
        let mut watching = Vec::new();
        for (site, child) in started {
            watching.push((child, watcher(town, &format!("home-{site}"), &all).await?));
        }
        let mut children = Vec::new();
        for (child, watching) in watching {
            children.push((child, watched(watching).await?));
        }
        Ok(Self { children })
    }

    fn cells(&self, row: usize, feeder: &Feeder) -> Vec<Cell> {
        let content = format!("agent-{row}");
        let cell = |(child, account): &(Process, Account)| {
            let fed = child
                .log()
                .lines()
                .any(|line| is_fed_by(line, &feeder.peer));
            Cell::through_an_agent(account.contents.get(&content), fed)
        };
        self.children.iter().map(cell).collect()
    }
}

/// Whether an agent logs that it got something from this peer.
fn is_fed_by(line: &str, peer: &str) -> bool {
    line.contains("Received(") && line.contains(peer)
}

/// Whoever was named to a lightweight peer is a regular one.
pub(crate) async fn nobody_lightweight_is_paired(town: &Town, accounts: &[&Account]) -> Result<()> {
    let peers = town.ask("/v1/peers").await?;
    let peers = peers.as_array().context("no list of peers")?;
    let kinds: BTreeMap<&str, &str> = peers
        .iter()
        .filter_map(|peer| Some((peer["id"].as_str()?, peer["kind"].as_str()?)))
        .collect();
    let mut pairs = 0;
    for account in accounts {
        for named in account.named.iter().map(PeerId::to_string) {
            let kind = kinds.get(named.as_str()).copied();
            ensure!(
                kind == Some("regular") || has_lost_its_way_out(town, &named).await?,
                "{named}, which is {kind:?}, was named"
            );
            pairs += 1;
        }
    }
    println!("{pairs} pairs with a lightweight end, the other one regular in each.");
    ensure!(pairs > 0, "nobody was paired at all");
    Ok(())
}

/// What happened to a peer, oldest first.
async fn events(town: &Town, peer: &str) -> Result<Vec<Told>> {
    let told = town.ask(&format!("/v1/explain?peer={peer}")).await?;
    Ok(serde_json::from_value(told["events"].clone())?)
}

/// Whether it was regular, in its network at least, until it turned out that no UDP gets out of it.
async fn has_lost_its_way_out(town: &Town, peer: &str) -> Result<bool> {
    let events = events(town, peer).await?;
    let mut words = events.iter().map(|event| event.words.as_str());
    let was_regular = words.any(|words| words.contains("treated as regular"));
    Ok(was_regular && words.any(|words| words.contains(Verdict::NoUdp.words())))
}

/// How long it took to settle what each agent is.
pub(crate) async fn judged(town: &Town, feeders: &[Feeder]) -> Result<Vec<Duration>> {
    let mut judged = Vec::new();
    for feeder in feeders {
        judged.push(is_judged_once(town, feeder).await?);
    }
    Ok(judged)
}

/// How long after it came it was settled what an agent is: by the first test, and there is one verdict, but
/// for whoever shows only later that no UDP gets out of its network.
async fn is_judged_once(town: &Town, feeder: &Feeder) -> Result<Duration> {
    let events = events(town, &feeder.peer).await?;
    let is_verdict = |event: &&Told| event.words.contains("from now on");
    let verdicts: Vec<&Told> = events.iter().filter(is_verdict).collect();
    let verdict = match verdicts[..] {
        [verdict] => verdict,
        [_, last] if feeder.row.verdict == Verdict::NoUdp => last,
        _ => bail!("{}: {verdicts:?}", feeder.row),
    };
    let expected = feeder.row.verdict.words();
    ensure!(
        verdict.words.contains(expected),
        "{}: {verdict:?}",
        feeder.row
    );
    let first = events.first().context("no events")?;
    Ok(Duration::from_millis(
        verdict.at_ms.saturating_sub(first.at_ms),
    ))
}

/// Something that `/v1/explain` tells.
#[derive(Debug, Deserialize)]
struct Told {
    at_ms: u64,
    words: String,
}

/// Runs one laboratory and compares what is seen with the rows.
async fn compare(name: &str, rows: &'static [Row], line: Line) -> Result<()> {
    let Stage { town, feeders, .. } = Stage::set(name, rows, line, Show::Noise).await?;
    let judged = judged(&town, &feeders).await?;
    let light = Light::watch(&town, rows).await?;
    let regular = Regular::watch(&town, rows).await?;

    let lights = (0..rows.len()).map(|row| light.cells(row)).collect();
    let by_row = feeders.iter().enumerate();
    let regulars = by_row.map(|(row, feeder)| regular.cells(row, feeder));
    let parts = [Part::light(lights), Part::regular(regulars.collect())];
    println!("\n{}", table::render(name, rows, &judged, &parts)?);
    let homes = regular.children.iter().map(|(_, account)| account);
    let accounts: Vec<&Account> = light.accounts().chain(homes).collect();
    nobody_lightweight_is_paired(&town, &accounts).await?;
    drop(feeders);
    println!("{:?}", town.lab.end()?);
    table::holds(rows, &parts)
}

#[test]
fn everybody_is_fed_by_whom_the_table_says() -> Result<()> {
    within(
        "matrix::everybody_is_fed_by_whom_the_table_says",
        compare("near", &table::ROWS, Line::IDEAL),
    )
}

#[test]
fn everybody_is_fed_by_whom_the_table_says_over_long_lines_that_lose_packets() -> Result<()> {
    within(
        "matrix::everybody_is_fed_by_whom_the_table_says_over_long_lines_that_lose_packets",
        compare("far", &table::FEW, Line::HOME),
    )
}
