//! One network floods the coordinator's door (T13, T14): it waits, and nobody else does.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use runnel_peer_core::Event;
use runnel_peer_native::agent::Events;
use runnel_peer_native::config::Config;
use runnel_peer_native::player::Player;
use runnel_tests::stack::{Plan, Stack};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use url::Url;

use crate::counts::counted;

/// How long anything may take on a machine that compiles something as well.
const BOUND: Duration = Duration::from_secs(60);
const AT_A_TIME: usize = 32;
const REFUSED: &str = "runnel_refused_upgrades_total{reason=\"rate\"}";

/// Knocks without end, from one address of this machine.
struct Flood {
    knocking: JoinSet<Result<()>>,
    refused: Arc<AtomicU64>,
}

impl Flood {
    fn start(stack: &Stack, from: Ipv4Addr) -> Result<Self> {
        let door = stack.door()?;
        let mut knocking = JoinSet::new();
        let refused = Arc::new(AtomicU64::new(0));
        for _ in 0..AT_A_TIME {
            let (door, refused) = (door.clone(), Arc::clone(&refused));
            knocking.spawn(async move {
                loop {
                    let is_refused = knock(&door, from).await?;
                    refused.fetch_add(u64::from(is_refused), Ordering::Relaxed);
                }
            });
        }
        Ok(Self { knocking, refused })
    }

    /// Waits until so many connections were turned away.
    async fn is_held_up(&mut self, times: u64) -> Result<()> {
        let held_up = async {
            while self.refused.load(Ordering::Relaxed) < times {
                tokio::task::yield_now().await;
                if let Some(ended) = self.knocking.try_join_next() {
                    ended??;
                }
            }
            anyhow::Ok(())
        };
        timeout(BOUND, held_up).await.context("all come in")?
    }
}

/// Whether the door stays shut for this one.
async fn knock(door: &str, from: Ipv4Addr) -> Result<bool> {
    let address = *Url::parse(door)?
        .socket_addrs(|| None)?
        .first()
        .context("no address")?;
    let mut request = door.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "runnel.1".parse()?);
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(address).await?;
    // However it ends, the port is free for another one at once.
    stream.set_zero_linger()?;
    match client_async(request, stream).await {
        Ok(_) => Ok(false),
        Err(Error::Http(response)) => {
            ensure!(response.status() == 429, "{response:?}");
            ensure!(response.headers().contains_key("retry-after"));
            Ok(true)
        }
        Err(error) => bail!(error),
    }
}

/// An honest one, at 127.0.0.1.
struct Viewer {
    player: Player,
    events: Events,
}

impl Viewer {
    async fn arrives(stack: &Stack, name: &str) -> Result<Self> {
        let (player, events) = Player::start(Config {
            coordinator: stack.door()?,
            listen: ([127, 0, 0, 1], 0).into(),
            data: stack.folder().join(name),
            content: vec!["live".to_owned()],
            ..Config::default()
        })
        .await?;
        Ok(Self { player, events })
    }

    /// One that did not slip in between two of the attacker's.
    async fn is_kept_waiting(stack: &Stack) -> Result<Self> {
        for number in 0..50 {
            let mut viewer = Self::arrives(stack, &format!("neighbour-{number}")).await?;
            let decided = |event: &Event| is_in(event) || is_turned_away(event);
            let refusals = viewer.sees(decided).await?;
            if refusals.iter().any(|why| why.contains("429")) {
                return Ok(viewer);
            }
            viewer.player.stop().await;
        }
        bail!("the flood keeps nobody waiting")
    }

    /// Waits for this; the reasons for which it was refused until then.
    async fn sees(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Vec<String>> {
        let mut refusals = Vec::new();
        let seen = async {
            loop {
                let event = self.events.recv().await?;
                let is_wanted = wanted(&event);
                if let Event::Refused(refused) = event {
                    refusals.push(refused.why);
                }
                if is_wanted {
                    return anyhow::Ok(());
                }
            }
        };
        timeout(BOUND, seen).await.context("it does not happen")??;
        Ok(refusals)
    }
}

fn is_in(event: &Event) -> bool {
    matches!(event, Event::Opened(..))
}

fn is_turned_away(event: &Event) -> bool {
    matches!(event, Event::Refused(refused) if refused.why.contains("429"))
}

#[tokio::test]
async fn a_flood_keeps_its_own_network_waiting_and_nobody_else() -> Result<()> {
    let plan = Plan {
        agents: 0,
        waypoint: false,
        ..Plan::default()
    };
    let stack = Stack::start("adversary-flood", plan).await?;
    let mut flood = Flood::start(&stack, Ipv4Addr::new(127, 0, 7, 1))?;
    flood.is_held_up(500).await?;
    let mut elsewhere = Viewer::arrives(&stack, "elsewhere").await?;
    let refusals = elsewhere.sees(is_in).await?;
    ensure!(!refusals.iter().any(|why| why.contains("429")));
    ensure!(counted(&stack, REFUSED).await? >= 500);
    drop(flood);

    // A neighbour of the attacker's waits as long as it is told to, and gets in after the flood.
    let mut flood = Flood::start(&stack, Ipv4Addr::new(127, 0, 0, 2))?;
    flood.is_held_up(500).await?;
    let mut neighbour = Viewer::is_kept_waiting(&stack).await?;
    drop(flood);
    neighbour.sees(is_in).await?;

    elsewhere.player.stop().await;
    neighbour.player.stop().await;
    stack.stop().await
}
