//! Waiting for a condition, with a bound: the only way in which a story waits.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(50);

/// Probes until there is an answer.
///
/// # Errors
/// When there is none within `bound`; the message says `what` was waited for.
pub async fn until<T>(
    what: &str,
    bound: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(answer) = probe().await {
            return Ok(answer);
        }
        if Instant::now() > end {
            bail!("waited {} s in vain for {what}", bound.as_secs());
        }
        sleep(PAUSE).await;
    }
}
