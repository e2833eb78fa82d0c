//! Supply and demand of a content: who has to go to the CDN, and who comes back (R6, R8).

use core::cmp::Reverse;
use core::time::Duration;

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::Delivery;
use crate::eject::{Move, Seat};
use crate::explain::What;
use crate::member::{Member, Role};
use crate::steady::Cause;
use crate::view::Record;
use crate::world::World;

/// Members that go or come back at a time; the others follow with the next tick.
const MOVES_PER_LOOK: usize = 2000;
/// After somebody who was fed had to go, nobody comes back for this long.
const CALM: Duration = Duration::from_secs(10);

impl Delivery {
    /// What a member brings and takes is known anew.
    pub(crate) fn weigh(&mut self, peer: PeerId, record: &Record) {
        let Some(member) = self.members.get(&peer) else {
            return;
        };
        let seat = Seat {
            priority: member.priority,
            uplink: if member.barred || !record.sharing().gives() {
                0
            } else {
                record.uplink.offered().0
            },
            takes: Reverse(self.takes(member)),
            arrival: Reverse(member.arrival),
            id: peer,
        };
        match member.seat {
            Some(old) => self.balance.change(&old, seat),
            None => self.balance.enter(seat),
        }
        if let Some(member) = self.members.get_mut(&peer) {
            member.seat = Some(seat);
        }
    }

    fn takes(&self, member: &Member) -> u64 {
        match member.role {
            _ if member.barred => 0,
            Role::Viewer if member.plays => self.expected(member).0,
            Role::Agent => {
                let carried = self.expected(member).0 * u64::from(member.carries.count());
                carried / u64::from(self.stripes.max(1))
            }
            Role::Viewer | Role::Head => 0,
        }
    }

    /// Sends members to the CDN until the uplinks carry the others, or takes them back.
    pub(super) fn settle(&mut self, world: &mut World, now: Timestamp) {
        for _ in 0..MOVES_PER_LOOK {
            let take_back = self.calm_until.is_none_or(|until| until <= now);
            let sums = self.balance.sums();
            match self.balance.settle(take_back) {
                Some(Move::Out(peer)) => self.eject(peer, sums, world, now),
                Some(Move::Back(peer)) => self.take_back(peer, world, now),
                None => return,
            }
        }
    }

    fn eject(
        &mut self,
        peer: PeerId,
        (supply, demand): (u64, u64),
        world: &mut World,
        now: Timestamp,
    ) {
        let Some(member) = self.members.get_mut(&peer) else {
            return;
        };
        member.out = true;
        if Member::pushing(&member.feeds) > 0 {
            self.calm_until = Some(now + CALM);
        }
        let what = What::Ejected { supply, demand };
        world.log.note(peer, Some(self.content), what, now);
        self.mark(peer, Cause::Infeasible);
        self.mark_children(peer, Cause::ParentUnfit);
    }

    fn take_back(&mut self, peer: PeerId, world: &mut World, now: Timestamp) {
        let Some(member) = self.members.get_mut(&peer) else {
            return;
        };
        member.out = false;
        world
            .log
            .note(peer, Some(self.content), What::TakenBack, now);
        self.mark(peer, Cause::FeasibleAgain);
    }

    /// Takes all parents from a member that the uplinks do not carry.
    pub(super) fn cut_off(&mut self, peer: PeerId, world: &mut World, now: Timestamp) {
        let cause = Some(Cause::Infeasible).filter(|_| self.would_change(peer, &[]));
        self.adopt(peer, Vec::new(), &[], world, now);
        if let Some(member) = self.members.get_mut(&peer) {
            member.excluded.clear();
        }
        self.account(peer, cause, world, now);
    }

    /// Why a member that is out has no parents, in words.
    pub(crate) fn why_out(&self) -> String {
        let (supply, demand) = self.balance.sums();
        format!(
            "all uplinks together carry {} kbit/s, those who stay take {}: whoever has the lowest \
             priority goes first, then whoever brings least",
            supply / 1000,
            demand / 1000
        )
    }
}
