//! Logging: to standard error, filtered by `RUNNEL_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging; `RUNNEL_LOG` takes the usual filter, such as `info` or `runnel_coordinator=debug`.
pub fn start() {
    let filter = EnvFilter::try_from_env("RUNNEL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start in one process keeps the first one.
    let _ = subscriber.try_init();
}
