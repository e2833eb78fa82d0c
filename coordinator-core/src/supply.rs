//! Who can feed others in one content, found by place and by how much they have to give: an
//! index that is kept as reservations change, so that a search neither sorts nor scans.

use core::cmp::Reverse;
use core::ops::Bound;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::Substream;

use crate::capacity::Rung;
use crate::member::Role;
use crate::place::{Network, Place, Region, Site};
use crate::table::Table;

/// Where somebody is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    Site(Site),
    Network(Network),
    Region(Region),
    Anywhere,
}

impl Area {
    /// The areas around a place, the narrowest first.
    pub(crate) const fn around(place: Place) -> [Self; 3] {
        [
            Self::Site(place.site),
            Self::Network(place.network),
            Self::Region(place.region),
        ]
    }
}

/// What a member can do for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) role: Role,
    /// It has the content, and speaks.
    pub(crate) ready: bool,
    pub(crate) rung: Rung,
    /// As far as that counts in the choice among several.
    pub(crate) counted: Rung,
    pub(crate) place: Place,
    /// The stripe that it is interior in and how many hops from the source, where it can feed one
    /// more agent: for that, viewers give up their places.
    pub(crate) interior: Option<(Substream, u8)>,
}

impl Offer {
    /// Who is not ready stands where nobody has anything to give.
    fn rung(&self) -> Rung {
        if self.ready { self.rung } else { Rung::NONE }
    }

    fn counted(&self) -> Rung {
        self.counted.min(self.rung())
    }
}

/// Derived order is the order of a search: the widest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    area: Area,
    role: Role,
    counted: Reverse<Rung>,
    rung: Reverse<Rung>,
    peer: PeerId,
}

#[derive(Debug, Default)]
pub(crate) struct Supply {
    offers: Table<PeerId, Offer>,
    standings: BTreeSet<Standing>,
    interior: BTreeSet<(Region, Substream, u8, PeerId)>,
    /// Number of agents in each region.
    agents: BTreeMap<Region, usize>,
    /// Heads and agents that are ready.
    sources: usize,
}

impl Supply {
    /// Members that may be able to feed others.
    pub(crate) fn len(&self) -> usize {
        self.offers.len()
    }

    /// Agents among them, in a region.
    pub(crate) fn agents(&self, region: Region) -> usize {
        self.agents.get(&region).copied().unwrap_or(0)
    }

    /// Regions other than this one that have agents: the next ones in the table's order first,
    /// so that not all poor regions turn to the same rich one.
    pub(crate) fn regions_besides(&self, region: Region) -> impl Iterator<Item = Region> {
        let above = self
            .agents
            .range((Bound::Excluded(region), Bound::Unbounded));
        let below = self.agents.range(..region);
        above.chain(below).map(|(other, _)| *other)
    }

    /// Whether somebody has the content to hand out.
    pub(crate) const fn has_source(&self) -> bool {
        self.sources > 0
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.offers.keys().copied()
    }

    /// Takes in what a peer offers from now on; true where that is more than before.
    pub(crate) fn note(&mut self, peer: PeerId, offer: Offer) -> bool {
        let old = self.offers.insert(peer, offer);
        if old == Some(offer) {
            return false;
        }
        if let Some(old) = old {
            self.forget(peer, old);
        }
        if offer.role == Role::Agent {
            *self.agents.entry(offer.place.region).or_default() += 1;
        }
        self.sources += usize::from(offer.ready && offer.role != Role::Viewer);
        self.standings.extend(standings(peer, offer));
        self.interior.extend(interior(peer, offer));
        old.is_none_or(|old| old.rung() < offer.rung())
    }

    pub(crate) fn remove(&mut self, peer: PeerId) {
        if let Some(offer) = self.offers.swap_remove(&peer) {
            self.forget(peer, offer);
        }
    }

    fn forget(&mut self, peer: PeerId, offer: Offer) {
        if offer.role == Role::Agent
            && let Entry::Occupied(mut count) = self.agents.entry(offer.place.region)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.sources -= usize::from(offer.ready && offer.role != Role::Viewer);
        for standing in standings(peer, offer) {
            self.standings.remove(&standing);
        }
        interior(peer, offer).map(|place| self.interior.remove(&place));
    }

    /// Agents of a region that can feed one more agent in the stripe that they are interior in,
    /// those nearest to the source first.
    pub(crate) fn nearest_to_source(
        &self,
        region: Region,
        stripe: Substream,
    ) -> impl Iterator<Item = PeerId> {
        let (first, last) = (PeerId([0; 16]), PeerId([u8::MAX; 16]));
        self.interior
            .range((region, stripe, 0, first)..=(region, stripe, u8::MAX, last))
            .map(|(_, _, _, peer)| *peer)
    }

    /// Members of a role in an area, those with most to give first.
    pub(crate) fn widest(&self, role: Role, area: Area) -> impl Iterator<Item = (PeerId, Rung)> {
        let first = Standing {
            area,
            role,
            counted: Reverse(Rung::MAX),
            rung: Reverse(Rung::MAX),
            peer: PeerId([0; 16]),
        };
        self.standings
            .range(first..)
            .take_while(move |standing| standing.area == area && standing.role == role)
            .map(|standing| (standing.peer, standing.rung.0))
    }
}

fn interior(peer: PeerId, offer: Offer) -> Option<(Region, Substream, u8, PeerId)> {
    let (stripe, hops) = offer.interior.filter(|_| offer.ready)?;
    Some((offer.place.region, stripe, hops, peer))
}

/// Agents are found in each area around them, the few others anywhere.
fn standings(peer: PeerId, offer: Offer) -> impl Iterator<Item = Standing> {
    let [site, network, region] = Area::around(offer.place);
    let areas = match offer.role {
        Role::Agent => [Some(site), Some(network), Some(region)],
        Role::Head | Role::Viewer => [Some(Area::Anywhere), None, None],
    };
    areas.into_iter().flatten().map(move |area| Standing {
        area,
        role: offer.role,
        counted: Reverse(offer.counted()),
        rung: Reverse(offer.rung()),
        peer,
    })
}

#[cfg(test)]
mod tests {
    use runnel_protocol::units::BitsPerSecond;

    use super::*;
    use crate::place::NetworkTable;

    fn place(address: &str) -> Place {
        NetworkTable::default().place(address.parse().unwrap())
    }

    fn offer(address: &str, kilobits: u64) -> Offer {
        Offer {
            role: Role::Agent,
            ready: true,
            rung: Rung::of(BitsPerSecond::from_kilobits(kilobits)),
            counted: Rung::MAX,
            place: place(address),
            interior: None,
        }
    }

    fn names(supply: &Supply, area: Area) -> Vec<u8> {
        let found = supply.widest(Role::Agent, area);
        found.map(|(peer, _)| peer.0[0]).collect()
    }

    #[test]
    fn the_widest_of_an_area_come_first_and_full_ones_last() {
        let mut supply = Supply::default();
        let [site, network, region] = Area::around(place("192.0.2.1"));
        supply.note(PeerId([1; 16]), offer("192.0.2.7", 1000));
        supply.note(PeerId([2; 16]), offer("192.0.2.8", 9000));
        supply.note(PeerId([3; 16]), offer("192.0.77.1", 70_000));
        supply.note(PeerId([4; 16]), offer("198.51.100.1", 300));
        assert_eq!(names(&supply, site), [2, 1]);
        assert_eq!(names(&supply, network), [3, 2, 1]);
        assert_eq!(names(&supply, region), [3, 2, 1, 4]);

        let narrow = offer("192.0.77.1", 10);
        assert!(!supply.note(PeerId([3; 16]), narrow), "it has less");
        assert_eq!(names(&supply, region), [2, 1, 4, 3]);
        supply.remove(PeerId([2; 16]));
        assert_eq!(names(&supply, site), [1]);
        assert!(supply.note(PeerId([1; 16]), offer("192.0.2.7", 9000)));
    }

    #[test]
    fn of_those_who_count_as_much_the_widest_comes_first() {
        let mut supply = Supply::default();
        let counts = |kilobits, counted| Offer {
            counted: Rung::of(BitsPerSecond::from_kilobits(counted)),
            ..offer("192.0.2.7", kilobits)
        };
        supply.note(PeerId([1; 16]), counts(90_000, 500));
        supply.note(PeerId([2; 16]), counts(9000, 9000));
        supply.note(PeerId([3; 16]), counts(70_000_000, 500));
        supply.note(PeerId([4; 16]), counts(300, 500));
        let [site, ..] = Area::around(place("192.0.2.1"));
        assert_eq!(names(&supply, site), [2, 3, 1, 4]);
    }

    #[test]
    fn who_can_feed_an_agent_is_found_from_the_source_down_stripe_by_stripe() {
        let mut supply = Supply::default();
        let interior = |stripe, hops| Offer {
            interior: Some((Substream(stripe), hops)),
            ..offer("192.0.2.7", 1000)
        };
        supply.note(PeerId([1; 16]), interior(0, 3));
        supply.note(PeerId([2; 16]), interior(1, 1));
        supply.note(PeerId([3; 16]), interior(0, 2));
        supply.note(PeerId([4; 16]), offer("192.0.2.8", 9000));
        let named = |supply: &Supply, stripe| -> Vec<u8> {
            let found = supply.nearest_to_source(Region::Elsewhere, Substream(stripe));
            found.map(|peer| peer.0[0]).collect()
        };
        assert_eq!(
            (named(&supply, 0), named(&supply, 1)),
            (vec![3, 1], vec![2])
        );
        supply.note(PeerId([3; 16]), interior(0, 4));
        assert_eq!(named(&supply, 0), [1, 3]);
        supply.remove(PeerId([1; 16]));
        assert_eq!(named(&supply, 0), [3]);
    }

    #[test]
    fn who_is_not_ready_is_no_source() {
        let mut supply = Supply::default();
        let waiting = Offer {
            ready: false,
            ..offer("192.0.2.7", 1000)
        };
        supply.note(PeerId([1; 16]), waiting);
        assert!(!supply.has_source());
        assert!(supply.note(PeerId([1; 16]), offer("192.0.2.7", 1000)));
        assert!(supply.has_source());
        assert_eq!((supply.len(), supply.agents(Region::Elsewhere)), (1, 1));
    }
}
