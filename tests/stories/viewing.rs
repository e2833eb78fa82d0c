//! What people do while they watch: change the quality, seek, look at another tab. Peers deliver
//! all the while, and every byte is the origin's.

use anyhow::{Context, Result};
use runnel_tests::stack::{Plan, Stack};
use runnel_tests::wait;

use crate::viewer::{BOUND, Viewer};

/// The clip's renditions, as their files are called, in the player's order.
const RENDITIONS: [&str; 3] = ["low", "middle", "high"];

async fn watched(name: &str, content: &str) -> Result<(Stack, Viewer)> {
    let stack = Stack::start(name, Plan::default()).await?;
    let viewer = Viewer::watch(&stack, content, "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    Ok((stack, viewer))
}

/// Peers brought something since `before`; nothing stalled; nothing is false.
async fn all_is_well(stack: Stack, viewer: &Viewer, before: f64) -> Result<()> {
    assert!(viewer.bytes().await?.peer > before, "no peer delivers");
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}

#[tokio::test]
async fn whoever_changes_the_quality_gets_each_from_peers() -> Result<()> {
    let (stack, viewer) = watched("qualities", "live").await?;
    for level in [0, 2, 1] {
        let name = RENDITIONS[level];
        let seen = format!("__runnel.taps.filter(tap => tap.url.includes('{name}-')).length");
        let before: u32 = viewer.browser.eval(&seen).await?;
        let choose = format!("__runnel.hls.nextLevel = {level}");
        viewer.browser.eval::<u32>(&choose).await?;
        viewer.sees(&format!("{seen} >= {}", before + 3)).await?;
    }
    let before = viewer.bytes().await?.peer;
    viewer.watches(6).await?;
    all_is_well(stack, &viewer, before).await
}

#[tokio::test]
async fn whoever_seeks_gets_each_place_as_the_origin_has_it() -> Result<()> {
    let (stack, viewer) = watched("seeks", "vod").await?;
    for place in [24, 6, 30, 15] {
        let seek = format!("document.querySelector('video').currentTime = {place}");
        viewer.browser.eval::<u32>(&seek).await?;
        viewer
            .sees("!document.querySelector('video').seeking")
            .await?;
        viewer.watches(2).await?;
    }
    all_is_well(stack, &viewer, 0.0).await
}

#[tokio::test]
async fn a_tab_in_the_background_plays_on() -> Result<()> {
    let (stack, viewer) = watched("background", "live").await?;
    let tab = viewer.browser.window().await?;
    let position = "document.querySelector('video').currentTime";
    let (left, before): (f64, f64) = (
        viewer.browser.eval(position).await?,
        viewer.bytes().await?.peer,
    );
    viewer.browser.new_window().await?;
    let published = published(&stack).await?;
    wait::until("eight seconds of live", BOUND, async || {
        (self::published(&stack).await.ok()? >= published + 4).then_some(())
    })
    .await?;
    viewer.browser.switch_to(&tab).await?;
    let back: f64 = viewer.browser.eval(position).await?;
    assert!(back >= left + 6.0, "from {left} s to {back} s only");
    viewer.watches(4).await?;
    all_is_well(stack, &viewer, before).await
}

/// How many segments of two seconds the origin has published.
async fn published(stack: &Stack) -> Result<usize> {
    let stats = stack.origin_stats().await?;
    let segments = stats["published"]["/live/low.m3u8"].as_array();
    Ok(segments.context("no live playlist")?.len())
}
