//! Groups that are made, joined, left and ended: what peers ask for, and what operators settle (G1).

use runnel_protocol::control::FromCoordinator;
use runnel_protocol::group::{GroupNews, GroupRequest, Invitation, InvitationHash, Strangers};
use runnel_protocol::ids::{GroupId, PeerId};
use runnel_protocol::meetings::Household;
use runnel_protocol::time::Timestamp;

use super::ControlCenter;
use crate::groups::{Bearer, Group, GroupEdit, GroupTerms, Groups, Invite, Refusal, check_name};
use crate::io::{Output, SessionId};
use crate::record::Record;
use crate::recruit;
use crate::steady::Cause;

/// Requests about groups in one session: each may have many pairs looked at.
const MAX_REQUESTS: u8 = 64;

const WITHDRAWN: &str = "the invitation by which you belonged to it was withdrawn";
const ENDED: &str = "the group has ended";
const UNLISTED: &str = "its list names you no longer";
const LEFT: &str = "you left it";

impl ControlCenter {
    /// The groups that are listed.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupTerms, usize)> {
        let groups = self.world.groups.iter();
        groups.map(|group| (&group.terms, group.members().count()))
    }

    pub(super) fn on_group(
        &mut self,
        (session, peer): (SessionId, PeerId),
        request: GroupRequest,
        now: Timestamp,
    ) {
        let outcome = if self.has_asked_often(peer) {
            Err(Refusal::TooOften)
        } else {
            match request {
                GroupRequest::Join(invitation) => self.join_group(peer, &invitation, now),
                GroupRequest::Found { name, strangers } => {
                    self.found_group(peer, name, strangers, now)
                }
                GroupRequest::Leave(invitation) => self.leave_group(peer, &invitation, now),
                GroupRequest::Withdraw(invitation) => {
                    self.change_invitation(peer, &invitation, now)
                }
            }
        };
        if let Err(refusal) = outcome {
            let news = GroupNews::Refused(refusal.to_string());
            self.tell(session, FromCoordinator::Group(news));
        }
    }

    fn has_asked_often(&mut self, peer: PeerId) -> bool {
        let Some(record) = self.world.view.get_mut(peer) else {
            return true;
        };
        record.group_requests = record.group_requests.saturating_add(1);
        record.group_requests > MAX_REQUESTS
    }

    fn join_group(
        &mut self,
        peer: PeerId,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let hash = InvitationHash::from(invitation);
        let (group, counted) = self.world.groups.join(peer, hash, now)?;
        if counted {
            self.keep_group(group);
        }
        self.welcome_to(peer, group, None);
        self.regroup(peer, now);
        Ok(())
    }

    fn found_group(
        &mut self,
        peer: PeerId,
        name: String,
        strangers: Strangers,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if check_name(&name).is_err() {
            return Err(Refusal::Name);
        }
        let record = self.world.view.get(peer);
        let home = record.and_then(|record| Household::of(record.address));
        let (invitation, invite) = self.new_invite();
        let terms = GroupTerms {
            id: GroupId(self.world.random.bytes()).to_string(),
            name,
            strangers,
            founder: Some(peer),
            admits: Vec::new(),
            invites: vec![invite],
        };
        let group = terms.group();
        self.world.groups.found((peer, home), terms, now)?;
        self.keep_group(group);
        self.welcome_to(peer, group, Some(invitation));
        self.regroup(peer, now);
        Ok(())
    }

    fn new_invite(&mut self) -> (Invitation, Invite) {
        let invitation = Invitation(self.world.random.bytes());
        let invite = Invite {
            hash: InvitationHash::from(&invitation),
            expires: None,
            uses: None,
            used_by: Vec::new(),
        };
        (invitation, invite)
    }

    fn invited_to(&self, invitation: &Invitation) -> Result<(InvitationHash, GroupId), Refusal> {
        let hash = InvitationHash::from(invitation);
        let group = self.world.groups.invited_to(hash);
        Ok((hash, group.ok_or(Refusal::Invalid)?))
    }

    fn leave_group(
        &mut self,
        peer: PeerId,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let (_, group) = self.invited_to(invitation)?;
        self.world.groups.leave(peer, group, now)?;
        self.see_off(peer, group, LEFT, now);
        Ok(())
    }

    /// The founder's invitation is replaced by another one: whoever came by it is out.
    fn change_invitation(
        &mut self,
        peer: PeerId,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let (hash, group) = self.invited_to(invitation)?;
        let known = self.world.groups.get(group);
        if known.is_none_or(|known| known.terms.founder != Some(peer)) {
            return Err(Refusal::NotFounder);
        }
        self.withdraw(hash, now);
        let (invitation, invite) = self.new_invite();
        self.world.groups.invite(group, invite)?;
        self.keep_group(group);
        self.welcome_to(peer, group, Some(invitation));
        Ok(())
    }

    /// What an operator, or the store at the start, says of groups.
    pub(super) fn on_group_edit(&mut self, edit: GroupEdit, now: Timestamp) {
        match edit {
            // There is room for as many as there were.
            GroupEdit::Restore(terms) => drop(self.world.groups.put(terms, now)),
            GroupEdit::Put(terms) => {
                let group = terms.group();
                if self.world.groups.put(terms, now).is_ok() {
                    self.keep_group(group);
                    self.admit_anew(group, now);
                }
            }
            GroupEdit::Remove(group) => self.end_group(group, now),
            GroupEdit::Invite(group, invite) => {
                if self.world.groups.invite(group, invite).is_ok() {
                    self.keep_group(group);
                }
            }
            GroupEdit::Withdraw(hash) => self.withdraw(hash, now),
        }
    }

    fn withdraw(&mut self, hash: InvitationHash, now: Timestamp) {
        let Some((group, out)) = self.world.groups.withdraw(hash, now) else {
            return;
        };
        self.keep_group(group);
        for peer in out {
            self.see_off(peer, group, WITHDRAWN, now);
        }
        self.review_tickets_too(now);
    }

    fn end_group(&mut self, group: GroupId, now: Timestamp) {
        let Some(known) = self.world.groups.get(group) else {
            return;
        };
        let id = known.terms.id.clone();
        for peer in self.world.groups.remove(group, now) {
            self.see_off(peer, group, ENDED, now);
        }
        self.review_tickets_too(now);
        self.world.outputs.push_back(Output::ForgetGroup(id));
    }

    /// The group has another rule, or lets in others, than before: all who are here are looked at, once.
    fn admit_anew(&mut self, group: GroupId, now: Timestamp) {
        let members = self.world.groups.get(group).map(Group::members);
        for peer in members.into_iter().flatten().collect::<Vec<PeerId>>() {
            self.welcome_to(peer, group, None);
        }
        let view = &self.world.view;
        for peer in view.iter().map(|(peer, _)| peer).collect::<Vec<PeerId>>() {
            self.admit(peer, now);
        }
        self.review_pairs(now);
    }

    /// Follows what a peer's token and address say of groups.
    pub(super) fn admit(&mut self, peer: PeerId, now: Timestamp) {
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let (since, out) = admit(&mut self.world.groups, peer, record, now);
        let changed = !since.is_empty() || !out.is_empty();
        for group in since {
            self.welcome_to(peer, group, None);
        }
        for group in out {
            self.bid_farewell(peer, group, UNLISTED);
        }
        if changed {
            self.regroup(peer, now);
        }
    }

    fn welcome_to(&mut self, peer: PeerId, id: GroupId, invitation: Option<Invitation>) {
        let Some(group) = self.world.groups.get(id) else {
            return;
        };
        let news = GroupNews::Joined {
            group: id,
            name: group.terms.name.clone(),
            strangers: group.terms.strangers,
            invitation,
        };
        self.world.send(peer, FromCoordinator::Group(news));
    }

    fn bid_farewell(&mut self, peer: PeerId, group: GroupId, why: &str) {
        let why = why.to_owned();
        let news = GroupNews::Left { group, why };
        self.world.send(peer, FromCoordinator::Group(news));
    }

    fn see_off(&mut self, peer: PeerId, group: GroupId, why: &str, now: Timestamp) {
        self.bid_farewell(peer, group, why);
        self.regroup(peer, now);
    }

    fn keep_group(&mut self, group: GroupId) {
        if let Some(group) = self.world.groups.get(group) {
            let terms = Box::new(group.terms.clone());
            self.world.outputs.push_back(Output::KeepGroup(terms));
        }
    }

    /// A peer belongs to other groups than before: it, whom it feeds, and who may be fed by it are looked at
    /// again, and so are the tickets of pairs that have parted. Who takes part in nothing yet has no pairs.
    fn regroup(&mut self, peer: PeerId, now: Timestamp) {
        self.world.judge.forget(peer);
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let contents = record.contents.clone();
        for content in contents.iter() {
            let Some(delivery) = self.directory.delivery_mut(content) else {
                continue;
            };
            delivery.mark(peer, Cause::Policy);
            delivery.mark_children(peer, Cause::Policy);
            delivery.note_standing(peer, &self.world, now);
        }
        self.tell_fellows(peer);
        if contents.len() > 0 {
            self.world.growth += 1;
            self.review_tickets_too(now);
        }
    }

    /// Somebody may feed its fellows from now on, or be called in by those who lack parents: they are looked at
    /// again, where they are few.
    pub(super) fn tell_fellows(&mut self, peer: PeerId) {
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        let shared = record.contents.clone();
        for fellow in self.world.groups.near_fellows(peer) {
            let Some(other) = self.world.view.get(fellow) else {
                continue;
            };
            for content in other.contents.iter() {
                let Some(delivery) = self.directory.delivery_mut(content) else {
                    continue;
                };
                if shared.contains(content) || delivery.wants(fellow) {
                    delivery.mark(fellow, Cause::Policy);
                }
            }
        }
    }

    /// Once a minute.
    pub(super) fn tend_groups(&mut self, now: Timestamp) {
        recruit::dismiss_forsaken(&mut self.directory, &mut self.world, now);
        self.world.groups.forget_gone(now);
        for group in self.world.groups.forlorn(now) {
            self.end_group(group, now);
        }
    }
}

fn admit(
    groups: &mut Groups,
    peer: PeerId,
    record: &Record,
    now: Timestamp,
) -> (Vec<GroupId>, Vec<GroupId>) {
    let token = record.held.as_ref().map(|held| {
        let pass = &held.pass;
        (&*pass.key.provider, &pass.attributes)
    });
    let bearer = Bearer {
        address: record.address,
        token,
    };
    groups.admit(peer, &bearer, now)
}
