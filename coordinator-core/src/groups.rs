//! Affinity groups: who belongs to which, by what right, and what follows for a pair (G1).
//!
//! A group says who gets in (`terms`); who is in it is kept here for all peers that belong to any, so that
//! everybody else costs nothing. What a group's rule says of a pair is a [`Bond`]: it joins the verdict of the
//! policies like one more client policy of the last rank, so that whatever follows from a policy follows from it
//! too. It is worked out per pair from two short lists, and not by class: groups that viewers make would split
//! everybody into classes of their own.

mod bond;
mod refusal;
mod terms;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use runnel_protocol::group::{InvitationHash, Strangers};
use runnel_protocol::ids::{GroupId, PeerId};
use runnel_protocol::meetings::Household;
use runnel_protocol::time::Timestamp;

pub(crate) use self::bond::{Bond, Rulings};
pub(crate) use self::refusal::Refusal;
pub use self::terms::{Admits, GroupEdit, GroupError, GroupTerms, Invite};
pub(crate) use self::terms::{Bearer, check_name, in_policies, is_borrowed};
use crate::table::Table;
use crate::wheel::Wheel;

/// Most groups of the operator's, and most that viewers make.
const MAX_GROUPS: usize = 1000;
const MAX_FOUNDED: usize = 10_000;
/// Most of those that come from one household, so that it takes many to leave no room for others.
const MAX_FOUNDED_AT_HOME: usize = 64;
/// Most members that come by invitation: of one group.
const MAX_INVITED: usize = 10_000;
/// Most groups of one peer: a pair compares two such lists.
pub(crate) const MAX_GROUPS_PER_PEER: usize = 8;
/// Members that are looked at for one child, of each of its groups; who comes to a group that is no larger is
/// looked for by all of it.
const FELLOWS: usize = 16;
/// The same of a larger group: the search finds others of it anyway, wider and nearer ones.
const FEW: usize = 4;
/// How long it is remembered of somebody who went: the longest life of its tickets.
const LINGER: Duration = Duration::from_secs(15 * 60);
/// How long a group that a viewer made may be without any member.
const EMPTY: Duration = Duration::from_secs(15 * 60);

/// By what right somebody belongs to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Its token or address says so.
    Admitted,
    /// It was invited.
    Invited(InvitationHash),
    /// It made the group.
    Founder,
}

/// One group, with those who belong to it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) terms: GroupTerms,
    members: Table<PeerId, ()>,
    /// Since when nobody does.
    empty_since: Timestamp,
    /// Where it was made; not known of one that was restored.
    home: Option<Household>,
}

/// The groups of somebody who belongs to any, in the order of their ids.
#[derive(Debug, Default)]
struct Standing(Vec<(GroupId, Right)>);

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<GroupId, Group>,
    founded: usize,
    homes: BTreeMap<Household, usize>,
    invitations: BTreeMap<InvitationHash, GroupId>,
    /// Who is let in by what a token says.
    admits: BTreeMap<Admits, BTreeSet<GroupId>>,
    ranges: BTreeMap<IpNet, BTreeSet<GroupId>>,
    standings: Table<PeerId, Standing>,
    /// Who went, and when that is forgotten.
    gone: BTreeMap<PeerId, Timestamp>,
    forget: Wheel<PeerId>,
    rulings: Rulings,
}

impl Groups {
    pub(crate) fn get(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// Lists a group, or changes what it says of who gets in and of strangers; its invitations stay. Who belongs
    /// to it by its token or address has to be found anew, with [`Self::admit`].
    pub(crate) fn put(&mut self, mut terms: GroupTerms, now: Timestamp) -> Result<(), Refusal> {
        let id = terms.group();
        if let Some(known) = self.groups.get_mut(&id) {
            core::mem::swap(&mut terms.invites, &mut known.terms.invites);
            core::mem::swap(&mut terms, &mut known.terms);
            self.unlist(&terms.admits, id);
            self.list(id);
            return Ok(());
        }
        let by_viewer = terms.founder.is_some();
        let room = if by_viewer {
            self.founded < MAX_FOUNDED
        } else {
            self.groups.len() - self.founded < MAX_GROUPS
        };
        if !room {
            return Err(Refusal::NoRoom);
        }
        self.founded += usize::from(by_viewer);
        for invite in &terms.invites {
            self.invitations.insert(invite.hash, id);
        }
        let group = Group {
            terms,
            members: Table::default(),
            empty_since: now,
            home: None,
        };
        self.groups.insert(id, group);
        self.list(id);
        Ok(())
    }

    /// Lists a group that a viewer makes, and makes it its first member.
    pub(crate) fn found(
        &mut self,
        (founder, home): (PeerId, Option<Household>),
        terms: GroupTerms,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.groups_of(founder).len() >= MAX_GROUPS_PER_PEER {
            return Err(Refusal::TooManyGroups);
        }
        let made = home.and_then(|home| self.homes.get(&home));
        if made.is_some_and(|made| *made >= MAX_FOUNDED_AT_HOME) {
            return Err(Refusal::NoRoomAtHome);
        }
        let id = terms.group();
        self.put(terms, now)?;
        if let (Some(home), Some(group)) = (home, self.groups.get_mut(&id)) {
            group.home = Some(home);
            *self.homes.entry(home).or_default() += 1;
        }
        self.enter(founder, id, Right::Founder);
        Ok(())
    }

    fn list(&mut self, id: GroupId) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        for one in &group.terms.admits {
            let slot = match one {
                Admits::Range(range) => self.ranges.entry(range.trunc()).or_default(),
                other
                @ (Admits::Account { .. } | Admits::Contact { .. } | Admits::Claim { .. }) => {
                    self.admits.entry(other.clone()).or_default()
                }
            };
            slot.insert(id);
        }
    }

    fn unlist(&mut self, admits: &[Admits], id: GroupId) {
        for one in admits {
            match one {
                Admits::Range(range) => {
                    if let Some(groups) = self.ranges.get_mut(&range.trunc()) {
                        groups.remove(&id);
                    }
                }
                other
                @ (Admits::Account { .. } | Admits::Contact { .. } | Admits::Claim { .. }) => {
                    if let Some(groups) = self.admits.get_mut(other) {
                        groups.remove(&id);
                    }
                }
            }
        }
        self.ranges.retain(|_, groups| !groups.is_empty());
        self.admits.retain(|_, groups| !groups.is_empty());
    }

    /// Ends a group: those who belonged to it.
    pub(crate) fn remove(&mut self, id: GroupId, now: Timestamp) -> Vec<PeerId> {
        let Some(group) = self.groups.remove(&id) else {
            return Vec::new();
        };
        self.unlist(&group.terms.admits, id);
        self.founded -= usize::from(group.terms.founder.is_some());
        self.leave_home(group.home);
        for invite in &group.terms.invites {
            self.invitations.remove(&invite.hash);
        }
        let members: Vec<PeerId> = group.members.into_keys().collect();
        for peer in &members {
            self.strike(*peer, id, now);
        }
        members
    }

    fn leave_home(&mut self, home: Option<Household>) {
        let Some(home) = home else {
            return;
        };
        if let Some(made) = self.homes.get_mut(&home) {
            *made -= 1;
            if *made == 0 {
                self.homes.remove(&home);
            }
        }
    }

    /// Hands out a further invitation to a group.
    pub(crate) fn invite(&mut self, id: GroupId, invite: Invite) -> Result<(), Refusal> {
        let group = self.groups.get_mut(&id).ok_or(Refusal::Invalid)?;
        if group.terms.invites.len() >= terms::MAX_INVITES {
            return Err(Refusal::NoRoom);
        }
        self.invitations.insert(invite.hash, id);
        group.terms.invites.push(invite);
        Ok(())
    }

    /// Nobody joins by this invitation any more: those who had, and are out.
    pub(crate) fn withdraw(
        &mut self,
        hash: InvitationHash,
        now: Timestamp,
    ) -> Option<(GroupId, Vec<PeerId>)> {
        let id = self.invitations.remove(&hash)?;
        let group = self.groups.get_mut(&id)?;
        group.terms.invites.retain(|invite| invite.hash != hash);
        let by_it = |peer: &&PeerId| {
            let standing = self.standings.get(*peer);
            standing.is_some_and(|standing| standing.right(id) == Some(Right::Invited(hash)))
        };
        let out: Vec<PeerId> = group.members.keys().filter(by_it).copied().collect();
        for peer in &out {
            self.strike(*peer, id, now);
        }
        Some((id, out))
    }

    /// The group that an invitation is for.
    pub(crate) fn invited_to(&self, hash: InvitationHash) -> Option<GroupId> {
        self.invitations.get(&hash).copied()
    }

    /// Somebody joins by an invitation; whether that had to be counted, so that the group's terms have changed.
    pub(crate) fn join(
        &mut self,
        peer: PeerId,
        hash: InvitationHash,
        now: Timestamp,
    ) -> Result<(GroupId, bool), Refusal> {
        let id = *self.invitations.get(&hash).ok_or(Refusal::Invalid)?;
        let group = self.groups.get_mut(&id).ok_or(Refusal::Invalid)?;
        let founder = group.terms.founder == Some(peer);
        let mut invites = group.terms.invites.iter_mut();
        let invite = invites.find(|invite| invite.hash == hash);
        let invite = invite.ok_or(Refusal::Invalid)?;
        if !invite.is_good_for(peer, now) {
            return Err(Refusal::Invalid);
        }
        let belongs = group.members.contains_key(&peer);
        if !belongs && group.members.len() >= MAX_INVITED {
            return Err(Refusal::Full);
        }
        let standing = self.standings.get(&peer);
        let count = standing.map_or(0, |standing| standing.0.len());
        if !belongs && count >= MAX_GROUPS_PER_PEER {
            return Err(Refusal::TooManyGroups);
        }
        let counted = invite.use_up(peer);
        if !belongs {
            let right = if founder {
                Right::Founder
            } else {
                Right::Invited(hash)
            };
            self.enter(peer, id, right);
        }
        Ok((id, counted))
    }

    /// Somebody belongs to a group.
    pub(crate) fn enter(&mut self, peer: PeerId, id: GroupId, right: Right) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        group.members.insert(peer, ());
        self.standings.entry(peer).or_default().enter(id, right);
    }

    /// Somebody leaves a group that it joined by invitation.
    pub(crate) fn leave(
        &mut self,
        peer: PeerId,
        id: GroupId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let standing = self.standings.get(&peer);
        match standing.and_then(|standing| standing.right(id)) {
            Some(Right::Invited(_) | Right::Founder) => {
                self.strike(peer, id, now);
                Ok(())
            }
            Some(Right::Admitted) | None => Err(Refusal::NotByInvitation),
        }
    }

    fn strike(&mut self, peer: PeerId, id: GroupId, now: Timestamp) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.members.swap_remove(&peer);
            group.empty_since = now;
        }
        let Some(standing) = self.standings.get_mut(&peer) else {
            return;
        };
        standing.0.retain(|(group, _)| *group != id);
        if standing.0.is_empty() {
            self.standings.swap_remove(&peer);
            self.gone.remove(&peer);
        }
    }

    /// Follows what a peer's token and address say: the groups that it belongs to since then, and those that it
    /// does no longer. Where it would belong to too many, the first ones count.
    pub(crate) fn admit(
        &mut self,
        peer: PeerId,
        bearer: &Bearer<'_>,
        now: Timestamp,
    ) -> (Vec<GroupId>, Vec<GroupId>) {
        let admitted = self.admitting(bearer);
        let standing = self.standings.get(&peer);
        let before = standing.into_iter().flat_map(|standing| &standing.0);
        let by_list = before.filter(|(_, right)| *right == Right::Admitted);
        let before: BTreeSet<GroupId> = by_list.map(|(id, _)| *id).collect();
        let out: Vec<GroupId> = before.difference(&admitted).copied().collect();
        for id in &out {
            self.strike(peer, *id, now);
        }
        let mut since = Vec::new();
        for id in admitted {
            let standing = self.standings.get(&peer);
            let count = standing.map_or(0, |standing| standing.0.len());
            let known = standing.is_some_and(|standing| standing.right(id).is_some());
            if !known && count < MAX_GROUPS_PER_PEER {
                self.enter(peer, id, Right::Admitted);
                since.push(id);
            }
        }
        (since, out)
    }

    fn admitting(&self, bearer: &Bearer<'_>) -> BTreeSet<GroupId> {
        let mut admitted = BTreeSet::new();
        if !self.admits.is_empty() {
            for claim in bearer.claims() {
                admitted.extend(self.admits.get(&claim).into_iter().flatten());
            }
        }
        if !self.ranges.is_empty() {
            let mut around = Some(IpNet::from(bearer.address.to_canonical()));
            while let Some(range) = around {
                admitted.extend(self.ranges.get(&range.trunc()).into_iter().flatten());
                around = range.supernet();
            }
        }
        admitted
    }

    /// A peer's session ends. What it belonged to is remembered for as long as it may keep its links.
    pub(crate) fn on_gone(&mut self, peer: PeerId, now: Timestamp) {
        if self.standings.contains_key(&peer) {
            let until = now + LINGER;
            self.gone.insert(peer, until);
            self.forget.insert(until, peer);
        }
    }

    /// A peer comes, perhaps again: it belongs to what it says and shows anew.
    pub(crate) fn on_come(&mut self, peer: PeerId, now: Timestamp) {
        self.gone.remove(&peer);
        for id in self.groups_of(peer) {
            self.strike(peer, id, now);
        }
    }

    /// Forgets who went long ago. Once a minute is enough.
    pub(crate) fn forget_gone(&mut self, now: Timestamp) {
        for peer in self.forget.take_due(usize::MAX, now) {
            if self.gone.get(&peer).is_some_and(|until| *until <= now) {
                self.on_come(peer, now);
            }
        }
    }

    /// Groups that viewers made and that nobody has belonged to for long.
    pub(crate) fn forlorn(&self, now: Timestamp) -> Vec<GroupId> {
        let forlorn = |group: &&Group| {
            let by_viewer = group.terms.founder.is_some();
            let empty = group.members.is_empty();
            by_viewer && empty && now.since(group.empty_since) >= EMPTY
        };
        let found = self.groups.values().filter(forlorn);
        found.map(|group| group.terms.group()).collect()
    }

    /// The groups that a peer belongs to.
    pub(crate) fn groups_of(&self, peer: PeerId) -> Vec<GroupId> {
        let standing = self.standings.get(&peer);
        let of = standing.into_iter().flat_map(|standing| &standing.0);
        of.map(|(id, _)| *id).collect()
    }

    /// The groups of the operator's that a peer belongs to: what they are listed as.
    pub(crate) fn named(&self, peer: PeerId) -> impl Iterator<Item = &str> {
        let standing = self.standings.get(&peer);
        let of = standing.into_iter().flat_map(|standing| &standing.0);
        let groups = of.filter_map(|(id, _)| self.groups.get(id));
        groups.filter_map(|group| group.terms.listed_by_operator())
    }

    /// Some of those who belong to a group of this peer: others for each, so that those of a large group are not
    /// all sent to the same.
    pub(crate) fn fellows(&self, peer: PeerId) -> impl Iterator<Item = PeerId> {
        let first = usize::from(u16::from_le_bytes([peer.0[0], peer.0[1]]));
        let standing = self.standings.get(&peer);
        let of = standing.into_iter().flat_map(|standing| &standing.0);
        let groups = of.filter_map(|(id, _)| self.groups.get(id));
        groups.flat_map(move |group| {
            let count = group.members.len();
            let most = if count > FELLOWS { FEW } else { count };
            (0..most).filter_map(move |step| {
                let place = (first + step) % count;
                group.members.get_index(place).map(|(fellow, ())| *fellow)
            })
        })
    }

    /// All who belong to a group of this peer that is small enough for each to know each.
    pub(crate) fn near_fellows(&self, peer: PeerId) -> Vec<PeerId> {
        let standing = self.standings.get(&peer);
        let of = standing.into_iter().flat_map(|standing| &standing.0);
        let groups = of.filter_map(|(id, _)| self.groups.get(id));
        let small = groups.filter(|group| group.members.len() <= FELLOWS);
        let fellows = small.flat_map(Group::members);
        fellows.filter(|fellow| *fellow != peer).collect()
    }

    /// Whether a peer exchanges nothing with those who are not in a group of its.
    pub(crate) fn keeps_to_itself(&self, peer: PeerId) -> bool {
        let standing = self.standings.get(&peer);
        let mut of = standing.into_iter().flat_map(|standing| &standing.0);
        of.any(|(id, _)| self.groups.get(id).is_some_and(Group::is_closed))
    }

    /// The members of each group that keeps to itself.
    pub(crate) fn closed(&self) -> impl Iterator<Item = Vec<PeerId>> {
        let closed = self.groups.values().filter(|group| group.is_closed());
        closed.map(|group| group.members().collect())
    }

    /// What the groups say of two peers.
    pub(crate) fn bond(&self, one: PeerId, other: PeerId) -> Bond {
        if self.standings.is_empty() {
            return Bond::default();
        }
        let of = |peer| self.standings.get(&peer).map_or(&[][..], |one| &one.0);
        let (ours, theirs) = (of(one), of(other));
        let lacks = |list: &[(GroupId, Right)], id: GroupId| {
            list.binary_search_by_key(&id, |(id, _)| *id).is_err()
        };
        let mut bond = Bond::default();
        for (list, others) in [(ours, theirs), (theirs, ours)] {
            for (id, _) in list {
                if lacks(others, *id) {
                    let rule = self.groups.get(id).map(|group| group.terms.strangers);
                    bond.strangers = bond.strangers.max(rule.unwrap_or(Strangers::Yes));
                } else {
                    bond.friends = true;
                }
            }
        }
        bond
    }

    /// What a verdict says of the rules of groups.
    pub(crate) const fn rulings(&self) -> &Rulings {
        &self.rulings
    }
}

impl Group {
    fn is_closed(&self) -> bool {
        self.terms.strangers == Strangers::No
    }

    /// Those who belong to it, and those who went lately.
    pub(crate) fn members(&self) -> impl Iterator<Item = PeerId> {
        self.members.keys().copied()
    }
}

impl Standing {
    fn right(&self, id: GroupId) -> Option<Right> {
        let found = self.0.iter().find(|(group, _)| *group == id);
        found.map(|(_, right)| *right)
    }

    fn enter(&mut self, id: GroupId, right: Right) {
        let place = self.0.binary_search_by_key(&id, |(group, _)| *group);
        if let Err(place) = place {
            self.0.insert(place, (id, right));
        }
    }
}
