//! Files of `[feeds]` that change while everybody watches.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runnel_coordinator::{FeedSettings, Server, Settings};
use runnel_protocol::control::{Assign, FromCoordinator, Heartbeat, ParentReport, ToCoordinator};
use runnel_protocol::ids::ContentId;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::client::{Client, House, house_with, settings};
use crate::restart::{code, enrol};

/// A change is in force within this time: two looks of the watch, and a look of the center.
const WITHIN: Duration = Duration::from_secs(3);

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn write(path: &Path, text: &str) {
    // As operators are told to do it: no reader sees half a file.
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// A folder with a file of sites.
fn sites(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sites.csv");
    write(&path, text);
    (folder, path)
}

fn with_sites(path: &Path) -> impl FnOnce(&mut Settings) {
    let sites = Some(path.to_owned());
    move |settings| {
        settings.feeds = FeedSettings {
            sites,
            ..FeedSettings::default()
        };
    }
}

/// What a viewer is told, while a waypoint that has a heart feeds it.
async fn assigned(
    viewer: &mut Client,
    waypoint: &mut Client,
    wanted: impl Fn(&Assign) -> bool,
) -> Assign {
    let assign = viewer.await_message(|message| match message {
        FromCoordinator::Assign(assign) if wanted(&assign) => Some(*assign),
        _ => None,
    });
    let mut beats = tokio::time::interval(Duration::from_secs(1));
    let alive = async {
        loop {
            beats.tick().await;
            waypoint
                .send(&ToCoordinator::Heartbeat(Box::default()))
                .await;
        }
    };
    tokio::select! {
        assign = timeout(PATIENCE, assign) => assign.unwrap(),
        () = alive => panic!("a heart stopped"),
    }
}

/// What the API says of the first feed, once it is so.
async fn feed(house: &House, is_so: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let feed = house.json("/v1/feeds").await[0].take();
            if is_so(&feed) {
                return feed;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(WITHIN, found).await.unwrap()
}

#[tokio::test]
async fn a_site_is_switched_off_and_on_in_its_file_while_a_viewer_watches() {
    let (_folder, path) = sites("group,cidrs,p2p\nhere,127.0.0.0/8,on\n");
    let house = house_with(with_sites(&path)).await;
    let (mut waypoint, _) = Client::agent(&house).await;
    enrol(&mut waypoint, Some(&code(&house))).await.unwrap();
    let (mut viewer, _) = Client::viewer(&house).await;
    viewer.open("live").await;
    assigned(&mut viewer, &mut waypoint, |assign| {
        !assign.parents.is_empty()
    })
    .await;

    let start = Instant::now();
    write(&path, "group,cidrs,p2p\nhere,127.0.0.0/8,off\n");
    let assign = assigned(&mut viewer, &mut waypoint, |assign| {
        assign.parents.is_empty()
    })
    .await;
    assert!(start.elapsed() < WITHIN, "{:?}", start.elapsed());
    assert!(assign.why.contains("switched off"), "{}", assign.why);

    // A file that is wrong changes nothing, and the operator is told.
    write(
        &path,
        "group,cidrs,p2p\nhere,127.0.0.0/8,on\nthere,10.0.0/8,on\n",
    );
    let feed_now = feed(&house, |feed| !feed["error"].is_null()).await;
    let error = feed_now["error"].as_str().unwrap();
    assert!(
        error.contains("sites.csv:3: \"10.0.0/8\" is no address range"),
        "{error}"
    );
    assert_eq!(feed_now["entries"], 1);
    let refused = "runnel_feed_loads_total{feed=\"sites\",outcome=\"refused\"}";
    assert!(house.metric(refused).await >= 1.0);

    write(
        &path,
        "group,cidrs,p2p\nhere,127.0.0.0/8,on\nthere,10.0.0.0/8,off\n",
    );
    assigned(&mut viewer, &mut waypoint, |assign| {
        !assign.parents.is_empty()
    })
    .await;
    let feed_now = feed(&house, |feed| feed["error"].is_null()).await;
    assert_eq!(feed_now["entries"], 2);

    // A file that is gone says nothing new.
    std::fs::remove_file(&path).unwrap();
    feed(&house, |feed| !feed["error"].is_null()).await;
    house.server.stop().await;
}

#[tokio::test]
async fn what_a_sites_line_carries_is_a_link_like_any_other() {
    let (_folder, path) = sites("group,cidrs,p2p,wan_mbps\noffice,127.0.0.0/8,on,20\n");
    let house = house_with(with_sites(&path)).await;
    let names = |links: &Value| -> Vec<String> {
        let links = links.as_array().unwrap().iter();
        links
            .map(|link| link["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&house.json("/v1/links").await), ["site-lines/office"]);
    assert_eq!(house.json("/v1/links").await[0]["limit"], 20_000_000);
    let start = Instant::now();
    write(
        &path,
        "group,cidrs,p2p,wan_mbps\noffice,127.0.0.0/8,on,\nschool,10.0.0.0/8,on,8\n",
    );
    while names(&house.json("/v1/links").await) != ["site-lines/school"] {
        assert!(start.elapsed() < WITHIN);
        tokio::task::yield_now().await;
    }
    house.server.stop().await;
}

#[tokio::test]
async fn a_server_does_not_start_with_a_file_that_is_wrong() {
    for (text, words) in [
        (
            "group,cidrs\n",
            "sites.csv:1: the column \"p2p\" is missing",
        ),
        (
            "group,cidrs,p2p,asn\n",
            "sites.csv:1: there is no column \"asn\"",
        ),
        (
            "group,cidrs,p2p\na,10.0.0.0/8,maybe\n",
            "sites.csv:2: p2p \"maybe\": write on, off",
        ),
        (
            "group,cidrs,p2p\na,10.0.0.0/8\n",
            "sites.csv:2: 2 columns, and the first line has 3",
        ),
        (
            "group,cidrs,p2p\n\n# ours\nThe office,10.0.0.0/8,on\n",
            "sites.csv:4: group",
        ),
        (
            "group,cidrs,p2p,wan_mbps\na,10.0.0.0/8,on,fast\n",
            "sites.csv:2: wan_mbps \"fast\"",
        ),
    ] {
        let (_folder, path) = sites(text);
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        with_sites(&path)(&mut settings);
        let error = Server::start(settings).await.err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// Another server on the same store, with the same file of sites; the oldest version under which
/// whoever comes to it may serve.
async fn restarted(house: House, path: &Path) -> (House, u64) {
    let House { server, folder } = house;
    server.stop().await;
    let mut same = settings(&folder);
    with_sites(path)(&mut same);
    let server = Server::start(same).await.unwrap();
    let house = House { server, folder };
    let (_agent, welcome) = Client::agent(&house).await;
    (house, welcome.policy_floor)
}

#[tokio::test]
async fn tickets_of_before_a_file_changed_are_in_doubt_after_a_restart() {
    const ON: &str = "group,cidrs,p2p\nhere,127.0.0.0/8,on\n";
    const OFF: &str = "group,cidrs,p2p\nhere,127.0.0.0/8,off\n";
    const OTHERS: &str = "group,cidrs,p2p\nhere,127.0.0.0/8,on\nthere,10.0.0.0/8,on\n";

    let (_folder, path) = sites(ON);
    let house = house_with(with_sites(&path)).await;
    let (house, floor) = restarted(house, &path).await;
    assert_eq!(floor, 0, "nothing has changed: all tickets are good");

    // While it runs.
    write(&path, OTHERS);
    feed(&house, |feed| feed["entries"] == 2).await;
    let (house, during) = restarted(house, &path).await;
    assert!(during > 0, "what changed is kept before it is in force");

    let (house, same) = restarted(house, &path).await;
    assert!(same > during, "the tickets may live on for minutes");
    house.server.stop().await;

    // While nothing runs.
    let (_folder, path) = sites(ON);
    let house = house_with(with_sites(&path)).await;
    let House { server, folder } = house;
    server.stop().await;
    write(&path, OFF);
    let mut changed = settings(&folder);
    with_sites(&path)(&mut changed);
    let server = Server::start(changed).await.unwrap();
    let house = House { server, folder };
    let (_agent, welcome) = Client::agent(&house).await;
    assert!(welcome.policy_floor > 0);
    house.server.stop().await;
}

/// The block of the manual that is a file of this kind.
fn example(kind: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/NETWORK.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let begins = |form: &str| manual.split_once(&format!("```{form} {kind}\n"));
    let (_, block) = begins("csv").or_else(|| begins("text")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_files_of_the_manual_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = |kind: &str| {
        let path = folder.path().join(kind);
        write(&path, &example(kind));
        Some(path)
    };
    let feeds = FeedSettings {
        sites: file("sites"),
        systems: file("systems"),
        countries: file("countries"),
        relations: file("relations"),
        routes: file("routes"),
        hints: file("hints"),
    };
    let house = house_with(|settings| settings.feeds = feeds).await;
    let feeds = house.json("/v1/feeds").await;
    let counts = feeds.as_array().unwrap().iter();
    let counts: Vec<u64> = counts
        .map(|feed| feed["entries"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [4, 3, 2, 3, 2, 3]);
    assert_eq!(
        house.json("/v1/links").await[0]["name"],
        "site-lines/berlin"
    );
    house.server.stop().await;
}

#[tokio::test]
async fn what_a_viewer_receives_shows_in_the_networks_condition() {
    let house = house_with(|_| {}).await;
    let (mut waypoint, welcome) = Client::agent(&house).await;
    enrol(&mut waypoint, Some(&code(&house))).await.unwrap();
    let (mut viewer, _) = Client::viewer(&house).await;
    viewer.open("live").await;
    assigned(&mut viewer, &mut waypoint, |assign| {
        !assign.parents.is_empty()
    })
    .await;
    let report = ParentReport {
        peer: welcome.peer,
        content: ContentId::of("live"),
        received: 4000,
        wasted: 0,
        sequence_numbers: Vec::new(),
        late: false,
    };
    let beat = Heartbeat {
        covers_ms: 1000,
        parents: vec![report],
        ..Heartbeat::default()
    };
    viewer.send(&ToCoordinator::Heartbeat(Box::new(beat))).await;
    house
        .rises("runnel_exchanged_bytes_total{way=\"on_net\"}", 3999.0)
        .await;
    let network = house.json("/v1/network").await;
    assert_eq!(
        (&network["on_net"], &network["off_net"]),
        (&4000.into(), &0.into())
    );
    let edge = &network["edges"][1];
    assert_eq!(
        (&edge["level"], &edge["from"]),
        (&"network".into(), &"127.0.0.0/16".into())
    );
    assert_eq!(
        (&edge["bytes"], &edge["congested"]),
        (&4000.into(), &false.into())
    );
    let none = house.json("/v1/network?limit=0").await;
    assert_eq!(none["edges"], Value::Array(Vec::new()));
    house.server.stop().await;
}
