//! Stories of the network's condition: what runs from where to where, and what comes late.

use ipnet::IpNet;
use runnel_coordinator_core::{EdgeSummary, Feeds, Input, Prefixes};
use runnel_protocol::control::LinkResult;

use crate::stage::{RATE, SECOND, Stage, kilobits};

const VIEWERS: [&str; 3] = ["one", "two", "three"];
const AGENTS: [&str; 3] = ["ann", "bob", "carl"];

fn systems() -> Prefixes<u32> {
    let range = |text: &str| text.parse::<IpNet>().unwrap();
    let systems = [
        ("198.51.100.0/24", 64501),
        ("203.0.113.0/24", 64500),
        ("100.64.0.0/16", 64502),
    ];
    systems
        .into_iter()
        .map(|(cidr, number)| (range(cidr), number))
        .collect()
}

/// Three agents of one system that feed three viewers of another one.
fn evening() -> Stage {
    let mut stage = Stage::new(1);
    stage.input(Input::Feeds(Feeds {
        systems: systems(),
        ..Feeds::default()
    }));
    stage.waypoint_at("waypoint", 8 * RATE, "192.0.2.1");
    for (agent, address) in AGENTS
        .into_iter()
        .zip(["198.51.100.7", "198.51.100.8", "198.51.100.9"])
    {
        stage.agent_at(agent, 4 * RATE, address);
        stage.open(agent, "live", false);
    }
    for (viewer, address) in VIEWERS
        .into_iter()
        .zip(["203.0.113.7", "203.0.113.8", "203.0.113.9"])
    {
        stage.viewer_at(viewer, address);
    }
    stage.settle();
    stage
}

/// The links from agents to viewers, each with a stripe of it.
fn links(
    stage: &Stage,
) -> Vec<(
    &'static str,
    &'static str,
    runnel_protocol::segment::Substream,
)> {
    let mut links = Vec::new();
    for viewer in VIEWERS {
        for parent in &stage.assign(viewer).parents {
            let mut agents = AGENTS.into_iter();
            let agent = agents.find(|name| stage.peer(name) == parent.contact.peer);
            let stripe = parent.substreams.iter().next();
            let link = agent.zip(stripe);
            links.extend(link.map(|(agent, stripe)| (agent, viewer, stripe)));
        }
    }
    links
}

/// For so many seconds, of ten chunks that are sent over each link this many arrive in time.
fn play(stage: &mut Stage, seconds: u64, arrive: u64) {
    for (agent, viewer, _) in links(stage) {
        stage.receives(viewer, agent, RATE / 2, arrive < 10);
    }
    for beat in 1..=seconds {
        for (agent, viewer, stripe) in links(stage) {
            stage.chunks((agent, viewer), stripe, (10 * beat, arrive * beat));
        }
        stage.run(SECOND);
    }
}

fn between(stage: &Stage, from: &str, to: &str) -> Option<EdgeSummary> {
    let edges = stage.center.network(stage.now).edges.into_iter();
    let mut between = edges.filter(|edge| edge.level == "network");
    between.find(|edge| edge.from == from && edge.to == to)
}

#[test]
fn what_runs_from_one_system_to_another_is_counted_there() {
    let mut stage = evening();
    let count = links(&stage).len() as u64;
    assert!(count >= 3, "{count}");
    play(&mut stage, 10, 10);
    let edge = between(&stage, "AS64501", "AS64500").unwrap();
    let bytes = count * 10 * kilobits(RATE / 2).bytes_in(SECOND);
    assert_eq!(
        (edge.bytes, edge.late_percent, edge.congested),
        (bytes, 0, false)
    );
    let network = stage.center.network(stage.now);
    assert_eq!((network.off_net, network.untold), (bytes, 0));
    assert!(
        network.edges.iter().all(|edge| edge.level != "client"),
        "nobody has trouble"
    );
    assert_eq!(stage.center.network_totals().1, bytes);
}

#[test]
fn nobody_new_is_sent_over_a_way_on_which_much_comes_late_until_it_had_time_to_recover() {
    let mut stage = evening();
    play(&mut stage, 4, 4);
    let edge = between(&stage, "AS64501", "AS64500").unwrap();
    assert!(edge.congested && edge.late_percent >= 20, "{edge:?}");
    assert!(stage.center.network_totals().2 == 1);
    stage.viewer_at("four", "203.0.113.10");
    stage.viewer_at("elsewhere", "100.64.0.7");
    stage.run(SECOND * 2);
    let parents = stage.parents("four");
    assert_eq!(parents.keys().copied().collect::<Vec<_>>(), ["waypoint"]);
    let parts = stage.explanation("four").contents;
    let mut excluded = parts[0].excluded.iter();
    let congestion = excluded.find(|one| one.rule == "congestion").unwrap();
    assert!(
        congestion
            .why
            .starts_with("of what is sent from AS64501 to AS64500, "),
        "{}",
        congestion.why
    );
    let parents = stage.parents("elsewhere");
    assert!(
        AGENTS.iter().any(|agent| parents.contains_key(agent)),
        "{parents:?}"
    );
    let network = stage.center.network(stage.now);
    let levels = |level| {
        network
            .edges
            .iter()
            .filter(|edge| edge.level == level)
            .count()
    };
    assert!(levels("address") >= 3 && levels("client") >= 3);

    for viewer in VIEWERS {
        stage.kill(viewer);
    }
    stage.run(SECOND * 45);
    assert!(!between(&stage, "AS64501", "AS64500").unwrap().congested);
    let parents = stage.parents("four");
    assert!(
        AGENTS.iter().any(|agent| parents.contains_key(agent)),
        "{parents:?}"
    );
    stage.check();
}

#[test]
fn a_way_whose_links_are_all_given_up_is_congested_and_one_agent_whose_links_are_is_not() {
    let mut stage = evening();
    play(&mut stage, 10, 10);
    let by = |stage: &Stage, wanted: &dyn Fn(&str) -> bool| -> Vec<_> {
        let links = links(stage).into_iter();
        links.filter(|(agent, ..)| wanted(agent)).collect()
    };
    let first = by(&stage, &|agent| agent == AGENTS[0]);
    assert!(!first.is_empty());
    for (agent, viewer, _) in first {
        stage.report(viewer, agent, LinkResult::Stalled);
    }
    let edge = between(&stage, "AS64501", "AS64500").unwrap();
    assert!(edge.late_percent > 0 && !edge.congested, "{edge:?}");

    for (agent, viewer, _) in by(&stage, &|agent| agent != AGENTS[0]) {
        stage.report(viewer, agent, LinkResult::Stalled);
    }
    let edge = between(&stage, "AS64501", "AS64500").unwrap();
    assert!(edge.congested && edge.late_percent >= 20, "{edge:?}");
    stage.check();
}

#[test]
fn one_agent_with_a_bad_line_is_no_congestion_of_a_way() {
    let mut stage = evening();
    let bad = links(&stage)[0].0;
    for _ in 0..4 {
        for (agent, viewer, _) in links(&stage) {
            stage.receives(viewer, agent, RATE / 2, agent == bad);
        }
    }
    for beat in 1..=4 {
        for (agent, viewer, stripe) in links(&stage) {
            let arrived = if agent == bad { beat } else { 10 * beat };
            stage.chunks((agent, viewer), stripe, (10 * beat, arrived));
        }
        stage.run(SECOND);
    }
    let edge = between(&stage, "AS64501", "AS64500").unwrap();
    assert!(edge.late_percent > 0 && !edge.congested, "{edge:?}");
}
