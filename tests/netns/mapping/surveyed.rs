//! What `runnel-agent doctor` says of routers.

use anyhow::{Context, Result, ensure};
use runnel_tests::lab::home::{Asked, Daemon};
use runnel_tests::lab::within;

use super::{agent, content, found, is_forwarded, outside, router};
use crate::access::PORT;
use crate::town::Town;

/// Longer than the doctor waits for anything.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(150);

/// Its exit code, and all that it says.
async fn says(town: &Town, home: u8, options: &[&str]) -> Result<(i32, String)> {
    let doctor = town
        .start_doctor(&agent(home), &content(home), options)
        .await?;
    let (status, said) = doctor.finish(PATIENCE).await?;
    println!("{said}");
    Ok((status.code().context("ended by a signal")?, said))
}

/// What it says of a router that would forward, without consent and with it.
async fn examine(town: &Town, (home, asked, by): (u8, Asked, &str)) -> Result<()> {
    let router = town.lab.host(&router(home))?;
    let _daemon = Daemon::start(router, asked, "", &town.logs())?;
    let (code, said) = says(town, home, &[]).await?;
    let advice = format!(
        "poor router: your router can forward the port by itself, by {by}: start with --map-port"
    );
    ensure!(code == 1 && said.contains(&advice), "{code}");
    ensure!(!is_forwarded(router)?, "a survey changes nothing");

    let (code, said) = says(town, home, &["--map-port"]).await?;
    let at = format!("{}:{PORT}", outside(home));
    for line in [
        format!("good router: it forwards UDP {at} to this agent"),
        format!("good UDP in: at {at}"),
    ] {
        ensure!(said.contains(&line), "without {line:?}");
    }
    ensure!(code == 0, "{code}");
    ensure!(!is_forwarded(router)?, "the doctor is gone");
    Ok(())
}

async fn examine_all() -> Result<()> {
    let town = found("mapping-doctor", 35, 3).await?;
    let silent = async {
        let (code, said) = says(&town, 3, &[]).await?;
        ensure!(code == 1 && said.contains("poor router: it answers to none of PCP"));
        Ok(())
    };
    let pcp = examine(&town, (1, Asked::Pcp, "PCP or NAT-PMP"));
    let upnp = examine(&town, (2, Asked::Upnp, "UPnP"));
    tokio::try_join!(pcp, upnp, silent)?;
    town.lab.end()?;
    Ok(())
}

#[test]
fn the_doctor_says_whether_the_router_would_forward_a_port_and_has_it_do_so_only_with_consent()
-> Result<()> {
    within(
        "mapping::surveyed::the_doctor_says_whether_the_router_would_forward_a_port_and_has_it_do_so_only_with_consent",
        examine_all(),
    )
}
