//! Who shares a link with whom: each end has few, and one link serves all contents of a pair.

use runnel_protocol::ids::PeerId;
use runnel_protocol::peer::max_links;

use crate::record::Record;
use crate::table::Table;

/// Links that are kept from a peer's children: for its own parents, for handshakes, and for those
/// who are let go only after their successors have delivered.
const OWN_LINKS: usize = 16;

/// Pairs of regular peers, each with the number of grants that keep it: two agents may feed each
/// other in many contents. Whoever is lightweight has few contents and parents, and each grant
/// counts as a pair of its own.
#[derive(Debug, Default)]
pub(crate) struct Partners(Table<(PeerId, PeerId), u16>);

fn key(one: PeerId, other: PeerId) -> (PeerId, PeerId) {
    (one.min(other), one.max(other))
}

impl Partners {
    /// One grant more; true where it needs a link that was not there.
    pub(crate) fn meet(&mut self, one: PeerId, other: PeerId, both_regular: bool) -> bool {
        if let Some(grants) = self.0.get_mut(&key(one, other)) {
            *grants += 1;
            return false;
        }
        if both_regular {
            self.0.insert(key(one, other), 1);
        }
        true
    }

    /// One grant less; true where its link is of no use any more.
    pub(crate) fn part(&mut self, one: PeerId, other: PeerId) -> bool {
        let Some(grants) = self.0.get_mut(&key(one, other)) else {
            return true;
        };
        *grants -= 1;
        if *grants > 0 {
            return false;
        }
        self.0.swap_remove(&key(one, other));
        true
    }

    /// Whether two regular peers share a link.
    pub(crate) fn know(&self, one: PeerId, other: PeerId) -> bool {
        self.0.contains_key(&key(one, other))
    }
}

impl Record {
    /// Links that it takes, as it counts them itself.
    pub(crate) fn most_links(&self) -> usize {
        max_links(self.uplink.offered())
    }

    /// Links that it has for children. Of a waypoint's a quarter is kept for agents: a viewer has
    /// the CDN besides, and what agents cannot fetch nobody gets from peers.
    pub(crate) fn links_for_children(&self, regular: bool) -> usize {
        let kept = if self.waypoint && !regular {
            self.most_links() / 4
        } else {
            0
        };
        self.most_links().saturating_sub(OWN_LINKS + kept)
    }

    /// Whether it has few links left: those are for whoever would be without, not for a second
    /// parent, a standby or one more content. A waypoint stands by for nearly everybody.
    pub(crate) fn is_short_of_links(&self) -> bool {
        let plenty = if self.waypoint {
            self.most_links() / 2
        } else {
            self.most_links() / 4 * 3
        };
        usize::from(self.partners) >= plenty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId([1; 16]);
    const BOB: PeerId = PeerId([2; 16]);

    #[test]
    fn two_agents_share_one_link_until_their_last_grant_ends() {
        let mut partners = Partners::default();
        assert!(partners.meet(ANN, BOB, true));
        assert!(!partners.meet(BOB, ANN, true), "the other way round");
        assert!(partners.know(BOB, ANN));
        assert!(!partners.part(ANN, BOB));
        assert!(partners.part(ANN, BOB));
        assert!(!partners.know(ANN, BOB));
    }

    #[test]
    fn links_are_given_back_by_whoever_became_lightweight_meanwhile() {
        let mut partners = Partners::default();
        let mut links = i32::from(partners.meet(ANN, BOB, true));
        links += i32::from(partners.meet(ANN, BOB, false));
        links -= i32::from(partners.part(ANN, BOB));
        links -= i32::from(partners.part(ANN, BOB));
        assert_eq!(links, 0);
        links += i32::from(partners.meet(ANN, BOB, false));
        links += i32::from(partners.meet(ANN, BOB, true));
        links -= i32::from(partners.part(ANN, BOB));
        links -= i32::from(partners.part(ANN, BOB));
        assert_eq!(links, 0);
    }
}
