//! How full the peer's tables are: for metrics, and for tests that nothing leaks.

use crate::peer::Peer;

/// Number of entries in each table that the outside world can fill.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Links, standing or being made.
    pub links: usize,
    /// Segments that the player or children need.
    pub needs: usize,
    /// Requests to parents that are not answered.
    pub requests: usize,
    /// Bulk streams that arrive.
    pub streams: usize,
    /// Bytes that wait for the signature of their entry.
    pub unproven: usize,
    /// Fetches from the CDN.
    pub fetches: usize,
    /// Bulk streams being sent.
    pub uploads: usize,
    /// Children's standing wishes.
    pub children: usize,
    /// Children's requests for segments of which nothing is known.
    pub asking: usize,
    /// Reads from disk.
    pub loads: usize,
    /// Signatures being checked.
    pub checks: usize,
    /// Peers left alone because they misbehaved.
    pub banned: usize,
    /// Side effects not yet taken by the shell.
    pub outputs: usize,
}

impl Peer {
    /// How full the tables are.
    pub fn census(&self) -> Census {
        let (requests, streams, unproven) = self.fetches.census();
        Census {
            links: self.links.iter().count(),
            needs: self.fetches.needs.len(),
            requests,
            streams,
            unproven,
            fetches: self.fetches.origin.len(),
            uploads: self.uploads.len(),
            children: self.children.len(),
            asking: self.asking.len(),
            loads: self.loads.len(),
            checks: self.checks.len(),
            banned: self.banned.len(),
            outputs: self.outputs.len(),
        }
    }
}
