//! I8: what is reserved is what somebody is fed with, no more than is offered, and nothing
//! outlives who it was reserved for.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::Verdict;
use crate::world::World;

/// Whoever offers less from one moment to the next may be overdrawn for so long.
const LEASE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Reservations {
    pub(crate) verdict: Verdict,
    overdrawn: BTreeMap<PeerId, Timestamp>,
}

impl Default for Reservations {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("I8 reservations fit and end"),
            overdrawn: BTreeMap::new(),
        }
    }
}

impl Reservations {
    pub(crate) fn look(&mut self, world: &World) {
        let Some(center) = world.office.center() else {
            return self.overdrawn.clear();
        };
        let peers: BTreeMap<_, _> = center.peers().map(|peer| (peer.peer, peer)).collect();
        let mut fed: BTreeMap<PeerId, u64> = BTreeMap::new();
        for child in peers.keys() {
            let parts = center.explain_peer(*child).map(|told| told.contents);
            for feed in parts.into_iter().flatten().flat_map(|part| part.parents) {
                *fed.entry(feed.parent).or_default() += feed.reserved.0;
            }
        }
        for (peer, summary) in &peers {
            let used = fed.remove(peer).unwrap_or_default();
            let reserved = summary.reserved.0;
            self.verdict.expect(used == reserved, || {
                format!("{peer} has {reserved} bit/s reserved and feeds with {used}")
            });
            self.overdrawn(*peer, reserved > summary.uplink.0, world.now);
        }
        self.overdrawn.retain(|peer, _| peers.contains_key(peer));
        self.verdict.expect(fed.is_empty(), || {
            format!("fed by peers that are gone: {fed:?}")
        });
    }

    fn overdrawn(&mut self, peer: PeerId, overdrawn: bool, now: Timestamp) {
        if !overdrawn {
            self.overdrawn.remove(&peer);
        }
        let since = if overdrawn {
            *self.overdrawn.entry(peer).or_insert(now)
        } else {
            now
        };
        self.verdict.expect(now.since(since) <= LEASE, || {
            format!(
                "{peer} has been given away beyond what it offers for {:?}",
                now.since(since)
            )
        });
    }
}
