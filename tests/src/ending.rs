//! When a program of the harness has to end before its work is done.

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// When the system gives no signals.
pub async fn asked_for() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("no SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("no Ctrl-C"),
        _ = terminated.recv() => Ok(()),
    }
}

/// Does the work, or drops it, and with it all that it started, as soon as an end is asked for.
///
/// # Errors
/// Those of the work; when it was cut short.
pub async fn or_done<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        asked = asked_for() => {
            asked?;
            bail!("interrupted")
        }
    }
}
