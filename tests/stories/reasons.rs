//! What the control center tells about its decisions at `/v1/explain`.

use std::path::Path;

use anyhow::{Context, Result};
use runnel_tests::stack::Stack;
use runnel_tests::wait;
use serde::Deserialize;

use crate::viewer::BOUND;

/// One thing that happened to a peer, or was decided about it.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) at_ms: u64,
    /// The other peer, where one is involved.
    other: Option<String>,
    pub(crate) words: String,
}

/// What happened between `peer` and `other`, as `/v1/explain?peer=` tells it, oldest first.
pub(crate) async fn between(stack: &Stack, peer: &str, other: &str) -> Result<Vec<Event>> {
    let mut told = stack.ask(&format!("/v1/explain?peer={peer}")).await?;
    let mut events: Vec<Event> = serde_json::from_value(told["events"].take())?;
    events.retain(|event| event.other.as_deref() == Some(other));
    Ok(events)
}

/// Waits until something was said of `peer` and `other` in these words; when that was.
pub(crate) async fn explained(stack: &Stack, peer: &str, other: &str, words: &str) -> Result<u64> {
    let what = format!("{peer}: {other} … {words}");
    let said = wait::until(&what, 2 * BOUND, async || {
        let events = between(stack, peer, other).await.ok()?;
        let fits = events.iter().find(|event| event.words.contains(words));
        fits.map(|event| event.at_ms)
    });
    match said.await {
        Ok(at_ms) => Ok(at_ms),
        Err(error) => {
            let events = between(stack, peer, other).await?;
            Err(error.context(format!("was told: {events:#?}")))
        }
    }
}

/// The id with which an agent of this name says that it joined.
pub(crate) fn joined(stack: &Stack, agent: &str) -> Result<String> {
    named(&printed(stack.folder(), agent)?)
}

fn printed(folder: &Path, agent: &str) -> Result<String> {
    Ok(std::fs::read_to_string(
        folder.join(format!("{agent}.out")),
    )?)
}

fn named(printed: &str) -> Result<String> {
    let (_, rest) = printed
        .split_once("joined as regular peer ")
        .context("an agent that has not joined")?;
    Ok(rest.split_once(':').context("no name")?.0.to_owned())
}
