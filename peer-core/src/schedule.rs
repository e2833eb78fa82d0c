//! Which chunks from whom: pure functions of who is there.

use crate::sorted::{SortedMap, SortedSet};

use runnel_protocol::segment::{Substream, SubstreamSet};

use crate::input::LinkId;
use crate::source::Candidate;

/// Chunks asked for in one request: first and count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) link: LinkId,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// Who pushes which of the stripes that are sought: whom the coordinator meant, else the best of
/// the others, so that a parent's loss is made good without asking. `barred` are the stripes that
/// must not be had from a link.
pub(crate) fn cover(
    sought: SubstreamSet,
    candidates: &[Candidate],
    barred: impl Fn(LinkId) -> SubstreamSet,
) -> SortedMap<LinkId, SubstreamSet> {
    let mut plan: SortedMap<LinkId, SubstreamSet> = SortedMap::new();
    for stripe in sought.iter() {
        let free: Vec<_> = candidates
            .iter()
            .filter(|one| !barred(one.link()).contains(stripe))
            .copied()
            .collect();
        if let Some(best) = best_for(stripe, &free) {
            let set = plan.entry(best.link()).or_default();
            *set = set.with(stripe);
        }
    }
    plan
}

fn best_for(stripe: Substream, candidates: &[Candidate]) -> Option<&Candidate> {
    let meant = candidates
        .iter()
        .filter(|candidate| candidate.substreams.contains(stripe));
    let others = candidates
        .iter()
        .filter(|candidate| candidate.carries.contains(stripe));
    meant
        .min_by_key(|candidate| candidate.rank)
        .or_else(|| others.min_by_key(|candidate| candidate.rank))
}

pub(crate) fn best(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates.iter().min_by_key(|candidate| candidate.rank)
}

/// Spreads the missing chunks of a segment over parents as [`cover`] spreads stripes; neighbours
/// from the same parent become one run.
pub(crate) fn pull(
    missing: &[u32],
    sequence: u64,
    stripes: u8,
    candidates: &[Candidate],
) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let owner = |index: u32| {
        best_for(Substream::of(sequence, index, stripes), candidates).map(Candidate::link)
    };
    let owned: SortedSet<_> = missing
        .iter()
        .map(|index| (owner(*index), *index))
        .collect();
    for (owner, index) in owned {
        let Some(link) = owner else { continue };
        match runs.last_mut() {
            Some(run) if run.link == link && run.first + run.count == index => run.count += 1,
            Some(_) | None => runs.push(Run {
                link,
                first: index,
                count: 1,
            }),
        }
    }
    runs
}

/// Whom an agent asks for a segment of which nothing is known: the parent of one stripe, the same
/// for everybody. The question goes up that stripe's tree, where there are no circles.
pub(crate) fn pull_along(stripe: Substream, candidates: &[Candidate]) -> Option<LinkId> {
    let meant = candidates
        .iter()
        .filter(|candidate| candidate.substreams.contains(stripe));
    let parent = meant.min_by_key(|candidate| candidate.rank);
    parent.map(Candidate::link)
}

/// Whom a viewer asks for it: the parents of the cheapest kind in turn, so that all of them are
/// used.
pub(crate) fn pull_unknown(sequence: u64, candidates: &[Candidate]) -> Option<LinkId> {
    let cheapest = best(candidates)?.rank;
    let equals: SortedSet<_> = candidates
        .iter()
        .filter(|candidate| {
            candidate.rank.cost == cheapest.cost && candidate.rank.misses <= cheapest.misses
        })
        .map(Candidate::link)
        .collect();
    let turn = usize::try_from(sequence % equals.len().max(1) as u64).unwrap_or_default();
    equals.iter().nth(turn).copied()
}

#[cfg(test)]
mod tests {
    use core::cmp::Reverse;

    use runnel_protocol::control::Source;

    use super::*;
    use crate::source::Rank;

    fn parent(link: u64, cost: Source, substreams: u16) -> Candidate {
        let (substreams, carries) = (SubstreamSet(substreams), SubstreamSet::all(4));
        let assigned = Reverse(!substreams.is_empty());
        let rank = Rank {
            cost,
            misses: 0,
            assigned,
            outstanding: 0,
            link: LinkId::dialled(link),
        };
        Candidate {
            rank,
            substreams,
            carries,
        }
    }

    #[test]
    fn every_stripe_has_exactly_one_pusher() {
        let two = [
            parent(1, Source::Peer, 0b0101),
            parent(2, Source::Peer, 0b1010),
        ];
        let plan = cover(SubstreamSet::all(4), &two, |_| SubstreamSet::EMPTY);
        assert_eq!(plan[&LinkId::dialled(1)], SubstreamSet(0b0101));
        assert_eq!(plan[&LinkId::dialled(2)], SubstreamSet(0b1010));
        assert!(cover(SubstreamSet::all(4), &[], |_| SubstreamSet::EMPTY).is_empty());
    }

    #[test]
    fn a_lost_parents_stripes_go_to_the_cheapest_that_is_left() {
        let left = [
            parent(2, Source::Peer, 0b1010),
            parent(3, Source::Waypoint, 0),
        ];
        assert_eq!(
            cover(SubstreamSet::all(4), &left, |_| SubstreamSet::EMPTY),
            [(LinkId::dialled(2), SubstreamSet(0b1111))].into()
        );
    }

    #[test]
    fn nobody_pushes_what_he_gets_from_here() {
        let two = [
            parent(1, Source::Peer, 0b1111),
            parent(2, Source::Waypoint, 0),
        ];
        let child = |link| {
            if link == LinkId::dialled(1) {
                SubstreamSet(0b0011)
            } else {
                SubstreamSet::EMPTY
            }
        };
        let plan = cover(SubstreamSet::all(4), &two, child);
        assert_eq!(plan[&LinkId::dialled(1)], SubstreamSet(0b1100));
        assert_eq!(plan[&LinkId::dialled(2)], SubstreamSet(0b0011));
    }

    #[test]
    fn missing_chunks_are_asked_in_runs_and_each_once() {
        let two = [
            parent(1, Source::Peer, 0b0011),
            parent(2, Source::Peer, 0b1100),
        ];
        let runs = pull(&[0, 1, 2, 3, 5], 0, 4, &two);
        let asked: u32 = runs.iter().map(|run| run.count).sum();
        assert_eq!(asked, 5);
        assert_eq!(
            runs[0],
            Run {
                link: LinkId::dialled(1),
                first: 0,
                count: 2
            }
        );
    }

    #[test]
    fn unknown_segments_go_round_the_peers_and_spare_the_waypoint() {
        let three = [
            parent(1, Source::Peer, 0),
            parent(2, Source::Peer, 0),
            parent(3, Source::Waypoint, 0b1111),
        ];
        let asked: Vec<_> = (0..4)
            .filter_map(|sequence| pull_unknown(sequence, &three))
            .collect();
        let [one, two] = [LinkId::dialled(1), LinkId::dialled(2)];
        assert_eq!(asked, [one, two, one, two]);
    }

    #[test]
    fn whoever_let_a_segment_down_is_not_asked_for_an_unknown_one_while_others_did_not() {
        let mut two = [parent(1, Source::Peer, 0), parent(2, Source::Peer, 0)];
        two[0].rank.misses = 1;
        let asked: Vec<_> = (0..2)
            .filter_map(|sequence| pull_unknown(sequence, &two))
            .collect();
        assert_eq!(asked, [LinkId::dialled(2); 2]);
        assert_eq!(pull_unknown(0, &[]), None);
    }

    #[test]
    fn what_is_missing_is_asked_of_who_pushes_it_in_runs_of_neighbours() {
        let two = [
            parent(1, Source::Peer, 0b0011),
            parent(2, Source::Peer, 0b1100),
        ];
        let run = |link, first, count| Run {
            link: LinkId::dialled(link),
            first,
            count,
        };
        let runs = pull(&[0, 1, 2, 3, 5, 6], 0, 4, &two);
        let expected = [run(1, 0, 2), run(1, 5, 1), run(2, 2, 2), run(2, 6, 1)];
        assert_eq!(runs, expected);
        let next = pull(&[0, 1, 2, 3], 1, 4, &two);
        assert_eq!(next, [run(1, 0, 1), run(1, 3, 1), run(2, 1, 2)]);
        assert!(pull(&[0, 1], 0, 4, &[]).is_empty());
    }

    #[test]
    fn a_question_of_which_nothing_is_known_goes_up_one_stripes_tree_and_no_other_way() {
        let three = [
            parent(1, Source::Peer, 0b0001),
            parent(2, Source::Peer, 0b0110),
            parent(3, Source::Peer, 0b0110),
        ];
        let asked = |stripe| pull_along(Substream::of(0, stripe, 4), &three);
        assert_eq!(asked(0), Some(LinkId::dialled(1)));
        assert_eq!(asked(1), Some(LinkId::dialled(2)), "the better of two");
        assert_eq!(asked(3), None, "nobody pushes it");
    }
}
