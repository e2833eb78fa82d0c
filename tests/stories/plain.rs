//! The origin and the page without any of our delivery: what everything else is compared with.

use anyhow::Result;
use runnel_tests::media::Shape;
use runnel_tests::stack::{Plan, Source, Stack};

use crate::viewer::Viewer;

async fn plays(shape: Shape) -> Result<()> {
    let plan = Plan {
        source: Source::Clip(vec![shape]),
        center: false,
        waypoint: false,
        agents: 0,
        ..Plan::default()
    };
    let stack = Stack::start(&format!("plain{}", shape.suffix()), plan).await?;
    for mode in ["live", "vod"] {
        let content = format!("{mode}{}", shape.suffix());
        let viewer = Viewer::watch(&stack, &content, "plain=1").await?;
        viewer.watches(8).await?;
        viewer.got_what_the_origin_has(&stack).await?;
        viewer.picture(&stack, &content).await?;
        assert_eq!(viewer.stalls().await?, 0, "{content}");
    }
    stack.stop().await
}

#[tokio::test]
async fn transport_streams_play_plainly() -> Result<()> {
    plays(Shape::Ts).await
}

#[tokio::test]
async fn byte_ranges_play_plainly() -> Result<()> {
    plays(Shape::ByteRange).await
}

#[tokio::test]
async fn fragmented_mp4_plays_plainly() -> Result<()> {
    plays(Shape::Fmp4).await
}

#[tokio::test]
async fn separate_sound_plays_plainly() -> Result<()> {
    plays(Shape::SeparateAudio).await
}

#[tokio::test]
async fn the_recording_starts_over_and_the_picture_goes_on() -> Result<()> {
    let plan = Plan {
        center: false,
        waypoint: false,
        agents: 0,
        ..Plan::default()
    };
    let stack = Stack::start("starts-over", plan).await?;
    let viewer = Viewer::watch(&stack, "live", "plain=1").await?;
    viewer
        .sees("__runnel.taps.some(tap => tap.url.includes('turn-1/'))")
        .await?;
    viewer.watches(14).await?;
    viewer.got_what_the_origin_has(&stack).await?;
    assert_eq!(viewer.stalls().await?, 0);
    stack.stop().await
}
