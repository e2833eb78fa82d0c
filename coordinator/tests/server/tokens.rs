//! Join tokens at the door of a real server, with keys that the command line pins beside it.

use std::path::PathBuf;
use std::process::{Command, Output};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use runnel_coordinator::thumbprint;
use runnel_protocol::control::{FromCoordinator, Platform, ToCoordinator};
use tokio_tungstenite::tungstenite::Error;

use crate::client::{Client, House, connect_with, house};
use crate::restart::{code, enrol};

const SITE: &str = "https://site.example";
const SUBPROTOCOL: (&str, &str) = ("sec-websocket-protocol", "runnel.1");

/// A provider with a key of its own, whose token nobody can do without.
struct Provider {
    house: House,
    private: PathBuf,
}

impl Provider {
    async fn opens(arguments: &[&str]) -> Self {
        Self::opens_with(&PKCS_ED25519, arguments).await
    }

    async fn opens_with(algorithm: &'static SignatureAlgorithm, arguments: &[&str]) -> Self {
        let house = house().await;
        let private = house.folder.path().join("private.pem");
        let provider = Self { house, private };
        let public = provider.draws_key(algorithm);
        let key = public.to_str().unwrap();
        provider.does(&[&["add", "demo", "--key", key], arguments].concat());
        provider.is_followed().await;
        provider
    }

    /// A new key; where its public half is.
    fn draws_key(&self, algorithm: &'static SignatureAlgorithm) -> PathBuf {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        std::fs::write(&self.private, pair.serialize_pem()).unwrap();
        let public = self.private.with_file_name("public.pem");
        std::fs::write(&public, pair.public_key_pem()).unwrap();
        public
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runnel-coordinator"));
        command.arg("--data").arg(self.house.folder.path());
        command.args(arguments).output().unwrap()
    }

    /// `provider …`; what it prints.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["provider"], arguments].concat());
        assert!(output.status.success(), "{}", said(&output.stderr));
        said(&output.stdout)
    }

    /// A token for this client.
    fn mints(&self, client: &Client, arguments: &[&str]) -> String {
        let print = thumbprint(&client.key.public());
        self.mints_plain(&[&["--for", &print], arguments].concat())
    }

    fn mints_plain(&self, arguments: &[&str]) -> String {
        let key = self.private.to_str().unwrap();
        let fixed = ["token", "mint", "--key", key, "--provider", "demo"];
        let contents = ["--contents", "live"];
        let output = self.run(&[&fixed[..], &contents, arguments].concat());
        assert!(output.status.success(), "{}", said(&output.stderr));
        said(&output.stdout).trim().to_owned()
    }

    /// Waits until the server asks for tokens.
    async fn is_followed(&self) {
        loop {
            let mut nobody = Client::visit(&self.house).await;
            let answer = nobody.ask_to_join(Platform::Browser).await;
            if let FromCoordinator::Refused(_) = answer {
                return;
            }
        }
    }

    /// A page's peer that brings what `token` makes for it; what it hears.
    async fn hears(&self, token: impl FnOnce(&Client) -> Option<String>) -> FromCoordinator {
        let mut client = Client::visit(&self.house).await;
        client.token = token(&client);
        client.ask_to_join(Platform::Browser).await
    }
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn refusal(message: FromCoordinator) -> String {
    match message {
        FromCoordinator::Refused(refused) if refused.content.is_none() => refused.why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn with_a_key_nobody_joins_without_a_token_and_whoever_has_one_does() {
    for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P256_SHA256] {
        let provider = Provider::opens_with(algorithm, &[]).await;
        let name = "runnel_refused_tokens_total{reason=\"missing\"}";
        assert!(provider.house.metric(name).await >= 1.0);
        let welcome = provider
            .hears(|client| Some(provider.mints(client, &[])))
            .await;
        assert!(
            matches!(welcome, FromCoordinator::Welcome(_)),
            "{welcome:?}"
        );
        provider.house.server.stop().await;
    }
}

#[tokio::test]
async fn each_token_that_is_of_no_use_is_refused_in_words_and_counted() {
    let provider = Provider::opens(&[]).await;
    let stranger = Client::visit(&provider.house).await;
    let stolen = provider.mints(&stranger, &[]);
    let cases: [(&str, &str, String); 5] = [
        ("other_key", "another key", stolen.clone()),
        ("unbound", "bound to no key", provider.mints_plain(&[])),
        (
            "unknown_key",
            "no key that is known",
            provider.mints_plain(&["--kid", "other"]),
        ),
        (
            "expired",
            "mint a new one",
            provider.mints_plain(&["--seconds", "0"]),
        ),
        ("malformed", "malformed", format!("{stolen}.{stolen}")),
    ];
    for (reason, words, token) in cases {
        let why = refusal(provider.hears(|_| Some(token)).await);
        assert!(why.contains(words), "{reason}: {why}");
        let name = format!("runnel_refused_tokens_total{{reason=\"{reason}\"}}");
        provider.house.rises(&name, 0.0).await;
    }
    assert_eq!(provider.house.metric("runnel_peers").await, 0.0);
    provider.house.server.stop().await;
}

#[tokio::test]
async fn a_page_of_a_foreign_site_does_not_get_as_far_as_the_token() {
    let provider = Provider::opens(&["--origin", "https://Site.example:443/"]).await;
    let house = &provider.house;
    for (origin, enters) in [
        (SITE, true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        match connect_with(house, &[SUBPROTOCOL, ("origin", origin)]).await {
            Ok(mut client) => {
                assert!(enters, "{origin}");
                client.token = Some(provider.mints(&client, &["--origin", SITE]));
                let answer = client.ask_to_join(Platform::Browser).await;
                assert!(matches!(answer, FromCoordinator::Welcome(_)), "{answer:?}");
            }
            Err(Error::Http(response)) => {
                assert!(!enters && response.status() == 403, "{origin}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    let name = "runnel_refused_upgrades_total{reason=\"origin\"}";
    assert!(house.metric(name).await >= 2.0);
    provider.house.server.stop().await;
}

#[tokio::test]
async fn a_token_is_renewed_over_the_session_that_it_let_in() {
    let provider = Provider::opens(&[]).await;
    let mut client = Client::visit(&provider.house).await;
    client.token = Some(provider.mints(&client, &["--seconds", "59"]));
    client.introduce(Platform::Browser).await;
    let within = client.await_message(|message| match message {
        FromCoordinator::TokenDue { within_ms } => Some(within_ms),
        _ => None,
    });
    assert!(
        (60_000..=90_000).contains(&within.await),
        "its rest and the grace"
    );
    let next = provider.mints(&client, &["--contents", "live"]);
    client.send(&ToCoordinator::Token(next)).await;
    client.open("live").await;
    let opened = client.await_message(|message| match message {
        FromCoordinator::Opened(opened) => Some(opened.name),
        _ => None,
    });
    assert_eq!(opened.await, "live");
    provider.house.server.stop().await;
}

#[tokio::test]
async fn a_key_that_is_removed_takes_its_sessions_along_and_one_that_retires_does_not() {
    let provider = Provider::opens(&["--kid", "old"]).await;
    let mut client = Client::visit(&provider.house).await;
    let early = provider.mints(&client, &["--kid", "old"]);
    client.token = Some(early);
    client.introduce(Platform::Browser).await;

    let public = provider.draws_key(&PKCS_ED25519);
    provider.does(&[
        "add",
        "demo",
        "--key",
        public.to_str().unwrap(),
        "--kid",
        "new",
    ]);
    provider.does(&["retire", "demo", "--kid", "old"]);
    let listed = provider.does(&["list"]);
    assert!(listed.contains("old\tEdDSA\tretired") && listed.contains("new\tEdDSA\tin use"));
    loop {
        let answer = provider.hears(|client| Some(provider.mints(client, &["--kid", "new"])));
        if let FromCoordinator::Welcome(_) = answer.await {
            break;
        }
    }
    client.open("live").await;
    let opened = client.await_message(|message| match message {
        FromCoordinator::Opened(opened) => Some(opened.name),
        _ => None,
    });
    assert_eq!(opened.await, "live", "it is in still");

    provider.does(&["remove", "demo", "--kid", "old"]);
    let why = client.await_message(|message| match message {
        FromCoordinator::Refused(refused) => Some(refused.why),
        _ => None,
    });
    assert!(why.await.contains("withdrawn"));
    assert!(client.closed().await.is_some());
    provider.house.server.stop().await;
}

#[tokio::test]
async fn a_waypoint_enrols_by_its_code_and_an_agent_without_a_token_does_nothing() {
    let provider = Provider::opens(&[]).await;
    let (mut waypoint, _) = Client::agent(&provider.house).await;
    let code = code(&provider.house);
    assert!(enrol(&mut waypoint, Some(&code)).await.is_ok());
    let (mut stranger, welcome) = Client::agent(&provider.house).await;
    assert!(welcome.why.contains("--token-file"), "{}", welcome.why);
    stranger.open("live").await;
    let why = stranger.await_message(|message| match message {
        FromCoordinator::Refused(refused) => Some(refused.why),
        _ => None,
    });
    assert!(why.await.contains("a join token is required"));
    provider.house.server.stop().await;
}

#[tokio::test]
async fn a_proxy_on_this_machine_makes_nobody_local() {
    let house = house().await;
    for (headers, enters) in [
        (vec![SUBPROTOCOL], true),
        (vec![SUBPROTOCOL, ("x-forwarded-for", "203.0.113.9")], false),
        (vec![SUBPROTOCOL, ("forwarded", "for=203.0.113.9")], false),
        (vec![SUBPROTOCOL, ("host", "coordinator.example")], false),
    ] {
        let mut client = connect_with(&house, &headers).await.unwrap();
        match client.ask_to_join(Platform::Browser).await {
            FromCoordinator::Welcome(_) => assert!(enters, "{headers:?}"),
            other => {
                assert!(!enters, "{headers:?}");
                assert!(refusal(other).contains("only this machine"));
            }
        }
    }
    house.server.stop().await;
}

#[tokio::test]
async fn keys_that_are_private_or_for_other_algorithms_are_not_pinned() {
    let provider = Provider::opens(&[]).await;
    let private = provider.private.to_str().unwrap();
    for (key, words) in [
        (private, "stays with the provider"),
        ("/nowhere/key.pem", "cannot read"),
        (r#"{"kty":"oct","k":"AAAA"}"#, "EdDSA"),
    ] {
        let output = provider.run(&["provider", "add", "demo", "--key", key]);
        assert!(!output.status.success());
        assert!(
            said(&output.stderr).contains(words),
            "{}",
            said(&output.stderr)
        );
    }
    let unknown = provider.run(&["provider", "remove", "nobody"]);
    assert!(said(&unknown.stderr).contains("provider list"));
    provider.house.server.stop().await;
}
