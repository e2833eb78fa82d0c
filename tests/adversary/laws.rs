//! Somebody has himself fed against the policies in force (T16): he keeps an old ticket, never hears of
//! its end, and is gone from the coordinator's view; and the coordinator dies meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use runnel_peer_native::config::Config;
use runnel_peer_native::player::Player;
use runnel_protocol::control::Contact;
use runnel_protocol::peer::{CloseReason, Control, Subscribe};
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::signing::KeyPair;
use runnel_tests::media::noise::{self, Noise};
use runnel_tests::stack::{Plan, Source, Stack};
use tokio::time::timeout;
use web_transport_quinn::{SessionError, WebTransportError};

use crate::stranger::{Door, Guest, Stranger};

const GERMANY: &str = r#"
name = "germany"
kind = "provider"
[[deny]]
what = "peers"
when = 'viewer.country == "DE"'
say = "not licensed in DE"
"#;

/// What the rendition is said to need, bit/s.
const BANDWIDTH: u64 = 800_000;
/// How long anything may take on a machine that compiles something as well.
const BOUND: Duration = Duration::from_secs(60);

/// Whoever is introduced, leaves, and comes to the agent with what he was given.
struct Replayer {
    seed: [u8; 32],
    agent: Contact,
    link: Stranger,
}

impl Replayer {
    async fn is_served(stack: &Stack, name: &str) -> Result<Self> {
        let guest = Guest::introduced(stack, name).await?;
        let (seed, agent) = guest.leaves().await;
        let mut link = Stranger::at(Door::Native, &agent, KeyPair::from_seed(&seed)).await?;
        link.presents(vec![agent.ticket.clone()]).await?;
        link.is_welcome().await?;
        link.says(&Control::Subscribe(Subscribe {
            content: agent.ticket.body.content,
            track: noise::track(BANDWIDTH),
            stripes: 4,
            substreams: SubstreamSet::all(4),
            from: 0,
        }))
        .await?;
        let media = timeout(BOUND, link.session.accept_uni()).await;
        media.context("he is not served")??;
        Ok(Self { seed, agent, link })
    }

    /// Waits until the agent has had enough of him; how long that took.
    async fn is_parted(&self) -> Result<Duration> {
        let begun = Instant::now();
        let closed = timeout(BOUND, self.link.session.closed()).await?;
        let SessionError::WebTransportError(WebTransportError::Closed(code, _)) = closed else {
            anyhow::bail!("no reason given: {closed}");
        };
        let reason = CloseReason::from_code(code).context("a code that nobody knows")?;
        let fits = matches!(reason, CloseReason::Revoked | CloseReason::Done);
        ensure!(fits, "{reason:?}");
        Ok(begun.elapsed())
    }

    /// With the same ticket he gets no further than the door.
    async fn is_turned_away(&self) -> Result<()> {
        for door in [Door::Native, Door::Browser] {
            let keys = KeyPair::from_seed(&self.seed);
            let mut again = Stranger::at(door, &self.agent, keys).await?;
            again.presents(vec![self.agent.ticket.clone()]).await?;
            let reason = again.shown_out().await?;
            ensure!(reason == CloseReason::Unauthorised, "{reason:?}");
        }
        Ok(())
    }
}

/// Media of which the track is known, and somebody who keeps the agent in its place.
async fn evening(name: &str) -> Result<(Stack, Player)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder)?;
    Noise::make(&folder, 60, 200_000, BANDWIDTH)?;
    let plan = Plan {
        agents: 1,
        source: Source::Recorded(folder),
        ..Plan::default()
    };
    let stack = Stack::start(name, plan).await?;
    let (neighbour, _) = Player::start(Config {
        coordinator: stack.door()?,
        listen: ([127, 0, 0, 1], 0).into(),
        data: stack.folder().join("neighbour"),
        content: vec!["live".to_owned()],
        ..Config::default()
    })
    .await?;
    Ok((stack, neighbour))
}

#[tokio::test]
async fn whoever_leaves_and_keeps_his_link_is_parted_by_the_next_policy() -> Result<()> {
    let (stack, neighbour) = evening("adversary-laws").await?;
    let replayer = Replayer::is_served(&stack, "replayer").await?;
    let policy = format!("{}/v1/policies/germany", stack.center_url()?);
    let put = reqwest::Client::new().put(policy).body(GERMANY);
    put.send().await?.error_for_status()?;
    let after = replayer.is_parted().await?;
    println!("parted {} ms after the policy", after.as_millis());
    replayer.is_turned_away().await?;
    neighbour.stop().await;
    stack.stop().await
}

#[tokio::test]
async fn a_policy_that_changed_while_the_coordinator_was_down_parts_whoever_hides() -> Result<()> {
    let (mut stack, neighbour) = evening("adversary-restart").await?;
    let replayer = Replayer::is_served(&stack, "replayer").await?;
    stack.center()?.kill();
    let policy = stack.folder().join("germany.toml");
    std::fs::write(&policy, GERMANY)?;
    stack.set_center(&format!("policies = {policy:?}"))?;
    stack.revive_center().await?;
    let after = replayer.is_parted().await?;
    println!("parted {} ms after the restart", after.as_millis());
    replayer.is_turned_away().await?;
    neighbour.stop().await;
    stack.stop().await
}
