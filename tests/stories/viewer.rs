//! Somebody who watches: a Chromium with the viewer page, and what its hook tells.

use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_tests::browser::Browser;
use runnel_tests::page::{Lack, Page};
use runnel_tests::stack::Stack;
use runnel_tests::taps::Tap;
use serde::Deserialize;
use serde_json::Value;

/// How long a page may take to play, or to get somewhere, on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

pub(crate) struct Viewer {
    pub(crate) browser: Browser,
    _page: Page,
    folder: PathBuf,
}

/// Bytes that reached the player, by source.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Bytes {
    pub(crate) cdn: f64,
    pub(crate) waypoint: f64,
    pub(crate) peer: f64,
}

impl Bytes {
    /// The part that came from peers, waypoint not counted.
    pub(crate) fn offload(self) -> f64 {
        self.peer / (self.cdn + self.waypoint + self.peer).max(1.0)
    }
}

impl Sub for Bytes {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cdn: self.cdn - before.cdn,
            waypoint: self.waypoint - before.waypoint,
            peer: self.peer - before.peer,
        }
    }
}

impl Viewer {
    /// Opens the page on a content and waits until the picture moves. `query` as the page reads it.
    pub(crate) async fn watch(stack: &Stack, content: &str, query: &str) -> Result<Self> {
        Self::watch_without(stack, content, query, Lack::Nothing).await
    }

    /// The same in a browser that lacks something.
    pub(crate) async fn watch_without(
        stack: &Stack,
        content: &str,
        query: &str,
        lack: Lack,
    ) -> Result<Self> {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-demo/dist");
        let page = Page::serve(&dist, 0, &stack.page_config(), lack).await?;
        let browser = Browser::open(stack.folder()).await?;
        let url = format!("{}/?stream={content}&tap=1&{query}", page.url());
        browser.goto(&url).await?;
        let viewer = Self {
            browser,
            _page: page,
            folder: stack.folder().to_owned(),
        };
        viewer
            .sees("window.__runnel && window.__runnel.startupMs !== null")
            .await?;
        Ok(viewer)
    }

    /// Waits until an expression about the page is true.
    pub(crate) async fn sees(&self, expression: &str) -> Result<()> {
        let outcome = self.browser.wait_for(expression, BOUND).await;
        if outcome.is_err() {
            self.tell_all().await?;
        }
        outcome
    }

    /// What helps to understand a failure: console, the hook's snapshot, a picture.
    async fn tell_all(&self) -> Result<()> {
        eprintln!("console: {:#?}", self.browser.console().await?);
        let stats: Value = self
            .browser
            .eval("window.__runnel && __runnel.stats")
            .await?;
        eprintln!("stats: {stats:#}");
        self.browser
            .screenshot(&self.folder.join("failed.png"))
            .await
    }

    /// Watches this many seconds of the picture.
    pub(crate) async fn watches(&self, seconds: u32) -> Result<()> {
        let position = "document.querySelector('video').currentTime";
        let before: f64 = self.browser.eval(position).await?;
        self.sees(&format!("{position} >= {}", before + f64::from(seconds)))
            .await
    }

    pub(crate) async fn stalls(&self) -> Result<u32> {
        self.browser.eval("__runnel.stallCount").await
    }

    pub(crate) async fn bytes(&self) -> Result<Bytes> {
        self.browser.eval("__runnel.stats.bytes").await
    }

    /// Every segment that the player ever got equals the origin's, byte for byte.
    pub(crate) async fn got_what_the_origin_has(&self, stack: &Stack) -> Result<()> {
        let taps: Vec<Tap> = self.browser.eval("__runnel.taps").await?;
        ensure!(!taps.is_empty(), "the player got nothing");
        for tap in &taps {
            tap.equals(&stack.fetch_range(&tap.url, tap.range).await?)?;
        }
        Ok(())
    }

    /// A picture for people to look at, kept with the story's logs.
    pub(crate) async fn picture(&self, stack: &Stack, name: &str) -> Result<()> {
        let file = stack.folder().join(format!("{name}.png"));
        self.browser.screenshot(&file).await.context("no picture")
    }
}
