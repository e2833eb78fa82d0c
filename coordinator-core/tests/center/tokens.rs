//! Join tokens: who is let in by one, what it is good for, and what happens when it ends (T3).

use core::time::Duration;

use runnel_coordinator_core::{
    Allowed, Attributes, Input, KeyName, NetworkEntry, NetworkTable, Pass, Tags, TokenRefusal,
    Verdict,
};
use runnel_protocol::control::{FromCoordinator, Platform, ToCoordinator};
use runnel_protocol::units::UnixSeconds;

use crate::lawful::granted;
use crate::stage::{RATE, SECOND, Stage, kilobits};

/// When the stage begins.
const START: u64 = 1_800_000_000;

fn key(id: &str) -> KeyName {
    KeyName {
        provider: "demo".into(),
        id: id.into(),
    }
}

fn pass() -> Pass {
    Pass {
        key: key("one"),
        contents: vec![Allowed::read("live")],
        expires: UnixSeconds(START + 300),
        uplink: None,
        attributes: Attributes::default(),
    }
}

/// Tokens as the stage's door understands them: what each of these words would say.
fn verdict(token: Option<&str>) -> Verdict {
    let mut pass = pass();
    match token {
        None => return Verdict::Missing,
        Some("forged") => return Verdict::Refused(TokenRefusal::Signature),
        Some("narrow") => pass.uplink = Some(kilobits(RATE)),
        Some("renewed") => pass.expires = UnixSeconds(START + 900),
        Some("film only") => pass.contents = vec![Allowed::read("vod")],
        Some("child") => pass.attributes.age = Some(12),
        Some("adult") => pass.attributes.age = Some(40),
        Some("ann") => pass.attributes.account = Some("ann".to_owned()),
        Some("bob") => pass.attributes.account = Some("bob".to_owned()),
        Some("insider") => pass.attributes.groups = vec!["office".into(), "choir".into()],
        Some(_) => {}
    }
    Verdict::Pass(Box::new(pass))
}

fn stage() -> Stage {
    let mut stage = Stage::new(1);
    stage.verdict = verdict;
    stage
}

fn join(stage: &mut Stage, name: &'static str, platform: Platform, token: Option<&str>) {
    let uplink = if platform == Platform::Native {
        10 * RATE
    } else {
        0
    };
    let mut hello = stage.hello(platform, uplink);
    hello.join_token = token.map(str::to_owned);
    stage.join(name, hello, "127.0.0.1");
}

fn viewer(stage: &mut Stage, name: &'static str, token: Option<&str>) {
    join(stage, name, Platform::Browser, token);
    stage.open(name, "live", true);
}

fn agent(stage: &mut Stage, name: &'static str, token: Option<&str>) {
    join(stage, name, Platform::Native, token);
}

fn present(stage: &mut Stage, name: &'static str, token: &str) {
    stage.say(name, ToCoordinator::Token(token.to_owned()));
}

/// The words in which an actor was refused, in order.
fn refusals(stage: &Stage, name: &'static str) -> Vec<String> {
    let inbox = stage.actors[name].inbox.iter();
    let words = inbox.filter_map(|message| match message {
        FromCoordinator::Refused(refused) => Some(refused.why.clone()),
        _ => None,
    });
    words.collect()
}

/// How often an actor was asked for another token.
fn asked(stage: &Stage, name: &'static str) -> usize {
    let inbox = stage.actors[name].inbox.iter();
    let asks = inbox.filter(|message| matches!(message, FromCoordinator::TokenDue { .. }));
    asks.count()
}

fn count(stage: &Stage, reason: &str) -> u64 {
    let totals = stage.center.totals().refused_tokens;
    let found = totals.iter().find(|(name, _)| *name == reason);
    found.unwrap().1
}

/// A waypoint, an agent that helps and a viewer that is fed, each by its right.
fn evening() -> Stage {
    let mut stage = stage();
    stage.waypoint("waypoint", 2 * RATE);
    agent(&mut stage, "ann", Some("good"));
    viewer(&mut stage, "viewer", Some("good"));
    stage.run(SECOND);
    stage.settle();
    assert_eq!(
        stage.parents("viewer").len(),
        2,
        "{:?}",
        stage.parents("viewer")
    );
    stage
}

#[test]
fn a_page_without_a_token_or_with_a_bad_one_is_refused_in_words_and_counted() {
    let mut stage = stage();
    for (name, token, words, reason) in [
        ("none", None, "a join token is required", "missing"),
        ("forger", Some("forged"), "signature is wrong", "signature"),
    ] {
        join(&mut stage, name, Platform::Browser, token);
        assert!(stage.actors[name].closed);
        assert!(refusals(&stage, name)[0].contains(words));
        assert_eq!(count(&stage, reason), 1);
    }
    assert_eq!(stage.center.peer_count(), 0);
}

#[test]
fn a_waypoint_enrols_by_its_code_without_a_token() {
    let stage = evening();
    let waypoint = stage.summary("waypoint");
    assert!(waypoint.waypoint && !waypoint.endpoints.is_empty());
}

#[test]
fn an_agent_without_a_token_is_nothing_to_anybody_and_goes_soon() {
    let mut stage = evening();
    agent(&mut stage, "stranger", None);
    stage.open("stranger", "live", true);
    assert!(refusals(&stage, "stranger")[0].contains("--token-file"));
    stage.run(SECOND * 5);
    let stranger = stage.summary("stranger");
    assert!(stranger.endpoints.is_empty() && stranger.contents.is_empty());
    assert!(stage.actors["stranger"].assigns.is_empty());
    stage.run(SECOND * 6);
    assert!(stage.actors["stranger"].closed);
    assert_eq!(stage.center.peer_count(), 3);
}

#[test]
fn a_content_that_the_token_does_not_cover_is_refused_and_the_session_goes_on() {
    let mut stage = evening();
    stage.open("viewer", "vod", true);
    assert_eq!(
        refusals(&stage, "viewer"),
        ["the join token does not cover this content"]
    );
    assert_eq!(count(&stage, "content"), 1);
    assert!(!stage.actors["viewer"].closed);
    agent(&mut stage, "projectionist", Some("film only"));
    stage.run(SECOND * 3);
    let helps = stage.summary("projectionist").contents;
    assert_eq!(
        helps,
        [],
        "it is not asked to help with what it has no token for"
    );
}

#[test]
fn whoever_brings_another_token_in_time_notices_nothing() {
    let mut stage = evening();
    stage.run(SECOND * 235);
    assert_eq!(asked(&stage, "viewer"), 0);
    stage.run(SECOND * 10);
    assert_eq!(asked(&stage, "viewer"), 1, "a minute before it ends");
    stage.run(SECOND * 10);
    assert_eq!(
        asked(&stage, "viewer"),
        2,
        "the provider may have been away"
    );
    let fed = stage.parents("viewer");
    present(&mut stage, "viewer", "renewed");
    present(&mut stage, "ann", "renewed");
    stage.run(SECOND * 300);
    assert_eq!(asked(&stage, "viewer"), 2);
    assert_eq!(stage.parents("viewer"), fed);
    assert!(!stage.actors["viewer"].closed && refusals(&stage, "viewer").is_empty());
}

#[test]
fn whoever_brings_none_loses_session_and_tickets_after_the_grace() {
    let mut stage = evening();
    stage.run(SECOND * 320);
    assert!(!stage.actors["viewer"].closed, "30 s of grace");
    present(&mut stage, "ann", "renewed");
    present(&mut stage, "viewer", "forged");
    stage.run(SECOND * 15);
    assert!(stage.actors["viewer"].closed);
    let why = refusals(&stage, "viewer");
    assert!(
        why[0].contains("signature is wrong"),
        "the latest reason: {why:?}"
    );
    let viewer = stage.peer("viewer");
    let pairs = granted(&stage);
    assert!(!pairs.is_empty() && pairs.iter().all(|(_, client)| *client != viewer));
    let revoked = |name| {
        let inbox = stage.actors[name].inbox.iter();
        let voids = inbox.filter(|message| matches!(message, FromCoordinator::Revoke(_)));
        voids.count()
    };
    assert!(
        revoked("ann") > 0 && revoked("waypoint") > 0,
        "both stop serving it"
    );
    stage.check();
}

#[test]
fn a_token_of_another_age_or_account_changes_what_policies_say_at_once() {
    let mut stage = evening();
    stage.policies(&[
        "name = 'r'\nkind = 'provider'\n[[deny]]\nwhat = 'peers'\nwhen = \
                      'has(viewer.age) && viewer.age < 18'\nsay = 'rated 18'\n",
    ]);
    stage.run(SECOND);
    assert_eq!(stage.parents("viewer").len(), 2);
    present(&mut stage, "viewer", "child");
    stage.run(SECOND * 2);
    assert!(stage.parents("viewer").is_empty());
    assert!(
        stage.assign("viewer").why.contains("rated 18"),
        "{}",
        stage.assign("viewer").why
    );
}

#[test]
fn nobody_is_put_into_a_group_of_the_operators_by_a_token() {
    let line = NetworkEntry {
        cidr: "203.0.113.0/24".parse().unwrap(),
        region: "here".to_owned(),
        name: String::new(),
        tags: Tags {
            groups: vec!["office".to_owned()],
            ..Tags::default()
        },
    };
    let mut stage = Stage::with(1, |config| config.networks = NetworkTable::new([line]));
    stage.verdict = verdict;
    stage.waypoint("waypoint", 4 * RATE);
    viewer(&mut stage, "viewer", Some("insider"));
    for (group, fed) in [("office", false), ("choir", true)] {
        let text = format!(
            "name = 'g'\nkind = 'client'\n[[deny]]\nwhat = 'pair'\nwhen = \
             '!(\"{group}\" in viewer.groups)'\nsay = 'members only'\n"
        );
        stage.policies(&[&text]);
        stage.run(SECOND * 2);
        assert_eq!(!stage.parents("viewer").is_empty(), fed, "{group}");
    }
}

#[test]
fn an_uplink_beyond_the_tokens_cap_is_not_believed() {
    let mut stage = stage();
    agent(&mut stage, "ann", Some("narrow"));
    assert_eq!(stage.summary("ann").uplink, kilobits(RATE));
    stage.offers("ann", 50 * RATE);
    stage.run(Duration::from_secs(120));
    assert_eq!(stage.summary("ann").uplink, kilobits(RATE));
}

#[test]
fn a_key_that_is_withdrawn_takes_with_it_whoever_came_by_it() {
    let mut stage = evening();
    stage.input(Input::TrustedKeys(vec![key("one"), key("two")]));
    assert!(!stage.actors["viewer"].closed);
    stage.input(Input::TrustedKeys(vec![key("two")]));
    stage.settle();
    assert!(stage.actors["viewer"].closed && stage.actors["ann"].closed);
    assert!(refusals(&stage, "viewer")[0].contains("withdrawn"));
    assert!(!stage.actors["waypoint"].closed);
    assert_eq!(stage.center.ticket_count(), 0);
    stage.check();
}

#[test]
fn once_a_first_key_is_known_whoever_came_without_a_token_has_to_come_again() {
    let mut stage = Stage::evening();
    stage.input(Input::TrustedKeys(Vec::new()));
    assert!(!stage.actors["viewer"].closed);
    stage.input(Input::TrustedKeys(vec![key("one")]));
    assert!(stage.actors["viewer"].closed && stage.actors["ann"].closed);
    assert!(!stage.actors["waypoint"].closed);
    assert!(refusals(&stage, "ann")[0].contains("a join token is required"));
}

/// A policy as the manual has it.
fn manual(name: &str) -> &'static str {
    let manual = include_str!("../../../docs/POLICIES.md");
    let mut documents = manual.split("```toml\n").skip(1);
    let begins = format!("name = \"{name}\"\n");
    let found = documents.find(|document| document.starts_with(&begins));
    found.unwrap().split("```").next().unwrap()
}

#[test]
fn who_is_too_young_by_the_token_or_tells_no_age_is_fed_by_nobody() {
    let mut stage = evening();
    viewer(&mut stage, "adult", Some("adult"));
    let text = manual("rated-18").replace("\"horror\"", "\"live\"");
    stage.policies(&[&text]);
    present(&mut stage, "ann", "adult");
    stage.run(SECOND * 2);
    assert!(!stage.parents("adult").is_empty());
    assert!(stage.parents("viewer").is_empty());
    for token in ["child", "adult"] {
        present(&mut stage, "adult", token);
        stage.run(SECOND * 2);
        assert_eq!(stage.parents("adult").is_empty(), token == "child");
    }
}

#[test]
fn an_account_keeps_its_uplink_for_its_own_devices() {
    let mut stage = stage();
    stage.policies(&[manual("ann-alone")]);
    stage.waypoint("waypoint", 4 * RATE);
    agent(&mut stage, "anns computer", Some("ann"));
    agent(&mut stage, "bobs computer", Some("bob"));
    for (name, token) in [
        ("anns television", "ann"),
        ("bobs television", "bob"),
        ("a guest", "good"),
    ] {
        viewer(&mut stage, name, Some(token));
    }
    stage.run(SECOND * 3);
    let feeds = |parent, name| stage.parents(name).contains_key(parent);
    assert!(feeds("anns computer", "anns television"));
    assert!(feeds("bobs computer", "a guest"));
    for (parent, name) in [
        ("anns computer", "bobs television"),
        ("anns computer", "a guest"),
        ("bobs computer", "anns television"),
    ] {
        assert!(!feeds(parent, name), "{parent} feeds {name}");
    }
}
