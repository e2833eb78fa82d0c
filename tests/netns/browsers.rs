//! The matrix again with what people watch with: Chromium and the viewer page on a host of each kind,
//! once by WebTransport alone and once by WebRTC alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use runnel_protocol::ids::PeerId;
use runnel_tests::browser::Browser;
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::within;
use runnel_tests::page::{Lack, Page};
use runnel_tests::stack::Provider;
use runnel_tests::token_server::TokenServer;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cast::{Stage, VIEWERS, contents};
use crate::matrix::{Watching, judged, nobody_lightweight_is_paired, watched};
use crate::table::{self, Cell, Outcome, Part, Row};
use crate::town::{Show, Town, page_config};
use crate::watcher::{Account, Seen};

/// Segments of two seconds that every page plays: enough for an agent to bring something that is not expected to.
const SEGMENTS: u32 = 6;
/// How long that may take, and what an agent is expected to bring: many pages that start at once are much for two cores.
const MOST: Duration = Duration::from_secs(60);

/// What a browser is left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    WebTransport,
    WebRtc,
}

impl Transport {
    fn lack(self) -> Lack {
        match self {
            Self::WebTransport => Lack::WebRtc,
            Self::WebRtc => Lack::WebTransport,
        }
    }

    /// What viewers get from an agent by it, by column.
    fn expected(self) -> fn(&Row) -> Vec<Outcome> {
        match self {
            Self::WebTransport => |row| row.by_webtransport().to_vec(),
            Self::WebRtc => |row| row.by_webrtc().to_vec(),
        }
    }

    /// As the page names it.
    fn name(self) -> &'static str {
        match self {
            Self::WebTransport => "webtransport",
            Self::WebRtc => "webrtc",
        }
    }
}

/// Somebody in front of a browser.
struct Seat {
    transport: Transport,
    contents: Vec<String>,
    /// Those of them that an agent is expected to bring.
    expected: Vec<String>,
    config: Value,
    provider: Provider,
    logs: PathBuf,
}

/// What one of the pages says.
#[derive(Debug, Deserialize)]
struct Told {
    /// Milliseconds from its opening to the first segment that an agent had a part in.
    fed: Option<f64>,
    segments: u32,
    waypoint: u64,
    /// What carries its links, and who is at their other ends.
    transports: Vec<String>,
    peers: Vec<String>,
}

/// Opens the viewer page for each content, side by side, and notes when an agent first brings something.
fn open_all(contents: &[String], tokens: &str) -> String {
    let (contents, tokens) = (json!(contents), json!(tokens));
    format!(
        r#"(() => {{
            document.body.replaceChildren();
            globalThis.pages = {contents}.map((name) => {{
                const frame = document.createElement("iframe");
                frame.width = 160;
                frame.height = 90;
                frame.src = `/?stream=${{name}}&consent=1&tokens=${{encodeURIComponent({tokens})}}`;
                const page = {{ name, frame, opened: performance.now(), fed: null, segments: 0 }};
                const look = setInterval(() => {{
                    const p2p = frame.contentWindow?.__runnel?.hls?.p2p;
                    if (!p2p) return;
                    clearInterval(look);
                    p2p.addEventListener("segment", ({{ detail }}) => {{
                        page.segments += 1;
                        if (detail.peer > 0) page.fed ??= performance.now() - page.opened;
                    }});
                }}, 10);
                document.body.append(frame);
                return page;
            }});
        }})()"#
    )
}

/// What all of them say.
const TELL: &str = r"Object.fromEntries(pages.map(({ name, frame, fed, segments }) => {
    const stats = frame.contentWindow?.__runnel?.stats;
    const links = (stats?.links ?? []).filter((link) => link.transport !== null);
    const transports = [...new Set(links.map((link) => link.transport))];
    const peers = (stats?.links ?? []).map((link) => link.peer);
    return [name, { fed, segments, waypoint: stats?.bytes.waypoint ?? 0, transports, peers }];
}))";

impl Seat {
    /// Watches everything at once, for [`SEGMENTS`] and until what is expected of agents has come.
    async fn watch(self) -> Result<Account> {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-demo/dist");
        let page = Page::serve(&dist, 0, &self.config, self.transport.lack()).await?;
        let tokens = TokenServer::start(self.provider.clone(), "*").await?;
        let browser = Browser::open(&self.logs).await?;
        // Any document of the page's origin will do to hold the others.
        browser.goto(&format!("{}/config.json", page.url())).await?;
        let open = open_all(&self.contents, &tokens.url("free"));
        browser.eval::<Value>(&open).await?;
        let fed = format!(
            "pages.every((page) => page.segments >= {SEGMENTS} && (page.fed !== null || !{}.includes(page.name)))",
            json!(self.expected)
        );
        let all_fed = browser.wait_for(&fed, MOST).await;
        let told: BTreeMap<String, Told> = browser.eval(TELL).await?;
        if all_fed.is_err() {
            browser.screenshot(&self.logs.join("pages.png")).await?;
        }
        browser.close().await?;
        self.account(told)
    }

    fn account(&self, told: BTreeMap<String, Told>) -> Result<Account> {
        let mut account = Account::default();
        for (content, told) in told {
            let played = told.segments;
            ensure!(played >= SEGMENTS, "{content}: {played} segments played");
            let strange = told
                .transports
                .iter()
                .find(|one| *one != self.transport.name());
            ensure!(strange.is_none(), "{content}: a link by {strange:?}");
            for peer in told.peers {
                account.named.insert(peer.parse::<PeerId>()?);
            }
            let from_peer = told
                .fed
                .map(|millis| Duration::from_secs_f64(millis / 1000.0));
            let seen = Seen {
                from_peer,
                bytes_from_waypoint: told.waypoint,
                failed: 0,
            };
            account.contents.insert(content, seen);
        }
        Ok(account)
    }
}

/// What pages on the viewers' hosts get by one transport, in the order of the columns.
type Columns = Vec<Account>;

/// One viewer after the other, with a browser for each transport: two are what two cores carry.
async fn watch(town: &Town, rows: &[Row]) -> Result<(Columns, Columns)> {
    let (mut by_webtransport, mut by_webrtc) = (Columns::new(), Columns::new());
    for column in 0..table::VIEWERS.len() {
        let first = sit_down(town, column, Transport::WebTransport, rows)?;
        let second = sit_down(town, column, Transport::WebRtc, rows)?;
        by_webtransport.push(watched(first).await?);
        by_webrtc.push(watched(second).await?);
    }
    Ok((by_webtransport, by_webrtc))
}

fn sit_down(town: &Town, column: usize, transport: Transport, rows: &[Row]) -> Result<Watching> {
    let name = format!("viewer-{}", usize::from(VIEWERS) + column);
    let host = town.lab.host(&name)?;
    let contents = contents("light", rows);
    let fed = |(_, row): &(&String, &Row)| transport.expected()(row)[column] == Outcome::Peer;
    let expected = contents.iter().zip(rows).filter(fed);
    let seat = Seat {
        transport,
        expected: expected.map(|(name, _)| name.clone()).collect(),
        config: page_config(host, &contents),
        contents,
        provider: town.provider().clone(),
        logs: town.folder(&format!("{name}-{}", transport.name())),
    };
    host.run(|| seat.watch())
}

fn part(transport: Transport, columns: &[Account], rows: &[Row]) -> Part {
    let row = |content: &String| {
        let cell = |account: &Account| Cell::of(account.contents.get(content));
        columns.iter().map(cell).collect()
    };
    let cells = contents("light", rows).iter().map(row).collect();
    Part::pages(transport.name(), transport.expected(), cells)
}

async fn compare(name: &str, rows: &'static [Row]) -> Result<()> {
    let Stage { town, feeders, .. } = Stage::set(name, rows, Line::IDEAL, Show::Clip).await?;
    let judged = judged(&town, &feeders).await?;
    let (by_webtransport, by_webrtc) = watch(&town, rows).await?;
    let parts = [
        part(Transport::WebTransport, &by_webtransport, rows),
        part(Transport::WebRtc, &by_webrtc, rows),
    ];
    println!("\n{}", table::render(name, rows, &judged, &parts)?);
    let accounts: Vec<&Account> = by_webtransport.iter().chain(&by_webrtc).collect();
    nobody_lightweight_is_paired(&town, &accounts).await?;
    drop(feeders);
    println!("{:?}", town.lab.end()?);
    table::holds(rows, &parts)
}

#[test]
fn chromium_is_fed_by_whom_the_table_says_by_either_transport() -> Result<()> {
    within(
        "browsers::chromium_is_fed_by_whom_the_table_says_by_either_transport",
        compare("browsers", &table::FEW),
    )
}

#[test]
#[ignore = "28 pages at once: for an idle machine, see docs/TESTING.md"]
fn chromium_is_fed_by_whom_the_table_says_by_every_agent() -> Result<()> {
    within(
        "browsers::chromium_is_fed_by_whom_the_table_says_by_every_agent",
        compare("all-browsers", &table::ROWS),
    )
}
