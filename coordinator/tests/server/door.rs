//! The peers' door.

use runnel_protocol::codec::{MAX_MESSAGE, encode};
use runnel_protocol::control::{FromCoordinator, Heartbeat, Platform, ToCoordinator};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, connect, house, http};

#[tokio::test]
async fn a_viewer_opens_a_content_and_is_told_who_feeds_it() {
    let house = house().await;
    let (mut agent, agent_welcome) = Client::agent(&house).await;
    let (mut viewer, welcome) = Client::viewer(&house).await;
    assert_eq!(welcome.heartbeat_ms, 1000);
    viewer.open("live").await;
    let opened = viewer.await_message(|message| match message {
        FromCoordinator::Opened(opened) => Some(opened),
        _ => None,
    });
    assert_eq!(opened.await.name, "live");
    // No waypoint is there, so nobody has anything to hand out.
    let assign = viewer.await_message(|message| match message {
        FromCoordinator::Assign(assign) => Some(assign),
        _ => None,
    });
    assert!(assign.await.why.contains("CDN"));
    assert_eq!(agent_welcome.ticket_keys, welcome.ticket_keys);

    let url = house.url(&format!("/v1/explain?peer={}", welcome.peer));
    let why: serde_json::Value = http().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(why["kind"], "lightweight");
    assert_eq!(why["contents"][0]["excluded"][0]["rule"], "holds");
    agent.send(&ToCoordinator::Leave).await;
    assert_eq!(agent.closed().await.unwrap().reason.as_str(), "goodbye");
    house.server.stop().await;
}

#[tokio::test]
async fn a_door_without_the_subprotocol_stays_shut() {
    let house = house().await;
    for wrong in [None, Some("runnel.0")] {
        match connect(&house, wrong).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400),
            other => panic!("{:?}", other.err()),
        }
    }
    house.server.stop().await;
}

#[tokio::test]
async fn whoever_signs_wrong_is_refused() {
    let house = house().await;
    let mut liar = Client::visit(&house).await;
    let FromCoordinator::Challenge(_) = liar.receive().await else {
        panic!("the challenge comes first");
    };
    let hello = liar.hello(Platform::Browser, b"something else");
    liar.send(&hello).await;
    match liar.receive().await {
        FromCoordinator::Refused(refused) => assert!(refused.why.contains("not proven")),
        other => panic!("{other:?}"),
    }
    assert!(liar.closed().await.is_some());
    house.server.stop().await;
}

#[tokio::test]
async fn hostile_frames_are_refused_and_counted_and_nobody_else_is_disturbed() {
    let house = house().await;
    let (mut bystander, _) = Client::viewer(&house).await;
    let huge = vec![0u8; MAX_MESSAGE + 1];
    let mut trailing = encode(&ToCoordinator::Heartbeat(Box::<Heartbeat>::default()));
    trailing.push(0);
    for (frame, reason) in [
        (Message::Binary(vec![0xff; 100].into()), "malformed"),
        (Message::Binary(trailing.into()), "malformed"),
        (Message::Binary(Vec::new().into()), "malformed"),
        (Message::Binary(huge.into()), "oversized"),
        (Message::Text("hello".into()), "text"),
    ] {
        let name = format!("runnel_refused_frames_total{{reason=\"{reason}\"}}");
        let before = house.metric(&name).await;
        let (mut hostile, _) = Client::viewer(&house).await;
        hostile.send_raw(frame).await;
        hostile.closed().await;
        house.rises(&name, before).await;
    }
    bystander.open("live").await;
    let opened = bystander.await_message(|message| match message {
        FromCoordinator::Opened(opened) => Some(opened),
        _ => None,
    });
    assert_eq!(opened.await.name, "live");
    house.server.stop().await;
}

#[tokio::test]
async fn a_flood_of_messages_ends_that_session() {
    let house = house().await;
    let (mut noisy, _) = Client::viewer(&house).await;
    let beat = encode(&ToCoordinator::Heartbeat(Box::default()));
    for _ in 0..2000 {
        if !noisy
            .try_send_raw(Message::Binary(beat.clone().into()))
            .await
        {
            break;
        }
    }
    let frame = noisy.closed().await;
    assert!(frame.is_none_or(|frame| frame.reason.as_str() == "too many messages"));
    let name = "runnel_refused_frames_total{reason=\"flood\"}";
    house.rises(name, 0.0).await;
    house.server.stop().await;
}

#[tokio::test]
async fn a_message_before_the_hello_ends_the_session() {
    let house = house().await;
    let mut hasty = Client::visit(&house).await;
    hasty.open("live").await;
    let frame = hasty.closed().await.unwrap();
    assert_eq!(frame.reason.as_str(), "out of order");
    house.server.stop().await;
}
