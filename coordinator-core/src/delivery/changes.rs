//! What stands behind a change of a member's parents, and whether one more is excused: see
//! [`crate::steady`].

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::Delivery;
use crate::assign::Candidate;
use crate::explain::What;
use crate::member::{Feed, Member};
use crate::steady::Cause;
use crate::world::World;

impl Delivery {
    /// Whether all who push to the child could go on doing so.
    pub(super) fn can_stay(&self, child: PeerId, candidates: &[Candidate]) -> bool {
        let feeds = self.members.get(&child).map(|member| &member.feeds);
        let stays = |feed: &Feed| {
            let found = candidates.iter().find(|one| one.peer == feed.parent);
            found.is_some_and(|one| u32::from(one.room) >= feed.substreams.count())
        };
        let mut pushing = feeds
            .into_iter()
            .flatten()
            .filter(|feed| !feed.substreams.is_empty());
        pushing.all(stays)
    }

    /// What a change of who pushes to a member is put down to; `None` where nothing changes, or
    /// the member has just come.
    pub(super) fn cause(&self, child: PeerId, new: &[Feed], stays: bool) -> Option<Cause> {
        let member = self.members.get(&child)?;
        let due = member.due_to?;
        let covered = |feeds: &[Feed]| {
            let sets = feeds.iter().map(|feed| feed.substreams);
            sets.fold(SubstreamSet::EMPTY, SubstreamSet::union)
        };
        if !self.would_change(child, new) {
            return None;
        }
        Some(if due.is_failure() {
            due
        } else if !stays {
            Cause::ParentUnfit
        } else if covered(new).count() > member.covered().count() {
            Cause::Uncovered
        } else if Member::pushing(&member.feeds) < 2 && Member::pushing(new) >= 2 {
            Cause::Alone
        } else if member.makeshift && due.is_voluntary() {
            Cause::Recovered
        } else {
            due
        })
    }

    /// Whether other parents would push, or other stripes.
    pub(super) fn would_change(&self, child: PeerId, new: &[Feed]) -> bool {
        let old = self.members.get(&child).map(|member| &member.feeds);
        let pushing = |feed: &&Feed| !feed.substreams.is_empty();
        let key = |feed: &Feed| (feed.parent, feed.substreams);
        let sorted = |feeds: &[Feed]| {
            let mut keys: Vec<_> = feeds.iter().filter(pushing).map(key).collect();
            keys.sort_unstable();
            keys
        };
        old.is_none_or(|old| sorted(old) != sorted(new))
    }

    /// Keeps and counts what was behind a change that has been made.
    pub(super) fn account(
        &mut self,
        child: PeerId,
        cause: Option<Cause>,
        world: &mut World,
        now: Timestamp,
    ) {
        let Some(member) = self.members.get_mut(&child) else {
            return;
        };
        member.due_to = None;
        if let Some(cause) = cause {
            member.account.note(cause, now);
            if cause.is_voluntary() {
                self.wishes.grant_one();
            }
            member.makeshift = cause.is_failure();
            world.totals.reassignments.count(cause);
            let what = What::Reassigned(cause);
            world.log.note(child, Some(self.content), what, now);
        }
    }

    /// Whether a member's parents may change for this cause.
    pub(super) fn permits(&self, member: &Member, cause: Cause, now: Timestamp) -> bool {
        let granted = !cause.is_voluntary() || self.wishes.permit_one();
        granted && member.account.permits(cause, now)
    }

    /// The new feeds, where the cause excuses one more change; else those that there are, at the
    /// present rate.
    pub(super) fn permitted(
        &mut self,
        child: PeerId,
        new: Vec<Feed>,
        cause: Option<Cause>,
        now: Timestamp,
    ) -> Vec<Feed> {
        let Some(member) = self.members.get(&child) else {
            return new;
        };
        if cause.is_none_or(|cause| self.permits(member, cause, now)) {
            return new;
        }
        let stripe = self.stripe_rate(member);
        let anew = |feed: &Feed| Feed {
            reserved: BitsPerSecond(stripe.0 * u64::from(feed.substreams.count())),
            ..feed.clone()
        };
        member.feeds.iter().map(anew).collect()
    }
}
