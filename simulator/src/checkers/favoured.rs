//! P9: those for whom policies prefer the operator's own servers get a larger part from these than others do,
//! and no smaller pictures, in each quarter of a minute.

use core::time::Duration;
use std::collections::BTreeMap;

use runnel_peer_core::Delivered;
use runnel_protocol::time::Timestamp;

use super::Verdict;
use super::lawful::Lawful;
use crate::node::At;
use crate::population::Role;
use crate::world::World;

const WINDOW: Duration = Duration::from_secs(15);
/// With fewer segments chance decides: a part of a hundredth is one segment.
const ENOUGH: u64 = 100;
/// Viewers count once they have been there for so long: first pictures come from the CDN.
const SETTLED: Duration = Duration::from_secs(10);

/// What viewers of one kind got.
#[derive(Debug, Clone, Copy, Default)]
struct Got {
    segments: u64,
    bytes: u64,
    from_waypoints: u64,
    /// Sum of the segments' rates, in bit/s.
    rates: u64,
}

impl Got {
    /// Of a thousand bytes, those from waypoints.
    const fn permille(&self) -> u64 {
        match (self.from_waypoints * 1000).checked_div(self.bytes) {
            Some(permille) => permille,
            None => 0,
        }
    }

    const fn mean_rate(&self) -> u64 {
        match self.rates.checked_div(self.segments) {
            Some(rate) => rate,
            None => 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Favoured {
    pub(crate) verdict: Verdict,
    since: Timestamp,
    /// Region, and by how much policies prefer waypoints for them.
    got: BTreeMap<(u16, i64), Got>,
}

impl Default for Favoured {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("P9 the preferred get better sources, and renditions"),
            since: crate::title::START,
            got: BTreeMap::new(),
        }
    }
}

impl Favoured {
    /// A segment reached a viewer, in this rendition.
    pub(crate) fn got(
        &mut self,
        lawful: &mut Lawful,
        world: &World,
        at: At,
        (delivered, rendition): (&Delivered, usize),
    ) {
        if world.now.since(self.since) > WINDOW {
            self.compare();
            self.since = world.now;
        }
        let mut present = world.present();
        let waypoint = present.find(|(_, node)| node.role == Role::Waypoint);
        let Some((waypoint, viewer)) = waypoint.map(|(_, node)| node).zip(world.node(at)) else {
            return;
        };
        let ends = world.known(waypoint.id).zip(world.known(viewer.id));
        let Some(((waypoint, known), player)) = ends.zip(viewer.player.as_ref()) else {
            return;
        };
        let title = world.library.title(player.title);
        let opinion = lawful.opinion((&waypoint, &known), title.id, world.now);
        let settled = world.now.since(player.joined) > SETTLED;
        let Some(opinion) = opinion.filter(|_| settled) else {
            return;
        };
        let got = self
            .got
            .entry((known.guest.region, opinion.score))
            .or_default();
        got.segments += 1;
        got.bytes += delivered.from_peers + delivered.from_waypoints + delivered.from_cdn;
        got.from_waypoints += delivered.from_waypoints;
        got.rates += title.renditions[rendition].rate;
    }

    fn compare(&mut self) {
        let got = core::mem::take(&mut self.got);
        let all: Vec<_> = got
            .into_iter()
            .filter(|(_, got)| got.segments >= ENOUGH)
            .collect();
        for region in all.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
            if let [others, .., preferred] = region {
                self.judge(*preferred, *others);
            }
        }
    }

    fn judge(
        &mut self,
        ((_, high), preferred): ((u16, i64), Got),
        ((_, low), others): ((u16, i64), Got),
    ) {
        let sources = preferred.permille() >= others.permille();
        let renditions = preferred.mean_rate() >= others.mean_rate();
        self.verdict.expect(sources && renditions, || {
            format!("with a score of {high} {preferred:?}, with {low} {others:?}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(preferred: Got, others: Got) -> u64 {
        let mut favoured = Favoured {
            got: [((0, 100), preferred), ((0, 0), others), ((1, 0), others)].into(),
            ..Favoured::default()
        };
        favoured.compare();
        favoured.verdict.violations
    }

    #[test]
    fn a_larger_part_for_others_and_smaller_pictures_are_seen() {
        let got = |from_waypoints, rates| Got {
            segments: 200,
            bytes: 1000,
            from_waypoints,
            rates,
        };
        assert_eq!(violations(got(300, 1600), got(200, 800)), 0);
        assert_eq!(violations(got(200, 1600), got(300, 800)), 1);
        assert_eq!(violations(got(300, 800), got(200, 1600)), 1);
        let few = Got {
            segments: 50,
            ..got(200, 800)
        };
        assert_eq!(violations(few, got(300, 800)), 0, "it may be chance");
    }
}
