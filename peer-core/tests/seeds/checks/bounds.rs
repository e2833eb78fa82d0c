//! I13: tables stay small while a handful of peers play, and are empty when all is over.

use runnel_peer_core::Census;

use crate::run::Run;

/// Far above what these worlds need, far below the stated bounds: growth shows.
const SMALL: usize = 200;

pub fn check(run: &Run) -> Result<(), String> {
    for (at, fullest) in run.fullest.iter().enumerate() {
        let tables = [
            fullest.links,
            fullest.needs,
            fullest.requests,
            fullest.streams,
            fullest.fetches,
            fullest.uploads,
            fullest.children,
            fullest.asking,
            fullest.loads,
            fullest.checks,
            fullest.outputs,
        ];
        if tables.iter().any(|entries| *entries > SMALL) {
            return Err(format!("host {at}: {fullest:?}"));
        }
    }
    for (at, host) in run.world.hosts.iter().enumerate() {
        let left = Census {
            links: 0,
            children: 0,
            banned: 0,
            ..host.peer.census()
        };
        let frozen = run.world.is_frozen(crate::world::At(at));
        if left != Census::default() && !frozen {
            return Err(format!("host {at} is left with {left:?}"));
        }
    }
    Ok(())
}
