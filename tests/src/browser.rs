//! A real browser, driven over WebDriver: Chromium, and Firefox where it has to be another one.

mod chromium;
mod firefox;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::wd::{Capabilities, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::process::Process;
use crate::wait;
use chromium::{ConsoleLog, DevTools};

/// How long a driver may take to start, and a script to answer.
const BOUND: Duration = Duration::from_secs(30);

/// A browser with a profile of its own. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a headless Chromium; the driver's logs go to `logs`.
    ///
    /// # Errors
    /// When Chromium or its driver is missing or does not start.
    pub async fn open(logs: &Path) -> Result<Self> {
        Self::open_with(logs, &[]).await
    }

    /// Like [`Browser::open`], with more of Chromium's flags.
    ///
    /// # Errors
    /// As there.
    pub async fn open_with(logs: &Path, flags: &[&str]) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let wanted = chromium::capabilities(profile.path(), flags);
        Self::connect(chromium::start_driver(logs).await?, profile, wanted).await
    }

    /// Opens a headless Firefox; the driver's logs go to `logs`.
    ///
    /// # Errors
    /// When Firefox or its driver is missing or does not start.
    pub async fn open_firefox(logs: &Path) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let wanted = firefox::capabilities(profile.path());
        Self::connect(firefox::start_driver(logs).await?, profile, wanted).await
    }

    async fn connect(
        (driver, port): (Process, u16),
        profile: tempfile::TempDir,
        mut wanted: Capabilities,
    ) -> Result<Self> {
        let script = json!({ "script": BOUND.as_millis() as u64 });
        wanted.insert("timeouts".to_owned(), script);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("the browser does not start")?;
        Ok(Self {
            client,
            driver,
            _profile: profile,
        })
    }

    /// Opens a URL in the current window and waits until it is loaded.
    ///
    /// # Errors
    /// When the page cannot be reached.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.client
            .goto(url)
            .await
            .with_context(|| format!("cannot open {url}"))
    }

    /// Evaluates a JavaScript expression in the page; a promise is awaited.
    ///
    /// # Errors
    /// When it throws, or its value has another type.
    pub async fn eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        let script = format!(
            "const done = arguments[arguments.length - 1];\
             Promise.resolve().then(() => ({expression})).then(\
             value => done({{ value: value === undefined ? null : value }}), error => done({{ error: String(error) }}))"
        );
        let mut answer = self.client.execute_async(&script, vec![]).await?;
        if let Some(error) = answer["error"].as_str() {
            anyhow::bail!("{expression}: {error}");
        }
        serde_json::from_value(answer["value"].take()).with_context(|| expression.to_owned())
    }

    /// Waits until a JavaScript expression is true.
    ///
    /// # Errors
    /// When it is not within `bound`.
    pub async fn wait_for(&self, expression: &str, bound: Duration) -> Result<()> {
        let condition = format!("Boolean({expression})");
        wait::until(expression, bound, async || {
            matches!(self.eval(&condition).await, Ok(true)).then_some(())
        })
        .await
    }

    /// Opens another window and goes on in it.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn new_window(&self) -> Result<WindowHandle> {
        let handle = self.client.new_window(false).await?.handle;
        self.switch_to(&handle).await?;
        Ok(handle)
    }

    /// The current window.
    ///
    /// # Errors
    /// When it is closed.
    pub async fn window(&self) -> Result<WindowHandle> {
        Ok(self.client.window().await?)
    }

    /// Goes on in another window.
    ///
    /// # Errors
    /// When it is closed.
    pub async fn switch_to(&self, window: &WindowHandle) -> Result<()> {
        Ok(self.client.switch_to_window(window.clone()).await?)
    }

    /// What the page looks like, as PNG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        std::fs::write(file, self.client.screenshot().await?)?;
        Ok(())
    }

    /// What the page has written to its console since the last call, errors of loading included. Chromium's alone.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn console(&self) -> Result<Vec<String>> {
        let entries = self.client.issue_cmd(ConsoleLog).await?;
        let entries = entries.as_array().context("no log entries")?;
        Ok(entries.iter().map(written).collect())
    }

    /// Asks the current window's developer tools; `command` takes no parameters. Chromium's alone.
    ///
    /// # Errors
    /// When there is no such command.
    pub async fn devtools(&self, command: &'static str) -> Result<Value> {
        let answer = self.client.issue_cmd(DevTools(command)).await;
        answer.with_context(|| format!("no {command}"))
    }

    /// The process that started the browser.
    pub fn driver(&self) -> u32 {
        self.driver.id()
    }

    /// Closes it in good order.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn close(self) -> Result<()> {
        Ok(self.client.close().await?)
    }
}

fn written(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("level"), text("message"))
}
