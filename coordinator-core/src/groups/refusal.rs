//! Why somebody does not get what it wants of a group, in words for whoever asked.

use core::fmt;

use super::{MAX_FOUNDED_AT_HOME, MAX_GROUPS_PER_PEER};

/// Why somebody does not get what it wants of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such invitation, or one that has expired, is used up or was withdrawn: which of these is nobody's to know.
    Invalid,
    /// It belongs to as many groups as one may.
    TooManyGroups,
    /// The group has as many members as one may have.
    Full,
    /// There are as many groups as there may be.
    NoRoom,
    /// As many as may be were made in its household.
    NoRoomAtHome,
    /// It did not found the group.
    NotFounder,
    /// It does not belong to it, or not by invitation.
    NotByInvitation,
    /// Members could not be shown the name.
    Name,
    /// It has asked too often in one session.
    TooOften,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str(
                "this invitation is not valid, or no longer: ask whoever sent it for another one",
            ),
            Self::TooManyGroups => write!(
                f,
                "you belong to {MAX_GROUPS_PER_PEER} groups already: leave one of them"
            ),
            Self::Full => f.write_str("this group has as many members as one can have"),
            Self::NoRoom => {
                f.write_str("there are as many groups as there can be: try again later")
            }
            Self::NoRoomAtHome => write!(
                f,
                "{MAX_FOUNDED_AT_HOME} groups were made behind your address already: one ends half an hour after \
                 its last member has left"
            ),
            Self::NotFounder => {
                f.write_str("only whoever made the group withdraws its invitations")
            }
            Self::NotByInvitation => f.write_str(
                "you do not belong to this group by invitation: the operator's list decides",
            ),
            Self::Name => f.write_str("a group needs a name of 1 to 64 bytes"),
            Self::TooOften => f.write_str("too many requests about groups: reload the page first"),
        }
    }
}
