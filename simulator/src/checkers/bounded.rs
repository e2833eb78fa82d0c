//! I13: tables and queues stay within their bounds.

use super::Verdict;
use crate::world::World;

/// Far above what a healthy peer needs, far below what would hurt it: growth shows.
const SMALL: usize = 2048;
/// Bytes that may wait for the signature of their entry.
const UNPROVEN: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Bounded {
    pub(crate) verdict: Verdict,
}

impl Default for Bounded {
    fn default() -> Self {
        let verdict = Verdict::new("I13 tables stay within bounds");
        Self { verdict }
    }
}

impl Bounded {
    pub(crate) fn look(&mut self, world: &World) {
        for (at, node) in world.present().filter(|(_, node)| !node.hung) {
            let census = node.peer.census();
            let tables = [
                census.links,
                census.needs,
                census.requests,
                census.streams,
                census.fetches,
                census.uploads,
                census.children,
                census.asking,
                census.loads,
                census.checks,
                census.outputs,
            ];
            let small =
                tables.iter().all(|entries| *entries <= SMALL) && census.unproven <= UNPROVEN;
            self.verdict
                .expect(small, || format!("peer {}: {census:?}", at.0));
        }
        if let Some(center) = world.office.center() {
            let here = world.present().count();
            let known = center.peer_count();
            // Whoever has just gone may still be known.
            self.verdict.expect(known <= 2 * here + 64, || {
                format!("the control center knows {known} peers of {here}")
            });
        }
    }
}
