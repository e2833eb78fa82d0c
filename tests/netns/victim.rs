//! Somebody registers a victim's addresses as his own, over and over (T12, T13): nobody else is ever sent there,
//! and the coordinator itself tries them no more often than it may.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_peer_native::agent::thumbprint;
use runnel_peer_native::config::Config;
use runnel_protocol::control::{PeerType, Platform};
use runnel_protocol::signing::KeyPair;
use runnel_tests::impostor::{Impostor, Squatter};
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Plan, within};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::access::{Access, PORT};
use crate::town::{self, FIRST_SITE, READY, Show, Town, door};
use crate::watcher::watch;

/// Names under which he comes: more than may be tested in a minute at addresses that nothing proves.
const NAMES: u8 = 40;
/// Tests in a minute, as `coordinator-core` bounds them, and packets of each: one, two after a second, two
/// after three, and a farewell.
const TESTS: u64 = 30;
const PACKETS: u64 = 6;
/// Minutes that this may take, each with tests of its own.
const MINUTES: u64 = 2;
/// How long the viewer keeps asking.
const PATIENCE: Duration = Duration::from_secs(12);

/// What reaches the victim, by family.
#[derive(Debug, Default)]
struct Hits {
    four: AtomicU64,
    six: AtomicU64,
    over: AtomicBool,
}

/// The victim, at the port that others are sent to.
async fn suffers(hits: Arc<Hits>) -> Result<()> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT)).await?;
    let mut packet = [0; 2048];
    while !hits.over.load(Ordering::Relaxed) {
        let Ok(from) = timeout(Duration::from_millis(100), socket.recv_from(&mut packet)).await
        else {
            continue;
        };
        let hit = match from?.1.ip().to_canonical() {
            IpAddr::V4(_) => &hits.four,
            IpAddr::V6(_) => &hits.six,
        };
        hit.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Comes under one name after the other.
async fn squat(names: Vec<Impostor>, door: String) -> Result<Vec<Squatter>> {
    let mut all = Vec::new();
    for name in names {
        all.push(name.squats(&door).await?);
    }
    // He is told what he is taken for.
    let (kind, why) = all.first_mut().context("nobody")?.verdict().await?;
    println!("{why}");
    ensure!(kind == PeerType::Lightweight, "believed: {why}");
    Ok(all)
}

async fn name(town: &Town, number: u8, victim: &[SocketAddr]) -> Result<Impostor> {
    let data = town.folder(&format!("name-{number}"));
    std::fs::create_dir_all(&data)?;
    let seed = [number; 32];
    std::fs::write(data.join("identity.key"), seed)?;
    let own = thumbprint(&Config {
        data,
        ..Config::default()
    })?;
    let wanted = ["--contents", "*", "--for", &own];
    Ok(Impostor {
        keys: KeyPair::from_seed(&seed),
        token: Some(town.provider().mint(&wanted).await?),
        origin: None,
        platform: Platform::Native,
        endpoints: victim.to_vec(),
    })
}

/// Everybody at a site of his own.
fn town() -> Result<Plan> {
    let mut plan = Plan::with_seed(24);
    town::found(&mut plan)?;
    let hosts = [
        ("squatter", Access::Open),
        ("victim", Access::Both),
        ("agent", Access::Both),
        ("viewer", Access::Both),
    ];
    for (site, (name, access)) in (FIRST_SITE..).zip(hosts) {
        let id = plan.site(access.gate(site, false), Line::IDEAL);
        plan.host(id, name, &access.addresses(site, 1))?;
    }
    Ok(plan)
}

async fn ended<T: Send + 'static>(work: JoinHandle<Result<T>>) -> Result<T> {
    let joined = tokio::task::spawn_blocking(move || work.join()).await?;
    joined.ok().context("somebody panicked")?
}

async fn is_left_alone() -> Result<()> {
    let contents = ["live".to_owned()];
    let town = Town::start("victim", town()?.connect()?, Show::Noise, &contents, "").await?;
    let hits = Arc::new(Hits::default());
    let victim = town.lab.host("victim")?;
    let addresses = victim.addresses().iter();
    let addresses: Vec<SocketAddr> = addresses.map(|ip| SocketAddr::new(*ip, PORT)).collect();
    let counted = Arc::clone(&hits);
    let suffering = victim.run(|| suffers(counted))?;

    let mut names = Vec::new();
    for number in 0..NAMES {
        names.push(name(&town, number, &addresses).await?);
    }
    let squatter = town.lab.host("squatter")?;
    let at = door(squatter);
    let (there, known) = oneshot::channel();
    let (leave, left) = oneshot::channel::<()>();
    let squatting = squatter.run(async move || {
        let all = squat(names, at).await?;
        let peers: Vec<_> = all.iter().map(|one| one.peer).collect();
        // An end that is gone is one that has failed, and says so.
        let _ = there.send(peers);
        let _ = left.await;
        Ok(())
    })?;
    let Ok(squatters) = known.await else {
        return ended(squatting).await;
    };
    let mut agent = town.start_agent("agent", &contents).await?;
    agent.line("joined as regular peer", READY).await?;

    let viewer = town.lab.host("viewer")?;
    let config = town.player("viewer", viewer, &contents).await?;
    let account = ended(viewer.run(move || watch(config, PATIENCE))?).await?;
    drop(leave);
    hits.over.store(true, Ordering::Relaxed);
    ended(squatting).await?;
    ended(suffering).await?;
    println!("{account:?}\n{hits:?}");
    let seen = account.contents.get("live").context("it opened nothing")?;
    ensure!(seen.from_peer.is_some(), "nobody fed it");
    let sent_there = squatters.iter().find(|peer| account.named.contains(*peer));
    ensure!(sent_there.is_none(), "it was sent to {sent_there:?}");
    let (four, six) = (
        hits.four.load(Ordering::Relaxed),
        hits.six.load(Ordering::Relaxed),
    );
    ensure!(four == 0, "{four} packets to where he does not come from");
    ensure!(six > 0, "the address of the other family was not tested");
    ensure!(six <= MINUTES * TESTS * PACKETS, "{six} packets");
    drop(agent);
    println!("{:?}", town.lab.end()?);
    Ok(())
}

#[test]
fn nobody_is_sent_to_a_victim_whose_addresses_somebody_else_registers() -> Result<()> {
    within(
        "victim::nobody_is_sent_to_a_victim_whose_addresses_somebody_else_registers",
        is_left_alone(),
    )
}
