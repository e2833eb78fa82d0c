//! What holds on the stage at any moment.

use std::collections::{BTreeMap, BTreeSet};

use runnel_coordinator_core::PeerSummary;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::segment::Substream;

use crate::stage::Stage;

impl Stage {
    /// Asserts what holds at every moment: two lightweight peers are never paired, no stripe runs
    /// in a circle, what is reserved is exactly what somebody is fed with, and links are counted
    /// as they are needed.
    pub(crate) fn check(&self) {
        let peers: BTreeMap<PeerId, PeerSummary> =
            self.center.peers().map(|peer| (peer.peer, peer)).collect();
        let mut reserved: BTreeMap<PeerId, u64> = BTreeMap::new();
        let mut taken: BTreeMap<PeerId, u64> = BTreeMap::new();
        let mut links = BTreeSet::new();
        let mut edges: Vec<(ContentId, Substream, PeerId, PeerId)> = Vec::new();
        for (id, peer) in &peers {
            for member in self.center.explain_peer(*id).unwrap().contents {
                for feed in member.parents {
                    let parent = &peers[&feed.parent];
                    let light = |peer: &PeerSummary| peer.endpoints.is_empty();
                    assert!(
                        !(light(peer) && light(parent)),
                        "two lightweight peers are paired"
                    );
                    *reserved.entry(feed.parent).or_default() += feed.reserved.0;
                    *taken.entry(*id).or_default() += feed.reserved.0;
                    let pair = (feed.parent, *id);
                    links.insert(if light(peer) || light(parent) {
                        (pair, Some(member.content))
                    } else {
                        ((pair.0.min(pair.1), pair.0.max(pair.1)), None)
                    });
                    let stripes = feed.substreams.iter();
                    edges.extend(stripes.map(|one| (member.content, one, feed.parent, *id)));
                }
            }
        }
        for (id, peer) in &peers {
            let fed = reserved.get(id).copied().unwrap_or(0);
            assert_eq!(
                peer.reserved.0, fed,
                "reserved is what children are fed with"
            );
            let takes = taken.get(id).copied().unwrap_or(0);
            assert_eq!(peer.taken.0, takes, "taken is what parents set aside");
            let has = |(one, other): (PeerId, PeerId)| one == *id || other == *id;
            let links = links.iter().filter(|(pair, _)| has(*pair)).count();
            assert_eq!(
                peer.links, links,
                "one for each grant of a viewer's, one for all between two agents"
            );
        }
        no_cycles(edges);
    }
}

/// Takes away whoever is fed by nobody, again and again: what is left is a cycle.
fn no_cycles(mut edges: Vec<(ContentId, Substream, PeerId, PeerId)>) {
    loop {
        let before = edges.len();
        let fed: BTreeSet<_> = edges
            .iter()
            .map(|(content, stripe, _, child)| (*content, *stripe, *child))
            .collect();
        edges.retain(|(content, stripe, parent, _)| fed.contains(&(*content, *stripe, *parent)));
        if edges.len() == before {
            break;
        }
    }
    assert!(edges.is_empty(), "a cycle: {edges:?}");
}
