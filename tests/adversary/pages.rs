//! A page of another site has a viewer's ticket and even its key (T3): browsers say whose page it is, and the
//! agent lets none in but the one that the ticket is for.

use anyhow::{Context, Result, ensure};
use runnel_protocol::control::Platform;
use runnel_protocol::peer::CloseReason;
use runnel_protocol::signing::KeyPair;
use runnel_tests::impostor::Impostor;
use runnel_tests::stack::{Plan, Stack};

use crate::stranger::{Stranger, like_a_browser};

const SITE: &str = "https://site.example";
/// Another one, also by a name that begins alike, another port, another scheme, and a page without an origin.
const OTHERS: [&str; 5] = [
    "https://evil.example",
    "https://site.example.evil.example",
    "https://site.example:8443",
    "http://site.example",
    "null",
];

#[tokio::test]
async fn a_page_of_another_site_is_not_let_in_with_somebodys_key_and_ticket() -> Result<()> {
    let plan = Plan {
        agents: 1,
        ..Plan::default()
    };
    let stack = Stack::start("adversary-pages", plan).await?;
    let seed = [0x77; 32];
    let victim = Impostor {
        keys: KeyPair::from_seed(&seed),
        token: None,
        origin: Some(SITE),
        platform: Platform::Browser,
        endpoints: Vec::new(),
    };
    let introduced = victim.tries(&stack.door()?).await?.introduced;
    let agent = introduced.first().context("nobody is named to the page")?;
    for site in OTHERS {
        let session = like_a_browser(agent, Some(site)).await?;
        let mut thief = Stranger::over(session, KeyPair::from_seed(&seed)).await?;
        thief.presents(vec![agent.ticket.clone()]).await?;
        // Fails at the first stream of media.
        let why = thief.shown_out().await?;
        ensure!(why == CloseReason::Unauthorised, "{site}: {why:?}");
    }
    let session = like_a_browser(agent, Some(SITE)).await?;
    let mut page = Stranger::over(session, KeyPair::from_seed(&seed)).await?;
    page.presents(vec![agent.ticket.clone()]).await?;
    page.is_welcome().await?;
    stack.stop().await
}
