//! Peers deliver: most bytes come from agents, and every one is the origin's.

use anyhow::Result;
use runnel_tests::media::Shape;
use runnel_tests::stack::{Plan, Source, Stack};

use crate::viewer::Viewer;

async fn stack(name: &str, shape: Shape) -> Result<Stack> {
    let source = Source::Clip(vec![shape]);
    Stack::start(
        name,
        Plan {
            source,
            ..Plan::default()
        },
    )
    .await
}

/// Watches `content` with both agents at work: every byte is the origin's and nothing stalls.
async fn plays_with_peers(name: &str, shape: Shape, mode: &str) -> Result<()> {
    let stack = stack(name, shape).await?;
    let content = format!("{mode}{}", shape.suffix());
    let viewer = Viewer::watch(&stack, &content, "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    viewer.watches(10).await?;
    viewer.got_what_the_origin_has(&stack).await?;
    viewer.picture(&stack, name).await?;
    assert_eq!(viewer.stalls().await?, 0);
    stack.stop().await
}

#[tokio::test]
async fn live_transport_streams_come_from_peers() -> Result<()> {
    plays_with_peers("peers-live-ts", Shape::Ts, "live").await
}

#[tokio::test]
async fn vod_transport_streams_come_from_peers() -> Result<()> {
    plays_with_peers("peers-vod-ts", Shape::Ts, "vod").await
}

#[tokio::test]
async fn live_fragmented_mp4_comes_from_peers() -> Result<()> {
    plays_with_peers("peers-live-fmp4", Shape::Fmp4, "live").await
}

#[tokio::test]
async fn vod_byte_ranges_come_from_peers() -> Result<()> {
    plays_with_peers("peers-vod-byterange", Shape::ByteRange, "vod").await
}

#[tokio::test]
async fn live_separate_sound_comes_from_peers() -> Result<()> {
    plays_with_peers("peers-live-audio", Shape::SeparateAudio, "live").await
}

#[tokio::test]
async fn after_its_first_segments_a_viewer_gets_four_fifths_from_both_agents() -> Result<()> {
    let stack = stack("four-fifths", Shape::Ts).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    viewer.watches(10).await?;
    let before = viewer.bytes().await?;
    viewer.watches(20).await?;
    let after = viewer.bytes().await?;
    let share = (after - before).offload();
    assert!(share >= 0.8, "only {:.0} % from agents", share * 100.0);
    viewer
        .sees("__runnel.stats.links.filter(link => link.source === 'peer' && link.received > 0).length >= 2")
        .await?;
    viewer
        .sees("__runnel.stats.links.every(link => link.rttMs > 0)")
        .await?;
    viewer.picture(&stack, "four-fifths").await?;
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}
