//! Whom agents have met: an account for each household that agents are in, so that nobody meets more
//! by running several, or by coming back under another name.
//!
//! At most an entry of 16 bytes for each viewer that an agent was given within the last hour.

use runnel_protocol::meetings::{Household, MEETING, Meetings, meetings_per_hour};
use runnel_protocol::time::Timestamp;

use crate::record::Record;
use crate::table::Table;
use crate::wheel::Wheel;

/// Accounts looked at a second: of ten million, each is looked at within its hour.
const LOOKED_AT: usize = 5000;

#[derive(Debug, Default)]
pub(crate) struct Acquaintances {
    agents: Table<Household, Meetings>,
    /// When an account may be empty.
    due: Wheel<Household>,
}

/// The agent of a pair that has a viewer at its other end, and that viewer. The operator's own
/// machines may know everybody, and whoever shares an address is no stranger.
fn strangers<'a>(one: &'a Record, other: &'a Record) -> Option<(&'a Record, Household, Household)> {
    let (agent, viewer) = match (one.is_regular(), other.is_regular()) {
        (true, false) => (one, other),
        (false, true) => (other, one),
        (true, true) | (false, false) => return None,
    };
    let home = |record: &Record| Household::of(record.address);
    let (home, viewer) = (home(agent)?, home(viewer)?);
    (home != viewer && !agent.waypoint).then_some((agent, home, viewer))
}

impl Acquaintances {
    /// How many viewers the agent of a pair may meet within an hour, where it has met them all; `limit`
    /// holds for the widest.
    pub(crate) fn exhausted(
        &self,
        (one, other): (&Record, &Record),
        limit: usize,
        now: Timestamp,
    ) -> Option<usize> {
        let (agent, home, viewer) = strangers(one, other)?;
        let most = meetings_per_hour(agent.uplink.offered()).min(limit);
        let met = self.agents.get(&home)?;
        (!met.admits(viewer, most, now)).then_some(most)
    }

    /// One of the two is told of the other.
    pub(crate) fn introduce(&mut self, (one, other): (&Record, &Record), now: Timestamp) {
        let Some((_, home, viewer)) = strangers(one, other) else {
            return;
        };
        let due = &mut self.due;
        let met = self.agents.entry(home).or_insert_with(|| {
            due.insert(now + MEETING, home);
            Meetings::default()
        });
        met.meet(viewer, now);
    }

    /// Lets go of accounts in which nothing stands any more.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        for home in self.due.take_due(LOOKED_AT, now) {
            if self.agents.get(&home).is_some_and(|met| met.count(now) > 0) {
                self.due.insert(now + MEETING, home);
            } else {
                self.agents.swap_remove(&home);
            }
        }
    }
}
