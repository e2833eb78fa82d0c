//! Friends who keep to themselves (G1): their own agent feeds them, whoever guesses stays outside, and an
//! invitation that is withdrawn ends it while they watch.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use runnel_tests::stack::{Plan, Stack};
use runnel_tests::wait;
use serde_json::{Value, json};

use crate::viewer::Viewer;

/// Which peers feed a page.
async fn fed_by(viewer: &Viewer) -> Result<Vec<String>> {
    let links =
        "__runnel.stats.links.filter(link => link.source === 'peer').map(link => link.peer)";
    viewer.browser.eval(links).await
}

/// The id of an agent, as it says itself.
fn id(stack: &Stack, agent: &str) -> Result<String> {
    let says = std::fs::read_to_string(stack.folder().join(format!("{agent}.out")))?;
    let said = says.split_once("joined as regular peer ");
    let (id, _) = said
        .and_then(|(_, rest)| rest.split_once(':'))
        .context("not said")?;
    Ok(id.to_owned())
}

struct Operator(String);

impl Operator {
    async fn lists(&self, group: Value) -> Result<()> {
        let request = reqwest::Client::new().put(&self.0).json(&group);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// A further invitation, and its hash.
    async fn invites(&self) -> Result<(String, String)> {
        let url = format!("{}/invitations", self.0);
        let request = reqwest::Client::new().post(url).json(&json!({}));
        let made: Value = request.send().await?.error_for_status()?.json().await?;
        let field = |name: &str| made[name].as_str().map(ToOwned::to_owned);
        let both = field("invitation").zip(field("hash"));
        both.context("no invitation")
    }

    async fn withdraws(&self, hash: &str) -> Result<()> {
        let url = format!("{}/invitations/{hash}", self.0);
        let request = reqwest::Client::new().delete(url);
        request.send().await?.error_for_status()?;
        Ok(())
    }
}

#[tokio::test]
async fn friends_are_fed_by_their_own_agent_alone_until_they_are_no_longer_invited() -> Result<()> {
    let plan = Plan {
        groups: true,
        ..Plan::default()
    };
    let stack = Stack::start("groups", plan).await?;
    let operator = Operator(format!("{}/v1/groups/friends", stack.center_url()?));
    operator
        .lists(json!({"name": "Friday film", "strangers": "no"}))
        .await?;
    let (for_agent, _) = operator.invites().await?;
    let (for_page, hash) = operator.invites().await?;
    stack.invite_agent("agent-1", &for_agent)?;
    let joined = async || {
        let groups = stack.ask("/v1/groups").await.ok()?;
        (groups[0]["members"] == 1).then_some(())
    };
    wait::until("the agent is in the group", Duration::from_secs(10), joined).await?;

    let friend = Viewer::watch(&stack, "live", &format!("consent=1#group={for_page}")).await?;
    friend
        .sees("document.body.textContent.includes('Watching with: Friday film')")
        .await?;
    friend.sees("__runnel.stats.bytes.peer > 0").await?;
    let guess = format!("consent=1#group={}", "0".repeat(32));
    let stranger = Viewer::watch(&stack, "live", &guess).await?;
    stranger
        .sees("document.body.textContent.includes('Not in a group: this invitation is not valid')")
        .await?;
    stranger.sees("__runnel.stats.bytes.peer > 0").await?;
    let (theirs, others) = (id(&stack, "agent-1")?, id(&stack, "agent-2")?);
    for _ in 0..4 {
        friend.watches(2).await?;
        for (viewer, agent) in [(&friend, &theirs), (&stranger, &others)] {
            let parents = fed_by(viewer).await?;
            ensure!(parents == [agent.as_str()], "{parents:?}");
        }
    }

    let begun = Instant::now();
    operator.withdraws(&hash).await?;
    let left = "document.body.textContent.includes('Not in a group: the invitation')";
    friend.sees(left).await?;
    let apart = format!("!__runnel.stats.links.some(link => link.peer === '{theirs}')");
    friend.sees(&apart).await?;
    println!("parted after {} ms", begun.elapsed().as_millis());
    let fed = format!("__runnel.stats.links.some(link => link.peer === '{others}')");
    friend.sees(&fed).await?;
    for viewer in [&friend, &stranger] {
        ensure!(viewer.stalls().await? == 0);
        viewer.got_what_the_origin_has(&stack).await?;
    }
    stack.stop().await
}
