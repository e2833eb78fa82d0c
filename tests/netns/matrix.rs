//! Who can be fed by whom: every way in which a viewer is connected against every way in which an
//! agent is, each expected outcome in a table, each seen one beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use runnel_protocol::ids::PeerId;
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Lab, Plan, within};
use runnel_tests::process::Process;
use serde::Deserialize;

use crate::table::{self, Cell, Row, Verdict};
use crate::town::{self, FIRST_SITE, READY, Town};
use crate::watcher::{Account, watch};

/// How long somebody who has nothing from a peer yet keeps asking.
const PATIENCE: Duration = Duration::from_secs(12);
/// Numbers of the first sites of agents and of viewers.
const AGENTS: u8 = FIRST_SITE + 6;
const VIEWERS: u8 = 100;

/// How an agent is connected, and which of its neighbours' contents it has.
struct Feeder {
    row: &'static Row,
    process: Process,
    peer: String,
}

/// What feeders feed, by content, of those that this name begins.
fn contents(kind: &str, rows: &[Row]) -> Vec<String> {
    (0..rows.len()).map(|row| format!("{kind}-{row}")).collect()
}

/// Everything that takes part, and nobody connected yet.
fn plan(rows: &'static [Row], line: Line) -> Result<Lab> {
    let mut plan = Plan::with_seed(20);
    town::found(&mut plan)?;
    for (site, row) in (AGENTS..).zip(rows) {
        let id = plan.site(row.access.gate(site, row.forwarded), line);
        plan.host(id, &format!("agent-{site}"), &row.access.addresses(site, 1))?;
        plan.host(
            id,
            &format!("neighbour-{site}"),
            &row.access.addresses(site, 2),
        )?;
    }
    for (site, access) in (VIEWERS..).zip(table::VIEWERS) {
        let id = plan.site(access.gate(site, false), line);
        for (host, name) in (1..).zip(["viewer", "child", "home"]) {
            plan.host(id, &format!("{name}-{site}"), &access.addresses(site, host))?;
        }
    }
    plan.connect()
}

/// The agents that others are fed by, each alone in two contents; their verdicts are waited for.
async fn feeders(town: &Town, rows: &'static [Row]) -> Result<Vec<Feeder>> {
    let mut started = Vec::new();
    for (number, (site, row)) in (AGENTS..).zip(rows).enumerate() {
        let contents = [format!("light-{number}"), format!("agent-{number}")];
        let name = format!("agent-{site}");
        let process = town.start_agent(&name, &contents).await?;
        started.push((row, process));
    }
    let mut feeders = Vec::new();
    for (row, mut process) in started {
        let said = process.line(row.verdict.words(), READY).await;
        said.with_context(|| format!("{row}: its type"))?;
        let joined = process.line("joined as ", READY).await?;
        let peer = joined.split([' ', ':']).nth(2).context("no id")?.to_owned();
        feeders.push(Feeder { row, process, peer });
    }
    Ok(feeders)
}

type Watching = JoinHandle<Result<Account>>;

async fn watcher(town: &Town, name: &str, contents: &[String]) -> Result<Watching> {
    let host = town.lab.host(name)?;
    let config = town.player(name, host, contents).await?;
    host.run(watch(config, PATIENCE))
}

async fn watched(watching: Watching) -> Result<Account> {
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

/// A policy for each content: only its own agent, and the waypoint, feed anybody. An agent at a
/// viewer's place is fed by that agent alone, and is the only one to feed the viewer beside it.
fn write_policies(folder: &Path, rows: &[Row]) -> Result<()> {
    for row in 0..rows.len() {
        let own = format!("peer.network != \"agent-{row}\"");
        let to_viewers =
            |kind: &str| format!("viewer.network == \"viewers\" && viewer.type == \"{kind}\"");
        let light = [format!("peer.type != \"waypoint\" && {own}")];
        let agent = [
            format!("{} && viewer.site != peer.site", to_viewers("lightweight")),
            format!("{} && {own}", to_viewers("regular")),
            "viewer.network != \"viewers\" && peer.type != \"waypoint\"".to_owned(),
        ];
        write_policy(folder, &format!("light-{row}"), &light)?;
        write_policy(folder, &format!("agent-{row}"), &agent)?;
    }
    Ok(())
}

/// A policy for the content of this name, which forbids these pairs.
fn write_policy(folder: &Path, content: &str, pairs: &[String]) -> Result<()> {
    let mut text = format!("name = {content:?}\nkind = \"provider\"\ncontents = [{content:?}]\n");
    for pair in pairs {
        write!(
            text,
            "\n[[deny]]\nwhat = \"pair\"\nwhen = '{pair}'\nsay = \"fed by somebody else\"\n"
        )?;
    }
    Ok(std::fs::write(
        folder.join(format!("{content}.toml")),
        text,
    )?)
}

/// Which site is whose, for the policies.
fn networks(rows: &[Row]) -> Result<String> {
    let mut lines = String::new();
    let mut add = |site: u8, name: &str| {
        let four = format!("198.18.{site}.0/24");
        let six = format!("2001:db8:{site:x}::/48");
        [four, six].iter().try_for_each(|cidr| {
            write!(
                lines,
                "[[network]]\ncidr = {cidr:?}\nregion = \"here\"\nname = {name:?}\n"
            )
        })
    };
    add(FIRST_SITE - 1, "operator")?;
    for (row, (site, _)) in (AGENTS..).zip(rows).enumerate() {
        add(site, &format!("agent-{row}"))?;
    }
    for (site, _) in (VIEWERS..).zip(table::VIEWERS) {
        add(site, "viewers")?;
    }
    Ok(lines)
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

/// Whoever was named to a lightweight peer is a regular one: how many pairs that were.
async fn nobody_lightweight_is_paired(town: &Town, accounts: &[&Account]) -> Result<usize> {
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
    Ok(pairs)
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
    let lab = plan(rows, line)?;
    let policies = tempfile::tempdir()?;
    write_policies(policies.path(), rows)?;
    let mut names = contents("light", rows);
    names.extend(contents("agent", rows));
    let settings = format!("policies = {:?}\n{}", policies.path(), networks(rows)?);
    let town = Town::start(name, lab, &names, &settings).await?;
    let feeders = feeders(&town, rows).await?;
    let mut judged = Vec::new();
    for feeder in &feeders {
        judged.push(is_judged_once(&town, feeder).await?);
    }
    let light = Light::watch(&town, rows).await?;
    let regular = Regular::watch(&town, rows).await?;

    let lights: Vec<Vec<Cell>> = (0..rows.len()).map(|row| light.cells(row)).collect();
    let regulars: Vec<Vec<Cell>> = feeders
        .iter()
        .enumerate()
        .map(|(row, feeder)| regular.cells(row, feeder))
        .collect();
    println!(
        "\n{}",
        table::render(name, rows, &judged, &lights, &regulars)?
    );
    let homes = regular.children.iter().map(|(_, account)| account);
    let accounts: Vec<&Account> = light.accounts().chain(homes).collect();
    let pairs = nobody_lightweight_is_paired(&town, &accounts).await?;
    println!("{pairs} pairs with a lightweight end, the other one regular in each.");
    ensure!(pairs > 0, "nobody was paired at all");
    for feeder in feeders {
        drop(feeder.process);
    }
    println!("{:?}", town.lab.end()?);
    table::holds(rows, &lights, &regulars)
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
        compare("far", &table::FAR, Line::HOME),
    )
}
