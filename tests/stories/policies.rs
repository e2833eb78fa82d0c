//! Policies that change while people watch, and one that has them wait for peers.

use std::time::Instant;

use anyhow::Result;
use runnel_tests::stack::{Plan, Stack};

use crate::viewer::Viewer;

const GERMANY: &str = r#"
name = "germany"
kind = "provider"
contents = ["live"]

[[deny]]
what = "peers"
when = 'viewer.country == "DE"'
say = "not licensed in DE"
"#;

const PARENTS_FIRST: &str = r#"
name = "parents-first"
kind = "client"

[[start]]
wait_ms = 10000
when = 'viewer.type == "lightweight"'
"#;

const LINKED: &str = "__runnel.stats.links.some(link => link.state === 'up')";
const SAID: &str = "document.body.textContent.includes('not licensed in DE')";

fn url(stack: &Stack, name: &str) -> Result<String> {
    Ok(format!("{}/v1/policies/{name}", stack.center_url()?))
}

async fn put(stack: &Stack, name: &str, policy: &'static str) -> Result<()> {
    let request = reqwest::Client::new().put(url(stack, name)?).body(policy);
    request.send().await?.error_for_status()?;
    Ok(())
}

#[tokio::test]
async fn a_policy_ends_links_while_people_watch_and_gives_them_back_when_it_goes() -> Result<()> {
    let stack = Stack::start("policies", Plan::default()).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;

    let begun = Instant::now();
    put(&stack, "germany", GERMANY).await?;
    viewer.sees(&format!("!{LINKED}")).await?;
    println!("links ended after {} ms", begun.elapsed().as_millis());
    viewer.sees(SAID).await?;
    let before = viewer.bytes().await?;
    viewer.watches(8).await?;
    let while_forbidden = viewer.bytes().await? - before;
    assert_eq!(while_forbidden.peer + while_forbidden.waypoint, 0.0);
    assert!(while_forbidden.cdn > 0.0, "the picture goes on");

    let begun = Instant::now();
    let gone = reqwest::Client::new().delete(url(&stack, "germany")?);
    gone.send().await?.error_for_status()?;
    viewer.sees(LINKED).await?;
    println!("links stood again after {} ms", begun.elapsed().as_millis());
    let peers = viewer.bytes().await?.peer;
    viewer
        .sees(&format!("__runnel.stats.bytes.peer > {peers}"))
        .await?;
    viewer.sees("__runnel.stats.assignment?.why === ''").await?;
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}

#[tokio::test]
async fn a_first_picture_that_waits_for_peers_costs_the_cdn_nothing() -> Result<()> {
    let stack = Stack::start("parents-first", Plan::default()).await?;
    put(&stack, "parents-first", PARENTS_FIRST).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1&startWait=10").await?;
    viewer.watches(8).await?;
    let bytes = viewer.bytes().await?;
    assert_eq!(bytes.cdn, 0.0);
    assert!(bytes.peer > 0.0);
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(&stack).await?;
    stack.stop().await
}
