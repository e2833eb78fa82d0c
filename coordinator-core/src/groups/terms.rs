//! What a group is: its rule, who gets in, and its invitations.

use core::net::IpAddr;

use ipnet::IpNet;
use runnel_protocol::group::{InvitationHash, MAX_GROUP_NAME, Strangers};
use runnel_protocol::ids::{GroupId, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::UnixSeconds;

use crate::token::Attributes;

/// Most claims and ranges by which one group lets people in.
const MAX_ADMITS: usize = 10_000;
/// Most invitations to one group at a time.
pub(super) const MAX_INVITES: usize = 64;
/// Most uses of an invitation that is not good for ever.
const MAX_USES: u16 = 1000;
/// What policies put before their names.
const MARK: char = '@';

/// A group as it is listed and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTerms {
    /// What it is listed as: 1 to 64 of a to z, 0 to 9 and `-`.
    pub id: String,
    /// What members see.
    pub name: String,
    /// Its rule.
    pub strangers: Strangers,
    /// The viewer or agent that made it; `None` for one of the operator's.
    pub founder: Option<PeerId>,
    /// Who belongs to it without an invitation.
    pub admits: Vec<Admits>,
    /// Invitations to it.
    pub invites: Vec<Invite>,
}

/// Who belongs to a group without an invitation. What a token says counts only if that provider minted it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admits {
    /// Whose token names this account.
    Account {
        /// The token's `iss`.
        provider: String,
        /// The account.
        account: String,
    },
    /// Whose token names an account with this hash, of somebody's imported contacts.
    Contact {
        /// The token's `iss`.
        provider: String,
        /// BLAKE3 of the account.
        hash: [u8; 32],
    },
    /// Whose token lists this group.
    Claim {
        /// The token's `iss`.
        provider: String,
        /// One of the token's `groups`.
        group: String,
    },
    /// Who comes from there, as the socket sees it.
    Range(IpNet),
}

/// An invitation, without what it takes to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// What is kept of it.
    pub hash: InvitationHash,
    /// Nobody joins by it from then on; who has joined stays.
    pub expires: Option<UnixSeconds>,
    /// How many different peers may join by it; `None` for any number.
    pub uses: Option<u16>,
    /// Those that have, where they are counted.
    pub used_by: Vec<PeerId>,
}

/// What an operator does to a group.
#[derive(Debug, Clone)]
pub enum GroupEdit {
    /// List it as it was kept: at the start.
    Restore(GroupTerms),
    /// List it, or change all but its invitations.
    Put(GroupTerms),
    /// End it.
    Remove(GroupId),
    /// Hand out a further invitation.
    Invite(GroupId, Invite),
    /// Nobody joins by it any more, and who did is out.
    Withdraw(InvitationHash),
}

/// Why a group is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// It cannot be listed so.
    #[error("a group is listed under 1 to 64 of a to z, 0 to 9 and -: {0:?} is something else")]
    Id(String),
    /// No name, or too long a one.
    #[error("a group's name has 1 to {MAX_GROUP_NAME} bytes")]
    Name,
    /// Too many people or ranges.
    #[error(
        "at most {MAX_ADMITS} accounts, contacts, claims and ranges: use a claim of the provider's tokens"
    )]
    TooManyAdmits,
    /// An invitation that nobody can use, or too many.
    #[error(
        "an invitation is for 1 to {MAX_USES} peers, or for any number where `uses` is left out"
    )]
    Uses,
    /// One group has enough.
    #[error("a group has {MAX_INVITES} invitations at most: withdraw some")]
    TooManyInvites,
}

impl GroupTerms {
    /// Its name on the wire.
    pub fn group(&self) -> GroupId {
        GroupId::of(&self.id)
    }

    /// Whether all is within its bounds.
    ///
    /// # Errors
    /// Something is not, and what to do about it.
    pub fn check(&self) -> Result<(), GroupError> {
        let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(plain) {
            return Err(GroupError::Id(self.id.clone()));
        }
        check_name(&self.name)?;
        if self.admits.len() > MAX_ADMITS {
            return Err(GroupError::TooManyAdmits);
        }
        Ok(())
    }

    /// Whether it can have one more invitation.
    ///
    /// # Errors
    /// It has as many as it may.
    pub fn check_invites(&self) -> Result<(), GroupError> {
        let room = self.invites.len() < MAX_INVITES;
        room.then_some(()).ok_or(GroupError::TooManyInvites)
    }

    /// What it is listed as, if it is the operator's: policies cannot know what viewers make.
    pub(super) fn listed_by_operator(&self) -> Option<&str> {
        self.founder.is_none().then_some(&*self.id)
    }
}

/// Whether members can be shown this.
pub(crate) fn check_name(name: &str) -> Result<(), GroupError> {
    let visible = !name.trim().is_empty() && !name.chars().any(char::is_control);
    let fits = visible && name.len() <= MAX_GROUP_NAME;
    fits.then_some(()).ok_or(GroupError::Name)
}

impl Invite {
    /// Whether it is for a number of peers that can be counted.
    ///
    /// # Errors
    /// For none, or for too many.
    pub fn check(&self) -> Result<(), GroupError> {
        let fits = self.uses.is_none_or(|uses| (1..=MAX_USES).contains(&uses));
        fits.then_some(()).ok_or(GroupError::Uses)
    }

    pub(super) fn is_good_for(&self, peer: PeerId, now: Timestamp) -> bool {
        let in_time = self.expires.is_none_or(|end| now.unix_seconds() < end);
        let left = self
            .uses
            .is_none_or(|uses| self.used_by.len() < uses.into());
        in_time && (left || self.used_by.contains(&peer))
    }

    /// Notes that a peer joins by it; whether that is one use more.
    pub(super) fn use_up(&mut self, peer: PeerId) -> bool {
        let counts = self.uses.is_some() && !self.used_by.contains(&peer);
        if counts {
            self.used_by.push(peer);
        }
        counts
    }
}

/// What a peer brings that may let it in.
pub(crate) struct Bearer<'a> {
    pub(crate) address: IpAddr,
    /// Who minted its token, and what that says.
    pub(crate) token: Option<(&'a str, &'a Attributes)>,
}

impl Bearer<'_> {
    /// All that its token says, each as a group would name it.
    pub(super) fn claims(&self) -> Vec<Admits> {
        let Some((provider, said)) = self.token else {
            return Vec::new();
        };
        let provider = provider.to_owned();
        let claim = |group: &String| Admits::Claim {
            provider: provider.clone(),
            group: group.clone(),
        };
        let mut claims: Vec<Admits> = said.groups.iter().map(claim).collect();
        if let Some(account) = &said.account {
            claims.push(Admits::Contact {
                provider: provider.clone(),
                hash: *blake3::hash(account.as_bytes()).as_bytes(),
            });
            claims.push(Admits::Account {
                provider,
                account: account.clone(),
            });
        }
        claims
    }
}

/// How policies call a group that is listed as `id`: as no token or table can call one.
pub(crate) fn in_policies(id: &str) -> String {
    format!("{MARK}{id}")
}

/// Whether a token or table calls a group like one of these.
pub(crate) fn is_borrowed(group: &str) -> bool {
    group.starts_with(MARK)
}
