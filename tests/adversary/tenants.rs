//! One provider's tokens bring a crowd (T3, T14): it waits, and other providers' viewers come in.

use anyhow::{Result, ensure};
use runnel_protocol::control::Platform;
use runnel_protocol::signing::KeyPair;
use runnel_tests::impostor::Impostor;
use runnel_tests::stack::{Plan, Provider, Stack, Tokens};

use crate::counts::counted;
use crate::tokens::print_of;

/// Twice as many as the common door lets in at once.
const CROWD: u8 = 40;
const LIMITS: &str = "admissions_per_second = 10\nprovider_admissions_per_second = 2";
const HELD_OFF: &str = "many of this provider's viewers arrive at the same time";

/// A viewer's page with a good token of this provider, and a key of its own.
async fn page(stack: &Stack, provider: &Provider, number: u8) -> Result<Impostor> {
    let seed = [number; 32];
    let own = print_of(stack, &format!("page-{number}"), seed)?;
    Ok(Impostor {
        keys: KeyPair::from_seed(&seed),
        token: Some(provider.mint(&["--for", &own]).await?),
        origin: None,
        platform: Platform::Browser,
        endpoints: Vec::new(),
    })
}

#[tokio::test]
async fn a_crowd_by_one_providers_tokens_keeps_nobody_elses_viewers_out() -> Result<()> {
    let plan = Plan {
        agents: 0,
        waypoint: false,
        tokens: Tokens::OfAnySite,
        ..Plan::default()
    };
    let mut stack = Stack::start("adversary-tenants", plan).await?;
    let folder = stack.folder().to_owned();
    let data = folder.join("coordinator");
    let rival = Provider::named("rival", &folder, data, Tokens::OfAnySite).await?;
    stack.center()?.kill();
    stack.set_center(LIMITS)?;
    stack.revive_center().await?;

    let mut crowd = Vec::new();
    for number in 1..=CROWD {
        crowd.push(page(&stack, &rival, number).await?);
    }
    let viewer = page(&stack, stack.provider()?, 99).await?;
    let mut held_off: u32 = 0;
    for page in &crowd {
        let fate = page.tries(&stack.door()?).await?;
        held_off += u32::from(fate.refusals.iter().any(|why| why == HELD_OFF));
    }
    ensure!(held_off > u32::from(CROWD / 2), "{held_off} were held off");
    let fate = viewer.tries(&stack.door()?).await?;
    ensure!(fate.opened, "another provider's viewer: {fate:?}");
    let of_rival = "runnel_provider_turned_away_total{provider=\"rival\"}";
    ensure!(counted(&stack, of_rival).await? == u64::from(held_off));
    stack.stop().await
}
