//! What is going to happen, in order of time, then of scheduling.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use runnel_protocol::time::Timestamp;

/// A queue of events. Two events of the same moment come in the order in which they were put in.
#[derive(Debug)]
pub(crate) struct Wheel<E> {
    order: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    /// Events by slot; free slots are used again, so that moving in the heap moves no event.
    events: Vec<Option<E>>,
    free: Vec<usize>,
    count: u64,
}

impl<E> Wheel<E> {
    pub(crate) const fn new() -> Self {
        Self {
            order: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            count: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Timestamp, event: E) {
        self.count += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.events[slot] = Some(event);
                slot
            }
            None => {
                self.events.push(Some(event));
                self.events.len() - 1
            }
        };
        self.order.push(Reverse((at, self.count, slot)));
    }

    /// The next event, if it happens by `end`.
    pub(crate) fn pop_until(&mut self, end: Timestamp) -> Option<(Timestamp, E)> {
        let Reverse((at, _, _)) = self.order.peek()?;
        if *at > end {
            return None;
        }
        let Reverse((at, _, slot)) = self.order.pop()?;
        self.free.push(slot);
        self.events[slot].take().map(|event| (at, event))
    }

    /// Events put in so far.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_then_of_scheduling() {
        let at = Timestamp::from_micros;
        let mut wheel = Wheel::new();
        for (when, what) in [(3, 'd'), (1, 'a'), (2, 'b'), (2, 'c'), (9, 'z')] {
            wheel.push(at(when), what);
        }
        let mut seen = String::new();
        while let Some((_, what)) = wheel.pop_until(at(5)) {
            seen.push(what);
        }
        assert_eq!(seen, "abcd");
    }
}
