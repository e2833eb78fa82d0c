//! Firefox, by geckodriver.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fantoccini::wd::Capabilities;
use serde_json::json;
use tokio::process::Command;

use super::BOUND;
use crate::process::Process;

/// Starts geckodriver on a free port. It asks for one more, on which nobody calls it.
pub(super) async fn start_driver(logs: &Path) -> Result<(Process, u16)> {
    let mut command = Command::new(program());
    command.args(["--port=0", "--websocket-port=0"]);
    let mut driver = Process::spawn("geckodriver", command, logs)?;
    let port = driver.line("Listening on 127.0.0.1:", BOUND).await?;
    let port = port.trim().parse();
    Ok((driver, port.context("geckodriver names no port")?))
}

/// `cargo xtask setup` builds it into the checkout.
fn program() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/geckodriver");
    if built.is_file() {
        built
    } else {
        "geckodriver".into()
    }
}

/// Nothing but the page is loaded, and no human has to allow that it plays.
pub(super) fn capabilities(profile: &Path) -> Capabilities {
    let known = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];
    let program = known.iter().find(|program| Path::new(program).exists());
    let options = json!({
        "binary": program.unwrap_or(&"firefox"),
        "args": ["-headless", "-profile", profile],
        "prefs": {
            "app.normandy.enabled": false,
            "app.update.disabledForTesting": true,
            "browser.safebrowsing.downloads.enabled": false,
            "browser.safebrowsing.malware.enabled": false,
            "browser.safebrowsing.phishing.enabled": false,
            "browser.search.update": false,
            "datareporting.policy.dataSubmissionEnabled": false,
            "media.autoplay.blocking_policy": 0,
            "media.autoplay.default": 0,
            "network.captive-portal-service.enabled": false,
            "network.connectivity-service.enabled": false,
            "services.settings.server": "data:,",
        },
    });
    let mut capabilities = Capabilities::new();
    capabilities.insert("moz:firefoxOptions".to_owned(), options);
    capabilities
}
