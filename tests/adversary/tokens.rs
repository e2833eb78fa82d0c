//! Another site uses the swarm (T3): stolen, replayed, foreign and forged tokens, and none at all.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_peer_core::Event;
use runnel_peer_native::agent::{Events, thumbprint};
use runnel_peer_native::config::Config;
use runnel_peer_native::player::Player;
use runnel_protocol::control::{Contact, Platform, Source};
use runnel_protocol::peer::CloseReason;
use runnel_protocol::signing::KeyPair;
use runnel_tests::impostor::{Fate, Impostor};
use runnel_tests::stack::{Plan, Provider, Stack, Tokens};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::counts::counted;
use crate::stranger::{Door, Stranger};

/// How long anything may take on a machine that compiles something as well.
const BOUND: Duration = Duration::from_secs(60);

/// An honest peer that plays the live stream, by a token of its own.
struct Honest {
    player: Player,
    events: Events,
    token: PathBuf,
    key: String,
}

impl Honest {
    async fn plays(stack: &Stack, name: &str, seconds: &str) -> Result<Self> {
        let data = stack.folder().join(name);
        let token = stack.folder().join(format!("{name}.token"));
        let config = Config {
            coordinator: stack.door()?,
            listen: ([127, 0, 0, 1], 0).into(),
            data,
            content: vec!["live".to_owned()],
            token_file: Some(token.clone()),
            ..Config::default()
        };
        let key = thumbprint(&config)?;
        let provider = stack.provider()?;
        let minted = provider
            .mint(&["--for", &key, "--seconds", seconds])
            .await?;
        std::fs::write(&token, minted)?;
        let (player, events) = Player::start(config).await?;
        Ok(Self {
            player,
            events,
            token,
            key,
        })
    }

    /// Waits for something to happen.
    async fn sees<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> Result<T> {
        let seen = timeout(BOUND, async {
            loop {
                if let Some(found) = wanted(self.events.recv().await?) {
                    return anyhow::Ok(found);
                }
            }
        });
        seen.await.context("it does not happen")?
    }

    /// The agent that feeds it, with its ticket.
    async fn is_introduced(&mut self) -> Result<Contact> {
        self.sees(|event| match event {
            Event::Assigned(assign) => {
                let mut parents = assign.parents.into_iter();
                let agent = parents.find(|parent| parent.source == Source::Peer);
                agent.map(|agent| agent.contact)
            }
            _ => None,
        })
        .await
    }
}

/// A JWT with this signature, or none.
fn jwt(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let part = |value: &Value| BASE64.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = BASE64.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// What the attackers claim, each for his own key.
fn claims(key: &str) -> Result<Value> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = now.as_secs();
    Ok(json!({
        "iss": "demo", "aud": "runnel", "iat": now, "exp": now + 300,
        "contents": ["*"], "cnf": { "jkt": key },
    }))
}

/// The thumbprint of an attacker's key.
pub(crate) fn print_of(stack: &Stack, keys: &str, seed: [u8; 32]) -> Result<String> {
    let data = stack.folder().join(keys);
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("identity.key"), seed)?;
    Ok(thumbprint(&Config {
        data,
        ..Config::default()
    })?)
}

/// With somebody's ticket in the hand he gets no further than with none.
async fn gets_nothing_from(agent: &Contact, seed: [u8; 32]) -> Result<()> {
    for door in [Door::Native, Door::Browser] {
        for tickets in [vec![], vec![agent.ticket.clone()]] {
            let mut stranger = Stranger::at(door, agent, KeyPair::from_seed(&seed)).await?;
            stranger.presents(tickets).await?;
            // Fails at the first stream of media.
            let why = stranger.shown_out().await?;
            let fits = matches!(why, CloseReason::Unauthorised | CloseReason::Malformed);
            ensure!(fits, "{why:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn whoever_has_no_token_of_his_own_gets_no_byte_from_a_peer() -> Result<()> {
    let plan = Plan {
        agents: 1,
        tokens: Tokens::OfOneSite,
        ..Plan::default()
    };
    let stack = Stack::start("adversary-tokens", plan).await?;
    let mut victim = Honest::plays(&stack, "victim", "600").await?;
    let agent = victim.is_introduced().await?;

    let seed = [0x66; 32];
    let own = print_of(&stack, "attacker", seed)?;
    let provider = stack.provider()?;
    let stolen = std::fs::read_to_string(&victim.token)?;
    let expired = provider.mint(&["--for", &own, "--seconds", "0"]).await?;
    let elsewhere = ["--for", &own, "--contents", "vod"];
    let elsewhere = provider.mint(&elsewhere).await?;
    let for_site = ["--for", &own, "--origin", Provider::SITE];
    let for_site = provider.mint(&for_site).await?;
    let public = provider.public_key()?;
    let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public.as_bytes());
    let by_hmac = |message: &[u8]| ring::hmac::sign(&hmac, message).as_ref().to_vec();
    let own_keys = KeyPair::from_seed(&seed);
    let by_own_key = |message: &[u8]| own_keys.sign_message(message).0.to_vec();
    let wanted = claims(&own)?;
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid, "typ": "JWT" });
    let none = jwt(&header("none", "one"), &wanted, |_| Vec::new());
    let confused = jwt(&header("HS256", "one"), &wanted, by_hmac);
    let unknown = jwt(&header("EdDSA", "mine"), &wanted, by_own_key);
    let forged = jwt(&header("EdDSA", "one"), &wanted, by_own_key);

    for (token, words, reason) in [
        (Some(stolen.clone()), "another key", "other_key"),
        (Some(expired), "has expired", "expired"),
        (Some(elsewhere), "does not cover this content", "content"),
        (Some(none), "`alg`", "algorithm"),
        (Some(confused), "`alg`", "algorithm"),
        (Some(unknown), "no key that is known", "unknown_key"),
        (Some(forged), "signature is wrong", "signature"),
        (Some(for_site), "not for pages of this site", "origin"),
        (None, "a join token is required", "missing"),
    ] {
        let name = format!("runnel_refused_tokens_total{{reason=\"{reason}\"}}");
        let before = counted(&stack, &name).await?;
        let attack = Impostor {
            keys: KeyPair::from_seed(&seed),
            token,
            origin: None,
            platform: Platform::Browser,
            endpoints: Vec::new(),
        };
        let fate = fails(&attack, &stack).await?;
        ensure!(
            fate.refusals.iter().any(|why| why.contains(words)),
            "{reason}: {fate:?}"
        );
        ensure!(
            counted(&stack, &name).await? > before,
            "{reason} is not counted"
        );
    }

    // A page of another site, which its browser names; and a program that lies about it.
    for (origin, token, status) in [
        ("https://evil.example", Some(stolen.clone()), Some(403)),
        (Provider::SITE, Some(stolen), None),
        (Provider::SITE, None, None),
    ] {
        let attack = Impostor {
            keys: KeyPair::from_seed(&seed),
            token,
            origin: Some(origin),
            platform: Platform::Browser,
            endpoints: Vec::new(),
        };
        let fate = fails(&attack, &stack).await?;
        ensure!(fate.status == status, "{origin}: {fate:?}");
        ensure!(status.is_some() || !fate.refusals.is_empty(), "{fate:?}");
    }

    // An agent without a token is let in to enrol, and to nothing else.
    let attack = Impostor {
        keys: KeyPair::from_seed(&seed),
        token: None,
        origin: None,
        platform: Platform::Native,
        endpoints: Vec::new(),
    };
    let fate = fails(&attack, &stack).await?;
    ensure!(
        fate.refusals.len() == 2,
        "at once, and when it is sent away: {fate:?}"
    );

    gets_nothing_from(&agent, seed).await?;
    victim.player.stop().await;
    stack.stop().await
}

/// He learns of nobody.
async fn fails(attack: &Impostor, stack: &Stack) -> Result<Fate> {
    let fate = attack.tries(&stack.door()?).await?;
    ensure!(!fate.opened && fate.introduced.is_empty(), "{fate:?}");
    Ok(fate)
}

#[tokio::test]
async fn links_end_with_the_token_unless_another_one_is_brought_in_time() -> Result<()> {
    let plan = Plan {
        agents: 1,
        tokens: Tokens::OfOneSite,
        ..Plan::default()
    };
    let stack = Stack::start("adversary-expiry", plan).await?;
    let link_up = |event| matches!(event, Event::LinkUp(..)).then_some(());
    let mut careless = Honest::plays(&stack, "careless", "5").await?;
    let mut careful = Honest::plays(&stack, "careful", "20").await?;
    careless.sees(link_up).await?;
    careful.sees(link_up).await?;
    let next = stack.provider()?.mint(&["--for", &careful.key]).await?;
    std::fs::write(&careful.token, next)?;
    let (mut refused, mut down) = (None, false);
    while refused.is_none() || !down {
        let end = careless.sees(|event| match event {
            Event::LinkDown(..) => Some(None),
            Event::Refused(refused) => Some(Some(refused.why)),
            _ => None,
        });
        match end.await? {
            Some(why) => refused = Some(why),
            None => down = true,
        }
    }
    ensure!(refused.is_some_and(|why| why.contains("expired")));
    while let Ok(event) = careful.events.try_recv() {
        let ends = matches!(event, Event::LinkDown(..) | Event::Refused(_));
        ensure!(!ends, "{event:?}");
    }
    careless.player.stop().await;
    careful.player.stop().await;
    stack.stop().await
}
