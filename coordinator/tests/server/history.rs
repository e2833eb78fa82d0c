//! What peers did is remembered by a server that dies and starts again, and forgotten on request.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use runnel_protocol::control::{ContentLocator, Welcome};
use runnel_protocol::control::{
    ContentReport, Heartbeat, LinkResult, Open, Outcome, Platform, ToCoordinator,
};
use runnel_protocol::ids::{CertificateHash, ContentId, PeerId, TrackId};
use runnel_protocol::units::BitsPerSecond;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::{Client, connect_to, house, http};

const SUBPROTOCOL: (&str, &str) = ("sec-websocket-protocol", "runnel.1");

/// A server in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let config = folder.join("coordinator.toml");
        let text = "probe = false\nallow_private_origins = true\n[[content]]\nid = \"live\"\n\
                    url = \"http://127.0.0.1:9/live/master.m3u8\"\n";
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_runnel-coordinator"));
        command.args(["--listen", "127.0.0.1:0", "--data"]);
        command.arg(folder.join("data")).arg("--config").arg(config);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        let address = address.parse().unwrap();
        Self { child, address }
    }

    /// SIGKILL: nothing is written any more.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn json(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.address);
        http().get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn connect(&self, host: Ipv4Addr) -> Client {
        connect_to(self.address, host, &[SUBPROTOCOL])
            .await
            .unwrap()
    }

    /// Waits until what is kept of a peer is as it should be.
    async fn kept(&self, peer: PeerId, fits: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let list = self.json(&format!("/v1/history?peer={peer}")).await;
                if let Some(one) = list.get(0).filter(|one| fits(one)) {
                    return one.clone();
                }
                tokio::task::yield_now().await;
            }
        };
        let found = timeout(Duration::from_secs(10), found).await;
        found.unwrap_or_else(|_| panic!("it is not kept"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent with something on its disk to hand on.
async fn agent(process: &Process, key: Option<Client>) -> (Client, Welcome) {
    let mut agent = process.connect(Ipv4Addr::LOCALHOST).await;
    if let Some(before) = key {
        agent.key = before.key;
    }
    agent.place = (([127, 0, 0, 1], 4433).into(), CertificateHash([9; 32]));
    let welcome = agent.introduce(Platform::Native).await;
    let content = ContentLocator::Name("live".to_owned());
    let plays = false;
    agent
        .send(&ToCoordinator::Open(Open { content, plays }))
        .await;
    beat(&mut agent, 1).await;
    (agent, welcome)
}

async fn beat(agent: &mut Client, sequence: u32) {
    let report = ContentReport {
        content: ContentId::of("live"),
        live: false,
        tracks: vec![(TrackId([1; 16]), 1)],
        rate: BitsPerSecond(0),
        from_peers: 0,
        from_waypoints: 0,
        from_cdn: 0,
        buffer_ms: None,
        stalls: 0,
        ladder: Vec::new(),
    };
    let beat = Heartbeat {
        sequence,
        covers_ms: 1000,
        contents: vec![report],
        ..Heartbeat::default()
    };
    agent.send(&ToCoordinator::Heartbeat(Box::new(beat))).await;
}

/// A viewer of another site is sent to the agent, and says what came of it.
async fn visit(
    process: &Process,
    site: u8,
    (agent, peer): (&mut Client, PeerId),
    result: LinkResult,
) {
    let mut viewer = process.connect(Ipv4Addr::new(127, 0, site, 1)).await;
    let id = viewer.introduce(Platform::Browser).await.peer;
    viewer.open("live").await;
    let is_fed = || async {
        let why = process.json(&format!("/v1/explain?peer={id}")).await;
        let parents = why["contents"][0]["parents"].as_array().cloned();
        let mut parents = parents.unwrap_or_default().into_iter();
        let fed = parents.any(|parent| parent["peer"] == peer.to_string());
        (fed, why)
    };
    let (begun, mut beats) = (Instant::now(), 0);
    loop {
        let (fed, why) = is_fed().await;
        if fed {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{why}");
        // No more often than the door lets through.
        if begun.elapsed() >= beats * Duration::from_millis(800) {
            beats += 1;
            beat(agent, beats).await;
        }
    }
    let content = ContentId::of("live");
    let outcome = Outcome {
        content,
        peer,
        result,
    };
    viewer.send(&ToCoordinator::Outcome(outcome)).await;
    viewer.send(&ToCoordinator::Leave).await;
    viewer.closed().await;
}

#[tokio::test]
async fn an_agent_that_nobody_reached_is_left_out_by_the_server_that_follows_a_killed_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path());
    let (mut first, welcome) = agent(&process, None).await;
    let peer = welcome.peer;
    for site in 1..=8 {
        let result = match site {
            5 => LinkResult::Connected { after_ms: 9 },
            _ => LinkResult::Failed,
        };
        visit(&process, site, (&mut first, peer), result).await;
    }
    first.send(&ToCoordinator::Leave).await;
    first.closed().await;
    let before = process.kept(peer, |one| one["tried"] == 8).await;
    assert_eq!(
        (&before["connected"], &before["stays"]),
        (&1.into(), &1.into())
    );
    assert!(before["blamed_by_sites"].as_u64().unwrap() >= 3, "{before}");

    process.kill();
    let process = Process::start(folder.path());
    assert_eq!(process.kept(peer, |_| true).await, before);
    let (again, welcome) = agent(&process, Some(first)).await;
    assert_eq!(welcome.peer, peer, "it kept its key");
    let mut viewer = process.connect(Ipv4Addr::new(127, 0, 77, 1)).await;
    let viewer_id = viewer.introduce(Platform::Browser).await.peer;
    viewer.open("live").await;
    let left_out = async {
        loop {
            let why = process.json(&format!("/v1/explain?peer={viewer_id}")).await;
            let excluded = why["contents"][0]["excluded"].as_array().cloned();
            let found = excluded.unwrap_or_default();
            if let Some(one) = found.iter().find(|one| one["peer"] == peer.to_string()) {
                return one.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let left_out = timeout(Duration::from_secs(10), left_out).await.unwrap();
    assert_eq!(left_out["rule"], "history", "{left_out}");
    let why = left_out["why"].as_str().unwrap();
    assert!(why.starts_with("7 of the last 8 attempts"), "{why}");
    drop(again);
}

#[tokio::test]
async fn one_request_forgets_what_an_agent_did_and_what_it_received() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let (mut first, welcome) = agent(&process, None).await;
    let connected = LinkResult::Connected { after_ms: 9 };
    visit(&process, 1, (&mut first, welcome.peer), connected).await;
    first.send(&ToCoordinator::Leave).await;
    first.closed().await;
    let peer = welcome.peer;
    let kept = process.kept(peer, |one| one["tried"] == 1).await;
    assert_eq!(kept["downloads"], Value::Array(Vec::new()));
    let csv = format!("http://{}/v1/history?format=csv", process.address);
    let text = http().get(&csv).send().await.unwrap().text().await.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("peer,seen,stays,uptime_s,mean_stay_s,tried"));
    assert_eq!(
        lines[0].split(',').count(),
        lines[1].split(',').count(),
        "{text}"
    );
    assert!(lines[1].starts_with(&peer.to_string()), "{text}");

    let url = format!("http://{}/v1/transfers?peer={peer}", process.address);
    let forgotten = http().delete(url).send().await.unwrap();
    assert_eq!(forgotten.status(), StatusCode::NO_CONTENT);
    let left = process.json("/v1/history").await;
    assert_eq!(left, Value::Array(Vec::new()));
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_in_words() {
    let house = house().await;
    for (query, word) in [
        ("peer=nobody", "nobody"),
        ("limit=100001", "at most 100000"),
    ] {
        let answer = house.get(&format!("/v1/history?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(word), "{query}: {text}");
    }
    house.server.stop().await;
}
