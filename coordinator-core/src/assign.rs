//! Who feeds a child, from those who can: a pure function (A3, A4, R9).
//!
//! What policies prefer comes first, then who belongs to a group together, then whose bytes cost the operator least,
//! then what already works, then the nearest, then the best history, then who has most to give, as far as that is
//! believed. In proportion to that two parents share the stripes, so that losing one loses about half; more join only
//! while stripes are left. Of equals, one that does not fail together with the first parent is the second, and the
//! standby.

use core::cmp::Reverse;
use core::fmt;

use runnel_protocol::control::Source;
use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::{Substream, SubstreamSet};

use crate::history::Trouble;
use crate::place::Network;
use crate::policy::LinkSet;
use crate::reach::Nearness;
use crate::trees::{self, Depths};

/// Parents that push, where that many are possible.
const PARENTS: usize = 2;
/// Most parents that push: each one is a connection at both ends.
const MAX_PARENTS: usize = 4;

/// How welcome a candidate is; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Costs the operator nothing, or is meant for this child.
    Preferred,
    /// Only for stripes that the preferred have no room for.
    IfNeeded,
    /// Only where nobody else is left.
    LastResort,
}

/// Somebody who can feed the child: no rule objects.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) peer: PeerId,
    pub(crate) source: Source,
    /// How much policies prefer it.
    pub(crate) score: i64,
    /// The two belong to a group together.
    pub(crate) friend: bool,
    pub(crate) class: Class,
    pub(crate) near: Nearness,
    /// What speaks against it among equals.
    pub(crate) trouble: Trouble,
    /// Stripes it has room for; zero for one that can only stand by.
    pub(crate) room: u8,
    /// For any of that a viewer has to give up its place.
    pub(crate) crowded: bool,
    /// Whether it can stand by.
    pub(crate) stands_by: bool,
    /// It has few links left for new children: for those who would be without, not for a second
    /// parent or a standby.
    pub(crate) short_of_links: bool,
    /// Its spare uplink in bit/s.
    pub(crate) spare: u64,
    /// As much of that as is believed, a stripe at least.
    pub(crate) counted: u64,
    /// What it pushes to the child already; `None` if it is not a parent.
    pub(crate) pushes: Option<SubstreamSet>,
    /// The stripes that it has to give.
    pub(crate) carries: SubstreamSet,
    /// Its place in each stripe's tree; matters to agents only.
    pub(crate) depths: Depths,
    /// The stripe that it is interior in; `None` for a source, which is in all.
    pub(crate) home: Option<Substream>,
    /// The network it sits in: parents in two of them do not fail together.
    pub(crate) network: Network,
    /// Stripes of which it has handed out enough already: for these it is a filler only.
    pub(crate) dear: SubstreamSet,
    /// Links that what it brings runs over, and whether soft ones among them give way.
    pub(crate) links: LinkSet,
    pub(crate) gave_way: bool,
}

/// A parent of the new assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) parent: PeerId,
    pub(crate) source: Source,
    pub(crate) substreams: SubstreamSet,
    pub(crate) class: Class,
    pub(crate) why: Chosen,
    /// See [`Candidate`].
    pub(crate) links: LinkSet,
    pub(crate) gave_way: bool,
}

/// Why a parent was chosen, in words once displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chosen {
    source: Source,
    near: Nearness,
    spare: u64,
    role: Role,
    /// Policies prefer it to others.
    preferred: bool,
    /// The two belong to a group together.
    friend: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Main,
    Filler,
    Standby,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilobits = self.spare / 1000;
        let place = self.near.words();
        let source = match self.source {
            Source::Peer => "an agent",
            Source::Waypoint | Source::Cdn => "the operator's waypoint",
        };
        match (self.role, self.source) {
            (Role::Main | Role::Filler, Source::Peer) if self.friend => {
                write!(f, "a peer {place}, of a group that you belong to")
            }
            (Role::Main | Role::Filler, _) if self.preferred => {
                write!(f, "{source} {place}, which the policies prefer for you")
            }
            (Role::Main, Source::Peer) => {
                write!(
                    f,
                    "an agent {place} with {kilobits} kbit/s of uplink to spare"
                )
            }
            (Role::Main, Source::Waypoint | Source::Cdn) => {
                write!(
                    f,
                    "the operator's waypoint, which hands the content out first"
                )
            }
            (Role::Filler, Source::Peer) => {
                write!(f, "a peer {place}, for what no better one has room for")
            }
            (Role::Filler, Source::Waypoint | Source::Cdn) => {
                write!(f, "the operator's waypoint, for what no agent has room for")
            }
            (Role::Standby, _) => write!(f, "stands by, {place}, in case a parent fails"),
        }
    }
}

/// Derived order is the rule: see the module.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    stands_by_only: bool,
    score: Reverse<i64>,
    stranger: bool,
    class: Class,
    short_of_links: bool,
    is_new: bool,
    near: Nearness,
    trouble: Trouble,
    counted: Reverse<u64>,
    spare: Reverse<u64>,
    peer: PeerId,
}

impl Candidate {
    fn rank(&self) -> Rank {
        Rank {
            stands_by_only: self.room == 0,
            score: Reverse(self.score),
            stranger: !self.friend,
            class: self.class,
            short_of_links: self.short_of_links,
            is_new: self.pushes.is_none_or(SubstreamSet::is_empty),
            near: self.near,
            trouble: self.trouble,
            counted: Reverse(self.counted),
            spare: Reverse(self.spare),
            peer: self.peer,
        }
    }

    /// Its rank among others that differ in uplink alone.
    fn welcome(&self) -> Rank {
        Rank {
            counted: Reverse(0),
            spare: Reverse(0),
            peer: PeerId([0; 16]),
            ..self.rank()
        }
    }

    /// How welcome it is for one stripe.
    pub(crate) fn class_in(&self, stripe: Substream) -> Class {
        if self.dear.contains(stripe) {
            self.class.max(Class::IfNeeded)
        } else {
            self.class
        }
    }

    /// How welcome it is for all of these.
    fn class_for(&self, substreams: SubstreamSet) -> Class {
        let classes = substreams.iter().map(|stripe| self.class_in(stripe));
        classes.max().unwrap_or(self.class)
    }

    fn is_standby(&self) -> bool {
        self.stands_by && !self.short_of_links && self.class != Class::LastResort
    }

    /// It pushes these from now on.
    pub(crate) fn main(&self, substreams: SubstreamSet) -> Choice {
        self.choice(substreams, self.role_in(substreams))
    }

    fn role_in(&self, substreams: SubstreamSet) -> Role {
        match self.class_for(substreams) {
            Class::Preferred => Role::Main,
            Class::IfNeeded | Class::LastResort => Role::Filler,
        }
    }

    fn choice(&self, substreams: SubstreamSet, role: Role) -> Choice {
        Choice {
            parent: self.peer,
            source: self.source,
            substreams,
            class: self.class_for(substreams),
            links: self.links,
            gave_way: self.gave_way,
            why: Chosen {
                source: self.source,
                near: self.near,
                spare: self.spare,
                role,
                preferred: self.score > 0,
                friend: self.friend,
            },
        }
    }
}

/// The parents that push, then the standby.
pub(crate) fn choose(stripes: u8, mut candidates: Vec<Candidate>) -> Vec<Choice> {
    candidates.sort_by_cached_key(Candidate::rank);
    let all = SubstreamSet::all(stripes);
    if candidates.iter().any(|one| one.carries != all) {
        // Each stripe from somebody who has it.
        let given = trees::plan(all, None, &candidates);
        return with_standby(&candidates, &given, |one| one.carries == all);
    }
    let alone = candidates.len().min(1);
    let (parents, rest) = candidates.split_at_mut(alone);
    let best = rest.first().map(Candidate::welcome);
    prefer_another_network(parents, rest, |other| Some(other.welcome()) == best);
    let pushing = how_many_push(stripes, &candidates);
    let (parents, rest) = candidates.split_at(pushing);
    let shares = spread(stripes, parents);
    let mut choices: Vec<Choice> = parents
        .iter()
        .zip(shares)
        .map(|(parent, share)| parent.choice(share, parent.role_in(share)))
        .filter(|choice| !choice.substreams.is_empty())
        .collect();
    choices.extend(standby(parents.iter(), rest.iter()));
    choices
}

/// The parents that push to an agent, stripe by stripe as [`trees`] plans them, then the standby:
/// one that gets nothing through this very agent.
pub(crate) fn choose_for_agent(
    carries: SubstreamSet,
    home: Substream,
    mut candidates: Vec<Candidate>,
) -> Vec<Choice> {
    candidates.sort_by_cached_key(Candidate::rank);
    let given = trees::plan(carries, Some(home), &candidates);
    with_standby(&candidates, &given, |one| one.depths.reach(carries))
}

/// The parents that push these stripes, then the first of the others who stands by and `fits`.
fn with_standby(
    candidates: &[Candidate],
    given: &[SubstreamSet],
    fits: impl Fn(&Candidate) -> bool,
) -> Vec<Choice> {
    let parents = candidates.iter().zip(given);
    let (parents, rest): (Vec<_>, Vec<_>) = parents.partition(|(_, set)| !set.is_empty());
    let pushing = parents.iter();
    let mut choices: Vec<Choice> = pushing
        .map(|(parent, set)| parent.choice(**set, parent.role_in(**set)))
        .collect();
    let rest = rest.into_iter().map(|(one, _)| one);
    let parents = parents.into_iter().map(|(parent, _)| parent);
    choices.extend(standby(parents, rest.filter(|one| fits(one))));
    choices
}

/// The first of the others who stands by: one that sits in another network than all who push, where there is
/// such a one. Not where they are at the child's own site: that one copy came in there is worth more.
fn standby<'a>(
    mut parents: impl Iterator<Item = &'a Candidate>,
    rest: impl Iterator<Item = &'a Candidate> + Clone,
) -> Option<Choice> {
    let mut rest = rest.filter(|one| one.is_standby());
    let first = parents.next();
    let apart = first.filter(|first| {
        first.near > Nearness::SameSite && parents.all(|other| other.network == first.network)
    });
    let elsewhere = apart.and_then(|first| rest.clone().find(|one| one.network != first.network));
    let chosen = elsewhere.or_else(|| rest.next());
    chosen.map(|one| one.choice(SubstreamSet::EMPTY, Role::Standby))
}

/// Where all parents sit in one network, puts the first of `rest` that sits in another one, and
/// `fits`, before all others. Not where that network is the child's own: if it fails, no parent is
/// of use to the child, and against those in it who are not honest there is the standby.
fn prefer_another_network(
    parents: &[Candidate],
    rest: &mut [Candidate],
    fits: impl Fn(&Candidate) -> bool,
) {
    let Some((first, others)) = parents.split_first() else {
        return;
    };
    let together = |other: &Candidate| other.network == first.network;
    if first.near <= Nearness::SameNetwork || !others.iter().all(together) {
        return;
    }
    let apart = rest
        .iter()
        .position(|other| !together(other) && fits(other));
    if let Some(place) = apart {
        rest[..=place].rotate_right(1);
    }
}

/// How many of the best candidates are needed: two preferred ones, then as many as it takes.
fn how_many_push(stripes: u8, ranked: &[Candidate]) -> usize {
    let mut covered = 0u8;
    let mut count = 0;
    for candidate in ranked.iter().take(MAX_PARENTS) {
        let welcome =
            candidate.class == Class::Preferred && !candidate.short_of_links && count < PARENTS;
        if candidate.room == 0 || (covered >= stripes && !welcome) {
            break;
        }
        covered = covered.saturating_add(candidate.room);
        count += 1;
    }
    count
}

/// Which stripes each parent pushes. What works is kept as it is.
fn spread(stripes: u8, parents: &[Candidate]) -> Vec<SubstreamSet> {
    let all = SubstreamSet::all(stripes);
    let held = |parent: &Candidate| parent.pushes.unwrap_or_default();
    let works = parents.iter().all(|parent| {
        let count = held(parent).count();
        count > 0 && count <= u32::from(parent.room)
    });
    let covered = parents
        .iter()
        .map(held)
        .fold(SubstreamSet::EMPTY, SubstreamSet::union);
    if works && covered == all {
        return parents.iter().map(held).collect();
    }
    let mut free = all;
    let mut sets = Vec::with_capacity(parents.len());
    for (parent, count) in parents.iter().zip(shares(stripes, parents)) {
        let kept = take(held(parent), free, count);
        free = free.without(kept);
        sets.push((kept, count));
    }
    let fill = |(kept, count): (SubstreamSet, u8)| {
        let missing = count.saturating_sub(u8::try_from(kept.count()).unwrap_or(u8::MAX));
        let more = take(free, free, missing);
        free = free.without(more);
        kept.union(more)
    };
    sets.into_iter().map(fill).collect()
}

/// The lowest `count` substreams of `from` that are in `free`.
fn take(from: SubstreamSet, free: SubstreamSet, count: u8) -> SubstreamSet {
    from.iter()
        .filter(|substream| free.contains(*substream))
        .take(usize::from(count))
        .fold(SubstreamSet::EMPTY, SubstreamSet::with)
}

/// Number of stripes for each parent: one after another to whoever has most uplink per stripe
/// it already has (d'Hondt), within everybody's room.
fn shares(stripes: u8, parents: &[Candidate]) -> Vec<u8> {
    let mut shares = vec![0u8; parents.len()];
    for _ in 0..stripes {
        let next = parents
            .iter()
            .zip(&shares)
            .enumerate()
            .filter(|(_, (parent, share))| **share < parent.room)
            .max_by_key(|(place, (parent, share))| {
                let quotient = parent.counted / (u64::from(**share) + 1);
                (**share == 0, quotient, Reverse(*place))
            });
        let Some((place, _)) = next else { break };
        shares[place] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::place::Place;

    fn agent(name: u8, room: u8) -> Candidate {
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
            spare: u64::from(room) * 500_000,
            counted: u64::from(room) * 500_000,
            pushes: None,
            carries: SubstreamSet::all(4),
            depths: Depths::NOWHERE,
            home: None,
            network: Place::of([10, name, 0, 0].into()).network,
            dear: SubstreamSet::EMPTY,
            links: LinkSet::EMPTY,
            gave_way: false,
        }
    }

    fn waypoint(room: u8) -> Candidate {
        Candidate {
            source: Source::Waypoint,
            class: Class::IfNeeded,
            ..agent(200, room)
        }
    }

    fn counts(choices: &[Choice]) -> Vec<(u8, u32)> {
        choices
            .iter()
            .map(|choice| (choice.parent.0[0], choice.substreams.count()))
            .collect()
    }

    #[test]
    fn two_agents_share_in_proportion_and_the_waypoint_stands_by() {
        let choices = choose(4, vec![waypoint(8), agent(1, 30), agent(2, 10)]);
        assert_eq!(counts(&choices), [(1, 3), (2, 1), (200, 0)]);
        let even = choose(4, vec![agent(1, 20), agent(2, 20)]);
        assert_eq!(counts(&even), [(1, 2), (2, 2)]);
    }

    #[test]
    fn one_agent_gives_everything_and_the_waypoint_stands_by_even_when_full() {
        let choices = choose(4, vec![waypoint(0), agent(1, 10)]);
        assert_eq!(counts(&choices), [(1, 4), (200, 0)]);
    }

    #[test]
    fn the_waypoint_fills_only_what_agents_have_no_room_for() {
        let choices = choose(4, vec![waypoint(8), agent(1, 1), agent(2, 1)]);
        assert_eq!(counts(&choices), [(1, 1), (2, 1), (200, 2)]);
        let alone = choose(4, vec![waypoint(2)]);
        assert_eq!(counts(&alone), [(200, 2)]);
    }

    #[test]
    fn a_viewer_who_uploads_feeds_the_agent_that_nobody_else_has_room_for() {
        let viewer = Candidate {
            class: Class::LastResort,
            ..agent(1, 7)
        };
        let full = Candidate {
            class: Class::Preferred,
            ..waypoint(0)
        };
        let choices = choose(4, vec![full, viewer.clone()]);
        assert_eq!(counts(&choices), [(1, 4), (200, 0)]);
        let choices = choose(4, vec![waypoint(4), viewer]);
        assert_eq!(counts(&choices), [(200, 4)]);
    }

    #[test]
    fn what_works_is_not_changed_although_another_is_wider() {
        let first = choose(4, vec![agent(1, 8), agent(2, 8)]);
        let again = [agent(1, 4), agent(2, 4), agent(3, 90)].map(|mut one| {
            let feed = first.iter().find(|choice| choice.parent == one.peer);
            one.pushes = feed.map(|choice| choice.substreams);
            one
        });
        let second = choose(4, again.to_vec());
        assert_eq!(
            second[..2],
            first[..2]
                .iter()
                .cloned()
                .map(|mut choice| {
                    let same = second.iter().find(|other| other.parent == choice.parent);
                    choice.why = same.unwrap().why;
                    choice
                })
                .collect::<Vec<_>>()
        );
        assert_eq!(counts(&second)[2], (3, 0));
    }

    #[test]
    fn the_second_parent_or_the_standby_sits_in_another_network() {
        let network = Place::of([192, 0, 2, 1].into()).network;
        let neighbour = |name: u8| Candidate {
            network,
            ..agent(name, 40 - name)
        };
        let three = || vec![neighbour(1), neighbour(2), neighbour(3)];
        let with = |other: Candidate| counts(&choose(4, [three(), vec![other]].concat()));
        assert_eq!(with(agent(4, 9)), [(1, 3), (4, 1), (2, 0)], "it may push");
        assert_eq!(
            with(waypoint(9)),
            [(1, 2), (2, 2), (200, 0)],
            "it stands by"
        );

        let held = |substreams| Some(SubstreamSet(substreams));
        let mut working = three();
        (working[0].pushes, working[1].pushes) = (held(0b0011), held(0b1100));
        working.push(agent(4, 90));
        assert_eq!(counts(&choose(4, working)), [(1, 2), (2, 2), (4, 0)]);

        let mut own = three();
        own.push(agent(4, 9));
        own.iter_mut().for_each(|one| {
            if one.network == network {
                one.near = Nearness::SameNetwork;
            }
        });
        assert_eq!(
            counts(&choose(4, own)),
            [(1, 2), (2, 2), (4, 0)],
            "who is near pushes, and who is not under the same hand stands by"
        );
    }

    #[test]
    fn who_is_fed_at_its_own_site_has_its_standby_there() {
        let network = Place::of([192, 0, 2, 1].into()).network;
        let at_home = |name: u8| Candidate {
            network,
            near: Nearness::SameSite,
            ..agent(name, 40 - name)
        };
        let all = vec![at_home(1), at_home(2), at_home(3), agent(4, 9)];
        assert_eq!(counts(&choose(4, all)), [(1, 2), (2, 2), (3, 0)]);
    }

    #[test]
    fn two_who_share_unevenly_go_on_as_long_as_each_has_room() {
        let pushing = |name, room, stripes| Candidate {
            pushes: Some(SubstreamSet(stripes)),
            ..agent(name, room)
        };
        let sets = |candidates: [Candidate; 2]| {
            let choices = choose(4, candidates.to_vec());
            choices
                .iter()
                .map(|one| one.substreams.0)
                .collect::<Vec<_>>()
        };
        let works = [pushing(1, 4, 0b0111), pushing(2, 4, 0b1000)];
        assert_eq!(sets(works), [0b0111, 0b1000]);
        let tight = [pushing(1, 2, 0b0111), pushing(2, 2, 0b1000)];
        assert_eq!(sets(tight), [0b0011, 0b1100], "the first shrank");
    }

    #[test]
    fn the_reason_says_how_much_there_is_to_spare_in_kilobits() {
        let why = |candidate: Candidate| choose(4, vec![candidate])[0].why.to_string();
        let words = why(agent(1, 4));
        assert!(words.starts_with("an agent "), "{words}");
        assert!(
            words.ends_with(" with 2000 kbit/s of uplink to spare"),
            "{words}"
        );
        let words = why(waypoint(4));
        assert_eq!(
            words,
            "the operator's waypoint, for what no agent has room for"
        );
    }

    #[test]
    fn the_nearest_of_equals_comes_first_then_the_better_history() {
        let near = Candidate {
            near: Nearness::SameSite,
            ..agent(3, 8)
        };
        let reliable = agent(2, 8);
        let shaky = Candidate {
            trouble: Trouble::new(2, Duration::from_secs(600)),
            ..agent(1, 8)
        };
        let choices = choose(4, vec![shaky, reliable, near]);
        assert_eq!(counts(&choices), [(3, 2), (2, 2), (1, 0)]);
    }
}
