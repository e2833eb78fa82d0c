//! How long a port is forwarded: renewed while the agent runs, for a while when it was killed, and no longer once the
//! router has lost its memory.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use runnel_tests::lab::home::{self, Asked, Daemon};
use runnel_tests::lab::within;
use runnel_tests::wait;

use super::{LIFETIME, agent, content, found, is_forwarded, lease, logged, router};
use crate::town::READY;

/// What the daemon grants at most, so that renewals come while somebody waits.
const SHORT: &str = "min_lifetime=10\nmax_lifetime=32";
/// Longer than that.
const A_WHILE: Duration = Duration::from_secs(60);

async fn survives_its_agent() -> Result<()> {
    let town = found("mapping-killed", 32, 1).await?;
    let router = town.lab.host(&router(1))?;
    let _daemon = Daemon::start(router, Asked::Pcp, "", &town.logs())?;
    let start = async || town.start_agent_with(&agent(1), &[], &["--map-port"]).await;
    let first = start().await?;
    logged(&first, "by PCP, for 1200 s", READY).await?;
    let left = lease(&town, router).context("no lease")?;
    first.kill();
    drop(first);
    ensure!(is_forwarded(router)?, "nobody has taken it back");
    // The daemon keeps whole seconds.
    let latest = SystemTime::now() + LIFETIME + Duration::from_secs(1);
    ensure!(left.ends <= latest, "open for longer than {LIFETIME:?}");

    let mut second = start().await?;
    logged(&second, "by PCP, for 1200 s", READY).await?;
    let again = lease(&town, router).context("no lease")?;
    ensure!(again.label.starts_with("PCP MAP "), "{}", again.label);
    // Other routers refuse whoever comes with another nonce (RFC 6887 §11.3).
    ensure!(again.label == left.label, "as somebody else");
    second.line("were tested and accepted", READY).await?;
    second.stop(READY).await?;
    ensure!(!is_forwarded(router)?, "nobody needs it any more");
    town.lab.end()?;
    Ok(())
}

#[test]
fn what_a_killed_agent_leaves_open_ends_by_itself_and_is_the_same_agents_when_it_is_back()
-> Result<()> {
    within(
        "mapping::lasting::what_a_killed_agent_leaves_open_ends_by_itself_and_is_the_same_agents_when_it_is_back",
        survives_its_agent(),
    )
}

async fn is_renewed_and_lost() -> Result<()> {
    let town = found("mapping-lost", 33, 1).await?;
    let router = town.lab.host(&router(1))?;
    let daemon = Daemon::start(router, Asked::Pcp, SHORT, &town.logs())?;
    let mut agent = town
        .start_agent_with(&agent(1), &content(1), &["--map-port"])
        .await?;
    logged(&agent, "by PCP, for 32 s", READY).await?;
    agent.line("were tested and accepted", READY).await?;
    let first = lease(&town, router).context("no lease")?.ends;
    let renewed = wait::until("a renewal", A_WHILE, async || {
        lease(&town, router).filter(|lease| lease.ends > first)
    });
    renewed.await?;

    daemon.process.stop(READY).await?;
    home::forgets(router)?;
    logged(&agent, "the router forwards no port any more", A_WHILE).await?;
    agent.line("in its own network only", READY).await?;
    logged(&agent, "the router forwards no port: ", A_WHILE).await?;
    let log = agent.log();
    ensure!(log.contains("forward the port by hand"), "{log}");
    agent.stop(READY).await?;
    town.lab.end()?;
    Ok(())
}

#[test]
fn a_port_is_renewed_in_time_and_its_address_goes_once_the_router_does_not_renew() -> Result<()> {
    within(
        "mapping::lasting::a_port_is_renewed_in_time_and_its_address_goes_once_the_router_does_not_renew",
        is_renewed_and_lost(),
    )
}
