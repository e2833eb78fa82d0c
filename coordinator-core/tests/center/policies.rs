//! Policies in force: what they forbid is parted at once, and everybody is told why.

use std::collections::BTreeMap;

use runnel_coordinator_core::policy::{PolicySet, read};
use runnel_coordinator_core::{
    Cause, Input, NetworkEntry, NetworkTable, Tags, TrialId, TrialReport,
};
use runnel_protocol::control::{FromCoordinator, LinkResult};
use runnel_protocol::ids::TicketId;

use crate::stage::{RATE, SECOND, Stage, kilobits};

/// Licensed everywhere else.
pub(crate) const GERMANY: &str = r#"
name = "germany"
kind = "provider"
[[deny]]
what = "peers"
when = 'viewer.country == "DE"'
say = "not licensed in DE"
"#;

const WAYPOINT: &str = "192.0.2.1";
const FRANCE: [&str; 3] = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];
const GERMAN: &str = "203.0.113.1";

fn countries() -> NetworkTable {
    let line = |(cidr, country, asn): (&str, &str, u32)| NetworkEntry {
        cidr: cidr.parse().unwrap(),
        region: "europe".to_owned(),
        name: format!("as {asn}"),
        tags: Tags {
            country: Some(country.to_owned()),
            asn: Some(asn),
            groups: vec![country.to_lowercase()],
        },
    };
    let lines = [
        ("192.0.2.0/24", "FR", 64500),
        ("198.51.100.0/24", "FR", 64501),
        ("203.0.113.0/24", "DE", 64502),
        ("100.64.0.0/16", "FR", 64503),
    ];
    NetworkTable::new(lines.map(line))
}

/// A waypoint and two agents in France, and a viewer there and one in Germany.
fn evening() -> Stage {
    let mut stage = Stage::with(1, |config| config.networks = countries());
    stage.waypoint_at("waypoint", 4 * RATE, WAYPOINT);
    stage.agent_at("ann", 11 * RATE, FRANCE[0]);
    stage.agent_at("bob", 10 * RATE, FRANCE[1]);
    stage.viewer_at("french", FRANCE[2]);
    stage.viewer_at("german", GERMAN);
    stage.run(SECOND * 5);
    stage
}

fn revoked(stage: &Stage, name: &'static str) -> Vec<TicketId> {
    let inbox = stage.actors[name].inbox.iter();
    let revoked = inbox.filter_map(|message| match message {
        FromCoordinator::Revoke(tickets) => Some(tickets.clone()),
        _ => None,
    });
    revoked.flatten().collect()
}

fn names(stage: &Stage, name: &'static str) -> Vec<&'static str> {
    stage.parents(name).into_keys().collect()
}

#[test]
fn a_pair_that_a_new_policy_forbids_is_parted_within_two_seconds_and_told_why() {
    let mut stage = evening();
    assert_eq!(names(&stage, "german"), ["ann", "bob", "waypoint"]);
    let mut tickets: Vec<TicketId> = stage
        .assign("german")
        .parents
        .iter()
        .map(|parent| parent.contact.ticket.body.id)
        .collect();
    let french = stage.parents("french");
    let before = stage.center.totals().reassignments.total();
    stage.policies(&[GERMANY]);
    stage.run(SECOND * 2);
    let assign = stage.assign("german");
    assert!(assign.parents.is_empty());
    assert!(
        assign.why.contains("not licensed in DE (policy “germany”)"),
        "{}",
        assign.why
    );
    assert_eq!(stage.parents("french"), french, "nobody else is moved");
    let changes = stage.center.totals().reassignments;
    assert_eq!(
        (changes.of(Cause::Policy), changes.total() - before),
        (1, 1)
    );
    let words = stage.words("german");
    assert!(
        words.contains("its parents change: the policies say something else"),
        "{words}"
    );
    let excluded = &stage.explanation("german").contents[0].excluded;
    assert!(
        excluded.iter().all(|one| one.rule == "policy"),
        "{excluded:?}"
    );
    let mut void = revoked(&stage, "german");
    void.sort_unstable();
    tickets.sort_unstable();
    assert_eq!(void, tickets, "no byte moves under what was granted before");
    assert!(
        revoked(&stage, "ann")
            .iter()
            .all(|ticket| tickets.contains(ticket))
    );
    assert_eq!(revoked(&stage, "ann").len(), 1);
    stage.check();
}

#[test]
fn peers_come_back_with_new_tickets_once_the_policy_is_gone() {
    let mut stage = evening();
    stage.policies(&[GERMANY]);
    stage.run(SECOND * 2);
    let void = revoked(&stage, "german");
    stage.policies(&[]);
    stage.run(SECOND * 8);
    let parents = &stage.assign("german").parents;
    assert_eq!(parents.len(), 3);
    let renewed = |ticket| !void.contains(&ticket);
    assert!(
        parents
            .iter()
            .all(|parent| renewed(parent.contact.ticket.body.id))
    );
    stage.check();
}

#[test]
fn whoever_comes_later_is_told_at_once() {
    let mut stage = evening();
    stage.policies(&[GERMANY]);
    stage.viewer_at("late", "203.0.113.9");
    stage.run(SECOND * 2);
    let why = &stage.explanation("late").contents[0].why;
    assert!(why.contains("not licensed in DE"), "{why}");
    assert!(stage.explanation("late").contents[0].parents.is_empty());
    // An agent there neither gets nor gives.
    stage.agent_at("eve", 20 * RATE, "203.0.113.10");
    stage.open("eve", "live", false);
    stage.run(SECOND * 5);
    assert!(stage.explanation("eve").contents[0].parents.is_empty());
    assert!(!names(&stage, "french").contains(&"eve"));
}

#[test]
fn a_pair_policy_leaves_the_parents_that_it_allows() {
    let mut stage = evening();
    stage.policies(&[r#"
        name = "at-home"
        kind = "network"
        [[deny]]
        what = "pair"
        when = 'peer.type != "waypoint" && viewer.country != peer.country'
        say = "peers stay in their country"
    "#]);
    stage.run(SECOND * 2);
    assert_eq!(stage.parents("german"), BTreeMap::from([("waypoint", 4)]));
    let words = stage.words("german");
    assert!(
        words.contains("is its parent no more: peers stay in their country"),
        "{words}"
    );
    stage.check();
    // The waypoint fails as well: what can be told is what does not pass by itself.
    stage.report("german", "waypoint", LinkResult::Failed);
    stage.run(SECOND * 2);
    let why = &stage.assign("german").why;
    assert!(why.contains("peers stay in their country"), "{why}");
}

#[test]
fn what_is_not_known_denies_and_says_so() {
    let mut stage = evening();
    stage.policies(&[r#"
        name = "adults"
        kind = "provider"
        contents = ["live"]
        [[deny]]
        what = "peers"
        when = 'viewer.age < 18'
        say = "rated 18"
    "#]);
    stage.run(SECOND * 2);
    let why = &stage.assign("french").why;
    assert!(
        why.contains("rated 18") && why.contains("too little is known"),
        "{why}"
    );
}

/// One of these for each rank: it forbids all agents of one network.
fn soft(name: &str, rank: u16, asn: u32) -> String {
    format!(
        "name = \"{name}\"\nkind = \"network\"\nrank = {rank}\nstrictness = \"soft\"\n[[deny]]\n\
         what = \"pair\"\nwhen = 'peer.asn == {asn}'\nsay = \"rather not from {asn}\"\n"
    )
}

#[test]
fn soft_policies_give_way_in_the_order_of_their_ranks_where_nobody_else_is_left() {
    let mut stage = Stage::with(1, |config| config.networks = countries());
    stage.waypoint_at("waypoint", 4 * RATE, WAYPOINT);
    stage.agent_at("ann", 11 * RATE, FRANCE[0]);
    stage.agent_at("bob", 10 * RATE, "100.64.0.1");
    stage.viewer_at("viewer", FRANCE[2]);
    stage.run(SECOND * 5);
    let (first, second, last) = (
        soft("a", 1, 64500),
        soft("b", 20, 64503),
        soft("c", 300, 64501),
    );
    stage.policies(&[&first, &second]);
    stage.run(SECOND * 2);
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("ann", 4)]),
        "she is left"
    );
    stage.policies(&[&first, &second, &last]);
    stage.run(SECOND * 2);
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("ann", 4)]),
        "the last rank gives way"
    );
    let words = stage.words("viewer");
    assert!(
        !words.contains("all the same"),
        "she has been there all along: {words}"
    );
    stage.kill("ann");
    stage.run(SECOND * 2);
    assert_eq!(
        stage.parents("viewer"),
        BTreeMap::from([("bob", 4)]),
        "then the next one"
    );
    let words = stage.words("viewer");
    let told = "may be fed by";
    assert!(
        words.contains(told) && words.contains("rather not from 64503"),
        "{words}"
    );
    let changes = stage.center.totals().reassignments;
    stage.run(SECOND * 120);
    assert_eq!(
        stage.center.totals().reassignments,
        changes,
        "and nobody is moved again"
    );
    stage.check();
}

#[test]
fn an_hour_that_comes_parts_and_one_that_goes_lets_them_meet_again() {
    let mut stage = evening();
    // The stage begins at eight in the morning, UTC.
    stage.policies(&[r#"
        name = "office-hours"
        kind = "client"
        zone = "Europe/London"
        [[deny]]
        what = "pair"
        when = '"de" in viewer.groups && time.clock >= "08:01" && time.clock < "08:03"'
        say = "not during office hours"
    "#]);
    stage.run(SECOND * 50);
    assert_eq!(names(&stage, "german").len(), 3, "{:?}", stage.now);
    stage.run(SECOND * 8);
    assert!(stage.assign("german").parents.is_empty());
    assert!(
        stage
            .assign("german")
            .why
            .contains("not during office hours")
    );
    assert_eq!(stage.center.totals().reassignments.of(Cause::Policy), 1);
    stage.run(SECOND * 130);
    assert_eq!(names(&stage, "german").len(), 3);
    assert_eq!(names(&stage, "french").len(), 3);
    stage.check();
}

#[test]
fn whom_a_policy_prefers_comes_first() {
    let mut stage = evening();
    stage.policies(&[r#"
        name = "quality"
        kind = "provider"
        [[prefer]]
        score = 'peer.type == "waypoint" ? 100 : 0'
    "#]);
    stage.viewer_at("late", FRANCE[2]);
    stage.run(SECOND * 2);
    assert!(
        stage.parents("late")["waypoint"] > 0,
        "{:?}",
        stage.parents("late")
    );
    let assign = stage.assign("late");
    let pushing = assign.parents.iter().find(|one| one.substreams.count() > 0);
    let why = &pushing.unwrap().why;
    assert!(why.contains("which the policies prefer for you"), "{why}");
    assert_eq!(
        stage.parents("french")["waypoint"],
        0,
        "who is fed is not moved for it"
    );
}

#[test]
fn a_crowd_of_two_countries_costs_a_handful_of_evaluations() {
    let mut stage = evening();
    assert_eq!(
        stage.center.policy_evaluations(),
        0,
        "without policies nothing is asked"
    );
    stage.policies(&[GERMANY]);
    let crowd: Vec<&'static str> = (0..100).map(|one| &*format!("v{one}").leak()).collect();
    for (number, name) in crowd.into_iter().enumerate() {
        let address = if number % 2 == 0 { GERMAN } else { FRANCE[2] };
        stage.viewer_at(name, address);
    }
    stage.run(SECOND * 5);
    // A viewer or agent of either country, with a waypoint, agent or viewer of either.
    let evaluations = stage.center.policy_evaluations();
    assert!((1..=12).contains(&evaluations), "{evaluations}");
}

#[test]
fn whom_a_policy_bars_is_neither_a_burden_nor_called_in_to_help() {
    // The uplinks of the waypoint, Ann and Bob carry these two and two viewers, and not six.
    let mut stage = Stage::with(1, |config| config.networks = countries());
    stage.policies(&[GERMANY]);
    stage.waypoint_at("waypoint", 2 * RATE, WAYPOINT);
    for (name, address) in [("d1", "203.0.113.11"), ("d2", "203.0.113.12")] {
        stage.agent_at(name, 30 * RATE, address);
    }
    stage.agent_at("ann", 3 * RATE, FRANCE[0]);
    stage.agent_at("bob", 2 * RATE, FRANCE[1]);
    for name in ["v1", "v2", "v3", "v4"] {
        stage.viewer_at(name, GERMAN);
        stage.plays_at(name, RATE);
    }
    for name in ["french", "other"] {
        stage.viewer_at(name, FRANCE[2]);
        stage.plays_at(name, RATE);
    }
    stage.run(SECOND * 30);
    for name in ["french", "other"] {
        let parents = stage.parents(name);
        assert_eq!(parents.values().sum::<u32>(), 4, "{name}: {parents:?}");
    }
    for name in ["d1", "d2"] {
        assert!(
            stage.summary(name).contents.is_empty(),
            "{name} is left in peace"
        );
    }
    assert!(
        !stage.summary("bob").contents.is_empty(),
        "who may help is called in"
    );
    // Once they may, they do, and they count.
    stage.policies(&[]);
    stage.run(SECOND * 30);
    assert!(!stage.summary("d1").contents.is_empty());
    for name in ["v1", "v2", "v3", "v4"] {
        let parents = stage.parents(name);
        assert_eq!(parents.values().sum::<u32>(), 4, "{name}: {parents:?}");
    }
    stage.check();
}

#[test]
fn agents_are_called_in_and_planned_for_those_alone_who_may_be_fed() {
    let mut stage = Stage::with(1, |config| config.networks = countries());
    stage.policies(&[GERMANY]);
    stage.waypoint_at("waypoint", 4 * RATE, WAYPOINT);
    // They want to help, and may not.
    for (name, address) in [("d1", "203.0.113.11"), ("d2", "203.0.113.12")] {
        stage.agent_at(name, 30 * RATE, address);
        stage.open(name, "live", false);
    }
    for (name, address, streams) in [
        ("ann", "198.51.100.1", 11),
        ("bob", "198.51.100.2", 10),
        ("eve", "198.51.100.4", 9),
    ] {
        stage.agent_at(name, streams * RATE, address);
    }
    for (name, address, rate) in [
        ("german", GERMAN, 3 * RATE),
        ("another", GERMAN, 3 * RATE),
        ("french", FRANCE[2], RATE),
    ] {
        stage.viewer_at(name, address);
        stage.plays_at(name, rate);
        stage.run(SECOND * 5);
    }
    stage.run(SECOND * 30);
    assert_eq!(names(&stage, "french"), ["ann", "bob", "waypoint"]);
    assert!(stage.summary("eve").contents.is_empty(), "two are enough");
    let contents = stage.center.contents();
    let live = contents.iter().find(|content| content.name == "live");
    assert_eq!(live.unwrap().rate, kilobits(RATE), "what the others play");
}

/// What would change if these policies were in force in place of the others.
pub(crate) fn tried(stage: &mut Stage, texts: &[&str]) -> TrialReport {
    let policies = texts.iter().map(|text| read(text).unwrap());
    let set = PolicySet::new(policies.collect()).unwrap();
    let id = TrialId(7);
    stage.input(Input::Try { id, set });
    stage.run(SECOND);
    stage.tried.pop().unwrap()
}

/// Viewers get nothing from the waypoint itself.
const ALONE: &str = r#"
name = "alone"
kind = "network"
[[deny]]
what = "pair"
when = 'peer.type == "waypoint" && viewer.type == "lightweight"'
say = "no"
"#;

#[test]
fn a_trial_says_who_would_lose_and_gain_what_and_changes_nothing() {
    let mut stage = evening();
    let (epoch, before) = (stage.assign("german").epoch, stage.parents("german"));
    let report = tried(&mut stage, &[GERMANY]);
    let pairs = ["ann", "bob", "french", "german"].map(|name| stage.parents(name).len());
    assert_eq!(report.members, 4, "{report:?}");
    assert_eq!(report.pairs, pairs.iter().sum::<usize>() as u64);
    assert_eq!(
        (report.parted, report.lose_all, report.lose_some),
        (3, 1, 0)
    );
    let [rule] = report.rules.as_slice() else {
        panic!("{:?}", report.rules);
    };
    assert_eq!(
        (&*rule.policy, &*rule.say),
        ("germany", "not licensed in DE")
    );
    assert_eq!(
        (rule.pairs, &rule.examples),
        (3, &vec![stage.peer("german")])
    );

    stage.run(SECOND * 5);
    assert!(stage.center.policies().is_empty());
    assert_eq!(stage.assign("german").epoch, epoch);
    assert_eq!(stage.parents("german"), before);
    assert!(revoked(&stage, "german").is_empty());

    // What was foretold is what happens, and the other way round.
    stage.policies(&[GERMANY]);
    stage.run(SECOND * 2);
    assert!(stage.assign("german").parents.is_empty());
    let report = tried(&mut stage, &[]);
    assert_eq!((report.gain, report.parted), (1, 0), "{report:?}");
    let same = tried(&mut stage, &[GERMANY]);
    assert_eq!((same.gain, same.parted, same.lose_all), (0, 0, 0));
}

#[test]
fn a_soft_policy_that_gave_way_is_not_foretold_to_part_anybody() {
    let mut stage = evening();
    let soft = soft("soft", 300, 64501);
    let report = tried(&mut stage, &[&soft]);
    assert!(
        report.lose_some > 0 && report.rules[0].pairs == report.parted,
        "{report:?}"
    );
    stage.kill("bob");
    stage.policies(&[&soft, ALONE]);
    stage.run(SECOND * 5);
    assert_eq!(names(&stage, "german"), ["ann"], "the soft one gave way");
    let report = tried(&mut stage, &[&soft, ALONE]);
    assert_eq!((report.parted, report.gain), (0, 0), "{report:?}");
}

#[test]
fn what_policies_say_of_a_connected_pair_is_told_with_the_evidence_and_what_gave_way() {
    let mut stage = evening();
    stage.policies(&[GERMANY]);
    stage.run(SECOND * 2);
    let (german, ann) = (stage.peer("german"), stage.peer("ann"));
    let explained = stage.center.explain_policies(german, Some(ann), stage.now);
    let explained = explained.unwrap();
    assert_eq!(explained[0].content, "live");
    let remark = &explained[0].explanation.remarks[0];
    let evidence = ("viewer.country".to_owned(), "\"DE\"".to_owned());
    assert_eq!(
        (&*remark.policy, &remark.evidence),
        ("germany", &vec![evidence])
    );
    assert!(explained[0].explanation.verdict.denial(None).is_some());

    let soft = soft("soft", 300, 64501);
    stage.policies(&[&soft, ALONE]);
    stage.viewer_at("late", GERMAN);
    stage.run(SECOND * 5);
    let late = stage.peer("late");
    let explained = stage.center.explain_policies(late, Some(ann), stage.now);
    let relaxed = &explained.unwrap()[0].relaxed;
    assert!(
        relaxed[0].words.contains("since nobody else is left"),
        "{relaxed:?}"
    );
    let nobody = runnel_protocol::ids::PeerId([9; 16]);
    assert!(
        stage
            .center
            .explain_policies(nobody, None, stage.now)
            .is_none()
    );
}
