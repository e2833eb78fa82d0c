//! Routers whose word is not to be taken: the coordinator's test decides.

use anyhow::{Context, Result, ensure};
use runnel_tests::lab::home::{Asked, Daemon};
use runnel_tests::lab::within;

use super::{agent, content, found, logged, outside, router};
use crate::access::PORT;
use crate::town::READY;

/// An address that is somebody else's.
const NOT_ITS_OWN: &str = "9.9.9.9";

async fn names_another() -> Result<()> {
    let town = found("mapping-doubtful", 34, 1).await?;
    let router = town.lab.host(&router(1))?;
    let claim = format!("ext_ip={NOT_ITS_OWN}");
    let _daemon = Daemon::start(router, Asked::Upnp, &claim, &town.logs())?;
    let mut agent = town
        .start_agent_with(&agent(1), &content(1), &["--map-port"])
        .await?;
    let words = format!("the router forwards UDP {NOT_ITS_OWN}:{PORT} to this agent");
    logged(&agent, &words, READY).await?;
    agent.line("were tested and accepted", READY).await?;
    let peers = town.ask("/v1/peers").await?.to_string();
    let own = format!("{}:{PORT}", outside(1));
    ensure!(peers.contains(&own), "found where it comes from: {peers}");
    ensure!(!peers.contains(NOT_ITS_OWN), "{peers}");
    agent.stop(READY).await?;
    town.lab.end().context("the router of the laboratory")?;
    Ok(())
}

#[test]
fn an_address_that_is_not_the_routers_own_is_told_to_nobody_and_its_port_is_found() -> Result<()> {
    within(
        "mapping::doubtful::an_address_that_is_not_the_routers_own_is_told_to_nobody_and_its_port_is_found",
        names_another(),
    )
}
