//! A real Chromium, driven over WebDriver.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::Process;
use crate::wait;

/// How often chromedriver may fail to get a port.
const DRIVER_ATTEMPTS: u32 = 5;
const BOUND: Duration = Duration::from_secs(30);

/// Nothing that phones home, nothing that throttles a page because no human looks at it.
const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--window-size=1280,900",
];

/// A browser with a profile of its own. Dropping it ends Chromium.
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
        let (driver, port) = start_driver(logs).await?;
        let url = format!("http://127.0.0.1:{port}");
        let profile = tempfile::tempdir()?;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(profile.path(), flags))
            .connect(&url)
            .await
            .context("Chromium does not start")?;
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

    /// What the page has written to its console since the last call, errors of loading included.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub async fn console(&self) -> Result<Vec<String>> {
        let entries = self.client.issue_cmd(ConsoleLog).await?;
        let entries = entries.as_array().context("no log entries")?;
        Ok(entries.iter().map(written).collect())
    }

    /// Asks the current window's developer tools; `command` takes no parameters.
    ///
    /// # Errors
    /// When there is no such command.
    pub async fn devtools(&self, command: &'static str) -> Result<Value> {
        let answer = self.client.issue_cmd(DevTools(command)).await;
        answer.with_context(|| format!("no {command}"))
    }

    /// The process that started Chromium.
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

/// Starts chromedriver on a free port. It takes one of IPv4 and then wants the same of IPv6, which
/// somebody else may have: then it ends, and the next attempt gets another.
async fn start_driver(logs: &Path) -> Result<(Process, u16)> {
    for _ in 1..DRIVER_ATTEMPTS {
        if let Ok(started) = try_driver(logs).await {
            return Ok(started);
        }
    }
    try_driver(logs).await
}

async fn try_driver(logs: &Path) -> Result<(Process, u16)> {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0");
    let mut driver = Process::spawn("chromedriver", command, logs)?;
    let port = driver.line("started successfully on port ", BOUND).await?;
    let port = port.trim_end_matches('.').parse();
    Ok((driver, port.context("chromedriver names no port")?))
}

fn capabilities(profile: &Path, flags: &[&str]) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.display());
    let flags: Vec<&str> = FLAGS
        .iter()
        .chain(flags)
        .copied()
        .chain([profile.as_str()])
        .collect();
    let mut options = json!({ "args": flags });
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
    if let Some(program) = known
        .into_iter()
        .find(|program| Path::new(program).exists())
    {
        options["binary"] = program.into();
    }
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".to_owned(), options);
    capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
    capabilities.insert(
        "timeouts".to_owned(),
        json!({ "script": BOUND.as_millis() as u64 }),
    );
    capabilities
}

/// Chromedriver's own command for the page's console.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (
            http::Method::POST,
            Some(json!({ "type": "browser" }).to_string()),
        )
    }
}

/// Chromedriver's way to Chromium's developer tools: a command without parameters.
#[derive(Debug)]
struct DevTools(&'static str);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (
            http::Method::POST,
            Some(json!({ "cmd": self.0, "params": {} }).to_string()),
        )
    }
}
