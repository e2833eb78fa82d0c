//! The peers' door.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Instant;

use runnel_coordinator::{Server, Settings};
use runnel_protocol::codec::{MAX_MESSAGE, encode};
use runnel_protocol::control::{FromCoordinator, Heartbeat, Platform, ToCoordinator};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, House, connect, connect_from, house, house_with, http, settings};

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

const SUBPROTOCOL: (&str, &str) = ("sec-websocket-protocol", "runnel.1");

/// A house that lets few connections of a network pass at once, and one a second from then on.
async fn narrow_house(burst: u32) -> House {
    let burst = NonZeroU32::new(burst).unwrap();
    house_with(|settings| {
        settings.network_connections_per_second = NonZeroU32::MIN;
        settings.network_connections_burst = burst;
    })
    .await
}

/// In a /24 of its own.
fn host(network: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, network, host)
}

#[tokio::test]
async fn a_flood_from_one_network_is_turned_away_while_another_one_gets_in() {
    const REFUSED: &str = "runnel_refused_upgrades_total{reason=\"rate\"}";
    let house = narrow_house(20).await;
    let before = house.metric(REFUSED).await;
    let (start, mut inside, mut refused) = (Instant::now(), Vec::new(), 0);
    for number in 1..=100 {
        match connect_from(&house, host(7, number), &[SUBPROTOCOL]).await {
            Ok(client) => inside.push(client),
            Err(Error::Http(response)) => {
                refused += 1;
                assert_eq!(response.status(), 429);
                let after = response.headers()["retry-after"].to_str().unwrap();
                assert!((1..=10).contains(&after.parse().unwrap()), "{after}");
                let words = response.body().as_deref().unwrap_or_default();
                let words = String::from_utf8_lossy(words);
                assert!(words.contains("too many connections"), "{words}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!((20..=21 + seconds).contains(&inside.len()), "{refused}");
    assert!(house.metric(REFUSED).await >= before + f64::from(refused));

    let mut neighbour = connect_from(&house, host(8, 1), &[SUBPROTOCOL])
        .await
        .unwrap();
    neighbour.introduce(Platform::Browser).await;
    // Whoever is inside stays there.
    inside[0].introduce(Platform::Browser).await;
    house.server.stop().await;
}

#[tokio::test]
async fn those_behind_a_proxy_on_this_machine_are_not_counted_as_one() {
    let house = narrow_house(1).await;
    let forwarded = ("x-forwarded-for", "203.0.113.7");
    for _ in 0..20 {
        let arrival = connect_from(&house, host(0, 1), &[SUBPROTOCOL, forwarded]).await;
        assert!(arrival.is_ok());
    }
    house.server.stop().await;
}

#[tokio::test]
async fn those_behind_a_trusted_proxy_are_counted_by_their_own_networks_and_nobody_can_pretend() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        network_connections_per_second: NonZeroU32::MIN,
        network_connections_burst: NonZeroU32::MIN,
        trusted_proxies: vec!["127.0.3.0/24".parse().unwrap()],
        ..settings(&folder)
    };
    let server = Server::start(settings).await.unwrap();
    let house = House { server, folder };
    let proxy = host(3, 1);
    let comes = async |from: Ipv4Addr, says: &str| {
        let forwarded = ("x-forwarded-for", says);
        connect_from(&house, from, &[SUBPROTOCOL, forwarded])
            .await
            .is_ok()
    };
    // One a second gets in, so several in a row do not.
    let is_held_up = async |from, says| {
        for _ in 0..20 {
            if !comes(from, says).await {
                return true;
            }
        }
        false
    };
    assert!(comes(proxy, "203.0.113.7").await);
    assert!(is_held_up(proxy, "203.0.113.8").await, "the same network");
    assert!(comes(proxy, "198.51.100.7, 127.0.3.2").await, "another one");
    // A client writes what it likes; the proxy appends what it sees.
    assert!(is_held_up(proxy, "192.0.2.1, 203.0.113.7").await);
    // Who is no proxy is counted where it is, whatever it says.
    assert!(comes(host(5, 1), "192.0.2.2").await);
    assert!(is_held_up(host(5, 1), "192.0.2.3").await);
    house.server.stop().await;
}
