//! Which autonomous systems are linked, and what they are to each other.

use std::sync::Arc;

/// Most neighbours of the smaller of two systems that are looked at for a third one between them:
/// all of them for nine in ten thousand of the Internet's networks that feed anybody.
const MAX_BETWEEN: usize = 64;

/// What links two systems, as Gao and CAIDA tell it (`as-rel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// The first one is the second one's provider.
    Provides,
    /// They exchange their own and their customers' traffic, as a rule without paying.
    Peers,
    /// Somebody's path runs over both: more is not known.
    Adjacent,
}

/// What a system is to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Relation {
    Customer,
    Peer,
    Provider,
    Adjacent,
}

/// How many borders of systems lie between two peers; fewer is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hops {
    /// Their systems are linked.
    Neighbours,
    /// A third system lies between theirs, and traffic may run through it.
    Transit,
    /// More, or not known.
    Unknown,
}

/// All ties. A copy shares what is in it, and costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Relations(Arc<[(u32, u32, Relation)]>);

impl Relations {
    /// How many pairs are tied.
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Whether nothing is known of anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `other` is to `one`.
    pub(crate) fn of(&self, one: u32, other: u32) -> Option<Relation> {
        let found = self
            .0
            .binary_search_by_key(&(one, other), |(one, other, _)| (*one, *other));
        found.ok().map(|place| self.0[place].2)
    }

    /// The systems that one is tied to, with what they are to it.
    pub(crate) fn neighbours(&self, one: u32) -> &[(u32, u32, Relation)] {
        let start = self.0.partition_point(|(other, ..)| *other < one);
        let end = self.0.partition_point(|(other, ..)| *other <= one);
        &self.0[start..end]
    }

    /// How far two systems are apart.
    pub(crate) fn hops(&self, one: u32, other: u32) -> Hops {
        if self.of(one, other).is_some() {
            return Hops::Neighbours;
        }
        let (here, there) = (self.neighbours(one), self.neighbours(other));
        let (few, end) = if here.len() <= there.len() {
            (here, other)
        } else {
            (there, one)
        };
        // Which way one looks makes no difference: a path may be walked both ways.
        let carries = |(_, between, first): &(u32, u32, Relation)| {
            let second = self.of(end, *between);
            second.is_some_and(|second| transits(*first) || transits(second))
        };
        if few.iter().take(MAX_BETWEEN).any(carries) {
            Hops::Transit
        } else {
            Hops::Unknown
        }
    }
}

/// Whether a system carries what others send through it to the one that it is this to: nobody gives
/// transit to whoever does not pay for it ("valley-free", Gao 2001).
const fn transits(relation: Relation) -> bool {
    matches!(relation, Relation::Provider | Relation::Adjacent)
}

/// Of two ties of one pair the one that says more stands, and of equals the later one.
impl FromIterator<(u32, u32, Tie)> for Relations {
    fn from_iter<I: IntoIterator<Item = (u32, u32, Tie)>>(ties: I) -> Self {
        let both = |(one, other, tie)| {
            let (to_one, to_other) = match tie {
                Tie::Provides => (Relation::Customer, Relation::Provider),
                Tie::Peers => (Relation::Peer, Relation::Peer),
                Tie::Adjacent => (Relation::Adjacent, Relation::Adjacent),
            };
            [(one, other, to_one), (other, one, to_other)]
        };
        let ties = ties.into_iter().filter(|(one, other, _)| one != other);
        let mut all: Vec<_> = ties.flat_map(both).collect();
        all.reverse();
        all.sort_by_key(|(one, other, relation)| {
            (*one, *other, matches!(relation, Relation::Adjacent))
        });
        all.dedup_by_key(|(one, other, _)| (*one, *other));
        Self(all.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two transit providers that peer, a stub below each, one with both, and a peer of the stub.
    fn relations() -> Relations {
        let ties = [
            (10, 20, Tie::Peers),
            (10, 1, Tie::Provides),
            (20, 2, Tie::Provides),
            (10, 3, Tie::Provides),
            (20, 3, Tie::Provides),
            (1, 4, Tie::Peers),
            (1, 2, Tie::Adjacent),
        ];
        ties.into_iter().collect()
    }

    #[test]
    fn a_tie_is_known_from_both_ends() {
        let relations = relations();
        assert_eq!(relations.of(1, 10), Some(Relation::Provider));
        assert_eq!(relations.of(10, 1), Some(Relation::Customer));
        assert_eq!(relations.of(20, 10), Some(Relation::Peer));
        assert_eq!(relations.of(1, 20), None);
        assert_eq!(relations.len(), 7);
    }

    #[test]
    fn what_is_known_goes_before_what_a_path_shows() {
        let known = (1, 2, Tie::Provides);
        let seen = (2, 1, Tie::Adjacent);
        for ties in [[known, seen], [seen, known]] {
            let relations: Relations = ties.into_iter().collect();
            assert_eq!(relations.of(2, 1), Some(Relation::Provider));
        }
        let changed: Relations = [known, (1, 2, Tie::Peers)].into_iter().collect();
        assert_eq!(changed.of(1, 2), Some(Relation::Peer), "the later line");
    }

    #[test]
    fn a_third_system_counts_only_where_it_is_paid_for() {
        let relations = relations();
        for (one, other, hops) in [
            (1, 10, Hops::Neighbours),
            (1, 2, Hops::Neighbours),
            // Through 10, which both pay.
            (1, 3, Hops::Transit),
            // Through 10, which 1 pays, to its peer.
            (1, 20, Hops::Transit),
            // Through 1, which pays 10 and gets nothing from 4.
            (4, 10, Hops::Unknown),
            (4, 20, Hops::Unknown),
            (1, 99, Hops::Unknown),
        ] {
            assert_eq!(relations.hops(one, other), hops, "{one} {other}");
            assert_eq!(relations.hops(other, one), hops, "{other} {one}");
        }
    }
}
