//! Contact with peers needs the viewer's consent (T7), seen at the sockets of waypoint and agents.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Result, ensure};
use runnel_tests::stack::{Plan, Stack};

use crate::viewer::Viewer;

/// Ports from which the page has spoken to waypoint or agents, and the bytes that went either way.
fn contact(stack: &Stack) -> (BTreeSet<SocketAddr>, u64) {
    let servers = stack.meters().iter();
    let servers: BTreeSet<SocketAddr> = servers.filter_map(|(_, meter)| meter.server()).collect();
    let flows = stack.meters().iter().flat_map(|(_, meter)| meter.flows());
    // Waypoint and agents dial from the port at which they listen.
    let of_page = flows.filter(|(from, _)| !servers.contains(from));
    let of_page: Vec<_> = of_page.collect();
    let bytes = of_page
        .iter()
        .map(|(_, flow)| flow.up.bytes + flow.down.bytes);
    let bytes = bytes.sum();
    (of_page.into_iter().map(|(from, _)| from).collect(), bytes)
}

async fn turns(viewer: &Viewer, switch: &str) -> Result<()> {
    let click = format!("(document.querySelector('#{switch}').click(), true)");
    ensure!(viewer.browser.eval::<bool>(&click).await?);
    Ok(())
}

#[tokio::test]
async fn no_datagram_goes_to_a_peer_before_consent_nor_a_second_after_it_is_taken_back()
-> Result<()> {
    let plan = Plan {
        metered: true,
        ..Plan::default()
    };
    let stack = Stack::start("consent", plan).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=0").await?;
    viewer.watches(6).await?;
    ensure!(contact(&stack).0.is_empty(), "contact without consent");

    turns(&viewer, "consent-peers").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    ensure!(!contact(&stack).0.is_empty(), "the meters see nothing");

    turns(&viewer, "consent-peers").await?;
    viewer.watches(1).await?;
    let then = contact(&stack);
    viewer.watches(8).await?;
    ensure!(
        contact(&stack) == then,
        "contact after consent was taken back"
    );
    ensure!(viewer.stalls().await? == 0);
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}
