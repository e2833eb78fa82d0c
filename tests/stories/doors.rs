//! Strangers at the doors of a running system: none of them gets a byte of media, and whoever
//! watches meanwhile notices nothing (T4, T13, T15).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_protocol::control::Contact;
use runnel_protocol::peer::CloseReason;
use runnel_protocol::signing::KeyPair;
use runnel_tests::stack::{Plan, Stack};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use web_transport_quinn::Session;

use crate::stranger::{Door, Guest, Stranger, junk, nobody};
use crate::viewer::Viewer;

/// Strangers who come at once: more than the agent has places for.
const CROWD: u64 = 160;
/// Packets that are none.
const JUNK: u64 = 2000;

/// Without a ticket of one's own, nobody gets past either door.
async fn nobody_enters(door: Door, agent: &Contact) -> Result<()> {
    let genuine = &agent.ticket;
    let mut renamed = genuine.clone();
    renamed.body.client = nobody().public();
    let forged = KeyPair::from_seed(&[0x58; 32]).sign(renamed.body.clone());
    for tickets in [
        vec![],
        vec![forged],
        vec![renamed],
        vec![genuine.clone()],
        vec![genuine.clone(); 9],
    ] {
        let mut stranger = Stranger::at(door, agent, nobody()).await?;
        stranger.presents(tickets).await?;
        let why = stranger.shown_out().await?;
        let fits = matches!(why, CloseReason::Unauthorised | CloseReason::Malformed);
        ensure!(fits, "{door:?}: shown out because of {why:?}");
    }
    Ok(())
}

/// More come than there is room for; each does something else that no peer does.
async fn a_crowd_comes(agent: &Contact) -> Result<()> {
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        let agent = agent.clone();
        crowd.spawn(async move {
            let door = [Door::Native, Door::Browser][usize::from(number % 4 == 0)];
            // Refused at the door is as good.
            let Ok(mut stranger) = Stranger::at(door, &agent, nobody()).await else {
                return Ok(());
            };
            match number % 3 {
                // Says nothing, and stays as long as it may.
                0 => {}
                1 => {
                    let junk = junk(number, 3000);
                    stranger.send.write_all(&junk).await.ok();
                }
                _ => {
                    // As many streams as it gets; that they are not counted is the point.
                    let open = timeout(Duration::from_secs(1), open_streams(&stranger.session));
                    open.await.ok();
                }
            }
            stranger.shown_out().await.map(|_| ())
        });
    }
    pelt(*agent.endpoints.first().context("no address")?).await?;
    for outcome in crowd.join_all().await {
        outcome?;
    }
    Ok(())
}

async fn open_streams(session: &Session) -> Result<()> {
    let mut streams = Vec::new();
    for number in 0..5000 {
        let mut stream = session.open_uni().await?;
        stream.write_all(&junk(number, 2000)).await?;
        streams.push(stream);
    }
    Ok(())
}

/// Packets that no QUIC ever sent.
async fn pelt(port: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    for number in 0..JUNK {
        socket.send_to(&junk(number, 1200), port).await?;
    }
    Ok(())
}

/// Connections to the coordinator that never finish what they began to ask, and stay.
async fn dawdle(center: &str) -> Result<Vec<TcpStream>> {
    let address = center.trim_start_matches("http://");
    let mut dawdlers = Vec::new();
    for number in 0..CROWD {
        let mut stream = TcpStream::connect(address).await?;
        let beginning = b"GET /v1/peer HTTP/1.1\r\nHost: ";
        let junk = junk(number, 200);
        let said = [&beginning[..], &junk[..]][usize::from(number % 2 == 0)];
        stream.write_all(said).await?;
        dawdlers.push(stream);
    }
    Ok(dawdlers)
}

#[tokio::test]
async fn strangers_get_nothing_and_whoever_watches_notices_nothing() -> Result<()> {
    let plan = Plan {
        agents: 1,
        ..Plan::default()
    };
    let stack = Stack::start("doors", plan).await?;
    let viewer = Viewer::watch(&stack, "live", "consent=1").await?;
    viewer.sees("__runnel.stats.bytes.peer > 0").await?;
    let victim = Guest::introduced(&stack, "victim").await?;
    let agent = victim.agent.clone();
    for door in [Door::Native, Door::Browser] {
        nobody_enters(door, &agent).await?;
    }

    let before = viewer.bytes().await?;
    let dawdlers = dawdle(&stack.center_url()?).await?;
    a_crowd_comes(&agent).await?;
    viewer.watches(6).await?;
    let after = viewer.bytes().await?;
    assert!(after.peer > before.peer, "no peer delivers any more");
    assert_eq!(viewer.stalls().await?, 0);
    viewer.got_what_the_origin_has(&stack).await?;

    // Once they are gone there is room again.
    let late = Viewer::watch(&stack, "live", "consent=1").await?;
    late.sees("__runnel.stats.bytes.peer > 0").await?;
    drop(dawdlers);
    victim.leaves().await;
    stack.stop().await
}
