//! I4: no two lightweight peers are a pair, and nobody dials one.

use std::collections::BTreeMap;

use runnel_protocol::control::{Assign, PeerType};

use super::Verdict;
use crate::node::At;
use crate::population::Role;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Pairs {
    pub(crate) verdict: Verdict,
}

impl Default for Pairs {
    fn default() -> Self {
        let verdict = Verdict::new("I4 no lightweight pair, none dialled");
        Self { verdict }
    }
}

impl Pairs {
    pub(crate) fn dialled(&mut self, to: Role) {
        self.verdict
            .expect(to != Role::Viewer, || "a viewer was dialled".into());
    }

    /// Nobody is to feed itself.
    pub(crate) fn assigned(&mut self, at: At, assign: &Assign) {
        let itself = assign
            .parents
            .iter()
            .any(|parent| parent.contact.peer == parent.contact.ticket.body.client_id());
        self.verdict
            .expect(!itself, || format!("peer {} is to feed itself", at.0));
    }

    /// Nobody has a link to somebody of its own kind if that kind is lightweight, and the control
    /// center plans none.
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
        let light = |kind: Option<&PeerType>| kind == Some(&PeerType::Lightweight);
        for (at, node) in world.present() {
            let planned = node.fed.values().flat_map(|fed| fed.parents.keys());
            for parent in planned {
                let pair = light(kinds.get(&node.id)) && light(kinds.get(parent));
                self.verdict
                    .expect(!pair, || format!("viewer {} is fed by a viewer", at.0));
            }
        }
    }
}
