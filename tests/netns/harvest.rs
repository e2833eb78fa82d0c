//! An agent that would gather viewers' addresses (T6): it is made known to as many as it may meet, and
//! everybody else is fed as if it were not there.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Plan, within};

use crate::access::Access;
use crate::town::{self, FIRST_SITE, READY, Show, Town};
use crate::watcher::{Account, watch};

/// What the agent may meet in this laboratory.
const MOST: u8 = 2;
/// Viewers, each on a host of its own.
const VIEWERS: u8 = 4;
const HARVESTER: &str = "harvester";
/// How long a viewer watches who gets nothing from a peer.
const PATIENCE: Duration = Duration::from_secs(10);

fn host(viewer: u8) -> String {
    format!("viewer-{viewer}")
}

/// What a viewer sees who comes under this name, with a new key.
async fn comes(town: &Town, viewer: u8, name: &str) -> Result<Account> {
    let host = town.lab.host(&host(viewer))?;
    let config = town.player(name, host, &["live".to_owned()]).await?;
    let watching = host.run(move || watch(config, PATIENCE))?;
    let account = tokio::task::spawn_blocking(move || watching.join()).await?;
    account.ok().context("the watcher panicked")?
}

fn is_fed_by_the_agent(account: &Account) -> Result<bool> {
    let seen = account.contents.get("live").context("it opened nothing")?;
    let fed = seen.from_peer.is_some();
    ensure!(
        fed || seen.bytes_from_waypoint > 0,
        "nobody feeds it: {seen:?}"
    );
    Ok(fed)
}

async fn gathers() -> Result<()> {
    let mut plan = Plan::with_seed(22);
    town::found(&mut plan)?;
    let viewers = (0..VIEWERS).map(host);
    for (site, name) in (FIRST_SITE..).zip([HARVESTER.to_owned()].into_iter().chain(viewers)) {
        let id = plan.site(Access::Open.gate(site, false), Line::IDEAL);
        plan.host(id, &name, &Access::Open.addresses(site, 1))?;
    }
    let contents = ["live".to_owned()];
    let settings = format!("agent_viewers_per_hour = {MOST}\n");
    let town = Town::start(
        "harvest",
        plan.connect()?,
        Show::Noise,
        &contents,
        &settings,
    )
    .await?;
    let mut harvester = town.start_agent(HARVESTER, &contents).await?;
    harvester.line("joined as regular peer", READY).await?;
    for viewer in 0..VIEWERS {
        let account = comes(&town, viewer, &host(viewer)).await?;
        let fed = is_fed_by_the_agent(&account)?;
        ensure!(fed == (viewer < MOST), "viewer {viewer}: {account:?}");
    }
    // Whom it knows it may serve again, whatever their keys.
    let again = comes(&town, 0, "a page that was loaded again").await?;
    ensure!(is_fed_by_the_agent(&again)?, "{again:?}");
    drop(harvester);
    println!("{:?}", town.lab.end()?);
    Ok(())
}

#[test]
fn an_agent_learns_of_no_more_viewers_than_it_may_and_the_others_are_fed() -> Result<()> {
    within(
        "harvest::an_agent_learns_of_no_more_viewers_than_it_may_and_the_others_are_fed",
        gathers(),
    )
}
