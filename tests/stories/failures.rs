//! Agents die, freeze, the control center goes away: the picture goes on.

use anyhow::{Context, Result};
use runnel_tests::process::Process;
use runnel_tests::stack::{Plan, Stack};
use runnel_tests::wait;

use crate::reasons::{between, explained, joined};
use crate::viewer::{BOUND, Viewer};

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

/// What was said when `parent` was chosen for `child`, later than this.
async fn chosen_after(stack: &Stack, child: &str, parent: &str, at_ms: u64) -> Result<Vec<String>> {
    let chosen = |words: &str| words.contains("of its stripes") || words.contains("stands by");
    let events = between(stack, child, parent).await?.into_iter();
    let later = events.filter(|event| event.at_ms > at_ms && chosen(&event.words));
    Ok(later.map(|event| event.words).collect())
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
async fn an_agent_that_is_told_to_end_hands_over_first() -> Result<()> {
    let (mut stack, viewer) = watched("agent-retired").await?;
    let leaving = joined(&stack, "agent-1")?;
    let name: String = viewer.browser.eval("__runnel.stats.peer").await?;
    let before = viewer.bytes().await?;
    stack.retire_agent().await?;
    explained(&stack, &name, &leaving, "is its parent no more").await?;
    goes_on_from_peers(&stack, &viewer).await?;
    let after = viewer.bytes().await?;
    assert!((after - before).cdn < 1.0, "the CDN had to step in");
    stack.stop().await
}

#[tokio::test]
async fn an_agent_freezes_and_is_not_chosen_again_while_it_stands_still() -> Result<()> {
    let (stack, viewer) = watched("agent-frozen").await?;
    let frozen = joined(&stack, "agent-1")?;
    let name: String = viewer.browser.eval("__runnel.stats.peer").await?;
    first(stack.agents())?.freeze().await?;
    let given_up = explained(&stack, &name, &frozen, "is its parent no more").await?;
    goes_on_from_peers(&stack, &viewer).await?;
    // The two are kept apart for ten seconds; beyond that only its silence speaks against it.
    viewer.watches(20).await?;
    let chosen = chosen_after(&stack, &name, &frozen, given_up).await?;
    assert!(chosen.is_empty(), "chosen while it stood still: {chosen:?}");
    assert_eq!(viewer.stalls().await?, 0);

    first(stack.agents())?.thaw();
    wait::until("the agent to be chosen again", BOUND, async || {
        let chosen = chosen_after(&stack, &name, &frozen, given_up).await.ok()?;
        (!chosen.is_empty()).then_some(())
    })
    .await?;
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
