use proptest::prelude::*;
use runnel_protocol::control::Source;

use super::*;
use crate::bounds::least_depth;
use crate::history::Trouble;
use crate::place::Place;
use crate::policy::LinkSet;
use crate::preempt::{Level, Rise, Standing, rise};

const KBIT: u64 = 1000;

fn network(name: u8) -> Network {
    Place::of([10, name, 0, 0].into()).network
}

fn candidate(name: u8, room: u8, depth: u8) -> Candidate {
    let mut depths = Depths::NOWHERE;
    (0..MAX_SUBSTREAMS).for_each(|stripe| depths.set(Substream(stripe), depth));
    Candidate {
        peer: PeerId([name; 16]),
        source: Source::Peer,
        score: 0,
        friend: false,
        class: Class::Preferred,
        near: Nearness::FAR,
        trouble: Trouble::default(),
        room,
        crowded: false,
        stands_by: true,
        short_of_links: false,
        spare: u64::from(room) * KBIT,
        counted: u64::from(room) * KBIT,
        pushes: None,
        carries: SubstreamSet::all(4),
        depths,
        home: Some(Substream(name % 4)),
        network: network(name),
        dear: SubstreamSet::EMPTY,
        links: LinkSet::EMPTY,
        gave_way: false,
    }
}

fn source(room: u8) -> Candidate {
    Candidate {
        source: Source::Waypoint,
        home: None,
        ..candidate(200, room, 0)
    }
}

fn sets(bits: &[u16]) -> Vec<SubstreamSet> {
    bits.iter().copied().map(SubstreamSet).collect()
}

#[test]
fn a_child_takes_its_home_from_the_source_and_the_rest_from_who_is_at_home_there() {
    let candidates = [source(8), candidate(1, 8, 1), candidate(2, 8, 1)];
    let given = plan(SubstreamSet::all(4), Some(Substream(0)), &candidates);
    // Nobody is at home in stripe 3: the wide one of the two agents carries it, not the source.
    assert_eq!(given, sets(&[0b0001, 0b1010, 0b0100]));
}

#[test]
fn the_shorter_way_wins_at_home() {
    let deep = candidate(1, 8, 5);
    let high = candidate(5, 1, 2);
    let given = plan(SubstreamSet::all(4), Some(Substream(1)), &[deep, high]);
    assert!(given[1].contains(Substream(1)), "{given:?}");
}

#[test]
fn what_works_stays_and_only_what_is_missing_is_placed() {
    let mut candidates = [candidate(1, 4, 3), candidate(2, 4, 1)];
    candidates[0].pushes = Some(SubstreamSet(0b0011));
    let given = plan(SubstreamSet::all(4), Some(Substream(0)), &candidates);
    assert_eq!(given, sets(&[0b0011, 0b1100]));
}

#[test]
fn losing_one_of_two_loses_half() {
    let given = plan(
        SubstreamSet::all(4),
        Some(Substream(0)),
        &[source(8), candidate(1, 8, 1)],
    );
    assert!(given.iter().all(|set| set.count() == 2), "{given:?}");
    let alone = plan(SubstreamSet::all(4), Some(Substream(0)), &[source(8)]);
    assert_eq!(alone, sets(&[0b1111]));
}

#[test]
fn nobody_is_a_last_resort_only_to_lose_half() {
    let viewer = |room| Candidate {
        class: Class::LastResort,
        ..candidate(1, room, 1)
    };
    assert_eq!(
        plan(
            SubstreamSet::all(4),
            Some(Substream(0)),
            &[source(4), viewer(8)]
        ),
        sets(&[0b1111, 0])
    );
    let given = plan(
        SubstreamSet::all(4),
        Some(Substream(0)),
        &[source(1), candidate(2, 9, 1), viewer(8)],
    );
    assert_eq!(given, sets(&[0b0001, 0b1110, 0]));
    let given = plan(
        SubstreamSet::all(4),
        Some(Substream(0)),
        &[source(1), viewer(8)],
    );
    assert_eq!(given, sets(&[0b0001, 0b1110]), "for what is left it is one");
}

#[test]
fn parents_sit_in_two_networks_where_that_costs_nothing() {
    let here = |name| Candidate {
        network: network(7),
        ..candidate(name, 8, 1)
    };
    let there = Candidate {
        network: network(8),
        ..candidate(3, 8, 4)
    };
    let candidates = [here(4), here(8), there];
    let given = plan(SubstreamSet::all(4), Some(Substream(0)), &candidates);
    assert_eq!(given[2].count(), 1, "{given:?}");
    let dear = Candidate {
        class: Class::IfNeeded,
        ..candidates[2].clone()
    };
    let given = plan(
        SubstreamSet::all(4),
        Some(Substream(0)),
        &[here(4), here(8), dear],
    );
    assert!(given[2].is_empty(), "not at the operator's cost");
}

#[test]
fn whom_policies_put_behind_a_last_resort_comes_after_it() {
    let shunned = Candidate {
        score: -100,
        class: Class::IfNeeded,
        ..source(8)
    };
    let abroad = |room| Candidate {
        class: Class::LastResort,
        ..candidate(2, room, 1)
    };
    let all = SubstreamSet::all(4);
    let given = plan(all, None, &[shunned.clone(), candidate(1, 1, 1), abroad(2)]);
    let counts: Vec<u32> = given.iter().map(|set| set.count()).collect();
    assert_eq!(counts, [1, 1, 2]);
    let given = plan(all, None, &[shunned.clone(), abroad(8)]);
    assert_eq!(given, sets(&[0, 0b1111]));
    let given = plan(all, None, &[shunned, candidate(1, 8, 1)]);
    assert_eq!(given, sets(&[0, 0b1111]), "not only to lose half");
}

#[test]
fn a_stripe_that_is_pushed_already_is_no_room_for_another() {
    let all = SubstreamSet::all(4);
    let kept = Candidate {
        pushes: Some(SubstreamSet(0b0011)),
        ..candidate(1, 2, 1)
    };
    let part = |stripes| Candidate {
        carries: SubstreamSet(stripes),
        ..candidate(2, 1, 1)
    };
    assert!(!have_room(
        all,
        [&kept, &part(0b0001), &part(0b0010)].into_iter()
    ));
    assert!(have_room(
        all,
        [&kept, &part(0b0100), &part(0b1000)].into_iter()
    ));
    assert!(have_room(all, [&kept, &candidate(3, 2, 1)].into_iter()));
}

#[test]
fn nothing_goes_to_another_network_that_policies_like_less() {
    let here = Candidate {
        score: 20,
        ..candidate(1, 8, 1)
    };
    let liked = |score| Candidate {
        score,
        ..candidate(2, 8, 1)
    };
    let moved = |other: Candidate| {
        let given = plan(SubstreamSet::all(4), None, &[other, here.clone()]);
        given[0].count()
    };
    assert_eq!((moved(liked(20)), moved(liked(10))), (2, 2), "half each");
    let full = Candidate {
        room: 0,
        ..here.clone()
    };
    let beside = [
        here.clone(),
        Candidate {
            peer: PeerId([9; 16]),
            ..here.clone()
        },
        liked(10),
        full,
    ];
    let given = plan(SubstreamSet::all(4), None, &beside);
    assert!(given[2].is_empty(), "{given:?}");
}

#[test]
fn a_stripe_that_only_one_can_give_is_not_lost_to_another() {
    let mut narrow = candidate(1, 1, 1);
    narrow.depths = Depths::NOWHERE;
    narrow.depths.set(Substream(0), 1);
    narrow.depths.set(Substream(1), 1);
    let mut wide = candidate(2, 9, 1);
    wide.depths = Depths::NOWHERE;
    wide.depths.set(Substream(0), 1);
    let given = plan(SubstreamSet::all(2), Some(Substream(0)), &[narrow, wide]);
    assert_eq!(given, sets(&[0b10, 0b01]));
}

#[test]
fn homes_fill_up_evenly() {
    let mut homes = Homes::default();
    let taken: Vec<u8> = [9, 2, 3, 4, 1, 1]
        .map(|uplink| homes.take(4, uplink).0)
        .into();
    assert_eq!(taken, [0, 1, 2, 3, 1, 1]);
    homes.give_back(Substream(0), 9);
    assert_eq!(homes.take(4, 1), Substream(0));
    homes.bring(Substream(0), 5);
    assert_eq!(homes.take(4, 1), Substream(2), "6, 4, 3, 4");
}

/// Candidates with random rooms and places, some of them in few trees only.
fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (
        0u8..6,
        prop::collection::vec(prop::option::of(0u8..9), 4),
        any::<u16>(),
    );
    prop::collection::vec(one, 0..8).prop_map(|many| {
        let make = |(name, (room, depths, pushes)): (usize, (u8, Vec<Option<u8>>, u16))| {
            let mut one = candidate(u8::try_from(name).unwrap(), room, 0);
            one.depths = Depths::NOWHERE;
            for (stripe, depth) in (0u8..).zip(depths) {
                one.depths.set(Substream(stripe), depth.unwrap_or(u8::MAX));
            }
            one.pushes = (pushes % 3 == 0).then_some(SubstreamSet(pushes & 0b1111));
            one
        };
        many.into_iter().enumerate().map(make).collect()
    })
}

/// By brute force: how many of the stripes from `stripe` on can be covered at best.
fn best_cover(stripe: u8, rooms: &mut Vec<u8>, candidates: &[Candidate]) -> u32 {
    if stripe == 4 {
        return 0;
    }
    let mut best = best_cover(stripe + 1, rooms, candidates);
    for (place, one) in candidates.iter().enumerate() {
        if rooms[place] > 0 && one.depths.of(Substream(stripe)).is_some() {
            rooms[place] -= 1;
            best = best.max(1 + best_cover(stripe + 1, rooms, candidates));
            rooms[place] += 1;
        }
    }
    best
}

proptest! {
    /// Nobody gives more than it has room for or what it does not receive, no stripe comes twice,
    /// and as many stripes are covered as any way of sharing the room could cover.
    #[test]
    fn all_that_can_be_covered_is(candidates in candidates(), home in 0u8..4) {
        let given = plan(SubstreamSet::all(4), Some(Substream(home)), &candidates);
        let mut covered = SubstreamSet::EMPTY;
        for (set, one) in given.iter().zip(&candidates) {
            prop_assert!(set.count() <= u32::from(one.room));
            for stripe in set.iter() {
                prop_assert!(one.depths.of(stripe).is_some());
                prop_assert!(!covered.contains(stripe));
                covered = covered.with(stripe);
            }
        }
        let mut rooms: Vec<u8> = candidates.iter().map(|one| one.room).collect();
        prop_assert_eq!(covered.count(), best_cover(0, &mut rooms, &candidates));
    }
}

/// Agents as the planner sees them, one joining after the other, each with the candidates that the
/// control center would find it, and each moving up where it outclasses somebody.
struct Swarm {
    stripes: u8,
    room: Vec<u64>,
    uplink: Vec<u64>,
    home: Vec<Option<Substream>>,
    /// Per member and stripe; the source is member 0 and has none.
    parents: Vec<Vec<Option<usize>>>,
    homes: Homes,
}

impl Swarm {
    fn new(stripes: u8, source: u64) -> Self {
        Self {
            stripes,
            room: vec![source],
            uplink: vec![source],
            home: vec![None],
            parents: vec![vec![None; usize::from(stripes)]],
            homes: Homes::default(),
        }
    }

    /// From the source down to the member itself; `None` where it does not receive the stripe.
    fn path(&self, member: usize, stripe: usize) -> Option<Vec<usize>> {
        let mut path = vec![member];
        while path[path.len() - 1] != 0 {
            assert!(path.len() <= self.room.len(), "a cycle in stripe {stripe}");
            path.push(self.parents[path[path.len() - 1]][stripe]?);
        }
        path.reverse();
        Some(path)
    }

    fn depths(&self, member: usize) -> Depths {
        let mut depths = Depths::NOWHERE;
        for stripe in 0..self.stripes {
            if let Some(path) = self.path(member, usize::from(stripe)) {
                let depth = u8::try_from(path.len() - 1).unwrap();
                depths.set(Substream(stripe), depth);
            }
        }
        depths
    }

    fn candidate(&self, member: usize) -> Candidate {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&(member as u64).to_be_bytes());
        let room = self.room[member];
        Candidate {
            peer: PeerId(name),
            home: self.home[member],
            depths: self.depths(member),
            room: u8::try_from(room).unwrap_or(u8::MAX).min(self.stripes),
            spare: room,
            counted: room,
            network: network(u8::try_from(member % 251).unwrap()),
            ..candidate(0, 0, 0)
        }
    }

    fn join(&mut self, uplink: u64) {
        let member = self.room.len();
        let home = self.homes.take(self.stripes, uplink);
        let mut widest: Vec<usize> = (1..member).filter(|one| self.room[*one] > 0).collect();
        widest.sort_by_key(|one| (Reverse(self.room[*one]), *one));
        let found: Vec<usize> = core::iter::once(0).chain(widest).take(16).collect();
        let candidates: Vec<Candidate> = found.iter().map(|one| self.candidate(*one)).collect();
        let given = plan(SubstreamSet::all(self.stripes), Some(home), &candidates);
        self.room.push(uplink);
        self.uplink.push(uplink);
        self.home.push(Some(home));
        self.parents.push(vec![None; usize::from(self.stripes)]);
        for (parent, set) in found.into_iter().zip(given) {
            for stripe in set.iter() {
                self.hang(member, usize::from(stripe.0), parent);
            }
        }
        for _ in 0..3 {
            self.rise(member, usize::from(home.0));
        }
    }

    fn hang(&mut self, member: usize, stripe: usize, parent: usize) {
        if let Some(old) = self.parents[member][stripe].replace(parent) {
            self.room[old] += 1;
        }
        self.room[parent] -= 1;
    }

    fn standing(&self, member: usize, stripe: usize) -> Standing {
        Standing {
            known: true,
            at_home: self.home[member].is_some_and(|home| usize::from(home.0) == stripe),
            lasting: true,
            uplink: self.uplink[member],
        }
    }

    fn rise(&mut self, member: usize, stripe: usize) {
        let Some(path) = self.path(member, stripe) else {
            return;
        };
        let names: Vec<PeerId> = (0..self.room.len())
            .map(|one| self.candidate_name(one))
            .collect();
        let level = |parent: &usize| {
            let fed =
                (1..self.room.len()).filter(|one| self.parents[*one][stripe] == Some(*parent));
            Level {
                parent: names[*parent],
                has_room: self.room[*parent] > 0,
                occupants: fed
                    .map(|one| (names[one], self.standing(one, stripe)))
                    .collect(),
            }
        };
        let levels: Vec<Level> = path[..path.len().saturating_sub(2)]
            .iter()
            .map(level)
            .collect();
        let number = |peer: PeerId| names.iter().position(|name| *name == peer).unwrap();
        let standing = self.standing(member, stripe);
        match rise(standing, self.room[member] > 0, &levels) {
            Some(Rise::Beside { parent }) => self.hang(member, stripe, number(parent)),
            Some(Rise::InsteadOf { parent, displaced }) => {
                let (parent, displaced) = (number(parent), number(displaced));
                self.room[parent] += 1;
                self.hang(member, stripe, parent);
                self.parents[displaced][stripe] = None;
                self.hang(displaced, stripe, member);
            }
            None => {}
        }
    }

    fn candidate_name(&self, member: usize) -> PeerId {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&(member as u64).to_be_bytes());
        PeerId(name)
    }

    /// Depth of the deepest, and stripes that nobody pushes.
    fn measure(&self) -> (usize, usize) {
        let (mut deepest, mut holes) = (0, 0);
        for member in 1..self.room.len() {
            for stripe in 0..usize::from(self.stripes) {
                match self.path(member, stripe) {
                    Some(path) => deepest = deepest.max(path.len() - 1),
                    None => holes += 1,
                }
            }
        }
        (deepest, holes)
    }

    /// In how many trees an agent feeds other agents, on average over those who feed any.
    fn trees_fed(&self) -> f64 {
        let mut fed = vec![SubstreamSet::EMPTY; self.room.len()];
        for parents in &self.parents {
            for (stripe, parent) in (0u8..).zip(parents) {
                if let Some(parent) = parent {
                    fed[*parent] = fed[*parent].with(Substream(stripe));
                }
            }
        }
        let counts: Vec<u32> = fed[1..]
            .iter()
            .map(|set| set.count())
            .filter(|count| *count > 0)
            .collect();
        f64::from(counts.iter().sum::<u32>()) / (counts.len().max(1) as f64)
    }
}

/// Deterministic shuffle, so that agents come in an order that has nothing to do with their width.
fn shuffled(mut uplinks: Vec<u64>) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for place in (1..uplinks.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let other = usize::try_from(state >> 33).unwrap() % (place + 1);
        uplinks.swap(place, other);
    }
    uplinks
}

fn compare(name: &str, source: u64, uplinks: Vec<u64>) -> (usize, u32, usize, f64) {
    let mut widest = uplinks.clone();
    widest.sort_unstable_by_key(|uplink| Reverse(*uplink));
    let least = least_depth(source, &widest, 4).unwrap();
    let mut swarm = Swarm::new(4, source);
    let count = uplinks.len();
    uplinks.into_iter().for_each(|uplink| swarm.join(uplink));
    let (deepest, holes) = swarm.measure();
    let trees = swarm.trees_fed();
    println!(
        "{name}: {count} agents, depth {deepest}, least {least}, {holes} holes, {trees:.2} trees"
    );
    (deepest, least, holes, trees)
}

/// The table of `docs/TREES.md`; run with `--nocapture` to see it.
#[test]
fn trees_are_about_as_low_as_trees_can_be() {
    let equal = |count: usize, uplink: u64| vec![uplink; count];
    let mixed =
        |count: usize| -> Vec<u64> { (0..count).map(|one| [24, 4, 8, 2, 12][one % 5]).collect() };
    let scarce =
        |count: usize| -> Vec<u64> { (0..count).map(|one| [20, 0, 2, 0][one % 4]).collect() };
    for (name, source, uplinks) in [
        ("equal, 3 streams each", 8, equal(1000, 12)),
        ("equal, 1.25 streams each", 8, equal(1000, 5)),
        ("mixed, widest first", 8, {
            let mut all = mixed(1000);
            all.sort_unstable_by_key(|one| Reverse(*one));
            all
        }),
        ("mixed, in any order", 8, shuffled(mixed(1000))),
        ("a quarter carries all", 8, shuffled(scarce(1000))),
    ] {
        let (deepest, least, holes, trees) = compare(name, source, uplinks);
        assert_eq!(holes, 0, "{name}");
        assert!(
            deepest <= 2 * least as usize + 2,
            "{name}: {deepest} of {least}"
        );
        assert!(trees < 2.5, "{name}: interior in {trees}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whoever comes, in whatever order: no stripe runs in a circle (`path` asserts it), and no
    /// uplink is exceeded (`room` would run below zero).
    #[test]
    fn trees_stay_trees(source in 4u64..20, uplinks in prop::collection::vec(0u64..20, 1..60)) {
        let mut swarm = Swarm::new(4, source);
        for uplink in uplinks {
            swarm.join(uplink);
            swarm.measure();
        }
    }
}
