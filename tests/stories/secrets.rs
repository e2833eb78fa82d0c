//! No key, code or ticket stands in a log, a URL or the page (T19).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use runnel_peer_core::Event;
use runnel_peer_native::config::Config;
use runnel_peer_native::player::Player;
use runnel_tests::process::{Process, binary};
use runnel_tests::stack::{Plan, Stack};
use tokio::process::Command;

use crate::viewer::{BOUND, Viewer};

/// Something that must not be found, by what people call it.
struct Secret {
    name: String,
    bytes: Vec<u8>,
}

impl Secret {
    /// Every form in which a careless line of code would write it down.
    fn forms(&self) -> Vec<String> {
        let hex = |byte: &u8| format!("{byte:02x}");
        let lower: String = self.bytes.iter().map(hex).collect();
        let decimal: Vec<String> = self.bytes.iter().map(ToString::to_string).collect();
        let base64 = base64(&self.bytes);
        let url_safe = base64.replace('+', "-").replace('/', "_");
        let upper = lower.to_uppercase();
        vec![lower, upper, decimal.join(", "), base64, url_safe]
    }
}

/// Without padding, which says nothing (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(three);
        for place in 0..=group.len() {
            let six = bits >> (18 - 6 * place) & 63;
            text.push(char::from(LETTERS[six as usize]));
        }
    }
    text
}

/// How a P-256 private key begins in PKCS #8: version 1, then 32 bytes (RFC 5915 §3).
const PRIVATE: [u8; 5] = [2, 1, 1, 4, 32];

/// What an agent keeps to itself in its folder: seeds as they are, and the keys of certificates.
fn of_agent(folder: &Path, name: &str) -> Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    for file in std::fs::read_dir(folder.join(name))? {
        let file = file?.path();
        if file.extension().is_some_and(|kind| kind == "key") {
            let bytes = std::fs::read(&file)?;
            let keys = match bytes.len() {
                32 => vec![bytes],
                _ => private_keys(&bytes),
            };
            let name = file.display().to_string();
            secrets.extend(keys.into_iter().map(|bytes| Secret {
                name: name.clone(),
                bytes,
            }));
        }
    }
    ensure!(secrets.len() >= 3, "an agent without its keys");
    Ok(secrets)
}

fn private_keys(file: &[u8]) -> Vec<Vec<u8>> {
    let window = PRIVATE.len() + 32;
    let found = file
        .windows(window)
        .filter(|bytes| bytes.starts_with(&PRIVATE));
    found.map(|bytes| bytes[PRIVATE.len()..].to_vec()).collect()
}

/// The code with which the waypoint enrolled, as its command line has it.
fn enrolment(stack: &Stack) -> Result<String> {
    let waypoint = stack.waypoint().context("no waypoint")?;
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", waypoint.id()))?;
    let mut words = line.split('\0');
    words.find(|word| *word == "--waypoint");
    Ok(words.next().context("no code")?.to_owned())
}

/// Signatures of the tickets that a peer is given.
async fn tickets(stack: &Stack) -> Result<Vec<Secret>> {
    let config = Config {
        coordinator: stack.door()?,
        listen: ([127, 0, 0, 1], 0).into(),
        data: stack.folder().join("guest"),
        content: vec!["live".to_owned()],
        ..Config::default()
    };
    let (guest, mut events) = Player::start(config).await?;
    let given = tokio::time::timeout(BOUND, async {
        loop {
            if let Event::Assigned(assign) = events.recv().await?
                && !assign.parents.is_empty()
            {
                return anyhow::Ok(assign.parents);
            }
        }
    });
    let secret = |parent: runnel_protocol::control::Parent| Secret {
        name: format!("ticket for {}", parent.contact.peer),
        bytes: parent.contact.ticket.signature.0.to_vec(),
    };
    let secrets = given.await??.into_iter().map(secret).collect();
    guest.stop().await;
    Ok(secrets)
}

/// An agent that logs whatever it can.
async fn talkative(stack: &Stack) -> Result<Process> {
    let mut command = Command::new(binary("runnel-agent")?);
    command.args(["--coordinator", &stack.door()?, "--listen", "127.0.0.1:0"]);
    command.args(["--uplink-kbps", "90000", "--data"]);
    command.arg(stack.folder().join("talkative"));
    let levels = "runnel_peer_native=trace,runnel_peer_core=trace,runnel_protocol=trace";
    command.env("RUNNEL_LOG", levels);
    let mut agent = Process::spawn("talkative", command, stack.folder())?;
    agent.line("joined as regular peer", BOUND).await?;
    Ok(agent)
}

/// What the page shows, loads and says.
async fn page(viewer: &Viewer) -> Result<String> {
    let shown: String = viewer
        .browser
        .eval("document.documentElement.outerHTML + location.href")
        .await?;
    let loaded: Vec<String> = viewer
        .browser
        .eval("performance.getEntries().map(entry => entry.name)")
        .await?;
    let kept: String = viewer
        .browser
        .eval("JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie")
        .await?;
    let said = viewer.browser.console().await?;
    Ok([shown, loaded.join("\n"), kept, said.join("\n")].join("\n"))
}

/// Everything that anybody wrote, by file.
fn logs(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut logs = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?.path();
        let kind = file.extension().and_then(|kind| kind.to_str());
        if matches!(kind, Some("log" | "out")) {
            let text = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
            logs.push((file.display().to_string(), text));
        }
    }
    Ok(logs)
}

#[tokio::test]
async fn no_secret_stands_in_a_log_a_url_or_the_page() -> Result<()> {
    let stack = Stack::start("secrets", Plan::default()).await?;
    let talkative = talkative(&stack).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    let mut secrets = tickets(&stack).await?;
    viewer.watches(6).await?;
    ensure!(talkative.log().contains("assigned"), "it has little to say");

    let folder = stack.folder().to_owned();
    for agent in ["waypoint", "agent-1", "agent-2", "talkative"] {
        secrets.extend(of_agent(&folder, agent)?);
    }
    let code = enrolment(&stack)?;
    let asked = stack.origin_stats().await?.to_string();
    let mut written = vec![
        ("the page".to_owned(), page(&viewer).await?),
        ("what the origin was asked for".to_owned(), asked),
    ];
    talkative.stop(BOUND).await?;
    stack.stop().await?;
    written.extend(logs(&folder)?);
    for (place, text) in &written {
        ensure!(!text.contains(&code), "the enrolment code is in {place}");
        for secret in &secrets {
            let found = secret.forms().iter().any(|form| text.contains(form));
            ensure!(!found, "{} is in {place}", secret.name);
        }
    }
    Ok(())
}
