//! A timing wheel: what is due when, to a tenth of a second, without ordering it.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_protocol::time::Timestamp;

/// Width of a spoke: nothing comes earlier than asked for, and at most this much later.
const STEP: Duration = Duration::from_millis(100);

/// Items with their dates. As many spokes as there are different dates, each of them a heap.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    spokes: BTreeMap<u64, Vec<T>>,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self {
            spokes: BTreeMap::new(),
        }
    }
}

impl<T> Wheel<T> {
    pub(crate) fn insert(&mut self, at: Timestamp, item: T) {
        let spoke = at.as_micros().div_ceil(step());
        self.spokes.entry(spoke).or_default().push(item);
    }

    /// What is due, at most `limit`; the rest stays due.
    pub(crate) fn take_due(&mut self, limit: usize, now: Timestamp) -> Vec<T> {
        let mut due = Vec::new();
        while let Some(mut spoke) = self.spokes.first_entry() {
            let room = limit - due.len();
            if room == 0 || *spoke.key() > now.as_micros() / step() {
                break;
            }
            let items = spoke.get_mut();
            if items.len() > room {
                due.extend(items.drain(..room));
            } else {
                due.append(&mut spoke.remove());
            }
        }
        due
    }
}

fn step() -> u64 {
    u64::try_from(STEP.as_micros()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_early_and_what_exceeds_the_limit_stays_due() {
        let at = |millis: u64| Timestamp::from_micros(millis * 1000);
        let mut wheel = Wheel::default();
        for (millis, name) in [(250, 'c'), (120, 'a'), (150, 'b'), (900, 'd')] {
            wheel.insert(at(millis), name);
        }
        assert_eq!(wheel.take_due(9, at(199)), []);
        assert_eq!(wheel.take_due(1, at(200)), ['a']);
        assert_eq!(wheel.take_due(9, at(300)), ['b', 'c']);
        assert_eq!(wheel.take_due(9, at(2000)), ['d']);
    }
}
