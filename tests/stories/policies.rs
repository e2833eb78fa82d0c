//! Policies that change while people watch, one that has them wait for peers, and one by which
//! whoever did not pay sees it later.

use std::time::Instant;

use anyhow::Result;
use runnel_tests::media::Shape;
use runnel_tests::stack::{Plan, Source, Stack, Tokens};
use runnel_tests::token_server::TokenServer;

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

const PAYING_LIVE: &str = r#"
name = "paying-live"
kind = "provider"

[[delay]]
behind_s = 8
when = 'viewer.type != "waypoint" && viewer.plan != "premium"'
say = "live for subscribers, 8 s later for everybody else"
"#;

const NO_SHOW: &str = r#"
name = "no-show"
kind = "provider"

[[deny]]
what = "playback"
when = 'viewer.country == "DE"'
say = "the rights for DE have ended"
"#;

const LINKED: &str = "__runnel.stats.links.some(link => link.state === 'up')";
const SAID: &str = "document.body.textContent.includes('not licensed in DE')";

fn url(stack: &Stack, name: &str) -> Result<String> {
    Ok(format!("{}/v1/policies/{name}", stack.center_url()?))
}

async fn delete(stack: &Stack, name: &str) -> Result<()> {
    let gone = reqwest::Client::new().delete(url(stack, name)?);
    gone.send().await?.error_for_status()?;
    Ok(())
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
    delete(&stack, "germany").await?;
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

/// Seconds between the newest segment and the playhead, as the player measures it.
async fn latency(viewer: &Viewer) -> Result<f64> {
    viewer.browser.eval("__runnel.hls.latency").await
}

#[tokio::test]
async fn who_paid_is_at_the_live_edge_and_everybody_else_sees_it_eight_seconds_later() -> Result<()>
{
    let plan = Plan {
        window: 15,
        tokens: Tokens::OfAnySite,
        ..Plan::default()
    };
    let stack = Stack::start("paying-live", plan).await?;
    put(&stack, "paying-live", PAYING_LIVE).await?;
    let tokens = TokenServer::start(stack.provider()?.clone(), "live").await?;
    let query = |plan| format!("consent=1&latency=4&tokens={}", encoded(&tokens.url(plan)));
    let premium = Viewer::watch(&stack, "live", &query("premium")).await?;
    let free = Viewer::watch(&stack, "live", &query("free")).await?;
    for viewer in [&premium, &free] {
        viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    }
    free.sees("__runnel.hls.latency > 11").await?;
    free.sees("document.body.textContent.includes('live for subscribers')")
        .await?;

    let before = (premium.bytes().await?, free.bytes().await?);
    free.watches(10).await?;
    let (ahead, behind) = (latency(&premium).await?, latency(&free).await?);
    println!("a subscriber is {ahead:.1} s behind, somebody else {behind:.1} s");
    // Players keep to their target within a segment of two seconds.
    assert!((3.0..6.5).contains(&ahead), "{ahead}");
    assert!((7.0..9.5).contains(&(behind - ahead)), "{}", behind - ahead);
    let after = (
        premium.bytes().await? - before.0,
        free.bytes().await? - before.1,
    );
    println!(
        "from peers: {:.0} and {:.0} %",
        after.0.offload() * 100.0,
        after.1.offload() * 100.0
    );
    assert!(
        after.1.offload() > 0.5,
        "peers feed whoever is late as well"
    );

    for viewer in [&premium, &free] {
        assert_eq!(viewer.stalls().await?, 0);
        viewer.got_what_the_origin_has(&stack).await?;
    }
    premium.picture(&stack, "premium").await?;
    free.picture(&stack, "free").await?;
    stack.stop().await
}

/// What the page has fetched so far: segments, and files of any kind.
async fn fetched(viewer: &Viewer) -> Result<(usize, usize)> {
    let files = "performance.getEntriesByType('resource')";
    let media = format!("{files}.filter(file => /m3u8|\\.ts|\\.m4s/.test(file.name)).length");
    let count = format!("[__runnel.taps.length, {media}]");
    viewer.browser.eval(&count).await
}

#[tokio::test]
async fn playback_ends_with_the_reason_where_its_site_has_that_enforced_and_comes_back()
-> Result<()> {
    let plan = Plan {
        source: Source::Clip(vec![Shape::Ts, Shape::Fmp4]),
        enforced: &["live"],
        ..Plan::default()
    };
    let stack = Stack::start("enforce", plan).await?;
    let bound = Viewer::watch(&stack, "live", "consent=1").await?;
    let free = Viewer::watch(&stack, "live-fmp4", "consent=1").await?;
    for viewer in [&bound, &free] {
        viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    }

    let begun = Instant::now();
    put(&stack, "no-show", NO_SHOW).await?;
    bound.sees("__runnel.hls.media === null").await?;
    println!("playback ended after {} ms", begun.elapsed().as_millis());
    let said =
        "document.body.textContent.includes('Playback is over: the rights for DE have ended')";
    bound.sees(said).await?;
    bound
        .sees("document.querySelector('video').readyState === 0")
        .await?;

    // What was under way has arrived once the other one has nothing from peers any more.
    free.sees(&format!("!{LINKED}")).await?;
    let (before, at_peers) = (fetched(&bound).await?, free.bytes().await?);
    free.watches(8).await?;
    assert_eq!(fetched(&bound).await?, before, "nothing more is fetched");
    let since = free.bytes().await? - at_peers;
    assert_eq!(since.peer + since.waypoint, 0.0);
    assert!(since.cdn > 0.0, "the picture goes on where nobody opted in");
    assert_eq!(free.stalls().await?, 0);
    bound.picture(&stack, "ended").await?;

    delete(&stack, "no-show").await?;
    bound.sees("__runnel.hls.media !== null").await?;
    bound.watches(4).await?;
    for viewer in [&bound, &free] {
        viewer.sees(LINKED).await?;
        viewer.got_what_the_origin_has(&stack).await?;
    }
    stack.stop().await
}

/// Text as it stands in a query.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
