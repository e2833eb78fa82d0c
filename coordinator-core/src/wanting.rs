//! Members for whom something better can be wished, looked at in rounds when somebody got room.

use core::ops::Bound;
use std::collections::BTreeSet;

use runnel_protocol::ids::PeerId;

/// Members looked at per round: few where it helps hardly anybody, twice as many again and
/// again while it helps one of four (a flash crowd that agents are being recruited for).
const FEWEST: usize = 200;
const MOST: usize = 12_800;

#[derive(Debug, Default)]
pub(crate) struct Wanting {
    members: BTreeSet<PeerId>,
    /// Where the next round begins.
    cursor: Option<PeerId>,
    last_round: usize,
    /// Members of this round that were helped.
    helped: usize,
    growth_seen: u64,
}

impl Wanting {
    pub(crate) fn insert(&mut self, peer: PeerId) {
        self.members.insert(peer);
    }

    /// Whether it was one of them.
    pub(crate) fn remove(&mut self, peer: PeerId) -> bool {
        self.members.remove(&peer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// One of them got more than it had.
    pub(crate) fn on_helped(&mut self) {
        self.helped += 1;
    }

    /// Whom to look at now; the next call goes on where this one ends. Nobody until something
    /// has grown since the last of them was looked at.
    pub(crate) fn next_round(&mut self, growth: u64) -> Vec<PeerId> {
        if self.growth_seen == growth {
            return Vec::new();
        }
        let helps = self.helped > 0 && self.helped * 4 >= self.last_round;
        let most = if helps { self.last_round * 2 } else { 0 };
        self.last_round = most.clamp(FEWEST, MOST);
        self.helped = 0;
        let from = self.cursor.take().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.members.range((from, Bound::Unbounded));
        let round: Vec<PeerId> = rest.take(self.last_round).copied().collect();
        if round.len() == self.last_round {
            self.cursor = round.last().copied();
        } else {
            self.growth_seen = growth;
        }
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_grow_while_they_help_and_end_when_everybody_was_looked_at() {
        let mut wanting = Wanting::default();
        for number in 0..1000u16 {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&number.to_be_bytes());
            wanting.insert(PeerId(id));
        }
        assert!(wanting.next_round(0).is_empty(), "nothing has grown");
        assert_eq!(wanting.next_round(1).len(), FEWEST);
        (0..FEWEST).for_each(|_| wanting.on_helped());
        assert_eq!(wanting.next_round(1).len(), 2 * FEWEST);
        assert_eq!(wanting.next_round(1).len(), FEWEST, "nobody was helped");
        assert_eq!(wanting.next_round(1).len(), FEWEST);
        assert!(wanting.next_round(1).is_empty(), "all were looked at");
        assert!(wanting.next_round(1).is_empty());
        assert_eq!(wanting.next_round(2).len(), FEWEST, "from the start");
    }
}
