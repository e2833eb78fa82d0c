//! Affinity groups of an evening (docs/GROUPS.md).

use runnel_coordinator_core::{GroupTerms, Invite};
use runnel_protocol::group::{Invitation, InvitationHash, Strangers};
use serde::Deserialize;

/// A group that the operator lists; policies call it `@` and its name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What it is listed as: 1 to 64 of a to z, 0 to 9 and `-`.
    pub name: String,
    /// The share of viewers, and of agents, who have its invitation.
    pub share: f64,
    /// Its rule about strangers.
    #[serde(default)]
    pub strangers: Strangers,
}

impl Group {
    /// What members were given.
    pub(crate) fn invitation(name: &str) -> Invitation {
        let mut secret = [0; 16];
        secret.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
        Invitation(secret)
    }

    /// As the operator's store has it.
    pub(crate) fn terms(&self) -> GroupTerms {
        let hash = InvitationHash::from(&Self::invitation(&self.name));
        GroupTerms {
            id: self.name.clone(),
            name: self.name.clone(),
            strangers: self.strangers,
            founder: None,
            admits: Vec::new(),
            invites: vec![Invite {
                hash,
                expires: None,
                uses: None,
                used_by: Vec::new(),
            }],
        }
    }
}
