//! Several providers at one door: a crowd of one keeps nobody else's viewers out.

use runnel_coordinator_core::{
    Allowed, Attributes, Config, Input, KeyName, Pass, TenantSummary, Verdict,
};
use runnel_protocol::control::{FromCoordinator, Platform};
use runnel_protocol::units::UnixSeconds;

use crate::stage::{SECOND, Stage};

fn key(provider: &str) -> KeyName {
    KeyName {
        provider: provider.into(),
        id: "one".into(),
    }
}

/// Tokens that say whose they are, and nothing else.
fn verdict(token: Option<&str>) -> Verdict {
    Verdict::Pass(Box::new(Pass {
        key: key(token.unwrap()),
        contents: vec![Allowed::read("*")],
        expires: UnixSeconds(1_800_000_900),
        uplink: None,
        attributes: Attributes::default(),
    }))
}

fn stage(providers: &[&str], change: fn(&mut Config)) -> Stage {
    let mut stage = Stage::with(1, change);
    stage.verdict = verdict;
    let keys = providers.iter().map(|provider| key(provider));
    stage.input(Input::TrustedKeys(keys.collect()));
    stage
}

/// Somebody comes by a provider's token; whether it is let in, else after how many milliseconds to
/// come again.
fn comes(stage: &mut Stage, name: &'static str, provider: &str) -> Result<(), u32> {
    let mut hello = stage.hello(Platform::Browser, 0);
    hello.join_token = Some(provider.to_owned());
    stage.join(name, hello, "127.0.0.1");
    let mut inbox = stage.actors[name].inbox.iter();
    let wait = inbox.find_map(|message| match message {
        FromCoordinator::Refused(refused) => refused.retry_after_ms,
        _ => None,
    });
    wait.map_or(Ok(()), Err)
}

/// As many as `count` come at once; how many of them are let in.
fn crowd(stage: &mut Stage, provider: &str, count: usize) -> usize {
    let name = |number: usize| &*format!("{provider} {number}").leak();
    let names: Vec<&'static str> = (0..count).map(name).collect();
    let let_in = names
        .iter()
        .filter(|name| comes(stage, name, provider).is_ok());
    let_in.count()
}

fn of(stage: &Stage, provider: &str) -> TenantSummary {
    let tenants = stage.center.tenants();
    let found = tenants.into_iter().find(|one| &*one.provider == provider);
    found.unwrap()
}

#[test]
fn a_crowd_of_one_provider_waits_and_anothers_viewers_come_in_at_once() {
    let mut stage = stage(&["demo", "other"], |config| {
        config.admissions_per_second = 5;
        config.provider_admissions_per_second = 2;
    });
    assert_eq!(crowd(&mut stage, "demo", 60), 4, "two seconds' worth");
    assert_eq!(crowd(&mut stage, "other", 4), 4, "the door is not used up");
    let wait = comes(&mut stage, "late", "demo").unwrap_err();
    assert!((200..60_000).contains(&wait), "{wait} ms");
    assert_eq!(of(&stage, "demo").turned_away, 57);
    assert_eq!(of(&stage, "other").turned_away, 0);

    stage.run(SECOND * 30);
    assert_eq!(comes(&mut stage, "later", "demo"), Ok(()));
    stage.check();
}

#[test]
fn a_provider_has_so_many_sessions_and_whoever_returns_needs_no_other() {
    let mut stage = stage(&["demo", "other"], |config| {
        config.provider_max_sessions = 3
    });
    assert_eq!(crowd(&mut stage, "demo", 5), 3);
    assert_eq!(crowd(&mut stage, "other", 3), 3);
    assert_eq!(of(&stage, "demo").sessions, 3);
    stage.kill("demo 1");
    assert_eq!(of(&stage, "demo").sessions, 2);
    assert_eq!(comes(&mut stage, "next", "demo"), Ok(()));
    assert!(comes(&mut stage, "one too many", "demo").is_err());
    stage.check();
}

#[test]
fn one_provider_alone_may_have_the_whole_door() {
    let mut stage = stage(&["demo"], |config| {
        config.provider_admissions_per_second = 1;
        config.provider_max_sessions = 1;
    });
    assert_eq!(crowd(&mut stage, "demo", 20), 20);
    stage.check();
}
