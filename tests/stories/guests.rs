//! Guests with a good ticket who do not behave, and one who comes with it too late: each is shown
//! out and counted, and whoever watches notices nothing (T4, T13).

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use runnel_protocol::control::Contact;
use runnel_protocol::peer::CloseReason;
use runnel_protocol::signing::KeyPair;
use runnel_tests::process::Process;
use runnel_tests::stack::{Plan, Stack};
use runnel_tests::wait;

use crate::stranger::{Door, Guest, Stranger, junk};
use crate::viewer::{BOUND, Viewer};

/// For how long an agent lets others be late after their ticket's time, seconds; and one more.
const SLACK: u64 = 6;

/// What a guest says once it was let in that no peer says.
#[derive(Clone, Copy, Debug)]
enum Nonsense {
    /// Bytes that are no message.
    Junk,
    /// A message longer than any.
    Endless,
    /// Media that is none, on a stream of its own.
    Media,
}

/// Comes in by the browser's door with a good ticket, talks nonsense, and is shown out.
async fn talks(nonsense: Nonsense, keys: KeyPair, agent: &Contact) -> Result<()> {
    let mut guest = Stranger::at(Door::Browser, agent, keys).await?;
    guest.presents(vec![agent.ticket.clone()]).await?;
    guest.is_welcome().await?;
    // Held until the end: a stream that is let go may be reset before it was read.
    let mut media = None;
    match nonsense {
        // A length that is allowed, then what no message begins with.
        Nonsense::Junk => {
            guest
                .send
                .write_all(&[&[64, 0, 0, 0], &junk(1, 64)[..]].concat())
                .await?
        }
        Nonsense::Endless => guest.send.write_all(&u32::MAX.to_le_bytes()).await?,
        Nonsense::Media => {
            let mut stream = guest.session.open_uni().await?;
            stream.write_all(&junk(2, 3000)).await?;
            media = Some(stream);
        }
    }
    let why = guest.shown_out().await?;
    drop(media);
    ensure!(
        why == CloseReason::Malformed,
        "{nonsense:?}: shown out because of {why:?}"
    );
    Ok(())
}

/// Waits until an agent's log counts at least so many refusals for this reason.
async fn counted(agent: &Process, reason: &str, least: u64) -> Result<()> {
    let what = format!("{least} refusals counted as {reason}");
    wait::until(&what, BOUND, async || {
        let log = agent.log();
        let told = log.lines().rfind(|line| line.contains("refused so far"))?;
        let (_, count) = told.split_once(&format!("{reason} "))?;
        let count: u64 = count.split(',').next()?.trim().parse().ok()?;
        (count >= least).then_some(())
    })
    .await
}

async fn watched(name: &str) -> Result<(Stack, Viewer)> {
    let plan = Plan {
        agents: 1,
        ..Plan::default()
    };
    let stack = Stack::start(name, plan).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    Ok((stack, viewer))
}

#[tokio::test]
async fn a_guest_who_talks_nonsense_is_shown_out_and_counted() -> Result<()> {
    let (stack, viewer) = watched("nonsense").await?;
    let before = viewer.bytes().await?;
    for nonsense in [Nonsense::Junk, Nonsense::Endless, Nonsense::Media] {
        // Each is another one: whoever misbehaved is not let in again.
        let guest = Guest::introduced(&stack, &format!("guest-{nonsense:?}")).await?;
        let (seed, agent) = guest.leaves().await;
        talks(nonsense, KeyPair::from_seed(&seed), &agent).await?;
    }
    let agent = stack.agents().first().context("no agent")?;
    counted(agent, "malformed", 3).await?;
    viewer.watches(4).await?;
    assert!(viewer.bytes().await?.peer > before.peer, "no peer delivers");
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_ticket_opens_the_door_for_a_minute_and_no_longer() -> Result<()> {
    let (stack, viewer) = watched("expired").await?;
    let guest = Guest::introduced(&stack, "guest").await?;
    let (seed, contact) = guest.leaves().await;
    let ticket = &contact.ticket;
    for door in [Door::Native, Door::Browser] {
        let mut guest = Stranger::at(door, &contact, KeyPair::from_seed(&seed)).await?;
        guest.presents(vec![ticket.clone()]).await?;
        guest.is_welcome().await?;
    }
    let too_late = ticket.body.establish_before.0 + SLACK;
    wait::until("the ticket's minute to end", 2 * BOUND, async || {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        (now > Duration::from_secs(too_late)).then_some(())
    })
    .await?;
    for door in [Door::Native, Door::Browser] {
        let mut guest = Stranger::at(door, &contact, KeyPair::from_seed(&seed)).await?;
        guest.presents(vec![ticket.clone()]).await?;
        let why = guest.shown_out().await?;
        ensure!(
            why == CloseReason::Unauthorised,
            "{door:?}: shown out because of {why:?}"
        );
    }
    let agent = stack.agents().first().context("no agent")?;
    counted(agent, "unauthorised", 2).await?;
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}
