//! A stream whose master playlist lies at one origin and whose media lie at another.

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use axum::routing::get;
use runnel_tests::stack::{Plan, Source, Stack};
use runnel_tests::stream;
use tokio::net::TcpListener;

use crate::viewer::Viewer;

/// The master playlist of `stack`'s live stream at an origin of its own; its URL.
async fn front_of(stack: &Stack) -> Result<String> {
    let master = stack.master("live")?;
    let (folder, _) = master.rsplit_once('/').context("no folder")?;
    let text = String::from_utf8(stack.fetch_range(master, None).await?)?;
    let absolute = |line: &str| match line.starts_with('#') || line.is_empty() {
        true => format!("{line}\n"),
        false => format!("{folder}/{line}\n"),
    };
    let text: String = text.lines().map(absolute).collect();
    let open = async move || ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text.clone());
    let router = Router::new().route("/master.m3u8", get(open));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/master.m3u8", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

#[tokio::test]
async fn media_at_another_origin_come_from_peers() -> Result<()> {
    let media = Plan {
        center: false,
        waypoint: false,
        agents: 0,
        ..Plan::default()
    };
    let media = Stack::start("scattered-media", media).await?;
    let found = stream::look(&front_of(&media).await?).await?;
    let plan = Plan {
        source: Source::Elsewhere(found.place),
        ..Plan::default()
    };
    let stack = Stack::start("scattered", plan).await?;
    let viewer = Viewer::watch(&stack, "stream", "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    viewer.watches(10).await?;
    viewer.got_what_the_origin_has(&stack).await?;
    assert_eq!(viewer.stalls().await?, 0);
    stack.stop().await?;
    media.stop().await
}
