//! I4: no two lightweight peers are a pair, and nobody dials one.

use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::control::{Assign, PeerType};
use runnel_protocol::ids::PeerId;

use super::Verdict;
use crate::population::Role;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Pairs {
    pub(crate) verdict: Verdict,
    /// Whoever came as a viewer, ever.
    viewers: BTreeSet<PeerId>,
}

impl Default for Pairs {
    fn default() -> Self {
        let verdict = Verdict::new("I4 no lightweight pair, none dialled");
        Self {
            verdict,
            viewers: BTreeSet::new(),
        }
    }
}

impl Pairs {
    pub(crate) fn arrives(&mut self, peer: PeerId, role: Role) {
        if role == Role::Viewer {
            self.viewers.insert(peer);
        }
    }

    /// An agent that cannot be reached is lightweight from the first test on, and never anything
    /// else.
    pub(crate) fn dialled(&mut self, to: Role, reachable: bool) {
        self.verdict
            .expect(to != Role::Viewer, || "a viewer was dialled".into());
        self.verdict.expect(reachable, || {
            "an agent was dialled that nobody can reach".into()
        });
    }

    /// Every assignment is looked at as it is sent: one that cannot work may be replaced before
    /// anybody is counted.
    pub(crate) fn assigned(&mut self, to: PeerId, assign: &Assign) {
        for parent in &assign.parents {
            self.planned(to, parent.contact.peer);
        }
    }

    /// Nobody is to feed itself, and no viewer another, as a standby neither.
    fn planned(&mut self, child: PeerId, parent: PeerId) {
        self.verdict
            .expect(child != parent, || format!("{child} is to feed itself"));
        let pair = self.viewers.contains(&child) && self.viewers.contains(&parent);
        self.verdict.expect(!pair, || {
            format!("viewer {child} is to be fed by the viewer {parent}")
        });
    }

    /// No viewer has a link to another, and the control center plans no pair of peers that it
    /// takes for lightweight: the very moment that an agent is found to be so, its children have
    /// other parents in the plan, however long the word is on its way to them.
    pub(crate) fn look(&mut self, world: &World) {
        for (at, node) in world
            .present()
            .filter(|(_, node)| node.role == Role::Viewer)
        {
            let paired = node.links.values().any(|far| {
                world
                    .node(far.at)
                    .is_some_and(|other| other.role == Role::Viewer)
            });
            self.verdict.expect(!paired, || {
                format!("viewer {} has a link to a viewer", at.0)
            });
        }
        let Some(center) = world.office.center() else {
            return;
        };
        let kinds: BTreeMap<_, _> = center.peers().map(|peer| (peer.peer, peer.kind)).collect();
        let light = |peer: &PeerId| kinds.get(peer) == Some(&PeerType::Lightweight);
        for child in kinds.keys().filter(|peer| light(peer)) {
            let parts = center.explain_peer(*child).map(|told| told.contents);
            for feed in parts.into_iter().flatten().flat_map(|part| part.parents) {
                self.verdict.expect(!light(&feed.parent), || {
                    let parent = feed.parent;
                    format!("the lightweight {child} is to be fed by {parent}, which is so too")
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEWERS: [PeerId; 2] = [PeerId([1; 16]), PeerId([2; 16])];
    const AGENT: PeerId = PeerId([3; 16]);

    fn violations(plan: &[(PeerId, PeerId)]) -> u64 {
        let mut pairs = Pairs::default();
        for viewer in VIEWERS {
            pairs.arrives(viewer, Role::Viewer);
        }
        pairs.arrives(AGENT, Role::Agent);
        for (child, parent) in plan {
            pairs.planned(*child, *parent);
        }
        pairs.verdict.violations
    }

    #[test]
    fn a_pair_of_viewers_is_seen_in_the_plan_and_one_with_an_agent_is_fine() {
        let [one, other] = VIEWERS;
        assert_eq!(violations(&[(one, AGENT), (AGENT, other)]), 0);
        assert_eq!(violations(&[(one, other)]), 1);
        assert_eq!(violations(&[(AGENT, AGENT)]), 1);
    }
}
