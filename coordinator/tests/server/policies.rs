//! Policies over the API, in files, and on the command line.

use std::process::{Command, Output};

use reqwest::{Response, StatusCode};
use runnel_coordinator::{NetworkSetting, Server, Settings};
use runnel_protocol::control::{Assign, FromCoordinator};

use crate::client::{Client, House, house, house_with, http, settings};
use crate::restart::{code, enrol};

const GERMANY: &str = r#"
name = "germany"
kind = "provider"

[[deny]]
what = "peers"
when = 'viewer.country == "DE"'
say = "not licensed in DE"

[[test]]
name = "a German gets nothing"
viewer.country = "DE"
denied = "not licensed in DE"
"#;

/// This machine is in Germany.
fn in_germany(settings: &mut Settings) {
    settings.network = vec![NetworkSetting {
        cidr: "127.0.0.0/8".parse().unwrap(),
        region: "here".to_owned(),
        name: String::new(),
        country: Some("DE".to_owned()),
        asn: None,
        groups: Vec::new(),
    }];
}

impl House {
    async fn put(&self, name: &str, text: &str) -> Response {
        let request = http().put(self.url(&format!("/v1/policies/{name}")));
        request.body(text.to_owned()).send().await.unwrap()
    }

    async fn remove(&self, name: &str) -> StatusCode {
        let request = http().delete(self.url(&format!("/v1/policies/{name}")));
        request.send().await.unwrap().status()
    }
}

async fn assigned(viewer: &mut Client, wanted: impl Fn(&Assign) -> bool) -> Assign {
    let assign = viewer.await_message(|message| match message {
        FromCoordinator::Assign(assign) if wanted(&assign) => Some(*assign),
        _ => None,
    });
    assign.await
}

#[tokio::test]
async fn a_policy_is_in_force_as_soon_as_it_is_put_and_after_a_restart() {
    let house = house_with(in_germany).await;
    let (mut waypoint, _) = Client::agent(&house).await;
    enrol(&mut waypoint, Some(&code(&house))).await.unwrap();
    let (mut viewer, _) = Client::viewer(&house).await;
    viewer.open("live").await;
    assigned(&mut viewer, |assign| !assign.parents.is_empty()).await;

    let put = house.put("germany", GERMANY).await;
    assert_eq!(put.status(), StatusCode::OK);
    let put: serde_json::Value = put.json().await.unwrap();
    assert_eq!((&put["version"], &put["rank"]), (&1.into(), &100.into()));
    let assign = assigned(&mut viewer, |_| true).await;
    assert!(assign.parents.is_empty());
    assert!(assign.why.contains("not licensed in DE"), "{}", assign.why);
    // What was granted is void.
    let void = viewer.await_message(|message| match message {
        FromCoordinator::Revoke(tickets) => Some(tickets),
        _ => None,
    });
    assert_eq!(void.await.len(), 1);
    let cause = "runnel_reassignments_total{cause=\"policy\"}";
    assert!((house.metric(cause).await - 1.0).abs() < f64::EPSILON);

    let House { server, folder } = house;
    server.stop().await;
    let mut same = settings(&folder);
    in_germany(&mut same);
    let server = Server::start(same).await.unwrap();
    let house = House { server, folder };
    let list = house.json("/v1/policies").await;
    assert_eq!(
        (&list[0]["name"], &list[0]["version"]),
        (&"germany".into(), &1.into())
    );
    assert_eq!(house.json("/v1/policies/germany").await["text"], GERMANY);
    waypoint.reconnect(&house).await;
    enrol(&mut waypoint, None).await.unwrap();
    viewer.reconnect(&house).await;
    viewer.open("live").await;
    assert_eq!(house.remove("germany").await, StatusCode::NO_CONTENT);
    assigned(&mut viewer, |assign| !assign.parents.is_empty()).await;
    assert_eq!(house.remove("germany").await, StatusCode::NOT_FOUND);
    let again: serde_json::Value = house.put("germany", GERMANY).await.json().await.unwrap();
    assert_eq!(
        again["version"], 3,
        "taking it out of force was a version as well"
    );
    house.server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_line_and_nothing_changes() {
    let house = house().await;
    let wrong = |from: &str, to: &str| GERMANY.replace(from, to);
    for (text, word) in [
        (
            wrong("viewer.country ==", "viewer.county =="),
            "germany:7:9: viewer has no",
        ),
        (
            wrong("viewer.country ==", "viewer.country !="),
            "germany:10:1: case",
        ),
        (
            wrong("name = \"germany\"", "name = \"france\""),
            "use one name",
        ),
        ("name = ".to_owned(), "germany:1:"),
        ("#".repeat(70_000), ""),
    ] {
        let answer = house.put("germany", &text).await;
        assert!(answer.status().is_client_error(), "{word}");
        let words = answer.text().await.unwrap();
        assert!(words.contains(word), "{words}");
    }
    assert_eq!(
        house.json("/v1/policies").await.as_array().unwrap().len(),
        0
    );
    house.server.stop().await;
}

#[tokio::test]
async fn what_a_file_says_is_in_force_from_the_start_and_is_changed_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("germany.toml"), GERMANY).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "none").unwrap();
    let path = folder.path().to_owned();
    let house = house_with(|settings| settings.policies = Some(path)).await;
    let list = house.json("/v1/policies").await;
    assert_eq!(list[0]["name"], "germany");
    assert!(list[0]["version"].is_null());
    let put = house.put("germany", GERMANY).await;
    assert_eq!(put.status(), StatusCode::CONFLICT);
    assert_eq!(house.remove("germany").await, StatusCode::CONFLICT);
    let other = GERMANY.replace("\"germany\"", "\"other\"");
    assert_eq!(house.put("other", &other).await.status(), StatusCode::OK);
    house.server.stop().await;

    std::fs::write(
        folder.path().join("germany.toml"),
        GERMANY.replace("==", "="),
    )
    .unwrap();
    let mut broken = settings(&folder);
    broken.policies = Some(folder.path().to_owned());
    let error = Server::start(broken).await.err().unwrap().to_string();
    assert!(
        error.contains("germany.toml:7:24: compare with =="),
        "{error}"
    );
}

fn policy(arguments: &[&str], folder: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runnel-coordinator"));
    command.arg("policy").args(arguments).current_dir(folder);
    command.output().unwrap()
}

#[test]
fn the_command_line_checks_and_tests_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("good.toml", GERMANY);
    write(
        "typo.toml",
        &GERMANY.replace("viewer.country ==", "veiwer.country =="),
    );
    write("wrong.toml", &GERMANY.replace("== \"DE\"", "== \"FR\""));
    let run = |arguments: &[&str]| {
        let output = policy(arguments, folder.path());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, out, err) = run(&["test", "good.toml"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "good.toml: its case passes\n");
    let (code, _, err) = run(&["check", "typo.toml"]);
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("typo.toml:7:9: there is no \"veiwer\""),
        "{err}"
    );
    let (code, out, _) = run(&["check", "wrong.toml"]);
    assert_eq!(code, Some(0), "its case is not run: {out}");
    let (code, _, err) = run(&["test", "wrong.toml"]);
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("wrong.toml:10:1: case \"a German gets nothing\""),
        "{err}"
    );
    let (code, _, err) = run(&["check", "good.toml", "wrong.toml"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("two policies called \"germany\""), "{err}");
    let (code, _, err) = run(&["check", "none.toml"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("cannot read none.toml"), "{err}");
    assert!(!folder.path().join("runnel-coordinator-data").exists());
}

#[tokio::test]
async fn a_policy_is_tried_and_explained_over_the_api_and_from_the_command_line() {
    let house = house_with(in_germany).await;
    let (mut waypoint, _) = Client::agent(&house).await;
    enrol(&mut waypoint, Some(&code(&house))).await.unwrap();
    let (mut viewer, welcome) = Client::viewer(&house).await;
    viewer.open("live").await;
    assigned(&mut viewer, |assign| !assign.parents.is_empty()).await;

    let url = house.url("/v1/policies/germany?dry_run=true");
    let tried = http().put(url).body(GERMANY).send().await.unwrap();
    let tried: serde_json::Value = tried.json().await.unwrap();
    assert_eq!(
        (&tried["parted"], &tried["lose_all"]),
        (&1.into(), &1.into())
    );
    assert_eq!(tried["rules"][0]["examples"][0], welcome.peer.to_string());
    assert_eq!(house.json("/v1/policies").await, serde_json::json!([]));

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("germany.toml"), GERMANY).unwrap();
    let (at, base) = (folder.path().to_owned(), house.url(""));
    let run = move |arguments: Vec<String>| {
        let (at, base) = (at.clone(), base.clone());
        tokio::task::spawn_blocking(move || {
            let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
            all.extend(["--coordinator", &base]);
            let output = policy(&all, &at);
            let err = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{err}");
            String::from_utf8(output.stdout).unwrap()
        })
    };
    let words = run(vec!["try".to_owned(), "germany.toml".to_owned()])
        .await
        .unwrap();
    let told = "1 of 1 pairs would be parted: 1 of 1 peers lose all of their parents";
    assert!(words.contains(told), "{words}");
    assert!(words.contains(&format!("of {}", welcome.peer)), "{words}");

    assert_eq!(house.put("germany", GERMANY).await.status(), StatusCode::OK);
    assigned(&mut viewer, |assign| assign.parents.is_empty()).await;
    let of = format!("{}", welcome.peer);
    let words = run(vec!["explain".to_owned(), "--of".to_owned(), of])
        .await
        .unwrap();
    assert!(
        words.starts_with("live:\ndenied: not licensed in DE"),
        "{words}"
    );
    let told = "policy “germany” (hard, rank 100, version 1), rule 1: denies: not licensed in DE";
    assert!(words.contains(told), "{words}");
    assert!(
        words.contains("evidence: viewer.country is \"DE\""),
        "{words}"
    );

    let nobody = house.get("/v1/explain/policies?peer=00").await;
    assert_eq!(nobody.status(), StatusCode::BAD_REQUEST);
    house.server.stop().await;
}

#[test]
fn the_command_line_explains_what_is_described_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("germany.toml"), GERMANY).unwrap();
    let run = |arguments: &[&str]| {
        let all = [&["explain", "germany.toml"], arguments].concat();
        let output = policy(&all, folder.path());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, out, _) = run(&["--viewer", "country=FR", "--peer", "country=FR"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("allowed\n"), "{out}");
    let (_, out, _) = run(&["--viewer", "country=DE", "--at", "2026-07-01T18:30:00Z"]);
    assert!(
        out.starts_with("denied: not licensed in DE (policy “germany”)\n"),
        "{out}"
    );
    let (code, _, err) = run(&["--viewer", "county=DE"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("viewer has no \"county\""), "{err}");
    let (_, _, err) = run(&["--viewer", "country"]);
    assert!(err.contains("NAME=VALUE"), "{err}");
}
