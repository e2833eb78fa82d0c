//! The two timers: a look soon after something changed, and the periodic tick.

use core::time::Duration;

use runnel_protocol::time::Timestamp;

/// Changes that arrive within this time are decided together; short enough that a join does not
/// feel it.
const COALESCE: Duration = Duration::from_millis(50);
/// Work that exceeded its budget goes on after this time, so that messages get their turn.
const YIELD: Duration = Duration::from_millis(2);
/// Silence, renewals and improvements are looked at once per this time (R1).
const TICK: Duration = Duration::from_secs(1);

/// Why the control center wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Something changed and waits for a decision.
    Look,
    /// The second is over.
    Tick,
}

/// Both timers.
#[derive(Debug)]
pub(crate) struct Clock {
    look: Option<Timestamp>,
    tick: Timestamp,
}

impl Clock {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            look: None,
            tick: now + TICK,
        }
    }

    /// Something is dirty: look at it soon, together with what else comes.
    pub(crate) fn look_soon(&mut self, now: Timestamp) {
        self.look.get_or_insert(now + COALESCE);
    }

    /// Work is left over.
    pub(crate) fn go_on(&mut self, now: Timestamp) {
        self.look = Some(now + YIELD);
    }

    /// The next wake-up.
    pub(crate) fn next(&self) -> (Timestamp, Reason) {
        match self.look {
            Some(look) if look < self.tick => (look, Reason::Look),
            Some(_) | None => (self.tick, Reason::Tick),
        }
    }

    /// What is due; a spurious call finds nothing.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Reason> {
        if self.tick <= now {
            self.tick = now + TICK;
            self.look = None;
            return Some(Reason::Tick);
        }
        let look = self.look.filter(|look| *look <= now)?;
        debug_assert!(look <= now);
        self.look = None;
        Some(Reason::Look)
    }
}
