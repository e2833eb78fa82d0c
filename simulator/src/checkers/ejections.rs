//! R6: where all uplinks together do not carry everybody, exactly those go to the CDN whom the
//! rule names, and nobody stays there who could be carried again.
//!
//! The rule is worked out anew from what anybody can see: who takes part and plays, what the
//! control center believes that each offers, what its log says of whom it sent away and when.
//! Contents with several renditions are left out: what a member takes of these changes from one
//! second to the next, and the control center hears of it later.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_coordinator_core::{ContentSummary, ControlCenter, PeerExplanation, PeerSummary};
use runnel_protocol::control::{Assign, PeerType};
use runnel_protocol::ids::ContentId;
use runnel_protocol::time::Timestamp;

use super::Verdict;
use super::lawful::Lawful;
use crate::world::World;

/// How an assignment, and an explanation, says that somebody is left to the CDN.
const TOLD: &str = "the CDN feeds you: all uplinks together carry ";
/// How the log says it, and how it says that somebody comes back.
const LOGGED: &str = "is left to the CDN: ";
const BACK: &str = "is fed by peers again";
/// A balance may be wrong for so long: offers and rates are heard of once a second, and who went
/// is not taken back within ten seconds of an ejection.
const SLOW: Duration = Duration::from_secs(20);

/// One member's part in the balance.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seat {
    priority: u8,
    uplink: u64,
    takes: u64,
    /// Whether it is left to the CDN.
    out: bool,
    /// What the log says of its going at this very moment.
    goes: Option<String>,
    /// Whether it has come back at this very moment.
    comes: bool,
}

impl Seat {
    /// Whoever has less goes first.
    const fn rank(&self) -> (u8, u64) {
        (self.priority, self.uplink)
    }

    /// Whether its going helps the others.
    const fn is_in_debt(&self) -> bool {
        self.uplink < self.takes
    }
}

#[derive(Debug)]
pub(crate) struct Ejections {
    pub(crate) verdict: Verdict,
    /// Those who went and were judged.
    pub(crate) judged: u64,
    /// When each content's ejections were judged last.
    at: BTreeMap<ContentId, Timestamp>,
    /// Since when a content carries too many, or too few.
    unbalanced: BTreeMap<(ContentId, &'static str), Timestamp>,
}

impl Default for Ejections {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("R6 the CDN gets exactly those named"),
            judged: 0,
            at: BTreeMap::new(),
            unbalanced: BTreeMap::new(),
        }
    }
}

impl Ejections {
    /// Somebody is told that the CDN feeds it: everybody who went at this moment is judged.
    pub(crate) fn told(&mut self, world: &World, lawful: &Lawful, assign: &Assign) {
        if !assign.why.starts_with(TOLD) {
            return;
        }
        let before = self.at.insert(assign.content, world.now);
        let Some(center) = world.office.center().filter(|_| before != Some(world.now)) else {
            return;
        };
        let mut rates = rates(world, center);
        rates.retain(|content, _| *content == assign.content);
        let balances = balances((world, lawful), center, &rates);
        balances.values().for_each(|seats| self.judge(seats));
    }

    /// The rule, of those who are in and those who have just gone.
    fn judge(&mut self, seats: &[Seat]) {
        let stay = || seats.iter().filter(|seat| !seat.out);
        let mut gone: Vec<&Seat> = seats.iter().filter(|seat| seat.goes.is_some()).collect();
        gone.sort_by_key(|seat| seat.rank());
        let Some(last) = gone.last() else {
            return;
        };
        let narrowest = stay().filter(|seat| seat.is_in_debt());
        let narrowest = narrowest.map(Seat::rank).min();
        self.verdict
            .expect(narrowest.is_none_or(|left| last.rank() <= left), || {
                format!(
                    "{last:?} goes although somebody of priority and uplink {narrowest:?} stays"
                )
            });
        let stood = || stay().filter(|seat| !seat.comes);
        let (mut supply, mut demand) = sums(stood().chain(gone.iter().copied()));
        // Whoever was out and brings more than one who stayed takes its place.
        let takes_place = |seat: &Seat| {
            let mut others = seats
                .iter()
                .filter(|one| one.comes || one.out && one.goes.is_none());
            others.any(|other| other.rank() > seat.rank())
        };
        let places_change = stay().any(|seat| seat.comes);
        let mut said: Vec<&str> = gone
            .iter()
            .filter_map(|seat| seat.goes.as_deref())
            .collect();
        for seat in &gone {
            self.judged += 1;
            let short = supply > 0 && supply < demand;
            self.verdict
                .expect(seat.is_in_debt() && (short || takes_place(seat)), || {
                    format!("{seat:?} goes although {supply} bit/s carry {demand}")
                });
            let words = format!("carry {} kbit/s of the {} ", supply / 1000, demand / 1000);
            let found = said.iter().position(|said| said.contains(&words));
            // Where some come as others go, which came first is not known here.
            self.verdict.expect(found.is_some() || places_change, || {
                format!("uplinks “{words}”, the log says {said:?}")
            });
            found.map(|at| said.swap_remove(at));
            (supply, demand) = (supply - seat.uplink, demand - seat.takes);
        }
        let (supply, demand) = sums(stay());
        let feasible = supply >= demand || supply == 0 || narrowest.is_none();
        self.verdict.expect(feasible, || {
            format!("{supply} bit/s are to carry {demand} although more could go")
        });
    }

    /// At rest: the uplinks carry all who are in, and nobody is out whom they would carry as well.
    pub(crate) fn look(&mut self, world: &World, lawful: &Lawful) {
        let Some(center) = world.office.center() else {
            return self.unbalanced.clear();
        };
        let balances = balances((world, lawful), center, &rates(world, center));
        for (content, seats) in balances {
            let stay = || seats.iter().filter(|seat| !seat.out);
            let (supply, demand) = sums(stay());
            let helps = stay().any(Seat::is_in_debt);
            let too_many = supply < demand && supply > 0 && helps;
            let would_fit = seats.iter().filter(|seat| seat.out).any(|seat| {
                let widest = seats.iter().filter(|other| other.out);
                widest.map(Seat::rank).max() == Some(seat.rank())
                    && supply + seat.uplink >= demand + seat.takes
            });
            let sums = (supply, demand);
            self.lasts((content, "too many stay"), too_many, sums, world.now);
            self.lasts((content, "too many went"), would_fit, sums, world.now);
        }
    }

    fn lasts(
        &mut self,
        what: (ContentId, &'static str),
        wrong: bool,
        (supply, demand): (u64, u64),
        now: Timestamp,
    ) {
        if !wrong {
            self.unbalanced.remove(&what);
        }
        let since = if wrong {
            *self.unbalanced.entry(what).or_insert(now)
        } else {
            now
        };
        self.verdict.expect(now.since(since) <= SLOW, || {
            let time = now.since(since);
            format!("{}: {supply} bit/s carry {demand}, for {time:?}", what.1)
        });
    }
}

/// What everybody takes who takes part in a content, where that is one and the same.
fn rates(world: &World, center: &ControlCenter) -> BTreeMap<ContentId, u64> {
    let rate = |content: ContentSummary| {
        let title = world.library.title(world.library.find(content.id)?);
        let [only] = title.renditions.as_slice() else {
            return None;
        };
        // Until a player says what it plays the control center plans with a guess.
        (content.rate.0 == only.mean_rate()).then_some((content.id, only.mean_rate()))
    };
    center.contents().into_iter().filter_map(rate).collect()
}

/// The members of all contents that have such a rate.
fn balances(
    (world, lawful): (&World, &Lawful),
    center: &ControlCenter,
    rates: &BTreeMap<ContentId, u64>,
) -> BTreeMap<ContentId, Vec<Seat>> {
    let mut balances: BTreeMap<ContentId, Vec<Seat>> = BTreeMap::new();
    for peer in center.peers() {
        if !peer
            .contents
            .iter()
            .any(|content| rates.contains_key(content))
        {
            continue;
        }
        let Some(told) = center.explain_peer(peer.peer) else {
            continue;
        };
        for content in &peer.contents {
            if let Some(rate) = rates.get(content) {
                let mut seat = seat(&peer, &told, (*content, *rate), world.now);
                // Waypoints are no viewers.
                if let Some(known) = world.known(peer.peer).filter(|_| !peer.waypoint) {
                    seat.priority = lawful.priority(&known, *content, world.now);
                }
                balances.entry(*content).or_default().push(seat);
            }
        }
    }
    balances
}

fn seat(
    peer: &PeerSummary,
    told: &PeerExplanation,
    (content, rate): (ContentId, u64),
    now: Timestamp,
) -> Seat {
    let part = told.contents.iter().find(|part| part.content == content);
    let takes =
        !peer.waypoint && (peer.kind == PeerType::Regular || part.is_some_and(|part| part.plays));
    let (carries, stripes) = part.map_or((1, 1), |part| part.carries);
    let carried = rate * u64::from(carries) / u64::from(stripes.max(1));
    let at_this_moment = told
        .events
        .iter()
        .filter(|event| event.at == now && event.content == Some(content));
    let said: Vec<&str> = at_this_moment.map(|event| event.words.as_str()).collect();
    let goes = said.iter().find(|words| words.starts_with(LOGGED));
    Seat {
        priority: 100,
        uplink: peer.uplink.0,
        takes: if takes { carried } else { 0 },
        out: part.is_some_and(|part| part.parents.is_empty() && part.why.starts_with(TOLD)),
        goes: goes.map(|words| (*words).to_owned()),
        comes: said.iter().any(|words| words.starts_with(BACK)),
    }
}

fn sums<'a>(seats: impl Iterator<Item = &'a Seat>) -> (u64, u64) {
    seats.fold((0, 0), |(supply, demand), seat| {
        (supply + seat.uplink, demand + seat.takes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1_000_000;

    fn stays(uplink: u64) -> Seat {
        Seat {
            priority: 100,
            uplink: uplink * 1000,
            takes: RATE,
            out: false,
            goes: None,
            comes: false,
        }
    }

    fn goes(uplink: u64, (supply, demand): (u64, u64)) -> Seat {
        let words = format!("{LOGGED}all uplinks together carry {supply} kbit/s of the {demand} …");
        Seat {
            out: true,
            goes: Some(words),
            ..stays(uplink)
        }
    }

    fn source(uplink: u64) -> Seat {
        Seat {
            takes: 0,
            ..stays(uplink)
        }
    }

    fn violations(seats: &[Seat]) -> u64 {
        let mut ejections = Ejections::default();
        ejections.judge(seats);
        assert!(ejections.verdict.evaluations > 0);
        ejections.verdict.violations
    }

    #[test]
    fn the_narrowest_until_the_rest_is_carried_are_those_whom_the_rule_names() {
        // 2.5 + 0.2 + 0.4 of 4 Mbit/s, then 2.9 of 3.
        let named = [
            source(2000),
            stays(500),
            goes(0, (3100, 4000)),
            goes(200, (3100, 3000)),
            stays(400),
        ];
        let right = [&named[..3], &[stays(200), stays(400)]].concat();
        assert_eq!(violations(&right), 0);
        assert!(violations(&named) > 0, "one too many");
    }

    #[test]
    fn whoever_has_a_lower_priority_goes_first_whatever_it_brings() {
        let premium = Seat {
            priority: 120,
            ..stays(0)
        };
        let right = [source(1500), premium, goes(400, (1900, 2000))];
        assert_eq!(violations(&right), 0);
        let wrong = [
            source(1500),
            stays(400),
            Seat {
                priority: 120,
                ..goes(0, (1900, 2000))
            },
        ];
        assert!(violations(&wrong) > 0);
    }

    #[test]
    fn going_in_another_order_is_seen() {
        let wider_first = [source(2000), stays(0), stays(500), goes(400, (2900, 3000))];
        assert!(violations(&wider_first) > 0);
    }

    #[test]
    fn stopping_too_early_is_seen_and_so_is_a_balance_that_was_never_wrong() {
        let too_few = [source(1000), stays(0), stays(0), goes(0, (1000, 3000))];
        assert!(violations(&too_few) > 0);
        let needless = [source(3000), stays(0), goes(0, (3000, 2000))];
        assert!(violations(&needless) > 0);
    }

    #[test]
    fn one_who_brings_more_may_take_the_place_of_one_who_brings_less_and_not_the_other_way_round() {
        let comes = |uplink| Seat {
            comes: true,
            ..stays(uplink)
        };
        // The uplinks carry one of the two.
        let better = [source(950), goes(100, (1050, 1000)), comes(400)];
        assert_eq!(violations(&better), 0);
        let worse = [source(950), goes(400, (1350, 1000)), comes(100)];
        assert!(violations(&worse) > 0);
    }

    #[test]
    fn words_that_say_other_sums_than_there_are_are_seen() {
        let wrong = [source(1500), stays(0), goes(0, (1400, 2000))];
        assert_eq!(violations(&wrong), 1);
    }

    #[test]
    fn whoever_brings_what_it_takes_does_not_go() {
        let wide = [source(500), stays(0), goes(1000, (1500, 2000))];
        assert!(violations(&wide) > 0);
    }
}
