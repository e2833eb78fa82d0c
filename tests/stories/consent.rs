//! Contact with peers needs the viewer's consent (T7), seen at the sockets of waypoint and agents.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Result, ensure};
use runnel_tests::stack::{Plan, Stack};

use crate::viewer::Viewer;

type Flows = BTreeMap<SocketAddr, u64>;

/// Ports that have spoken to waypoint or agents, and the bytes that went either way; these two dial from
/// the port at which they listen.
fn flows(stack: &Stack) -> Flows {
    let servers = stack.meters().iter();
    let servers: Vec<SocketAddr> = servers.filter_map(|(_, meter)| meter.server()).collect();
    let mut flows = Flows::new();
    for (_, meter) in stack.meters() {
        for (from, flow) in meter.flows() {
            if !servers.contains(&from) {
                *flows.entry(from).or_default() += flow.up.bytes + flow.down.bytes;
            }
        }
    }
    flows
}

/// The same without those who spoke `before` the page was there: the coordinator tries agents.
fn contact(stack: &Stack, before: &Flows) -> Flows {
    let mut flows = flows(stack);
    flows.retain(|from, _| !before.contains_key(from));
    flows
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
    let before = flows(&stack);
    let viewer = Viewer::watch(&stack, "live", "consent=0").await?;
    viewer.watches(6).await?;
    ensure!(
        contact(&stack, &before).is_empty(),
        "contact without consent"
    );

    turns(&viewer, "consent-peers").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    ensure!(
        !contact(&stack, &before).is_empty(),
        "the meters see nothing"
    );

    turns(&viewer, "consent-peers").await?;
    viewer.watches(1).await?;
    let then = contact(&stack, &before);
    viewer.watches(8).await?;
    ensure!(
        contact(&stack, &before) == then,
        "contact after consent was taken back"
    );
    ensure!(viewer.stalls().await? == 0);
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}
