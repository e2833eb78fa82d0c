//! Several viewers in one Chromium, each in a window of its own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::wd::WindowHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::watched::{READ, Watched};
use crate::browser::Browser;

/// Between two viewers' arrivals.
const APART: Duration = Duration::from_secs(3);
/// Small windows are cheap to paint, and six of them fit.
const WINDOW: &str = "--window-size=700,500";
/// In which every Worker has told its page of all that has arrived: it does so once a second.
const SETTLED: Duration = Duration::from_millis(1_500);

/// Those who watch.
pub(super) struct Audience {
    browser: Browser,
    windows: Vec<WindowHandle>,
    joined: Vec<Instant>,
}

impl Audience {
    /// Opens a page in one window after the other, 3 s apart.
    pub(super) async fn gather(logs: &Path, url: &str, viewers: usize) -> Result<Self> {
        let browser = Browser::open_with(logs, &[WINDOW]).await?;
        let mut audience = Self {
            browser,
            windows: Vec::new(),
            joined: Vec::new(),
        };
        let first = Instant::now();
        for number in 0..viewers {
            sleep_until(first + APART * u32::try_from(number)?).await;
            audience.join(url).await?;
        }
        Ok(audience)
    }

    async fn join(&mut self, url: &str) -> Result<()> {
        let window = match self.windows.is_empty() {
            true => self.browser.window().await?,
            false => self.browser.new_window().await?,
        };
        self.joined.push(Instant::now());
        self.browser.goto(url).await?;
        self.windows.push(window);
        Ok(())
    }

    /// Lets everybody watch until this long after the first one came.
    pub(super) async fn watch_for(&self, seconds: u32) -> Result<()> {
        let first = self.joined.first().context("nobody watches")?;
        sleep_until(*first + Duration::from_secs(u64::from(seconds))).await;
        Ok(())
    }

    /// Asks every player to load no more.
    pub(super) async fn stop_loading(&self) -> Result<()> {
        for window in &self.windows {
            self.browser.switch_to(window).await?;
            self.browser.eval::<()>("__runnel.hls.stopLoad()").await?;
        }
        Ok(())
    }

    /// How long they watched, all together, minutes.
    pub(super) fn viewer_minutes(&self) -> f64 {
        let watched = self
            .joined
            .iter()
            .map(|joined| joined.elapsed().as_secs_f64());
        watched.sum::<f64>() / 60.0
    }

    /// Reads what each page tells, once what was under way has arrived.
    pub(super) async fn read(&self) -> Result<Vec<Watched>> {
        sleep(SETTLED).await;
        let mut pages = Vec::new();
        for window in &self.windows {
            self.browser.switch_to(window).await?;
            pages.push(self.browser.eval(READ).await?);
        }
        Ok(pages)
    }

    /// A picture of the first one, for people to look at.
    pub(super) async fn picture(&self, file: &Path) -> Result<()> {
        if let Some(window) = self.windows.first() {
            self.browser.switch_to(window).await?;
            self.browser.screenshot(file).await?;
        }
        Ok(())
    }

    /// What the pages wrote to their consoles.
    pub(super) async fn console(&self) -> Result<Vec<String>> {
        self.browser.console().await
    }

    pub(super) async fn leave(self) -> Result<()> {
        self.browser.close().await
    }
}
