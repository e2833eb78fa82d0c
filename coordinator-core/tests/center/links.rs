//! Links that operators limit: what runs over them fits, whoever is left out is told why, and
//! what has to go goes in order.

use runnel_coordinator_core::{Cause, Input, LinkTrial, NetworkEntry, NetworkTable, Tags};
use runnel_protocol::control::FromCoordinator;
use runnel_protocol::units::BitsPerSecond;

use crate::policies::tried;
use crate::stage::{RATE, SECOND, Stage, kilobits};

const FRENCH: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
const GERMAN: &str = "203.0.113.1";
const VIEWERS: [&str; 5] = ["v0", "v1", "v2", "v3", "v4"];

fn countries() -> NetworkTable {
    let line = |(cidr, country): (&str, &str)| NetworkEntry {
        cidr: cidr.parse().unwrap(),
        region: "europe".to_owned(),
        name: country.to_owned(),
        tags: Tags {
            country: Some(country.to_owned()),
            asn: None,
            groups: Vec::new(),
        },
    };
    let lines = [("198.51.100.0/24", "FR"), ("203.0.113.0/24", "DE")];
    NetworkTable::new(lines.map(line))
}

/// A link from France to Germany.
fn border(limits: &str) -> String {
    format!(
        "name = \"carrier\"\nkind = \"network\"\nzone = \"Europe/Berlin\"\n[[link]]\n\
         name = \"border\"\nwhen = 'viewer.country != peer.country'\n{limits}\n"
    )
}

/// A waypoint and an agent in France, and so many viewers in Germany who come one after the other.
fn evening(limits: &str, viewers: usize) -> Stage {
    let mut stage = Stage::with(1, |config| config.networks = countries());
    if !limits.is_empty() {
        stage.policies(&[&border(limits)]);
    }
    stage.waypoint_at("waypoint", 20 * RATE, FRENCH[0]);
    stage.agent_at("ann", 20 * RATE, FRENCH[1]);
    for name in &VIEWERS[..viewers] {
        stage.viewer_at(name, GERMAN);
        stage.plays_at(name, RATE);
        stage.run(SECOND * 2);
    }
    stage
}

/// How many stripes somebody is fed with.
fn stripes(stage: &Stage, name: &'static str) -> u32 {
    stage.parents(name).into_values().sum()
}

fn all_stripes(stage: &Stage, viewers: usize) -> Vec<u32> {
    let viewers = VIEWERS[..viewers].iter();
    viewers.map(|name| stripes(stage, name)).collect()
}

/// From now on they receive this share of what is reserved for them, in percent.
fn receive(stage: &mut Stage, viewers: usize, share: u64) {
    for name in &VIEWERS[..viewers] {
        for parent in ["ann", "waypoint"] {
            let stripes = stage.parents(name).get(parent).copied().unwrap_or(0);
            stage.receives(
                name,
                parent,
                RATE / 4 * u64::from(stripes) * share / 100,
                false,
            );
        }
    }
}

#[test]
fn a_link_is_filled_to_nine_tenths_and_whoever_is_left_out_is_told_why() {
    let mut stage = evening("max_mbps = 5", 4);
    assert_eq!(all_stripes(&stage, 4), [4, 4, 1, 0]);
    let link = stage.link();
    assert_eq!(&*link.name, "carrier/border");
    assert_eq!(
        (link.limit, link.reserved),
        (kilobits(5000), kilobits(4500))
    );
    let excluded = &stage.explanation("v3").contents[0].excluded;
    assert!(
        excluded.iter().all(|one| one.rule == "link-limit"),
        "{excluded:?}"
    );
    let why = &stage.assign("v3").why;
    let words = "the link “carrier/border” has 0 of 5000 kbit/s left, and one stripe takes 500";
    assert!(why.contains(words), "{why}");
    stage.run(SECOND * 60);
    assert_eq!(all_stripes(&stage, 4), [4, 4, 1, 0], "it stays like that");
    // Somebody goes, and leaves room.
    stage.kill("v0");
    stage.run(SECOND * 10);
    assert_eq!(
        [
            stripes(&stage, "v1"),
            stripes(&stage, "v2"),
            stripes(&stage, "v3")
        ],
        [4, 4, 1]
    );
    stage.check();
}

#[test]
fn what_does_not_run_over_the_link_is_not_limited_by_it() {
    let mut stage = evening("max_mbps = 0", 2);
    assert_eq!(all_stripes(&stage, 2), [0, 0]);
    stage.viewer_at("french", FRENCH[1]);
    stage.run(SECOND * 2);
    assert_eq!(stripes(&stage, "french"), 4);
    assert_eq!(stage.link().reserved, kilobits(0));
}

#[test]
fn a_limit_that_is_lowered_parts_who_came_last_until_the_rest_fits() {
    let mut stage = evening("max_mbps = 20", 5);
    assert_eq!(all_stripes(&stage, 5), [4; 5]);
    let before = stage.center.totals().reassignments;
    stage.policies(&[&border("max_mbps = 5")]);
    stage.run(SECOND * 2);
    assert_eq!(all_stripes(&stage, 5)[..2], [4, 4], "who came first stays");
    assert!(
        stage.link().reserved <= kilobits(4500),
        "{:?}",
        stage.link()
    );
    let changes = stage.center.totals().reassignments;
    let parted = changes.of(Cause::Policy) - before.of(Cause::Policy);
    assert_eq!(
        parted, 4,
        "three are parted, and what is left is for one of them"
    );
    assert_eq!(changes.total() - before.total(), 4, "nobody else is moved");
    let words = stage.words("v4");
    let told = "is its parent no more: the link “carrier/border” has 0 of 5000 kbit/s left";
    assert!(words.contains(told), "{words}");
    let revoked = |message: &FromCoordinator| matches!(message, FromCoordinator::Revoke(_));
    assert!(
        stage.actors["v4"].inbox.iter().any(revoked),
        "no byte moves on"
    );
    assert!(!stage.actors["v0"].inbox.iter().any(revoked));
    let calm = stage.center.totals().reassignments;
    stage.run(SECOND * 60);
    assert_eq!(stage.center.totals().reassignments, calm, "and that is all");
    stage.policies(&[]);
    stage.run(SECOND * 10);
    assert_eq!(
        all_stripes(&stage, 5),
        [4; 5],
        "without the limit they come back"
    );
    assert!(stage.center.links().is_empty());
    stage.check();
}

#[test]
fn a_link_that_is_declared_while_everybody_watches_counts_what_runs_already() {
    let mut stage = evening("", 3);
    stage.policies(&[&border("max_mbps = 50")]);
    let before = stage.center.totals().reassignments;
    stage.run(SECOND * 2);
    assert_eq!(stage.link().reserved, kilobits(3 * RATE));
    assert_eq!(
        stage.center.totals().reassignments,
        before,
        "nobody is moved for it"
    );
}

#[test]
fn what_is_measured_stands_in_for_what_is_reserved() {
    let mut stage = evening("max_mbps = 5", 4);
    receive(&mut stage, 4, 60);
    stage.run(SECOND * 40);
    assert!(stage.link().reserved > kilobits(4500), "{:?}", stage.link());
    assert!(stage.link().used <= kilobits(4500), "{:?}", stage.link());
    assert_eq!(stripes(&stage, "v2"), 4, "there is room for more");
    // They use all of it: then it was too much.
    receive(&mut stage, 4, 100);
    stage.run(SECOND * 20);
    assert!(stage.link().used <= kilobits(5000), "{:?}", stage.link());
    assert_eq!(all_stripes(&stage, 2), [4, 4]);
    stage.check();
}

#[test]
fn more_than_reserved_is_seen_and_parted() {
    let mut stage = evening("max_mbps = 5", 2);
    assert_eq!(all_stripes(&stage, 2), [4, 4]);
    receive(&mut stage, 2, 140);
    stage.run(SECOND * 10);
    assert_eq!(stripes(&stage, "v0"), 4, "who came first stays");
    assert!(stripes(&stage, "v1") < 4);
}

#[test]
fn a_soft_limit_gives_way_where_nobody_else_is_left_and_nobody_is_moved_again() {
    let soft = |limits: &str| {
        border(&format!("max_mbps = {limits}")).replace(
            "kind = \"network\"",
            "kind = \"network\"\nrank = 300\nstrictness = \"soft\"",
        )
    };
    let mut stage = evening("", 3);
    stage.policies(&[&soft("2")]);
    stage.run(SECOND * 5);
    assert_eq!(all_stripes(&stage, 3), [4; 3]);
    let words = stage.words("v2");
    assert!(words.contains("no room on link “border”"), "{words}");
    let calm = stage.center.totals().reassignments;
    stage.run(SECOND * 120);
    assert_eq!(stage.center.totals().reassignments, calm);
    // Somebody at home can feed them.
    stage.agent_at("eve", 20 * RATE, GERMAN);
    stage.run(SECOND * 10);
    stage.viewer_at("v3", GERMAN);
    stage.run(SECOND * 5);
    assert!(
        stage.parents("v3").contains_key("eve"),
        "{:?}",
        stage.parents("v3")
    );
    stage.check();
}

#[test]
fn an_agent_goes_before_viewers_on_a_link_as_on_uplinks() {
    let mut stage = evening("max_mbps = 5", 4);
    assert_eq!(all_stripes(&stage, 4), [4, 4, 1, 0]);
    stage.agent_at("eve", 20 * RATE, GERMAN);
    stage.open("eve", "live", false);
    stage.run(SECOND * 10);
    assert_eq!(stripes(&stage, "eve"), 4, "{}", stage.words("eve"));
    assert_eq!(
        all_stripes(&stage, 4),
        [4; 4],
        "one copy crosses, and feeds everybody"
    );
    assert!(
        stage.link().reserved <= kilobits(4500),
        "{:?}",
        stage.link()
    );
    stage.check();
}

#[test]
fn contents_share_a_link_each_with_a_lease_of_its_own() {
    let mut stage = evening("max_mbps = 5", 1);
    stage.open("ann", "vod", false);
    for name in ["w0", "w1"] {
        stage.viewer_at(name, GERMAN);
        let close = runnel_protocol::control::ToCoordinator::Close(crate::stage::live());
        stage.say(name, close);
        stage.open(name, "vod", true);
        stage.run(SECOND * 2);
    }
    let link = stage.link();
    assert_eq!(link.reserved, kilobits(4500));
    assert!(
        link.leased >= link.used && link.leased <= kilobits(4500),
        "{link:?}"
    );
    // One of the two ends: its lease does as well.
    stage.kill("w0");
    stage.kill("w1");
    stage.run(SECOND * 5);
    assert_eq!(stage.link().reserved, kilobits(RATE));
    stage.kill("v0");
    stage.run(SECOND * 30);
    let link = stage.link();
    assert_eq!(
        (link.reserved, link.leased),
        (BitsPerSecond(0), BitsPerSecond(0))
    );
}

#[test]
fn on_a_line_that_two_contents_share_the_higher_priority_stays_whole() {
    const RADIO_FIRST: &str = "name = \"radio-first\"\nkind = \"network\"\n[[priority]]\n\
                               score = 'content.name == \"vod\" ? 40 : 0'\n";
    for radio_first in [true, false] {
        let mut stage = evening("max_mbps = 20", 3);
        stage.open("ann", "vod", false);
        for name in ["w0", "w1"] {
            stage.viewer_at(name, GERMAN);
            let close = runnel_protocol::control::ToCoordinator::Close(crate::stage::live());
            stage.say(name, close);
            stage.open(name, "vod", true);
            stage.run(SECOND * 2);
        }
        let line = border("max_mbps = 5");
        let policies = [line.as_str(), RADIO_FIRST];
        stage.policies(if radio_first {
            &policies
        } else {
            &policies[..1]
        });
        stage.run(SECOND * 3);
        let vod = runnel_protocol::ids::ContentId::of("vod");
        let fed = ["w0", "w1"].map(|name| {
            let parents = &stage.actors[name].assigns[&vod].parents;
            parents
                .iter()
                .map(|one| one.substreams.count())
                .sum::<u32>()
        });
        assert_eq!(fed == [4, 4], radio_first, "{fed:?}");
        assert!(
            all_stripes(&stage, 3).iter().sum::<u32>() >= 1,
            "what is left"
        );
        assert!(stage.link().reserved <= kilobits(4500));
        stage.check();
    }
}

#[test]
fn a_months_total_closes_the_link_and_survives_a_restart() {
    let limit = "max_gb_per_month = 1";
    let mut stage = evening(limit, 1);
    assert_eq!(stripes(&stage, "v0"), 4);
    receive(&mut stage, 1, 100);
    // 2 Mbit/s are a gigabyte in 4,000 s; the last minute's worth is let through step by step.
    stage.run(SECOND * 3000);
    assert_eq!(stripes(&stage, "v0"), 4);
    let half_way = stage.uses.clone();
    stage.run(SECOND * 1200);
    assert_eq!(stripes(&stage, "v0"), 0);
    let why = &stage.assign("v0").why;
    assert!(why.contains("this month"), "{why}");
    let total: u64 = stage.uses.iter().map(|one| one.bytes).sum();
    let spent = stage.link().this_month.unwrap();
    assert!((950_000_000..1_010_000_000).contains(&spent), "{spent}");
    assert!(spent - total < 10_000_000, "{total} of {spent} were told");

    // Another control center that knows what was kept.
    for (kept, expected) in [(half_way, 4), (stage.uses.clone(), 0)] {
        let mut stage = Stage::with(2, |config| config.networks = countries());
        stage.input(Input::LinksUsed(kept));
        stage.policies(&[&border(limit)]);
        stage.waypoint_at("waypoint", 20 * RATE, FRENCH[0]);
        stage.viewer_at("v0", GERMAN);
        stage.run(SECOND * 2);
        assert_eq!(stripes(&stage, "v0"), expected);
    }
}

#[test]
fn a_mean_slows_a_link_down_before_it_is_reached() {
    let mut stage = evening("max_mbps = 20\nmax_mean_mbps = 1\nmean_hours = 1", 4);
    assert_eq!(
        all_stripes(&stage, 4),
        [4, 4, 4, 2],
        "an eighth of an hour at least"
    );
    for _ in 0..360 {
        receive(&mut stage, 4, 100);
        stage.run(SECOND * 10);
    }
    let bytes: u64 = stage.uses.iter().map(|one| one.bytes).sum();
    let most = kilobits(1000).bytes_in(SECOND * 3600);
    assert!(bytes <= most, "{bytes} of {most}");
    assert!(bytes > most / 2, "{bytes} of {most}");
    let fed: u32 = all_stripes(&stage, 4).into_iter().sum();
    assert!(fed < 5, "{fed}");
    stage.check();
}

#[test]
fn what_is_reserved_on_a_link_is_what_somebody_is_fed_with_whatever_happens() {
    let everything = border("max_mbps = 60").replace("viewer.country != peer.country", "true");
    let mut stage = evening("", 5);
    stage.policies(&[&everything]);
    stage.agent_at("eve", 20 * RATE, GERMAN);
    let assert_exact = |stage: &mut Stage| {
        stage.run(SECOND * 3);
        let fed: u64 = stage.center.peers().map(|peer| peer.reserved.0).sum();
        assert!(fed > 0);
        assert_eq!(stage.link().reserved, BitsPerSecond(fed));
        stage.check();
    };
    assert_exact(&mut stage);
    stage.plays_at("v1", RATE * 2);
    assert_exact(&mut stage);
    stage.kill("ann");
    assert_exact(&mut stage);
    stage.offers("eve", RATE);
    assert_exact(&mut stage);
    stage.kill("v0");
    stage.agent_at("max", 30 * RATE, FRENCH[1]);
    assert_exact(&mut stage);
    stage.policies(&[&everything.replace("= 60", "= 5")]);
    assert_exact(&mut stage);
    assert!(stage.link().reserved <= kilobits(4500));
}

/// What the border carries, and would carry, in kbit/s: its limit and what is reserved.
fn border_tried(stage: &mut Stage, texts: &[&str]) -> [(Option<u64>, u64); 2] {
    let report = tried(stage, texts);
    let [link] = report.links.as_slice() else {
        panic!("{:?}", report.links);
    };
    let LinkTrial {
        name,
        limit_before,
        limit,
        before,
        after,
    } = link;
    assert_eq!(&**name, "carrier/border");
    let kilobits = |limit: &Option<BitsPerSecond>| limit.map(|rate| rate.0 / 1000);
    [
        (kilobits(limit_before), before.0 / 1000),
        (kilobits(limit), after.0 / 1000),
    ]
}

#[test]
fn a_trial_says_what_links_would_carry_and_that_is_what_comes() {
    let mut stage = evening("", 3);
    assert_eq!(all_stripes(&stage, 3), [4, 4, 4]);
    // A link that is new: all that runs would run over it, before anybody is parted for want of room.
    let tight = border("max_mbps = 5");
    assert_eq!(
        border_tried(&mut stage, &[&tight]),
        [(None, 0), (Some(5000), 6000)]
    );
    assert!(stage.center.links().is_empty(), "nothing is changed");
    stage.policies(&[&tight]);
    stage.run(SECOND * 10);
    assert_eq!(all_stripes(&stage, 3), [4, 4, 1]);

    // One with another limit, and one that goes.
    let wide = border("max_mbps = 8");
    assert_eq!(
        border_tried(&mut stage, &[&wide]),
        [(Some(5000), 4500), (Some(8000), 4500)]
    );
    assert_eq!(
        border_tried(&mut stage, &[]),
        [(Some(5000), 4500), (None, 0)]
    );

    // Where a rule parts pairs, they run over nothing.
    let closed = format!(
        "{wide}[[deny]]\nwhat = \"pair\"\nwhen = 'peer.type == \"regular\"'\nsay = \"no agents\"\n"
    );
    let by_agents: u32 = ["v0", "v1", "v2"]
        .iter()
        .filter_map(|name| stage.parents(name).remove("ann"))
        .sum();
    assert!(by_agents > 0);
    let left = 4500 - 500 * u64::from(by_agents);
    assert_eq!(border_tried(&mut stage, &[&closed])[1], (Some(8000), left));
}
