//! Agents die, freeze, the control center goes away: the picture goes on.

use anyhow::{Context, Result};
use runnel_tests::process::Process;
use runnel_tests::stack::{Plan, Stack};

use crate::viewer::Viewer;

async fn watched(name: &str) -> Result<(Stack, Viewer)> {
    let stack = Stack::start(name, Plan::default()).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    viewer.watches(6).await?;
    Ok((stack, viewer))
}

/// The picture goes on without a stall, from peers, and with nothing but the origin's bytes.
async fn goes_on_from_peers(stack: &Stack, viewer: &Viewer) -> Result<()> {
    viewer.watches(8).await?;
    let before = viewer.bytes().await?;
    viewer.watches(8).await?;
    let after = viewer.bytes().await?;
    assert!(after.peer > before.peer, "no peer delivers any more");
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(stack).await
}

fn first(agents: &[Process]) -> Result<&Process> {
    agents.first().context("no agent")
}

#[tokio::test]
async fn an_agent_is_killed_and_the_picture_goes_on_from_the_other() -> Result<()> {
    let (stack, viewer) = watched("agent-killed").await?;
    first(stack.agents())?.kill();
    goes_on_from_peers(&stack, &viewer).await?;
    viewer.picture(&stack, "after").await
}

#[tokio::test]
async fn an_agent_freezes_and_the_picture_goes_on_from_the_other() -> Result<()> {
    let (stack, viewer) = watched("agent-frozen").await?;
    first(stack.agents())?.freeze().await?;
    goes_on_from_peers(&stack, &viewer).await?;
    first(stack.agents())?.thaw();
    stack.stop().await
}

#[tokio::test]
async fn the_control_center_goes_away_and_comes_back() -> Result<()> {
    let (mut stack, viewer) = watched("center-killed").await?;
    stack.center()?.kill();
    viewer
        .sees("__runnel.stats.coordinator !== 'connected'")
        .await?;
    goes_on_from_peers(&stack, &viewer).await?;
    stack.revive_center().await?;
    viewer
        .sees("__runnel.stats.coordinator === 'connected'")
        .await?;
    goes_on_from_peers(&stack, &viewer).await?;
    stack.stop().await
}
