//! Who takes part in the matrix: an agent for each of its rows, a place for each of its columns, and
//! policies by which each content has one agent that can bring it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Lab, Plan};
use runnel_tests::process::Process;
use tempfile::TempDir;

use crate::table::{self, Row};
use crate::town::{self, FIRST_SITE, READY, Show, Town};

/// Numbers of the first sites of agents and of viewers.
pub(crate) const AGENTS: u8 = FIRST_SITE + 6;
pub(crate) const VIEWERS: u8 = 100;

/// How an agent is connected, and which of its neighbours' contents it has.
pub(crate) struct Feeder {
    pub(crate) row: &'static Row,
    pub(crate) _process: Process,
    pub(crate) peer: String,
}

/// What feeders feed, by content, of those that this name begins.
pub(crate) fn contents(kind: &str, rows: &[Row]) -> Vec<String> {
    (0..rows.len()).map(|row| format!("{kind}-{row}")).collect()
}

/// A laboratory in which everybody but the viewers has come.
pub(crate) struct Stage {
    pub(crate) town: Town,
    pub(crate) feeders: Vec<Feeder>,
    _policies: TempDir,
}

impl Stage {
    /// Sets it up under this name: an agent for each row, every site at the end of such a line.
    pub(crate) async fn set(
        name: &str,
        rows: &'static [Row],
        line: Line,
        show: Show,
    ) -> Result<Self> {
        let lab = plan(rows, line)?;
        let policies = tempfile::tempdir()?;
        write_policies(policies.path(), rows)?;
        let names = [contents("light", rows), contents("agent", rows)].concat();
        let settings = format!("policies = {:?}\n{}", policies.path(), networks(rows)?);
        let town = Town::start(name, lab, show, &names, &settings).await?;
        Ok(Self {
            feeders: feeders(&town, rows).await?,
            town,
            _policies: policies,
        })
    }
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
        feeders.push(Feeder {
            row,
            _process: process,
            peer,
        });
    }
    Ok(feeders)
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
