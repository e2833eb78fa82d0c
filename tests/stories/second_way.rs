//! A browser that has no WebTransport, or whose network lets none through: agents deliver by WebRTC.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, Result};
use runnel_tests::page::Lack;
use runnel_tests::stack::{Plan, Stack};

use crate::viewer::Viewer;

/// The part of what a player receives that peers bring, once they deliver.
const OFFLOAD: f64 = 0.8;
/// Seconds of the picture over which it is measured.
const MEASURED: u32 = 20;

async fn watched(name: &str, lack: Lack) -> Result<(Stack, Viewer)> {
    let stack = Stack::start(name, Plan::default()).await?;
    let viewer = Viewer::watch_without(&stack, "live", "consent=1", lack).await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    viewer.watches(6).await?;
    Ok((stack, viewer))
}

/// Peers bring nearly everything, over WebRTC alone, and what they bring is the origin's.
async fn is_fed_by_webrtc(stack: &Stack, viewer: &Viewer) -> Result<()> {
    let ways = "[...new Set(__runnel.stats.links.map(link => link.transport))].join()";
    assert_eq!(viewer.browser.eval::<String>(ways).await?, "webrtc");
    let before = viewer.bytes().await?;
    viewer.watches(MEASURED).await?;
    let received = viewer.bytes().await? - before;
    eprintln!(
        "{:.1} % from peers: {received:?}",
        100.0 * received.offload()
    );
    assert!(received.offload() > OFFLOAD, "{received:?}");
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(stack).await
}

#[tokio::test]
async fn without_webtransport_peers_deliver_by_webrtc() -> Result<()> {
    let (stack, viewer) = watched("webrtc", Lack::WebTransport).await?;
    is_fed_by_webrtc(&stack, &viewer).await?;
    viewer.picture(&stack, "webrtc").await?;
    stack.stop().await
}

/// The port takes every datagram and says nothing, as a network does that drops QUIC.
#[tokio::test]
async fn where_webtransport_is_swallowed_peers_deliver_by_webrtc() -> Result<()> {
    let hole = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let lack = Lack::OpenNetwork(hole.local_addr()?.port());
    let (stack, viewer) = watched("webtransport-swallowed", lack).await?;
    is_fed_by_webrtc(&stack, &viewer).await?;
    let mut datagram = [0; 2000];
    hole.set_nonblocking(true)?;
    hole.recv(&mut datagram)
        .context("WebTransport was not even tried")?;
    stack.stop().await
}

/// Nobody listens at the port, and the system says so.
#[tokio::test]
async fn where_webtransport_is_refused_peers_deliver_by_webrtc() -> Result<()> {
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let lack = Lack::OpenNetwork(closed);
    let (stack, viewer) = watched("webtransport-refused", lack).await?;
    is_fed_by_webrtc(&stack, &viewer).await?;
    stack.stop().await
}

#[tokio::test]
async fn an_agent_that_feeds_by_webrtc_is_killed_and_the_picture_goes_on() -> Result<()> {
    let (stack, viewer) = watched("webrtc-killed", Lack::WebTransport).await?;
    stack.agents().first().context("no agent")?.kill();
    viewer.watches(8).await?;
    is_fed_by_webrtc(&stack, &viewer).await?;
    stack.stop().await
}
