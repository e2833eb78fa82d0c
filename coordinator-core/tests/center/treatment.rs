//! Who goes to the CDN first, who plays later, and who plays what, by policy and by what viewers
//! paid (Y2 i and p).

use runnel_coordinator_core::{Allowed, Attributes, Content, Input, KeyName, Pass, Verdict};
use runnel_protocol::control::{Platform, ToCoordinator, Treatment};
use runnel_protocol::units::UnixSeconds;

use crate::stage::{RATE, SECOND, Stage, content, kilobits};

const SEASON: &str = r#"
name = "season"
kind = "provider"

[[priority]]
score = 'viewer.plan == "premium" ? 20 : viewer.plan == "ad-supported" ? 10 : 0'
"#;

const LATER: &str = r#"
name = "paying-live"
kind = "provider"

[[delay]]
behind_s = 20
when = 'viewer.type != "waypoint" && viewer.plan != "premium"'
say = "live for subscribers, 20 s later for everybody else"

[[rendition]]
max_kbps = 800
when = 'viewer.type == "lightweight" && viewer.plan == "free"'
say = "the best picture is for subscribers and agents"
"#;

/// A token says what was paid for, and nothing else.
fn paid(token: Option<&str>) -> Verdict {
    let Some(plan) = token else {
        return Verdict::Missing;
    };
    Verdict::Pass(Box::new(Pass {
        key: KeyName {
            provider: "demo".into(),
            id: "one".into(),
        },
        contents: vec![Allowed::read("*")],
        expires: UnixSeconds(1_800_000_300),
        uplink: None,
        attributes: Attributes {
            plan: Some(plan.to_owned()),
            ..Attributes::default()
        },
    }))
}

fn stage() -> Stage {
    let mut stage = Stage::new(1);
    stage.verdict = paid;
    stage
}

/// Somebody who paid for this, plays, and offers so much.
fn viewer(stage: &mut Stage, name: &'static str, plan: &str, uplink: u64) {
    let mut hello = stage.hello(Platform::Browser, uplink);
    hello.join_token = Some(plan.to_owned());
    stage.join(name, hello, "127.0.0.1");
    stage.open(name, "live", true);
    stage.plays_at(name, RATE);
}

fn agent(stage: &mut Stage, name: &'static str, uplink: u64) {
    let mut hello = stage.hello(Platform::Native, uplink);
    hello.join_token = Some("helper".to_owned());
    stage.join(name, hello, "127.0.0.1");
    stage.open(name, "live", false);
}

fn out<const COUNT: usize>(stage: &Stage, names: [&'static str; COUNT]) -> Vec<&'static str> {
    let names = names.into_iter();
    names
        .filter(|name| stage.assign(name).parents.is_empty())
        .collect()
}

fn told(stage: &Stage, name: &'static str) -> Treatment {
    stage.assign(name).treatment.clone()
}

#[test]
fn under_congestion_those_who_paid_least_go_to_the_cdn_first_whatever_they_bring() {
    const NAMES: [&str; 4] = ["premium", "ads", "free", "late"];
    let mut stage = stage();
    stage.policies(&[SEASON]);
    stage.waypoint("waypoint", 2 * RATE);
    agent(&mut stage, "ann", 10 * RATE);
    // Who paid most brings nothing, and came last.
    viewer(&mut stage, "free", "free", RATE / 2);
    viewer(&mut stage, "ads", "ad-supported", RATE / 5);
    viewer(&mut stage, "premium", "premium", 0);
    stage.run(SECOND * 3);
    viewer(&mut stage, "late", "premium", 0);
    stage.run(SECOND * 3);
    assert!(out(&stage, NAMES).is_empty());

    // 2 + 1.9 + 0.5 + 0.2 of 5 streams.
    stage.offers("ann", 19 * RATE / 10);
    stage.run(SECOND * 2);
    assert_eq!(out(&stage, NAMES), ["free"]);
    let why = &stage.assign("free").why;
    assert!(why.contains("the lowest priority goes first"), "{why}");
    // 1.5 + 1.9 + 0.2 of 4.
    stage.offers("waypoint", 3 * RATE / 2);
    stage.run(SECOND * 2);
    assert_eq!(out(&stage, NAMES), ["ads", "free"]);
    stage.offers("waypoint", 2 * RATE);
    stage.offers("ann", 10 * RATE);
    stage.run(SECOND * 25);
    assert!(out(&stage, NAMES).is_empty());

    // Without the policy they go by what they bring.
    stage.policies(&[]);
    stage.offers("ann", 19 * RATE / 10);
    stage.run(SECOND * 3);
    assert_eq!(out(&stage, NAMES), ["late"]);
    stage.check();
}

#[test]
fn a_season_pass_that_is_bought_meanwhile_counts_at_once() {
    const NAMES: [&str; 2] = ["one", "other"];
    let mut stage = stage();
    stage.policies(&[SEASON]);
    stage.waypoint("waypoint", 2 * RATE);
    agent(&mut stage, "ann", RATE / 2);
    viewer(&mut stage, "one", "free", 0);
    viewer(&mut stage, "other", "free", 0);
    stage.run(SECOND * 3);
    assert_eq!(out(&stage, NAMES), ["other"], "who came last");
    stage.say("other", ToCoordinator::Token("premium".to_owned()));
    stage.run(SECOND * 15);
    // Nobody who is fed is moved for it; the next one who has to go is somebody else.
    stage.offers("waypoint", 3 * RATE);
    stage.run(SECOND * 15);
    assert!(out(&stage, NAMES).is_empty());
    stage.offers("waypoint", 2 * RATE);
    stage.run(SECOND * 2);
    assert_eq!(out(&stage, NAMES), ["one"]);
    stage.check();
}

#[test]
fn who_did_not_pay_is_told_to_play_later_and_smaller_and_why() {
    let mut stage = stage();
    stage.policies(&[LATER]);
    stage.waypoint("waypoint", 4 * RATE);
    agent(&mut stage, "ann", 10 * RATE);
    viewer(&mut stage, "premium", "premium", 0);
    viewer(&mut stage, "free", "free", 0);
    stage.run(SECOND * 2);
    assert_eq!(told(&stage, "premium"), Treatment::default());
    assert_eq!(
        told(&stage, "free"),
        Treatment {
            behind_ms: 20_000,
            max_bitrate: Some(kilobits(800)),
            ends: false,
            why: "live for subscribers, 20 s later for everybody else (policy “paying-live”); the \
                  best picture is for subscribers and agents (policy “paying-live”)"
                .to_owned(),
        }
    );
    let agents = told(&stage, "ann");
    assert_eq!((agents.behind_ms, agents.max_bitrate), (20_000, None));
    assert_eq!(
        stage.parents("free").len(),
        2,
        "peers feed them all the same"
    );
}

#[test]
fn an_edit_and_a_purchase_reach_the_player_within_two_seconds_and_nobody_else() {
    let mut stage = stage();
    stage.waypoint("waypoint", 4 * RATE);
    agent(&mut stage, "ann", 10 * RATE);
    viewer(&mut stage, "premium", "premium", 0);
    viewer(&mut stage, "free", "free", 0);
    stage.run(SECOND * 5);
    let (epoch, parents) = (stage.assign("premium").epoch, stage.parents("free"));

    stage.policies(&[LATER]);
    stage.run(SECOND * 2);
    assert_eq!(told(&stage, "free").behind_ms, 20_000);
    assert_eq!(stage.parents("free"), parents, "nobody is parted for it");

    stage.say("free", ToCoordinator::Token("premium".to_owned()));
    stage.run(SECOND * 2);
    assert_eq!(told(&stage, "free"), Treatment::default());

    stage.say("free", ToCoordinator::Token("free".to_owned()));
    stage.run(SECOND * 2);
    assert_eq!(told(&stage, "free").behind_ms, 20_000);
    stage.policies(&[]);
    stage.run(SECOND * 2);
    assert_eq!(told(&stage, "free"), Treatment::default());
    assert_eq!(stage.assign("premium").epoch, epoch, "it was not disturbed");
    stage.check();
}

const ADULTS: &str = r#"
name = "adults"
kind = "provider"
[[deny]]
what = "playback"
when = 'viewer.plan == "free"'
say = "for subscribers only"
"#;

#[test]
fn playback_ends_where_its_site_has_that_enforced_and_nowhere_else() {
    let mut stage = stage();
    stage.waypoint("waypoint", 4 * RATE);
    agent(&mut stage, "ann", 10 * RATE);
    viewer(&mut stage, "premium", "premium", 0);
    viewer(&mut stage, "free", "free", 0);
    stage.run(SECOND * 3);
    stage.policies(&[ADULTS]);
    stage.run(SECOND * 2);
    assert!(stage.assign("free").parents.is_empty(), "no peer feeds it");
    assert!(!told(&stage, "free").ends, "and the CDN plays on");

    let enforced = Content {
        enforce: true,
        ..content("live")
    };
    stage.input(Input::ContentRegistered(enforced));
    stage.run(SECOND * 2);
    let ended = told(&stage, "free");
    assert!(ended.ends);
    assert_eq!(ended.why, "for subscribers only (policy “adults”)");
    assert_eq!(told(&stage, "premium"), Treatment::default());
    // Whoever pays sees it again.
    stage.say("free", ToCoordinator::Token("premium".to_owned()));
    stage.run(SECOND * 2);
    assert_eq!(told(&stage, "free"), Treatment::default());
    stage.check();
}
