//! A parent that lies: nothing false reaches the player or another peer, whoever is lied to hangs
//! up at the first chunk and says so, and the picture goes on.

use std::time::Duration;

use anyhow::{Context, Result};
use runnel_tests::cached::is_the_origins;
use runnel_tests::process::{Process, binary};
use runnel_tests::stack::{Plan, Stack};
use tokio::process::Command;

use crate::reasons::{explained, joined};
use crate::viewer::{BOUND, Viewer};

/// The widest uplink of all, so that the liar is everybody's first choice.
const WIDEST_KBPS: &str = "90000";

/// What a liar's victim says of it at `/v1/explain`.
const CAUGHT: &str = "says that";

/// A live stream from a waypoint, an honest agent and a liar, and somebody who watches.
struct Scene {
    stack: Stack,
    viewer: Viewer,
    liar: Process,
    /// The ids of the three.
    names: Names,
}

struct Names {
    liar: String,
    agent: String,
    viewer: String,
}

impl Scene {
    /// Plays until the liar was chosen as a parent by both, viewer and agent.
    async fn with(lie: &str) -> Result<Self> {
        let plan = Plan {
            agents: 1,
            ..Plan::default()
        };
        let stack = Stack::start(&format!("liar-{lie}"), plan).await?;
        let (liar, name) = start_liar(&stack, lie).await?;
        let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
        viewer.sees("__runnel.stats.peer !== null").await?;
        let names = Names {
            liar: name,
            agent: joined(&stack, "agent-1")?,
            viewer: viewer.browser.eval("__runnel.stats.peer").await?,
        };
        let scene = Self {
            stack,
            viewer,
            liar,
            names,
        };
        for child in [&scene.names.viewer, &scene.names.agent] {
            scene
                .explained(child, &scene.names.liar, "of its stripes")
                .await?;
        }
        Ok(scene)
    }

    /// Waits until `/v1/explain` says this of `peer`, about `other`.
    async fn explained(&self, peer: &str, other: &str, words: &str) -> Result<()> {
        explained(&self.stack, peer, other, words).await?;
        Ok(())
    }

    /// The picture goes on as if nobody had lied; then everybody leaves, and what the honest agent
    /// has on disk is looked through.
    async fn ends_well(self) -> Result<()> {
        self.viewer.watches(8).await?;
        self.viewer.got_what_the_origin_has(&self.stack).await?;
        assert_eq!(self.viewer.stalls().await?, 0);
        let folder = self.stack.folder().to_owned();
        self.liar.stop(Duration::from_secs(10)).await?;
        self.stack.stop().await?;
        is_the_origins(&folder.join("agent-1/cache"), &folder.join("media/clip"))
    }
}

/// Both victims accuse the liar, and play goes on.
async fn is_found_out(lie: &str) -> Result<()> {
    let scene = Scene::with(lie).await?;
    let Names {
        liar,
        agent,
        viewer,
    } = &scene.names;
    for victim in [viewer, agent] {
        scene.explained(liar, victim, CAUGHT).await?;
        // And is heard: nobody is sent back there.
        scene
            .explained(victim, liar, "is its parent no more")
            .await?;
    }
    scene.ends_well().await
}

#[tokio::test]
async fn who_flips_bits_is_found_out() -> Result<()> {
    is_found_out("flip").await
}

#[tokio::test]
async fn who_cuts_chunks_short_is_found_out() -> Result<()> {
    is_found_out("truncate").await
}

#[tokio::test]
async fn who_sends_another_segment_is_found_out() -> Result<()> {
    is_found_out("swap").await
}

#[tokio::test]
async fn who_sends_another_rendition_is_found_out() -> Result<()> {
    is_found_out("rendition").await
}

#[tokio::test]
async fn who_signs_in_the_waypoints_name_is_found_out() -> Result<()> {
    is_found_out("forge").await
}

/// An old segment is genuine, so it convicts nobody. But it is not what was asked for: whoever
/// gets nothing else for a while looks for another parent, or is given one by the control center.
#[tokio::test]
async fn who_repeats_an_old_segment_is_given_up() -> Result<()> {
    let scene = Scene::with("replay").await?;
    let Names {
        liar,
        agent,
        viewer,
    } = &scene.names;
    for victim in [viewer, agent] {
        scene
            .explained(victim, liar, "the two are kept apart")
            .await?;
        scene
            .explained(victim, liar, "is its parent no more")
            .await?;
    }
    scene.ends_well().await
}

#[tokio::test]
async fn who_tells_the_truth_too_slowly_costs_nobody_a_stall() -> Result<()> {
    let scene = Scene::with("drip").await?;
    scene.viewer.watches(8).await?;
    scene.ends_well().await
}

async fn start_liar(stack: &Stack, lie: &str) -> Result<(Process, String)> {
    let folder = stack.folder();
    let mut command = Command::new(binary("runnel-liar")?);
    command.args(["--coordinator", &stack.door()?, "--lie", lie]);
    command.args(["--uplink-kbps", WIDEST_KBPS]);
    command.arg("--data").arg(folder.join("liar"));
    command
        .arg("--foreign")
        .arg(folder.join("media/clip/low-005.ts"));
    let mut liar = Process::spawn("liar", command, folder)?;
    let name = liar.line("joined as regular peer ", BOUND).await?;
    let name = name.split_once(':').context("no name")?.0.to_owned();
    Ok((liar, name))
}
