//! Who gives way to whom near the source of a tree (R4).
//!
//! A newcomer looks down its own way from the source: at the first parent that has room, or that
//! feeds somebody clearly worse, it takes a place. Whoever gave way becomes its child, so that a
//! path from the source becomes a heap: wide ones first. What a stranger offers is its own word, and nobody vouches
//! for it before it has fed somebody: below each parent one of them at a time may show what it does at the place of
//! somebody known.

use runnel_protocol::ids::PeerId;

/// How much more uplink it takes to push somebody aside, in percent of the other's. Two peers of
/// about the same width never change places, and swapping back takes more than twice as much.
const MARGIN_PERCENT: u64 = 150;

/// The part of its uplink that somebody is worth who leaves soon: a quarter, so that whoever stays
/// goes first unless it is much narrower.
const BRIEF_COUNTS_FOR: u64 = 4;

/// What an agent is worth in the tree of one stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The stripe is its home: it is meant to be interior there.
    pub(crate) at_home: bool,
    /// Enough others vouch for it: it is no stranger.
    pub(crate) known: bool,
    /// By its history it is not one of those who leave soon: with each of them all go that it
    /// feeds.
    pub(crate) lasting: bool,
    /// Uplink it offers, bit/s.
    pub(crate) uplink: u64,
}

impl Standing {
    /// Its uplink, as far as it can be relied on.
    const fn worth(self) -> u64 {
        if self.lasting {
            self.uplink
        } else {
            self.uplink / BRIEF_COUNTS_FOR
        }
    }

    /// Whether it pushes `other` aside.
    fn outclasses(self, other: Self) -> bool {
        let wider = |one: Self, two: Self| {
            u128::from(one.worth()) * 100 >= u128::from(two.worth()) * u128::from(MARGIN_PERCENT)
        };
        match (self.at_home, other.at_home) {
            (true, true) | (false, false) => wider(self, other),
            (true, false) => !wider(other, self),
            (false, true) => false,
        }
    }
}

/// One parent on the newcomer's way from the source, with whom it feeds there.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) parent: PeerId,
    /// Whether it could feed one more, at no more cost.
    pub(crate) has_room: bool,
    pub(crate) occupants: Vec<(PeerId, Standing)>,
}

/// A place nearer to the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rise {
    /// Free.
    Beside { parent: PeerId },
    /// In the place of `displaced`, who becomes the newcomer's child.
    InsteadOf { parent: PeerId, displaced: PeerId },
}

/// The best place for a newcomer above its present one: `levels` go from the source down to the
/// parent of its present parent. `can_feed` says whether it has room for whom it pushes aside.
pub(crate) fn rise(newcomer: Standing, can_feed: bool, levels: &[Level]) -> Option<Rise> {
    levels.iter().find_map(|level| {
        let parent = level.parent;
        if level.has_room {
            return Some(Rise::Beside { parent });
        }
        let one_tries = level.occupants.iter().any(|(_, standing)| !standing.known);
        let may_go = |standing: &Standing| newcomer.known || !standing.known || !one_tries;
        let worst = level
            .occupants
            .iter()
            .filter(|(_, standing)| may_go(standing))
            .min_by_key(|(peer, standing)| (standing.at_home, standing.worth(), *peer));
        let worse = worst.filter(|(_, standing)| can_feed && newcomer.outclasses(*standing));
        worse.map(|(displaced, _)| Rise::InsteadOf {
            parent,
            displaced: *displaced,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: u8) -> PeerId {
        PeerId([name; 16])
    }

    fn home(uplink: u64) -> Standing {
        Standing {
            at_home: true,
            known: true,
            lasting: true,
            uplink,
        }
    }

    fn level(parent: u8, occupants: &[(u8, u64)]) -> Level {
        let occupant = |(name, uplink): &(u8, u64)| (peer(*name), home(*uplink));
        Level {
            parent: peer(parent),
            has_room: false,
            occupants: occupants.iter().map(occupant).collect(),
        }
    }

    #[test]
    fn the_narrowest_at_the_highest_place_gives_way() {
        let levels = [level(0, &[(1, 30), (2, 10), (3, 20)]), level(1, &[(4, 5)])];
        let expected = Rise::InsteadOf {
            parent: peer(0),
            displaced: peer(2),
        };
        assert_eq!(rise(home(15), true, &levels), Some(expected));
        let lower = Rise::InsteadOf {
            parent: peer(1),
            displaced: peer(4),
        };
        assert_eq!(rise(home(14), true, &levels), Some(lower));
        assert_eq!(rise(home(7), true, &levels), None);
    }

    #[test]
    fn one_stranger_at_a_time_takes_the_place_of_somebody_known() {
        let stranger = |uplink| Standing {
            known: false,
            ..home(uplink)
        };
        let instead_of = |name| {
            let (parent, displaced) = (peer(0), peer(name));
            Some(Rise::InsteadOf { parent, displaced })
        };
        let mut levels = [level(0, &[(1, 30), (2, 10)])];
        assert_eq!(rise(stranger(999), true, &levels), instead_of(2));
        levels[0].occupants[0].1 = stranger(30);
        assert_eq!(rise(stranger(999), true, &levels), instead_of(1));
        assert_eq!(rise(stranger(31), true, &levels), None);
        assert_eq!(rise(home(31), true, &levels), instead_of(2));
    }

    #[test]
    fn a_free_place_is_taken_before_anybody_has_to_move() {
        let mut levels = [level(0, &[(1, 30)]), level(1, &[(2, 1)])];
        levels[1].has_room = true;
        let expected = Rise::Beside { parent: peer(1) };
        assert_eq!(rise(home(9), true, &levels), Some(expected));
    }

    #[test]
    fn who_cannot_feed_the_displaced_displaces_nobody() {
        assert_eq!(rise(home(99), false, &[level(0, &[(1, 1)])]), None);
    }

    #[test]
    fn a_guest_gives_way_to_who_is_at_home_unless_it_is_much_wider() {
        let guest = |uplink| Standing {
            at_home: false,
            known: true,
            lasting: true,
            uplink,
        };
        assert!(home(10).outclasses(guest(14)));
        assert!(!home(10).outclasses(guest(15)));
        assert!(!guest(99).outclasses(home(1)));
    }

    #[test]
    fn whoever_leaves_soon_gives_way_to_who_stays_unless_that_one_is_much_narrower() {
        let brief = |uplink| Standing {
            lasting: false,
            ..home(uplink)
        };
        assert!(home(10).outclasses(brief(20)));
        assert!(!home(10).outclasses(brief(40)));
        assert!(!brief(40).outclasses(home(10)));
        assert!(brief(15).outclasses(brief(10)), "among themselves as ever");
    }

    #[test]
    fn two_that_differ_by_less_than_half_never_swap() {
        for (one, other) in [(10, 10), (10, 14), (14, 10)] {
            assert!(!home(one).outclasses(home(other)), "{one} {other}");
        }
        assert!(home(15).outclasses(home(10)));
    }
}
