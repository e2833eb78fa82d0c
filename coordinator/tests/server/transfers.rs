//! Transfer records over the API: found, written as CSV, kept over a restart, forgotten.

use std::time::Duration;

use reqwest::StatusCode;
use runnel_coordinator::Server;
use runnel_protocol::control::{ContentReport, Heartbeat, ToCoordinator};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::units::BitsPerSecond;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::{Client, House, house, house_with, http, settings};

/// A viewer that received a megabyte of peers within a second, and left.
async fn watched(house: &House) -> PeerId {
    let (mut viewer, welcome) = Client::viewer(house).await;
    viewer.open("live").await;
    let report = ContentReport {
        content: ContentId::of("live"),
        live: true,
        tracks: Vec::new(),
        rate: BitsPerSecond(8_000_000),
        from_peers: 1_000_000,
        from_waypoints: 0,
        from_cdn: 50_000,
        buffer_ms: Some(4000),
        stalls: 0,
        ladder: Vec::new(),
    };
    let beat = Heartbeat {
        sequence: 1,
        covers_ms: 1000,
        contents: vec![report],
        ..Heartbeat::default()
    };
    viewer.send(&ToCoordinator::Heartbeat(Box::new(beat))).await;
    viewer.send(&ToCoordinator::Leave).await;
    viewer.closed().await;
    welcome.peer
}

/// Waits until so many records are kept.
async fn kept(house: &House, count: usize) -> Vec<Value> {
    let found = async {
        loop {
            let list = house.json("/v1/transfers").await;
            let list = list.as_array().unwrap().clone();
            if list.len() >= count {
                return list;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = timeout(Duration::from_secs(10), found).await;
    found.unwrap_or_else(|_| panic!("{count} records are not kept"))
}

#[tokio::test]
async fn a_viewer_that_left_is_on_record_until_it_is_forgotten() {
    let house = house().await;
    let (first, second) = (watched(&house).await, watched(&house).await);
    let list = kept(&house, 2).await;
    let record = &list[0];
    assert_eq!(record["peer"], first.to_string());
    assert_eq!(
        (&record["content"], &record["provider"]),
        (&"live".into(), &"demo".into())
    );
    assert_eq!(
        (&record["from_peers"], &record["from_cdn"]),
        (&1_000_000.into(), &50_000.into())
    );
    assert_eq!(record["peak"], 8_400_000);

    let csv = house
        .get(&format!("/v1/transfers?peer={second}&format=csv"))
        .await;
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let text = csv.text().await.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("peer,content,provider,began,ended,from_peers"));
    assert!(
        lines[1].starts_with(&format!("{second},live,demo,")),
        "{text}"
    );

    let House { server, folder } = house;
    server.stop().await;
    let server = Server::start(settings(&folder)).await.unwrap();
    let house = House { server, folder };
    assert_eq!(kept(&house, 2).await, list, "a restart changes nothing");

    let forget = http().delete(house.url(&format!("/v1/transfers?peer={first}")));
    assert_eq!(
        forget.send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    let left = house.json("/v1/transfers").await;
    assert_eq!(house.json("/v1/history").await, Value::Array(Vec::new()));
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["peer"], second.to_string());
    house.server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_in_words() {
    let house = house().await;
    for (query, word) in [
        ("peer=nobody", "nobody"),
        ("limit=100001", "at most 100000"),
        ("format=xml", "format"),
        ("sinse=1", "sinse"),
    ] {
        let answer = house.get(&format!("/v1/transfers?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(word), "{query}: {text}");
    }
    house.server.stop().await;
}

#[tokio::test]
async fn an_operator_who_keeps_nothing_has_no_records() {
    let house = house_with(|settings| settings.transfers_kept_days = 0).await;
    watched(&house).await;
    let House { server, folder } = house;
    // Whatever waited to be written is written by then.
    server.stop().await;
    let server = Server::start(settings(&folder)).await.unwrap();
    let house = House { server, folder };
    assert_eq!(
        house.json("/v1/transfers").await.as_array().unwrap().len(),
        0
    );
    house.server.stop().await;
}
