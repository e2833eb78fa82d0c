//! A viewer who lets the page upload feeds an agent for which nobody else has room, and that agent
//! the next viewer (P6).

use anyhow::{Context, Result};
use runnel_tests::media::Generated;
use runnel_tests::stack::{Plan, Source, Stack};
use runnel_tests::wait;

use crate::cached::is_the_origins;
use crate::reasons::{explained, joined};
use crate::viewer::{BOUND, Viewer};

/// Room for one copy of the stream, which takes 1.1 Mbit/s, and not for two.
const ONE_COPY_KBPS: u32 = 1_500;
/// Bytes that are more than a beginning: three segments.
const WORTHWHILE: u64 = 800_000;
/// Longer than the story.
const SECONDS: u32 = 180;

/// The waypoint feeds one agent, that one feeds the viewer, and then neither has room for more.
async fn watched() -> Result<(Stack, Viewer)> {
    let plan = Plan {
        source: Source::Generated(Generated {
            seconds: SECONDS,
            kbps: Generated::ONE,
        }),
        agents: 1,
        agent_uplink_kbps: ONE_COPY_KBPS,
        waypoint_uplink_kbps: ONE_COPY_KBPS,
        metered: true,
        ..Plan::default()
    };
    let stack = Stack::start("uploads", plan).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1&upload=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    Ok((stack, viewer))
}

/// Media that others sent to the agent of this name, at its socket.
fn received(stack: &Stack, agent: &str) -> Result<u64> {
    let meter = stack.meters().iter().find(|(name, _)| name == agent);
    let (_, meter) = meter.context("an agent without meter")?;
    Ok(meter.flows().values().map(|flow| flow.up.payload).sum())
}

#[tokio::test]
async fn an_agent_that_nobody_has_room_for_is_fed_by_a_viewer() -> Result<()> {
    let (mut stack, viewer) = watched().await?;
    stack.add_agent().await?;
    let late = joined(&stack, "agent-2")?;
    let name: String = viewer.browser.eval("__runnel.stats.peer").await?;
    explained(&stack, &late, &name, "of its stripes").await?;
    // An agent wants what somebody below it plays.
    let next = Viewer::watch(&stack, "live", "consent=1").await?;

    viewer
        .sees(&format!("__runnel.stats.bytes.uploaded >= {WORTHWHILE}"))
        .await?;
    viewer
        .sees("__runnel.stats.links.some(link => link.source === 'child' && link.sent > 0)")
        .await?;
    let uploaded: u64 = viewer.browser.eval("__runnel.stats.bytes.uploaded").await?;
    wait::until("what the page counts to arrive", BOUND, async || {
        (received(&stack, "agent-2").ok()? >= uploaded).then_some(())
    })
    .await?;
    next.sees(&format!("__runnel.stats.bytes.peer >= {WORTHWHILE}"))
        .await?;
    for viewer in [&viewer, &next] {
        assert_eq!(viewer.stalls().await?, 0);
        viewer.got_what_the_origin_has(&stack).await?;
    }
    viewer.picture(&stack, "uploads").await?;

    let folder = stack.folder().to_owned();
    stack.stop().await?;
    is_the_origins(&folder.join("agent-2/cache"), &folder.join("media"))
}
