//! Agents whose owners let them ask the router to forward their port: real kernels that translate, and a real daemon,
//! asked by each protocol that it speaks.

mod doubtful;
mod lasting;
mod stranger;
mod surveyed;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use runnel_tests::lab::home::{self, Asked, Daemon, INHABITANT};
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Host, Plan, within};
use runnel_tests::process::Process;
use runnel_tests::wait;

use crate::access::{Access, PORT};
use crate::town::{self, FIRST_SITE, READY, Show, Town};
use crate::watcher::watch;

/// How long a viewer watches who gets nothing from a peer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What an agent asks for: one that is killed leaves its port open for no longer.
const LIFETIME: Duration = Duration::from_secs(20 * 60);
/// The public address of a home's router. The daemon forwards nothing from what is set aside for
/// documentation and benchmarks, which all others in the laboratory have.
const fn outside(home: u8) -> Ipv4Addr {
    Ipv4Addr::new(11, 0, home, 1)
}

/// A home, and how its router is asked.
struct Home {
    number: u8,
    asked: Asked,
    /// What the agent says by which protocol it got its port.
    by: &'static str,
}

const HOMES: [Home; 3] = [
    Home {
        number: 1,
        asked: Asked::Pcp,
        by: "by PCP",
    },
    Home {
        number: 2,
        asked: Asked::NatPmp,
        by: "by NAT-PMP",
    },
    Home {
        number: 3,
        asked: Asked::Upnp,
        by: "by UPnP",
    },
];

fn router(number: u8) -> String {
    format!("router-{number}")
}

fn agent(number: u8) -> String {
    format!("agent-{number}")
}

fn viewer(number: u8) -> String {
    format!("viewer-{number}")
}

fn content(number: u8) -> Vec<String> {
    vec![format!("content-{number}")]
}

/// The operator's machines, and as many homes, each with its own content and a viewer somewhere else.
async fn found(name: &str, seed: u64, homes: u8) -> Result<Town> {
    let mut plan = Plan::with_seed(seed);
    town::found(&mut plan)?;
    let mut contents = Vec::new();
    for number in 1..=homes {
        plan.home(&router(number), outside(number), &agent(number))?;
        let site = FIRST_SITE + number;
        let id = plan.site(Access::Open.gate(site, false), Line::IDEAL);
        plan.host(id, &viewer(number), &Access::Open.addresses(site, 1))?;
        contents.extend(content(number));
    }
    Town::start(name, plan.connect()?, Show::Noise, &contents, "").await
}

/// Whether the viewer of this home, who comes under this name, gets anything from the agent there.
async fn is_fed(town: &Town, number: u8, name: &str) -> Result<bool> {
    let host = town.lab.host(&viewer(number))?;
    let config = town.player(name, host, &content(number)).await?;
    let watching = host.run(move || watch(config, PATIENCE))?;
    let account = tokio::task::spawn_blocking(move || watching.join()).await?;
    let account = account.ok().context("the watcher panicked")??;
    let seen = account.contents.values().next();
    Ok(seen.context("it opened nothing")?.from_peer.is_some())
}

fn is_forwarded(router: &Host) -> Result<bool> {
    let target = format!("dnat ip to {INHABITANT}:{PORT}");
    Ok(home::forwards(router)?.contains(&target))
}

/// Waits until a program has logged this.
async fn logged(process: &Process, words: &str, bound: Duration) -> Result<()> {
    let what = format!("{words:?} in a log");
    let seen = wait::until(&what, bound, async || {
        process.log().contains(words).then_some(())
    });
    seen.await.with_context(|| process.log())
}

/// A port as the daemon keeps it.
struct Lease {
    ends: SystemTime,
    /// For whom: by PCP, the nonce in words.
    label: String,
}

/// What the daemon forwards.
fn lease(town: &Town, router: &Host) -> Option<Lease> {
    let leases = std::fs::read_to_string(home::leases(router, &town.logs())).ok()?;
    let line = leases.lines().find(|line| line.starts_with("UDP:"))?;
    let mut fields = line.splitn(6, ':').skip(4);
    let seconds = fields.next()?.parse().ok()?;
    Some(Lease {
        ends: UNIX_EPOCH + Duration::from_secs(seconds),
        label: fields.next()?.to_owned(),
    })
}

/// An agent that feeds nobody outside of its home, does so once its router forwards, and leaves nothing behind.
async fn forwards_until_it_stops(town: &Town, Home { number, asked, by }: Home) -> Result<()> {
    let router = town.lab.host(&router(number))?;
    let _daemon = Daemon::start(router, asked, "", &town.logs())?;
    let contents = content(number);

    let mut without = town.start_agent(&agent(number), &contents).await?;
    without.line("in its own network only", READY).await?;
    ensure!(!is_forwarded(router)?, "{asked:?}: nobody has agreed");
    ensure!(!is_fed(town, number, &format!("early-{number}")).await?);
    without.stop(READY).await?;

    let mut with = town
        .start_agent_with(&agent(number), &contents, &["--map-port"])
        .await?;
    with.line("were tested and accepted", READY).await?;
    let outside = SocketAddrV4::new(outside(number), PORT);
    let words = format!("the router forwards UDP {outside} to this agent {by}, for 1200 s");
    logged(&with, &words, READY).await?;
    ensure!(is_forwarded(router)?);
    ensure!(is_fed(town, number, &format!("late-{number}")).await?);

    let log = with.log();
    with.stop(READY).await?;
    ensure!(
        !is_forwarded(router)?,
        "{asked:?} goes on forwarding:\n{log}"
    );
    println!("{asked:?}: {words}");
    Ok(())
}

async fn forward_until_their_agents_stop() -> Result<()> {
    let town = found("mapping", 31, 3).await?;
    let homes = HOMES.map(|home| forwards_until_it_stops(&town, home));
    try_join_all(homes).await?;
    println!("{:?}", town.lab.end()?);
    Ok(())
}

#[test]
fn a_port_that_the_router_forwards_makes_an_agent_of_use_to_everybody_until_it_stops() -> Result<()>
{
    within(
        "mapping::a_port_that_the_router_forwards_makes_an_agent_of_use_to_everybody_until_it_stops",
        forward_until_their_agents_stop(),
    )
}
