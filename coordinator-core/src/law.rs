//! Which version of the policies is in force, and the oldest whose tickets may still be good (T16).
//!
//! A version is a number that only rises: starts of the control center in the upper half, changes
//! since then in the lower. It changes where policies do, where an hour or a token has them say
//! something else of a pair, and with each revocation. Whoever has a session hears of these, in
//! order; whoever comes back is told the oldest version that it may serve under, so that nothing
//! hangs on a message that was lost.

/// The version in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Law {
    generation: u32,
    changes: u32,
    /// What whoever comes is told.
    floor: u64,
}

impl Law {
    /// Of a start: its number, above that of all starts before, and whether what pairs were
    /// granted by then may be forbidden since.
    pub(crate) fn new(generation: u32, doubtful: bool) -> Self {
        let mut law = Self {
            generation,
            changes: 0,
            floor: 0,
        };
        if doubtful {
            law.floor = law.version(0);
        }
        law
    }

    /// Something that was allowed may be forbidden from now on.
    pub(crate) const fn change(&mut self) {
        self.changes = self.changes.saturating_add(1);
        self.floor = self.version(self.changes);
    }

    /// How often it has changed since the start.
    pub(crate) const fn changes(&self) -> u32 {
        self.changes
    }

    /// The version after so many changes.
    pub(crate) const fn version(&self, changes: u32) -> u64 {
        ((self.generation as u64) << 32) | changes as u64
    }

    /// The oldest version whose tickets may be good, of those whose fate somebody who was away has
    /// missed.
    pub(crate) const fn floor(&self) -> u64 {
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_with_changes_and_over_starts() {
        let mut law = Law::new(7, false);
        assert_eq!(
            law.floor(),
            0,
            "nothing has changed: all that was given is good"
        );
        let first = law.version(law.changes());
        law.change();
        assert_eq!(law.floor(), law.version(law.changes()));
        assert!(law.floor() > first);
        let next = Law::new(8, true);
        assert_eq!(next.floor(), next.version(next.changes()));
        assert!(next.floor() > law.floor());
    }
}
