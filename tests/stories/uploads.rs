//! A viewer who lets the page upload feeds an agent for which nobody else has room, and that agent
//! the next viewer (P6).

use anyhow::{Context, Result};
use runnel_tests::cached::is_the_origins;
use runnel_tests::media::Generated;
use runnel_tests::page::Lack;
use runnel_tests::stack::{Plan, Source, Stack};
use runnel_tests::wait;

use crate::reasons::{explained, joined};
use crate::viewer::{BOUND, Viewer};

/// Room for two of the four stripes of a stream that takes 1.1 Mbit/s.
const HALF_A_COPY_KBPS: u32 = 700;
/// Bytes that are more than a beginning: three segments.
const WORTHWHILE: u64 = 800_000;
/// Longer than the story.
const SECONDS: u32 = 180;

/// The first viewer has what the CDN gives it, and the waypoint half of what an agent needs.
async fn watched(name: &str, lack: Lack) -> Result<(Stack, Viewer)> {
    let plan = Plan {
        source: Source::Generated(Generated {
            seconds: SECONDS,
            kbps: Generated::ONE,
        }),
        agents: 1,
        waypoint_uplink_kbps: HALF_A_COPY_KBPS,
        metered: true,
        ..Plan::default()
    };
    let stack = Stack::start(name, plan).await?;
    let viewer = Viewer::watch_without(&stack, "live", "consent=1&upload=1", lack).await?;
    viewer.sees("__runnel.stats.peer").await?;
    Ok((stack, viewer))
}

/// The most that anybody sent to the agent, at its socket.
fn received(stack: &Stack) -> Result<u64> {
    let meter = stack.meters().iter().find(|(name, _)| name == "agent-1");
    let (_, meter) = meter.context("an agent without meter")?;
    let flows = meter.flows().into_values();
    Ok(flows.map(|flow| flow.up.payload).max().unwrap_or(0))
}

#[tokio::test]
async fn an_agent_that_the_waypoint_has_too_little_for_is_fed_by_a_viewer() -> Result<()> {
    an_agent_is_fed_by_a_viewer("uploads", Lack::Nothing).await
}

#[tokio::test]
async fn a_viewer_without_webtransport_feeds_an_agent_by_webrtc() -> Result<()> {
    an_agent_is_fed_by_a_viewer("uploads-webrtc", Lack::WebTransport).await
}

async fn an_agent_is_fed_by_a_viewer(story: &str, lack: Lack) -> Result<()> {
    let (stack, viewer) = watched(story, lack).await?;
    let agent = joined(&stack, "agent-1")?;
    let name: String = viewer.browser.eval("__runnel.stats.peer").await?;
    explained(&stack, &agent, &name, "of its stripes").await?;
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
        (received(&stack).ok()? >= uploaded).then_some(())
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
    is_the_origins(&folder.join("agent-1/cache"), &folder.join("media"))
}
