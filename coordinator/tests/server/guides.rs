//! `docs/TOKENS.md`: what it has sites run mints tokens that let people in.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runnel_coordinator::thumbprint;
use runnel_protocol::control::{FromCoordinator, Platform};
use runnel_protocol::signing::KeyPair;

use crate::client::{connect_with, house_with};

const MANUAL: &str = include_str!("../../../docs/TOKENS.md");

/// What comes before an Ed25519 seed, and a public key, in the files that openssl writes (RFC 8410).
const PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

fn pem(label: &str, prefix: &[u8], key: &[u8]) -> String {
    let base64 = STANDARD.encode([prefix, key].concat());
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

/// The program in this language, with what prints a token for this key.
fn program(language: &str, call: &str) -> String {
    let fence = format!("```{language}\n");
    let mut blocks = MANUAL.split(&fence).skip(1);
    let block = blocks.next().unwrap().split("```").next().unwrap();
    assert!(blocks.next().is_none(), "which one?");
    format!("{block}\n{call}\n")
}

/// What a program prints that is run where `private.pem` is.
fn printed(command: &mut Command, folder: &Path) -> String {
    let output = command.current_dir(folder).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Joins with the token that `mint` makes for the client's key, and opens the live stream.
async fn lets_in(mint: impl FnOnce(&Path, &str) -> String) {
    let house = house_with(|settings| {
        settings.content[0].provider = "my-channel".to_owned();
        let folder = &settings.data;
        let seed = [0x42; 32];
        let public = KeyPair::from_seed(&seed).public();
        std::fs::write(folder.join("private.pem"), pem("PRIVATE KEY", PKCS8, &seed)).unwrap();
        std::fs::write(
            folder.join("public.pem"),
            pem("PUBLIC KEY", SPKI, &public.0),
        )
        .unwrap();
        let mut add = Command::new(env!("CARGO_BIN_EXE_runnel-coordinator"));
        add.args(["provider", "add", "my-channel", "--data", "."]);
        add.args(["--key", "public.pem", "--kid", "2026-11"]);
        add.args(["--origin", "https://site.example"]);
        assert!(printed(&mut add, folder).contains("2026-11"));
    })
    .await;
    let folder = house.folder.path();

    let headers = [
        ("sec-websocket-protocol", "runnel.1"),
        ("origin", "https://site.example"),
    ];
    let mut client = connect_with(&house, &headers).await.unwrap();
    client.token = Some(mint(folder, &thumbprint(&client.key.public())));
    client.introduce(Platform::Browser).await;
    client.open("live").await;
    let opened = client.await_message(|message| match message {
        FromCoordinator::Opened(opened) => Some(opened.name),
        FromCoordinator::Refused(refused) => panic!("{}", refused.why),
        _ => None,
    });
    assert_eq!(opened.await, "live");
    house.server.stop().await;
}

#[tokio::test]
async fn what_a_node_server_mints_lets_its_viewer_in() {
    lets_in(|folder, jkt| {
        let viewer = r#"{ account: "ann", plan: "premium" }"#;
        let call = format!("console.log(joinToken({viewer}, {jkt:?}));");
        std::fs::write(folder.join("mint.mjs"), program("js", &call)).unwrap();
        printed(Command::new("node").arg("mint.mjs"), folder)
    })
    .await;
}

#[tokio::test]
async fn what_a_python_server_mints_lets_its_viewer_in() {
    let is_there = runs("python3", &["-c", "import cryptography"]);
    assert!(
        is_there,
        "python3 has no package `cryptography`: `cargo xtask setup` installs Debian's python3-cryptography"
    );
    lets_in(|folder, jkt| {
        let viewer = r#"{"account": "ann", "plan": "premium", "age": 40}"#;
        let call = format!("print(join_token({viewer}, {jkt:?}))");
        std::fs::write(folder.join("mint.py"), program("python", &call)).unwrap();
        printed(Command::new("python3").arg("mint.py"), folder)
    })
    .await;
}

/// Not in the gate: Debian's golang-go is 464 MB.
#[tokio::test]
#[ignore = "needs Go: `cargo test -p runnel-coordinator --test server go_server -- --ignored`"]
async fn what_a_go_server_mints_lets_its_viewer_in() {
    let is_there = runs("go", &["version"]);
    assert!(is_there, "no program `go` (Debian: golang-go)");
    lets_in(|folder, jkt| {
        let package = folder.join("tokens");
        std::fs::create_dir(&package).unwrap();
        std::fs::write(folder.join("go.mod"), "module site\n\ngo 1.19\n").unwrap();
        std::fs::write(package.join("tokens.go"), program("go", "")).unwrap();
        let viewer = r#"tokens.Viewer{Account: "ann", Plan: "premium", Age: 40}"#;
        let call = format!("tokens.JoinToken(key.(ed25519.PrivateKey), {viewer}, {jkt:?})");
        let main = GO_MAIN.replace("CALL", &call);
        std::fs::write(folder.join("main.go"), main).unwrap();
        let mut go = Command::new("go");
        go.args(["run", "."]).env("GOCACHE", folder.join("cache"));
        printed(&mut go, folder)
    })
    .await;
}

/// What the guide leaves to the site: reading the key.
const GO_MAIN: &str = r#"package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"site/tokens"
)

func main() {
	file, err := os.ReadFile("private.pem")
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(file)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	token, err := CALL
	if err != nil {
		panic(err)
	}
	fmt.Println(token)
}
"#;
