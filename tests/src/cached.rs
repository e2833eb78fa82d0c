//! What an agent has on disk, looked through after it has left.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use runnel_peer_native::cache::Cache;
use runnel_protocol::ids::Root;
use runnel_protocol::proof::SegmentTree;
use runnel_protocol::units::UnixSeconds;

/// Every chunk that a cache holds is, byte for byte, one that the origin serves from this folder.
///
/// # Errors
/// When one is not, or the cache holds nothing.
pub fn is_the_origins(cache: &Path, media: &Path) -> Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = UnixSeconds(now.as_secs());
    let origin = segments(media)?;
    let mut cache = Cache::open(cache, u64::MAX, now)?;
    let held = cache.held();
    ensure!(!held.is_empty(), "an agent that never got anything");
    for segment in held {
        let body = &segment.entry.body;
        ensure!(origin.contains(&body.root), "an entry of no origin's");
        for index in &segment.chunks {
            let chunk = cache.load(&body.segment, *index, now)?;
            let chunk = chunk.context("a chunk that is not there")?;
            ensure!(chunk.verify(&body.root, body.length), "a false chunk");
        }
    }
    Ok(())
}

/// The roots of all segments of a recording.
fn segments(media: &Path) -> Result<BTreeSet<Root>> {
    let mut roots = BTreeSet::new();
    for file in std::fs::read_dir(media)? {
        let bytes = std::fs::read(file?.path())?;
        roots.extend(SegmentTree::new(&bytes).map(|tree| tree.root()));
    }
    Ok(roots)
}
