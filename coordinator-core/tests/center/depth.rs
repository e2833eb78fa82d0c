//! A crowd that is short of uplink all the time, and agents that come one by one.

use std::collections::BTreeMap;

use runnel_protocol::segment::Substream;

use crate::stage::{RATE, SECOND, Stage};

const AGENTS: u32 = 60;
const VIEWERS_PER_AGENT: u32 = 3;
/// Four trees of sixty, each of whose inner agents feeds three others: five levels, if nobody
/// had to be moved for it.
const DEEPEST: u32 = 9;

type Pushers = BTreeMap<(&'static str, Substream), &'static str>;

/// Who pushes which stripe to whom.
fn pushers(stage: &Stage) -> Pushers {
    let names: BTreeMap<_, _> = stage
        .actors
        .iter()
        .map(|(name, one)| (one.peer, *name))
        .collect();
    let mut pushers = Pushers::new();
    for (child, actor) in &stage.actors {
        for parent in actor.assigns.values().flat_map(|assign| &assign.parents) {
            let name = names[&parent.contact.peer];
            let stripes = parent.substreams.iter();
            pushers.extend(stripes.map(|stripe| ((*child, stripe), name)));
        }
    }
    pushers
}

fn hops(pushers: &Pushers, child: &'static str, stripe: Substream) -> u32 {
    let above = pushers.get(&(child, stripe));
    above.map_or(0, |parent| 1 + hops(pushers, parent, stripe))
}

#[test]
fn agents_that_come_into_a_crowd_form_broad_trees_and_no_chain() {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 2 * RATE);
    for number in 0..AGENTS {
        for guest in 0..VIEWERS_PER_AGENT {
            stage.viewer(format!("viewer {number}.{guest}").leak());
        }
        stage.agent(format!("agent {number}").leak(), 3 * RATE);
        stage.settle();
    }
    stage.run(SECOND * 10);
    stage.check();

    let pushers = pushers(&stage);
    let agents = stage.actors.keys().filter(|name| name.starts_with("agent"));
    let mut deepest = 0;
    for agent in agents {
        assert_eq!(stage.parents(agent).values().sum::<u32>(), 4, "{agent}");
        let depths = (0..4).map(|stripe| hops(&pushers, agent, Substream(stripe)));
        deepest = depths.fold(deepest, u32::max);
    }
    assert!(deepest <= DEEPEST, "{deepest} hops");
}
