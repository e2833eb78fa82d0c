//! The two timers: a look soon after something changed, and the periodic tick.

use core::time::Duration;

use runnel_protocol::time::Timestamp;

/// Looks are this far apart, so that a crowd is decided about together. Who comes alone is looked
/// at at once: a viewer's second segment may be due half a second after its first picture.
const APART: Duration = Duration::from_millis(50);
/// A look, and work that exceeded its budget, wait this long, so that messages get their turn.
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
    /// When the last look was.
    looked: Timestamp,
    tick: Timestamp,
}

impl Clock {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            look: None,
            looked: now,
            tick: now + TICK,
        }
    }

    /// Something is dirty: look at it soon, together with what else comes.
    pub(crate) fn look_soon(&mut self, now: Timestamp) {
        let soon = (self.looked + APART).max(now + YIELD);
        self.look.get_or_insert(soon);
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
            (self.look, self.looked) = (None, now);
            return Some(Reason::Tick);
        }
        let look = self.look.filter(|look| *look <= now)?;
        debug_assert!(look <= now);
        (self.look, self.looked) = (None, now);
        Some(Reason::Look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_alone_is_looked_at_at_once_and_a_crowd_together() {
        let mut now = Timestamp::from_micros(1_000_000);
        let mut clock = Clock::new(now);
        now = now + APART * 2;
        clock.look_soon(now);
        assert_eq!(clock.next(), (now + YIELD, Reason::Look));
        now = now + YIELD;
        assert_eq!(clock.take_due(now), Some(Reason::Look));
        for milliseconds in [1, 20, 49] {
            clock.look_soon(now + Duration::from_millis(milliseconds));
        }
        assert_eq!(clock.next(), (now + APART, Reason::Look));
    }
}
