//! What the viewer page says of each segment that its player got (`?tap=1`).

use anyhow::{Result, ensure};
use serde::Deserialize;

/// One segment as hls.js got it.
#[derive(Debug, Deserialize)]
pub struct Tap {
    /// Where the player thinks it came from.
    pub url: String,
    /// First byte and the one after the last, where it is a part of a file.
    pub range: Option<(u64, u64)>,
    bytes: u64,
    sha256: String,
}

impl Tap {
    /// Whether these, the origin's, are its bytes.
    ///
    /// # Errors
    /// When they are not, with the URL.
    pub fn equals(&self, origins: &[u8]) -> Result<()> {
        let Self {
            url, bytes, sha256, ..
        } = self;
        ensure!(
            origins.len() as u64 == *bytes,
            "{url}: {bytes} bytes instead of {}",
            origins.len()
        );
        ensure!(
            hex(origins) == *sha256,
            "{url}: other bytes than the origin's"
        );
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
