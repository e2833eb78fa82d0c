//! Those who watch: one who stays, and one who comes and goes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use super::memory;
use super::verdict::CHROMIUMS;
use crate::browser::Browser;

const BOUND: Duration = Duration::from_secs(60);
const PLAYS: &str = "window.__runnel && window.__runnel.startupMs !== null";
/// hls.js keeps all that was played until the browser's own limit; a site that cares says how much.
const FORGET: &str = "void (__runnel.hls.config.backBufferLength = 10)";
/// Nobody's eyes need a large window.
const WINDOW: &str = "--window-size=700,500";

const LOOK: &str = "(() => { const { bytes, buffer, stalls } = __runnel.stats;
    const position = document.querySelector('video').currentTime;
    return { position, stalls, wasm: buffer.memoryBytes, ...bytes }; })()";

/// What the page tells of itself.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Played {
    /// Seconds of the picture.
    pub(super) position: f64,
    pub(super) stalls: u32,
    /// The Worker's WebAssembly memory, bytes.
    wasm: u64,
    pub(super) cdn: u64,
    pub(super) waypoint: u64,
    pub(super) peer: u64,
}

/// The one who stays, and is measured.
pub(super) struct Watcher {
    browser: Browser,
    wasm: u64,
}

impl Watcher {
    pub(super) async fn sit_down(logs: &Path, url: &str) -> Result<Self> {
        let browser = Browser::open_with(logs, &[WINDOW]).await?;
        browser.goto(url).await?;
        browser.wait_for(PLAYS, BOUND).await?;
        browser.eval::<()>(FORGET).await?;
        Ok(Self { browser, wasm: 0 })
    }

    pub(super) async fn look(&mut self) -> Result<Played> {
        let played: Played = self.browser.eval(LOOK).await?;
        self.wasm = played.wasm;
        Ok(played)
    }

    /// Who holds how many bytes, in the same order each time.
    pub(super) async fn memory(&self) -> Result<Vec<(String, u64)>> {
        let heap = self.heap().await?;
        let (renderers, rest) = memory::below(self.browser.driver())?;
        let named = |(who, bytes): (&str, u64)| (who.to_owned(), bytes);
        Ok([
            ("page's heap", heap),
            ("Worker's wasm", self.wasm),
            (CHROMIUMS[0], renderers),
            (CHROMIUMS[1], rest),
        ]
        .map(named)
        .to_vec())
    }

    /// The page's JavaScript heap and what hangs on it, after a collection.
    async fn heap(&self) -> Result<u64> {
        self.browser.devtools("HeapProfiler.collectGarbage").await?;
        let usage = self.browser.devtools("Runtime.getHeapUsage").await?;
        let parts = ["usedSize", "embedderHeapUsedSize", "backingStorageSize"];
        let bytes = parts
            .iter()
            .filter_map(|part| usage.get(part).and_then(Value::as_f64));
        Ok(bytes.sum::<f64>() as u64)
    }

    pub(super) async fn leave(self, folder: &Path) -> Result<()> {
        self.browser.screenshot(&folder.join("soak.png")).await?;
        self.browser.close().await
    }
}

/// The one who comes and goes.
pub(super) struct Visitor {
    browser: Browser,
    url: String,
    visits: u32,
}

impl Visitor {
    pub(super) async fn new(logs: &Path, url: &str) -> Result<Self> {
        Ok(Self {
            browser: Browser::open_with(&logs.join("visitor"), &[WINDOW]).await?,
            url: url.to_owned(),
            visits: 0,
        })
    }

    /// Leaves the page if it is there, and opens it again.
    pub(super) async fn come_again(&mut self) -> Result<()> {
        self.browser.goto("about:blank").await?;
        self.browser.goto(&self.url).await?;
        self.browser.wait_for(PLAYS, BOUND).await?;
        self.visits += 1;
        Ok(())
    }

    pub(super) fn visits(&self) -> u32 {
        self.visits
    }

    pub(super) async fn leave(self) -> Result<()> {
        self.browser.close().await
    }
}
