//! Links over the API: what runs over them is seen, and a month's total survives a restart.

use std::time::Duration;

use runnel_coordinator::Server;
use runnel_protocol::control::{FromCoordinator, Heartbeat, ParentReport, ToCoordinator};
use runnel_protocol::ids::{ContentId, PeerId};
use serde_json::Value;
use tokio::time::timeout;

use crate::client::{Client, House, house, http, settings};
use crate::restart::{code, enrol};

const EVERYTHING: &str = r#"
name = "carrier"
kind = "network"
zone = "Europe/Berlin"

[[link]]
name = "everything"
when = 'true'
max_gb_per_month = 1000
"#;

/// Asks for the one link until it is as it should be.
async fn link(house: &House, wanted: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let links = house.json("/v1/links").await;
            assert_eq!(links.as_array().map(Vec::len), Some(1));
            if wanted(&links[0]) {
                return links[0].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), found).await.unwrap()
}

async fn parent_of(viewer: &mut Client) -> PeerId {
    let parent = viewer.await_message(|message| match message {
        FromCoordinator::Assign(assign) => Some(assign.parents.first()?.contact.peer),
        _ => None,
    });
    parent.await
}

#[tokio::test]
async fn what_ran_over_a_link_this_month_survives_a_restart() {
    let house = house().await;
    let put = http().put(house.url("/v1/policies/carrier"));
    let put = put.body(EVERYTHING).send().await.unwrap();
    assert!(put.status().is_success());
    let (mut waypoint, _) = Client::agent(&house).await;
    enrol(&mut waypoint, Some(&code(&house))).await.unwrap();
    let (mut viewer, _) = Client::viewer(&house).await;
    viewer.open("live").await;
    let peer = parent_of(&mut viewer).await;
    let reserved = link(&house, |link| link["reserved"] != 0).await;
    assert_eq!(reserved["name"], "carrier/everything");
    assert_eq!(reserved["this_month"], 0);
    let report = ParentReport {
        peer,
        content: ContentId::of("live"),
        received: 1_000_000,
        wasted: 1000,
        sequence_numbers: Vec::new(),
        late: false,
    };
    let beat = Heartbeat {
        sequence: 1,
        covers_ms: 1000,
        parents: vec![report],
        ..Heartbeat::default()
    };
    viewer.send(&ToCoordinator::Heartbeat(Box::new(beat))).await;
    link(&house, |link| link["this_month"] == 1_001_000).await;

    let House { server, folder } = house;
    server.stop().await;
    let server = Server::start(settings(&folder)).await.unwrap();
    let house = House { server, folder };
    let link = link(&house, |_| true).await;
    assert_eq!(
        (&link["this_month"], &link["reserved"]),
        (&1_001_000.into(), &0.into())
    );
    house.server.stop().await;
}

#[tokio::test]
async fn a_dry_run_tells_what_links_would_carry() {
    let house = house().await;
    let (mut waypoint, _) = Client::agent(&house).await;
    enrol(&mut waypoint, Some(&code(&house))).await.unwrap();
    let (mut viewer, _) = Client::viewer(&house).await;
    viewer.open("live").await;
    parent_of(&mut viewer).await;

    let tight = EVERYTHING.replace("max_gb_per_month = 1000", "max_mbps = 1");
    let put = http().put(house.url("/v1/policies/carrier?dry_run=true"));
    let tried: Value = put.body(tight).send().await.unwrap().json().await.unwrap();
    let link = &tried["links"][0];
    assert_eq!(link["name"], "carrier/everything");
    assert_eq!(
        (&link["limit_before"], &link["before"], &link["limit"]),
        (&Value::Null, &0.into(), &1_000_000.into())
    );
    let after = link["after"].as_u64().unwrap();
    assert!(after > 1_000_000, "{tried}");
    let words = format!(
        "the link “carrier/everything” would carry {} of 1000 kbit/s: pairs would be parted until it \
         fits",
        after / 1000
    );
    let told = tried["words"].as_array().unwrap();
    assert!(told.contains(&words.as_str().into()), "{tried}");
    assert_eq!(house.json("/v1/links").await, serde_json::json!([]));
    house.server.stop().await;
}
