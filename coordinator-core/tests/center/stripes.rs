//! Where uplink is short, agents that watch nothing are called in for one stripe each.

use std::collections::BTreeSet;

use runnel_protocol::segment::SubstreamSet;

use crate::stage::{RATE, SECOND, Stage};

const STRIPES: u8 = 4;

/// A waypoint, idle agents of three streams each, and more viewers than these can feed.
fn evening(agents: usize, viewers: usize) -> (Stage, Vec<&'static str>, Vec<&'static str>) {
    evening_with(agents, viewers, |_| false)
}

/// The same, with some viewers, by their numbers, who call it stored.
fn evening_with(
    agents: usize,
    viewers: usize,
    is_odd: fn(usize) -> bool,
) -> (Stage, Vec<&'static str>, Vec<&'static str>) {
    let mut stage = Stage::new(1);
    stage.waypoint("waypoint", 4 * RATE);
    let name = |kind: &str, number: usize| -> &'static str { format!("{kind} {number}").leak() };
    let agents: Vec<_> = (0..agents).map(|one| name("agent", one)).collect();
    let viewers: Vec<_> = (0..viewers).map(|one| name("viewer", one)).collect();
    agents.iter().for_each(|agent| stage.agent(agent, 3 * RATE));
    for (number, viewer) in viewers.iter().enumerate() {
        stage.viewer(viewer);
        stage.plays_at(viewer, RATE);
        if is_odd(number) {
            stage.calls_it_stored(viewer);
        }
        stage.run(SECOND / 4);
    }
    stage.run(20 * SECOND);
    (stage, agents, viewers)
}

fn carries(stage: &Stage, agent: &'static str) -> SubstreamSet {
    stage.assign(agent).carries
}

#[test]
fn whoever_is_called_in_late_has_its_home_stripe_alone_and_viewers_have_all_of_them() {
    let (stage, agents, viewers) = evening(24, 90);
    let all = SubstreamSet::all(STRIPES);
    let some: Vec<_> = agents
        .iter()
        .filter(|agent| carries(&stage, agent) != all)
        .collect();
    assert!(some.len() >= 16, "{} of 24", some.len());
    let mut stripes = BTreeSet::new();
    for agent in some {
        let carried = carries(&stage, agent);
        assert_eq!(carried.count(), 1);
        let parents = &stage.assign(agent).parents;
        assert!(!parents.is_empty(), "{agent}");
        let pushed = parents.iter().map(|one| one.substreams);
        assert_eq!(
            pushed.fold(SubstreamSet::EMPTY, SubstreamSet::union),
            carried
        );
        stripes.extend(carried.iter());
    }
    assert_eq!(stripes.len(), usize::from(STRIPES), "as many of each");
    for viewer in &viewers {
        for parent in &stage.assign(viewer).parents {
            let beyond = parent.substreams.without(parent.carries);
            assert!(beyond.is_empty(), "nobody is asked for what it has not");
        }
    }
    // 24 agents of three streams each and four of the waypoint: 76. What agents take of it is five
    // streams of those who have all, and a quarter of one of each of the others.
    let fed: u32 = viewers
        .iter()
        .map(|viewer| stage.parents(viewer).values().sum::<u32>())
        .sum();
    let most = u32::from(STRIPES) * 76;
    assert!(fed * 100 >= most * 84, "{fed} stripes of {most}");
    stage.check();
}

#[test]
fn a_waypoint_feeds_as_many_of_them_as_it_can() {
    let (stage, agents, _) = evening(24, 90);
    let all = SubstreamSet::all(STRIPES);
    let is_fed = |agent: &&&'static str| stage.parents(agent).contains_key("waypoint");
    let narrow = agents.iter().filter(|agent| carries(&stage, agent) != all);
    let fed = narrow.filter(is_fed).count();
    // It has 16 places, of which those who have all stripes take two in each.
    assert_eq!(fed, 8);
    stage.check();
}

#[test]
fn whether_it_is_live_is_what_most_of_those_who_play_it_say() {
    let (stage, agents, _) = evening_with(24, 90, |number| number % 4 == 3);
    let all = SubstreamSet::all(STRIPES);
    let narrow = agents.iter().filter(|agent| carries(&stage, agent) != all);
    assert!(narrow.count() >= 16);
    stage.check();
}

#[test]
fn an_agent_that_is_called_in_for_one_stripe_and_then_watches_has_all() {
    let (mut stage, agents, _) = evening(24, 90);
    let all = SubstreamSet::all(STRIPES);
    let one = agents
        .iter()
        .find(|agent| carries(&stage, agent) != all)
        .unwrap();
    stage.open(one, "live", true);
    stage.run(5 * SECOND);
    assert_eq!(carries(&stage, one), all);
    let pushed = stage.parents(one).values().sum::<u32>();
    assert_eq!(pushed, u32::from(STRIPES));
    stage.check();
}

#[test]
fn where_few_are_left_they_have_all() {
    let (mut stage, agents, _) = evening(24, 90);
    for agent in &agents[3..] {
        stage.kill(agent);
    }
    stage.run(30 * SECOND);
    for agent in &agents[..3] {
        assert_eq!(
            carries(&stage, agent),
            SubstreamSet::all(STRIPES),
            "{agent}"
        );
    }
    stage.check();
}

#[test]
fn a_small_audience_is_fed_by_agents_that_have_all() {
    let (stage, agents, _) = evening(4, 30);
    for agent in &agents {
        assert_eq!(
            carries(&stage, agent),
            SubstreamSet::all(STRIPES),
            "{agent}"
        );
    }
}
