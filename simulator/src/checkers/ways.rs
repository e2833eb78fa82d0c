//! N1: nobody new is fed over a way between two systems that has become narrow, once the control center can
//! know it, but for a trial now and then; and once it is wide again, it is used again.
//!
//! What the control center believes is not asked: the network model says which way is narrow, and since when.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use runnel_protocol::control::Assign;
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

use super::Verdict;
use crate::world::World;

/// A way is found congested within so long: queues have to grow, heartbeats to tell of what is late, and
/// three parents and three children have to be among them.
const FOUND: Duration = Duration::from_secs(20);
/// Whoever comes to it after nobody has for so long is a trial: it may have recovered.
const TRIED_AFTER: Duration = Duration::from_secs(25);
/// A way that is wide is used again within so long, if anybody comes.
const USED_AGAIN: Duration = Duration::from_secs(90);

/// A way in both directions, and what is wrong with it.
#[derive(Debug)]
struct Way {
    /// The places of its regions in the scenario.
    regions: (u16, u16),
    /// Since when it is narrow, or wide again.
    since: Timestamp,
    narrow: bool,
    /// When a trial, or the time before it was found, began, and when somebody came last; for each direction.
    tried: BTreeMap<(u16, u16), (Timestamp, Timestamp)>,
    used_again: bool,
}

#[derive(Debug)]
pub(crate) struct Ways {
    pub(crate) verdict: Verdict,
    way: Option<Way>,
    /// Who feeds whom, as last told.
    parents: BTreeMap<(PeerId, ContentId), BTreeSet<PeerId>>,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("N1 nobody new over congested ways"),
            way: None,
            parents: BTreeMap::new(),
        }
    }
}

impl Ways {
    /// A way between two regions has become narrow, or wide again.
    pub(crate) fn turns(&mut self, regions: (u16, u16), narrow: bool, now: Timestamp) {
        let back = (regions.1, regions.0);
        self.way = Some(Way {
            regions,
            since: now,
            narrow,
            tried: [(regions, (now, now)), (back, (now, now))].into(),
            used_again: false,
        });
    }

    /// Somebody is told by whom it is fed.
    pub(crate) fn told(&mut self, world: &World, to: PeerId, assign: &Assign) {
        let parents = assign.parents.iter();
        let parents = parents.filter(|parent| !parent.substreams.is_empty());
        let parents: BTreeSet<PeerId> = parents.map(|parent| parent.contact.peer).collect();
        let fed = (to, assign.content);
        let before = self.parents.insert(fed, parents.clone());
        let before = before.unwrap_or_default();
        let region = |peer| world.known(peer).map(|known| known.guest.region);
        for parent in parents.difference(&before) {
            if let Some(over) = region(*parent).zip(region(to)) {
                self.comes(over, (*parent, to), world.now);
            }
        }
    }

    /// Somebody is fed over a way from now on.
    fn comes(&mut self, over: (u16, u16), (parent, to): (PeerId, PeerId), now: Timestamp) {
        let Some(way) = &mut self.way else {
            return;
        };
        let back = (way.regions.1, way.regions.0);
        if over != way.regions && over != back {
            return;
        }
        if !way.narrow {
            way.used_again = true;
            return;
        }
        let (tried, last) = way.tried.entry(over).or_insert((now, now));
        if now.since(*last) > TRIED_AFTER {
            *tried = now;
        }
        *last = now;
        let (since, fine) = (now.since(*tried), now.since(*tried) <= FOUND);
        self.verdict.expect(fine, || {
            format!(
                "{parent} begins to feed {to}, {since:?} after the way became narrow or was tried"
            )
        });
    }

    /// Looks whether what is wide is used.
    pub(crate) fn look(&mut self, now: Timestamp) {
        let wide = self.way.as_ref().filter(|way| !way.narrow);
        if let Some(way) = wide.filter(|way| now.since(way.since) > USED_AGAIN) {
            let used = way.used_again;
            self.verdict.expect(used, || {
                "a way that is wide again is used by nobody".to_owned()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::title::START;

    const OVER: (u16, u16) = (1, 0);
    const PAIR: (PeerId, PeerId) = (PeerId([1; 16]), PeerId([2; 16]));

    fn at(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn whoever_comes_to_a_narrow_way_is_seen_but_for_trials() {
        let mut ways = Ways::default();
        ways.comes(OVER, PAIR, at(0));
        ways.turns((0, 1), true, at(10));
        ways.comes(OVER, PAIR, at(29));
        ways.comes((2, 0), PAIR, at(40));
        assert_eq!(ways.verdict.violations, 0);
        ways.comes(OVER, PAIR, at(40));
        assert_eq!(ways.verdict.violations, 1, "it is known by now");
        ways.comes(OVER, PAIR, at(70));
        assert_eq!(ways.verdict.violations, 1, "it is tried again");
        ways.comes(OVER, PAIR, at(92));
        assert_eq!(ways.verdict.violations, 2);
    }

    #[test]
    fn a_way_that_nobody_comes_back_to_is_seen() {
        let mut ways = Ways::default();
        ways.turns((0, 1), true, at(10));
        ways.look(at(200));
        ways.turns((0, 1), false, at(200));
        ways.look(at(280));
        assert_eq!(ways.verdict.violations, 0);
        ways.look(at(300));
        assert_eq!(ways.verdict.violations, 1);
        ways.comes(OVER, PAIR, at(301));
        ways.look(at(310));
        assert_eq!(ways.verdict.violations, 1);
    }
}
