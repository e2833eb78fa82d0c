//! Affinity groups: peers that feed each other before others (G1).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, ParseIdError, hashed};

/// Longest name of a group, in bytes.
pub const MAX_GROUP_NAME: usize = 64;

/// What lets its bearer into a group: 128 bits that nobody guesses. It is a secret, which is never logged and of
/// which only the [hash](InvitationHash) is kept.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation(#[serde(with = "crate::octets")] pub [u8; 16]);

impl Invitation {
    /// As it is handed on: 32 hexadecimal digits.
    pub fn text(&self) -> String {
        GroupId(self.0).to_string()
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation(…)")
    }
}

impl FromStr for Invitation {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(|GroupId(bytes)| Self(bytes))
    }
}

/// What is kept and shown of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationHash(pub [u8; 16]);

impl From<&Invitation> for InvitationHash {
    fn from(invitation: &Invitation) -> Self {
        Self(hashed("runnel invitation", &invitation.0))
    }
}

impl fmt::Display for InvitationHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        GroupId(self.0).fmt(f)
    }
}

impl FromStr for InvitationHash {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(|GroupId(bytes)| Self(bytes))
    }
}

/// Whether a group's members exchange anything with those who are not in it. Waypoints and the CDN are no strangers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strangers {
    /// As with others, after members.
    #[default]
    Yes,
    /// Where no member, and no waypoint, can feed.
    Last,
    /// Never.
    No,
}

/// What a peer wants of its groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupRequest {
    /// Join the group that this invites to, for as long as the session stands.
    Join(Invitation),
    /// Make a group, and be its first member.
    Found {
        /// What it is called: for people, and need not be unique.
        name: String,
        /// Its rule.
        strangers: Strangers,
    },
    /// Belong no longer to the group that it joined by this.
    Leave(Invitation),
    /// The founder's: nobody joins by this invitation any more, and who did is out.
    Withdraw(Invitation),
}

/// What a peer is told of its groups. Nobody is told who else is in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupNews {
    /// It belongs to this group from now on.
    Joined {
        /// Which one.
        group: GroupId,
        /// What it is called.
        name: String,
        /// Its rule.
        strangers: Strangers,
        /// The founder's: how others get in.
        invitation: Option<Invitation>,
    },
    /// It no longer does.
    Left {
        /// Which one.
        group: GroupId,
        /// Why, for people.
        why: String,
    },
    /// What it wanted is not to be had, and why.
    Refused(String),
}
