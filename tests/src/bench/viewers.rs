//! One run: viewers with peers, then as many with plain hls.js.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::agent::processor_ms;
use super::audience::Audience;
use super::figures::{Counted, Figures, check_accounts, one_copy, reconcile};
use super::machine::Load;
use super::media::Media;
use super::report::{Report, Watching};
use super::servers::Servers;
use super::watched::Watched;
use super::{PLAIN, Parameters, WITH_PEERS, page_folder};
use crate::page::Page;
use crate::stack::{Plan, Source, Stack};

/// Round trip to the origin.
const ORIGIN_MS: u64 = 40;
/// Uplinks, in streams.
const WAYPOINT_STREAMS: u32 = 2;
const AGENT_STREAMS: u32 = 10;
/// What a run lasts besides its two phases: starts, joins, and media from before it, seconds.
const BESIDES: u32 = 120;

/// Measures, prints a table, and writes the figures as JSON where that is asked for.
///
/// # Errors
/// When anything does not start; when a player got other bytes than the origin's; when servers
/// and pages do not agree on what was sent; when viewers were later than they were asked to be.
pub async fn run(parameters: &Parameters, json: Option<&Path>) -> Result<()> {
    let media = Media::with(2 * parameters.seconds + BESIDES, parameters.renditions)?;
    let stack = Stack::start("bench-viewers", plan(parameters, &media)).await?;
    let page = Page::serve(&page_folder(), 0, &stack.page_config(), parameters.lack()).await?;
    let url = format!("{}/?{}", page.url(), parameters.query());
    let (counted, with_peers) =
        with_peers(parameters, &stack, &format!("{url}&{WITH_PEERS}")).await?;
    let (plain, plainly) = plainly(parameters, &stack, &format!("{url}&{PLAIN}")).await?;
    keep(&stack, &counted, &plain).await?;
    let figures = Figures::of(&counted, &plain)?;
    if let Some(file) = json {
        fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    let accounts = reconcile(&counted);
    let report = Report {
        parameters,
        figures: &figures,
        accounts: &accounts,
        pages: &counted.pages,
        servers: &counted.servers,
        once: one_copy(&counted.pages),
        watching: [with_peers, plainly],
        logs: stack.folder(),
    };
    report.print();
    stack.stop().await?;
    check_bytes(&media, counted.pages.iter().chain(&plain))?;
    check_accounts(&accounts)?;
    figures.check_latency(if parameters.live {
        parameters.latency
    } else {
        0.0
    })
}

/// The world of a run.
pub(super) fn plan(parameters: &Parameters, media: &Media) -> Plan {
    Plan {
        source: Source::Recorded(media.folder.clone()),
        agents: parameters.agents,
        agent_uplink_kbps: AGENT_STREAMS * media.kbps,
        waypoint_uplink_kbps: WAYPOINT_STREAMS * media.kbps,
        origin_latency_ms: ORIGIN_MS,
        metered: true,
        ..Plan::default()
    }
}

async fn with_peers(
    parameters: &Parameters,
    stack: &Stack,
    url: &str,
) -> Result<(Counted, Watching)> {
    let (before, agents_before) = (Load::now(), agents_ms(stack)?);
    let audience = Audience::gather(stack.folder(), url, parameters.viewers).await?;
    audience.watch_for(parameters.seconds).await?;
    let busy = Load::now().busy_since(before);
    keep_reasons(stack).await?;
    // Nobody asks and nobody sends any more, so that both sides count the same.
    audience.stop_loading().await?;
    let viewer_minutes = audience.viewer_minutes();
    let agents_ms = agents_ms(stack)? - agents_before;
    for server in stack.agents().iter().chain(stack.waypoint()) {
        server.freeze().await?;
    }
    let pages = audience.read().await?;
    let servers = Servers::read(stack, parameters.content()).await?;
    stack
        .agents()
        .iter()
        .chain(stack.waypoint())
        .for_each(crate::process::Process::thaw);
    audience.picture(&stack.folder().join("viewer.png")).await?;
    fs::write(
        stack.folder().join("console.txt"),
        audience.console().await?.join("\n"),
    )?;
    audience.leave().await?;
    let watching = Watching::of(&pages, busy);
    let counted = Counted {
        pages,
        servers,
        viewer_minutes,
        agents_ms,
    };
    Ok((counted, watching))
}

/// Processor time that the agents have had, milliseconds.
fn agents_ms(stack: &Stack) -> Result<f64> {
    let agents = stack.agents().iter();
    agents.map(|agent| processor_ms(agent.id())).sum()
}

async fn plainly(
    parameters: &Parameters,
    stack: &Stack,
    url: &str,
) -> Result<(Vec<Watched>, Watching)> {
    let before = Load::now();
    let audience = Audience::gather(stack.folder(), url, parameters.viewers).await?;
    audience.watch_for(parameters.seconds).await?;
    let busy = Load::now().busy_since(before);
    let pages = audience.read().await?;
    audience.leave().await?;
    let watching = Watching::of(&pages, busy);
    Ok((pages, watching))
}

/// Why the coordinator did what it did, for who looks into a run.
async fn keep_reasons(stack: &Stack) -> Result<()> {
    let peers = stack.ask("/v1/peers").await?;
    let mut reasons = Vec::new();
    for peer in peers.as_array().context("no list of peers")? {
        let id = peer["id"].as_str().context("a peer without id")?;
        reasons.push(stack.ask(&format!("/v1/explain?peer={id}")).await?);
    }
    for (name, answer) in [("peers", peers), ("explain", reasons.into())] {
        let file = stack.folder().join(format!("{name}.json"));
        fs::write(file, serde_json::to_string_pretty(&answer)?)?;
    }
    Ok(())
}

/// What each page told, beside the logs.
async fn keep(stack: &Stack, counted: &Counted, plain: &[Watched]) -> Result<()> {
    let file = |name: &str| stack.folder().join(name);
    fs::write(file("pages.json"), serde_json::to_string(&counted.pages)?)?;
    fs::write(file("plain.json"), serde_json::to_string(plain)?)?;
    let origin = stack.origin_stats().await?;
    fs::write(file("origin.json"), serde_json::to_string_pretty(&origin)?)?;
    Ok(())
}

/// Every byte that a player got is the origin's.
fn check_bytes<'a>(media: &Media, pages: impl Iterator<Item = &'a Watched>) -> Result<()> {
    for tap in pages.flat_map(|page| &page.taps) {
        ensure!(
            media.has(&tap.url, &tap.sha256),
            "{}: other bytes than the origin's",
            tap.url
        );
    }
    Ok(())
}
