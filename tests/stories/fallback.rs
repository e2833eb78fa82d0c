//! Something that peers need is missing: the page plays as plain hls.js would, without an error
//! on the screen.

use anyhow::Result;
use runnel_tests::page::Lack;
use runnel_tests::stack::{Plan, Stack};

use crate::viewer::Viewer;

/// Everything came from the CDN, whole and without a stall.
async fn played_plainly(stack: &Stack, viewer: &Viewer) -> Result<()> {
    viewer.watches(10).await?;
    let bytes = viewer.bytes().await?;
    assert!(bytes.cdn > 0.0, "{bytes:?}");
    assert!(bytes.peer + bytes.waypoint < 1.0, "{bytes:?}");
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(stack).await
}

#[tokio::test]
async fn without_agents_and_waypoint_the_cdn_delivers() -> Result<()> {
    let nobody = Plan {
        agents: 0,
        waypoint: false,
        ..Plan::default()
    };
    let stack = Stack::start("nobody", nobody).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    played_plainly(&stack, &viewer).await?;
    stack.stop().await
}

#[tokio::test]
async fn without_a_waypoint_nothing_is_proven_so_the_cdn_delivers() -> Result<()> {
    let unproven = Plan {
        waypoint: false,
        ..Plan::default()
    };
    let stack = Stack::start("no-waypoint", unproven).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    played_plainly(&stack, &viewer).await?;
    stack.stop().await
}

#[tokio::test]
async fn without_any_way_to_peers_the_cdn_delivers() -> Result<()> {
    plays_plainly_without("no-transports", Lack::Transports).await
}

#[tokio::test]
async fn where_webassembly_is_forbidden_the_cdn_delivers() -> Result<()> {
    plays_plainly_without("no-webassembly", Lack::WebAssembly).await
}

async fn plays_plainly_without(name: &str, lack: Lack) -> Result<()> {
    let stack = Stack::start(name, Plan::default()).await?;
    let viewer = Viewer::watch_without(&stack, "live", "consent=1", lack).await?;
    played_plainly(&stack, &viewer).await?;
    viewer.picture(&stack, name).await?;
    stack.stop().await
}

#[tokio::test]
async fn without_consent_no_peer_is_contacted() -> Result<()> {
    let stack = Stack::start("no-consent", Plan::default()).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=0").await?;
    played_plainly(&stack, &viewer).await?;
    assert!(
        viewer
            .browser
            .eval::<bool>("__runnel.stats.coordinator === 'off'")
            .await?
    );
    stack.stop().await
}
