//! What the coordinator counts of attacks.

use anyhow::Result;
use runnel_tests::stack::Stack;

/// A count of the coordinator's, zero where there is none yet.
pub(crate) async fn counted(stack: &Stack, name: &str) -> Result<u64> {
    let metrics = format!("{}/metrics", stack.center_url()?);
    let text = reqwest::get(metrics).await?.text().await?;
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next());
    Ok(value.map(str::parse).transpose()?.unwrap_or(0))
}
