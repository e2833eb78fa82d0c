//! Which parent pushes which stripe: one tree per stripe, all planned together (R9).
//!
//! Every agent has a *home* stripe. There it is interior: it takes a place as near to the source
//! as it can and gives its uplink to that tree first. In the other trees it is a leaf, hung below
//! whoever is at home there, so that losing one agent leaves a hole in one stripe and not in all.
//! An agent that was called in where uplink is short has its home stripe alone. Viewers are leaves
//! everywhere. How far this is from the best possible is in `docs/TREES.md`.

use core::cmp::Reverse;

use runnel_protocol::ids::PeerId;
use runnel_protocol::segment::{MAX_SUBSTREAMS, Substream, SubstreamSet};

use crate::assign::{Candidate, Class};
use crate::history::Trouble;
use crate::place::Network;
use crate::reach::Nearness;

/// Hops that are worth a viewer's moving to another parent.
const WORTH_A_MOVE: u8 = 2;

const STRIPES: usize = MAX_SUBSTREAMS as usize;

/// How many hops a member is from the source in each stripe's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depths([u8; STRIPES]);

impl Depths {
    /// In no tree at all.
    pub(crate) const NOWHERE: Self = Self([u8::MAX; STRIPES]);
    pub(crate) fn set(&mut self, stripe: Substream, depth: u8) {
        if let Some(place) = self.0.get_mut(usize::from(stripe.0)) {
            *place = depth;
        }
    }

    /// Whether it receives these stripes, none of them through whoever asks.
    pub(crate) fn reach(&self, stripes: SubstreamSet) -> bool {
        stripes.iter().all(|stripe| self.of(stripe).is_some())
    }

    pub(crate) fn is_nowhere(&self) -> bool {
        *self == Self::NOWHERE
    }

    /// `None` where it does not receive the stripe, or only through whoever asks.
    pub(crate) fn of(&self, stripe: Substream) -> Option<u8> {
        let depth = self.0.get(usize::from(stripe.0)).copied();
        depth.filter(|depth| *depth != u8::MAX)
    }
}

/// Uplink at home in each stripe: who comes goes where least of it is.
#[derive(Debug, Default, Clone)]
pub(crate) struct Homes([u64; STRIPES]);

impl Homes {
    /// The stripe that an agent with `uplink` bit/s is to be interior in.
    pub(crate) fn take(&mut self, stripes: u8, uplink: u64) -> Substream {
        let open = 0..stripes.clamp(1, MAX_SUBSTREAMS);
        let least = open.min_by_key(|stripe| self.0[usize::from(*stripe)]);
        let home = Substream(least.unwrap_or(0));
        self.bring(home, uplink);
        home
    }

    /// An agent comes that has a home.
    pub(crate) fn bring(&mut self, home: Substream, uplink: u64) {
        if let Some(sum) = self.0.get_mut(usize::from(home.0)) {
            *sum += uplink.max(1);
        }
    }

    /// An agent that brought `uplink` goes.
    pub(crate) fn give_back(&mut self, home: Substream, uplink: u64) {
        if let Some(sum) = self.0.get_mut(usize::from(home.0)) {
            *sum = sum.saturating_sub(uplink.max(1));
        }
    }
}

/// How good a candidate is for one stripe; derived order is the rule. Money comes first, then
/// what already works. For its home stripe a child looks for the shortest way from the source;
/// elsewhere it is a leaf, and leaves those places to who will feed others from them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    score: Reverse<i64>,
    class: Class,
    short_of_links: bool,
    is_new: bool,
    hops_at_home: u8,
    source: bool,
    foreign: bool,
    hops: u8,
    near: Nearness,
    trouble: Trouble,
    counted: Reverse<u64>,
    spare: Reverse<u64>,
    peer: PeerId,
}

fn rank(candidate: &Candidate, stripe: Substream, home: Option<Substream>) -> Option<Rank> {
    let hops = hops(candidate, stripe, home)?;
    let hops = hops.saturating_add(if candidate.crowded { WORTH_A_MOVE } else { 0 });
    let at_home = home == Some(stripe);
    Some(Rank {
        score: Reverse(candidate.score),
        class: candidate.class_in(stripe),
        short_of_links: candidate.short_of_links,
        is_new: !candidate.pushes.is_some_and(|set| set.contains(stripe)),
        hops_at_home: if at_home { hops } else { 0 },
        foreign: home.is_some() && candidate.home.is_some_and(|other| other != stripe),
        source: !at_home && candidate.home.is_none(),
        hops,
        near: candidate.near,
        trouble: candidate.trouble,
        counted: Reverse(candidate.counted),
        spare: Reverse(candidate.spare),
        peer: candidate.peer,
    })
}

/// How far down the stripe's tree a candidate stands, if it has the stripe to give. To a viewer,
/// which feeds nobody, all are the same.
fn hops(candidate: &Candidate, stripe: Substream, home: Option<Substream>) -> Option<u8> {
    match home {
        Some(_) => candidate.depths.of(stripe),
        None => candidate.carries.contains(stripe).then_some(0),
    }
}

/// Which of the stripes `wanted` each candidate pushes, in the candidates' order: to an agent at
/// home in `home`, or to a viewer. Nobody gives more than it has room for; a stripe stays without
/// parent only where no way of sharing the candidates' room covers it.
pub(crate) fn plan(
    wanted: SubstreamSet,
    home: Option<Substream>,
    candidates: &[Candidate],
) -> Vec<SubstreamSet> {
    let mut plan = Plan::new(home, candidates);
    let order = plan.order(wanted);
    let stripes = u8::try_from(wanted.count()).unwrap_or(MAX_SUBSTREAMS);
    let last = held_back(candidates);
    let able = candidates.iter().zip(&last);
    let able = able.filter(|(one, last)| one.room > 0 && !**last).count();
    // Where two can push, losing one is to lose half; for that alone nobody is a last resort.
    plan.most_each = if able > 1 {
        stripes.div_ceil(2)
    } else {
        stripes
    };
    let open: Vec<Substream> = order
        .into_iter()
        .filter(|stripe| !plan.place(*stripe, &last))
        .collect();
    plan.most_each = stripes;
    for stripe in open {
        let mut tried = vec![false; candidates.len()];
        plan.place_by_moving(stripe, &mut tried);
    }
    plan.spread_over_networks();
    plan.given
}

/// Who is asked where nobody else has room: those of the last resort, whom policies put behind one of these, and
/// those who cost something and are not the ones that policies like best.
fn held_back(candidates: &[Candidate]) -> Vec<bool> {
    let order = |one: &Candidate| (Reverse(one.score), one.class);
    let resorts = candidates
        .iter()
        .filter(|one| one.class == Class::LastResort);
    let first = resorts.map(order).min();
    let able = candidates.iter().filter(|one| one.room > 0);
    let best = able.map(|one| one.score).max();
    let behind = |one: &Candidate| {
        let liked_less = one.class != Class::Preferred && best.is_some_and(|best| one.score < best);
        liked_less || first.is_some_and(|first| order(one) >= first)
    };
    candidates.iter().map(behind).collect()
}

/// Whether candidates have room for all stripes: beside those that they push already, those that have all for as
/// many as fit, and those that were called in for a part for what they have between them.
pub(crate) fn have_room<'a>(
    all: SubstreamSet,
    candidates: impl Iterator<Item = &'a Candidate>,
) -> bool {
    let (mut room, mut parts, mut pushed) = (0, SubstreamSet::EMPTY, SubstreamSet::EMPTY);
    for one in candidates.filter(|one| one.room > 0) {
        let kept = one.pushes.unwrap_or_default();
        pushed = pushed.union(kept);
        if one.carries == all {
            room += u32::from(one.room).saturating_sub(kept.count());
        } else {
            parts = parts.union(one.carries);
        }
    }
    room + parts.without(pushed).count() >= all.without(pushed).count()
}

struct Plan<'a> {
    home: Option<Substream>,
    candidates: &'a [Candidate],
    given: Vec<SubstreamSet>,
    most_each: u8,
}

impl<'a> Plan<'a> {
    fn new(home: Option<Substream>, candidates: &'a [Candidate]) -> Self {
        Self {
            home,
            candidates,
            given: vec![SubstreamSet::EMPTY; candidates.len()],
            most_each: MAX_SUBSTREAMS,
        }
    }

    /// What works already, then the home stripe, then those that fewest can give.
    fn order(&self, wanted: SubstreamSet) -> Vec<Substream> {
        let key = |stripe: &Substream| {
            let works = |one: &Candidate| one.pushes.is_some_and(|set| set.contains(*stripe));
            let can = |one: &&Candidate| one.room > 0 && hops(one, *stripe, self.home).is_some();
            let able = self.candidates.iter().filter(can).count();
            let new = !self.candidates.iter().any(works);
            (new, Some(*stripe) != self.home, able, *stripe)
        };
        let mut order: Vec<Substream> = wanted.iter().collect();
        order.sort_by_cached_key(key);
        order
    }

    fn has_room(&self, place: usize) -> bool {
        let given = self.given[place].count();
        given < u32::from(self.candidates[place].room.min(self.most_each))
    }

    fn give(&mut self, place: usize, stripe: Substream) {
        self.given[place] = self.given[place].with(stripe);
    }

    fn take_away(&mut self, place: usize, stripe: Substream) {
        self.given[place] = self.given[place].without(SubstreamSet::EMPTY.with(stripe));
    }

    /// Candidates that receive the stripe, best first.
    fn able(&self, stripe: Substream) -> Vec<usize> {
        let ranked = self.candidates.iter().enumerate();
        let mut ranked: Vec<(Rank, usize)> = ranked
            .filter_map(|(place, one)| Some((rank(one, stripe, self.home)?, place)))
            .collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, place)| place).collect()
    }

    /// To the best who has room and is not `tried`; `false` where there is none.
    fn place(&mut self, stripe: Substream, tried: &[bool]) -> bool {
        let fresh = |place: &usize| !tried.get(*place).is_some_and(|tried| *tried);
        let able = self.able(stripe).into_iter();
        let best = able.filter(fresh).find(|place| self.has_room(*place));
        if let Some(place) = best {
            self.give(place, stripe);
        }
        best.is_some()
    }

    /// An augmenting path: where everybody who has this stripe is full, one of them hands another
    /// stripe over to somebody else.
    fn place_by_moving(&mut self, stripe: Substream, tried: &mut [bool]) -> bool {
        if self.place(stripe, tried) {
            return true;
        }
        for place in self.able(stripe) {
            if core::mem::replace(&mut tried[place], true) {
                continue;
            }
            for other in self.given[place].iter() {
                self.take_away(place, other);
                if self.place_by_moving(other, tried) {
                    self.give(place, stripe);
                    return true;
                }
                self.give(place, other);
            }
        }
        false
    }

    /// Where all parents sit in one network, a stripe that is new goes to one in another, if that
    /// is as welcome: the one for which the way grows least.
    fn spread_over_networks(&mut self) {
        let mut parents = self.given.iter().zip(self.candidates);
        let pushing = parents.clone().filter(|(set, _)| !set.is_empty());
        let Some((_, first)) = pushing.clone().next() else {
            return;
        };
        let one_network = parents.all(|(set, one)| set.is_empty() || one.network == first.network);
        let stripes: u32 = self.given.iter().map(|set| set.count()).sum();
        if !one_network || stripes < 2 {
            return;
        }
        if let Some((_, from, to, stripe)) = self.cheapest_move_away(first.network) {
            self.take_away(from, stripe);
            self.give(to, stripe);
        }
    }

    fn cheapest_move_away(&self, network: Network) -> Option<(u8, usize, usize, Substream)> {
        let mut moves = Vec::new();
        for (from, parent) in self.candidates.iter().enumerate() {
            let kept = parent.pushes.unwrap_or_default();
            for stripe in self.given[from].without(kept).iter() {
                let now = hops(parent, stripe, self.home).unwrap_or(0);
                moves.extend(self.able(stripe).into_iter().filter_map(|to| {
                    let other = &self.candidates[to];
                    let fits = other.network != network
                        && other.score >= parent.score
                        && other.class_in(stripe) <= parent.class_in(stripe)
                        && self.has_room(to);
                    let more = hops(other, stripe, self.home)?.saturating_sub(now);
                    fits.then_some((more, from, to, stripe))
                }));
            }
        }
        moves.into_iter().min()
    }
}

#[cfg(test)]
mod tests;
