//! A CDN that may send only so much: players choose what everybody can have, while it lasts.

use anyhow::Result;
use runnel_tests::media::Generated;
use runnel_tests::stack::{Plan, Source, Stack};
use serde_json::{Value, json};

use crate::viewer::Viewer;

/// The operator says, while people watch, how much the CDN may send; `null` for no limit.
async fn limit(stack: &Stack, mbps: Value) -> Result<()> {
    let content = json!({
        "id": "live", "url": stack.master("live")?, "cdn_capacity_mbps": mbps,
    });
    let url = format!("{}/v1/contents", stack.center_url()?);
    let answer = reqwest::Client::new().post(url).json(&content).send();
    answer.await?.error_for_status()?;
    Ok(())
}

#[tokio::test]
async fn a_player_takes_what_everybody_can_have_while_the_cdn_is_limited() -> Result<()> {
    let media = Generated {
        seconds: 60,
        kbps: &[300, 2000],
    };
    let plan = Plan {
        source: Source::Generated(media),
        agents: 0,
        waypoint_uplink_kbps: 500,
        ..Plan::default()
    };
    let stack = Stack::start("limited", plan).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    viewer.sees("__runnel.hls.loadLevel === 1").await?;
    viewer
        .sees("__runnel.stats.assignment?.maxSuggestedBitrate === null")
        .await?;

    limit(&stack, json!(1)).await?;
    viewer.sees("__runnel.hls.loadLevel === 0").await?;
    viewer
        .sees("document.body.textContent.includes('So that everybody has a picture')")
        .await?;

    limit(&stack, Value::Null).await?;
    viewer.sees("__runnel.hls.loadLevel === 1").await?;
    viewer
        .sees("!document.body.textContent.includes('So that everybody has a picture')")
        .await?;
    assert_eq!(viewer.stalls().await?, 0);
    stack.stop().await
}
