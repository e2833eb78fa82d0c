//! Chromium, and what its driver offers beyond WebDriver.

use std::path::Path;

use anyhow::{Context, Result};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use serde_json::json;
use tokio::process::Command;

use super::BOUND;
use crate::process::Process;

/// How often chromedriver may fail to get a port.
const DRIVER_ATTEMPTS: u32 = 5;

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

/// Starts chromedriver on a free port. It takes one of IPv4 and then wants the same of IPv6, which
/// somebody else may have: then it ends, and the next attempt gets another.
pub(super) async fn start_driver(logs: &Path) -> Result<(Process, u16)> {
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

pub(super) fn capabilities(profile: &Path, flags: &[&str]) -> Capabilities {
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
    capabilities
}

/// Chromedriver's own command for the page's console.
#[derive(Debug)]
pub(super) struct ConsoleLog;

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
pub(super) struct DevTools(pub(super) &'static str);

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
