//! Strangers at the doors of a running system: none of them gets a byte of media, and whoever
//! watches meanwhile notices nothing (T4, T13, T15).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use runnel_peer_core::Event;
use runnel_peer_native::certificates::Certificates;
use runnel_peer_native::config::Config;
use runnel_peer_native::dial::dial;
use runnel_peer_native::endpoint::Endpoint;
use runnel_peer_native::player::Player;
use runnel_protocol::WEBTRANSPORT_PATH;
use runnel_protocol::codec::{FrameDecoder, encode_framed};
use runnel_protocol::control::{Contact, Source};
use runnel_protocol::ids::PeerId;
use runnel_protocol::peer::{Challenge, CloseReason, Control, Hello, Possession};
use runnel_protocol::signature::{Signature, Statement as _};
use runnel_protocol::signing::KeyPair;
use runnel_protocol::ticket::SignedTicket;
use runnel_protocol::units::UnixSeconds;
use runnel_tests::stack::{Plan, Stack};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use web_transport_quinn::{
    ClientBuilder, RecvStream, SendStream, Session, SessionError, WebTransportError,
};

use crate::viewer::Viewer;

/// How long an answer may take while a browser plays beside it.
const BOUND: Duration = Duration::from_secs(20);
/// Strangers who come at once: more than the agent has places for.
const CROWD: u64 = 160;
/// Packets that are none.
const JUNK: u64 = 2000;

/// Which of the two doors behind an agent's port.
#[derive(Clone, Copy, Debug)]
enum Door {
    Native,
    Browser,
}

/// Somebody who has no business here.
struct Stranger {
    keys: KeyPair,
    session: Session,
    send: SendStream,
    receive: RecvStream,
    decoder: FrameDecoder,
}

impl Stranger {
    async fn at(door: Door, agent: &Contact) -> Result<Self> {
        let session = match door {
            Door::Native => natively(agent).await?,
            Door::Browser => like_a_browser(agent).await?,
        };
        let (send, receive) = timeout(BOUND, session.accept_bi()).await??;
        Ok(Self {
            keys: KeyPair::from_seed(&[0x57; 32]),
            session,
            send,
            receive,
            decoder: FrameDecoder::default(),
        })
    }

    async fn challenge(&mut self) -> Result<Challenge> {
        loop {
            if let Some(message) = self.decoder.poll()? {
                let Control::Challenge(challenge) = message else {
                    bail!("not a challenge: {message:?}");
                };
                return Ok(challenge);
            }
            let read = timeout(BOUND, self.receive.read_chunk(4096, true)).await??;
            self.decoder.push(&read.context("no challenge")?.bytes);
        }
    }

    /// Answers the challenge with these tickets and the stranger's own key.
    async fn presents(&mut self, tickets: Vec<SignedTicket>) -> Result<()> {
        let challenge = self.challenge().await?;
        let signature = match tickets.first() {
            None => Signature([0; 64]),
            Some(first) => self.keys.sign_message(
                &Possession {
                    nonce: challenge.nonce,
                    acceptor: PeerId::of(&challenge.key),
                    ticket: first.body.id,
                }
                .message(),
            ),
        };
        let key = self.keys.public();
        self.says(&Control::Hello(Hello {
            key,
            tickets,
            signature,
        }))
        .await
    }

    async fn says(&mut self, message: &Control) -> Result<()> {
        Ok(self.send.write_all(&encode_framed(message)).await?)
    }

    /// Waits to be shown out; fails at the first stream of media.
    async fn shown_out(&self) -> Result<CloseReason> {
        let gone = timeout(BOUND, async {
            tokio::select! {
                biased;
                Ok(_) = self.session.accept_uni() => None,
                gone = self.session.closed() => Some(gone),
            }
        });
        match gone.await?.context("media for a stranger")? {
            SessionError::WebTransportError(WebTransportError::Closed(code, _)) => {
                CloseReason::from_code(code).context("a code that nobody knows")
            }
            other @ (SessionError::ConnectionError(_)
            | SessionError::WebTransportError(_)
            | SessionError::SendDatagramError(_)) => bail!("no reason given: {other}"),
        }
    }
}

async fn natively(agent: &Contact) -> Result<Session> {
    let home = tempfile::tempdir()?;
    let certificates = Certificates::load(home.path(), UnixSeconds(1_795_000_000))?;
    let endpoint = Endpoint::bind(([127, 0, 0, 1], 0).into(), &certificates)?;
    let session = dial(
        endpoint,
        agent.endpoints.clone(),
        agent.certificates.clone(),
    );
    session.await.context("the agent does not answer")
}

async fn like_a_browser(agent: &Contact) -> Result<Session> {
    let hashes = agent.certificates.iter().map(|hash| hash.0.to_vec());
    let client = ClientBuilder::new().with_server_certificate_hashes(hashes.collect())?;
    let address = agent.endpoints.first().context("no address")?;
    let url: url::Url = format!("https://{address}{WEBTRANSPORT_PATH}").parse()?;
    Ok(timeout(BOUND, client.connect(url)).await??)
}

/// How the coordinator introduces an agent to an honest peer, with that peer's ticket.
async fn introduction(stack: &Stack) -> Result<(Player, Contact)> {
    let config = Config {
        coordinator: stack.door()?,
        listen: ([127, 0, 0, 1], 0).into(),
        data: stack.folder().join("victim"),
        content: vec!["live".to_owned()],
        ..Config::default()
    };
    let (victim, mut events) = Player::start(config).await?;
    let contact = timeout(BOUND, async {
        loop {
            if let Event::Assigned(assign) = events.recv().await? {
                let mut parents = assign.parents.into_iter();
                let agent = parents.find(|parent| parent.source == Source::Peer);
                if let Some(agent) = agent {
                    return anyhow::Ok(agent.contact);
                }
            }
        }
    });
    Ok((victim, contact.await??))
}

/// Without a ticket of one's own, nobody gets past either door.
async fn nobody_enters(door: Door, agent: &Contact) -> Result<()> {
    let genuine = &agent.ticket;
    let mut renamed = genuine.clone();
    renamed.body.client = KeyPair::from_seed(&[0x57; 32]).public();
    let forged = KeyPair::from_seed(&[0x58; 32]).sign(renamed.body.clone());
    for tickets in [
        vec![],
        vec![forged],
        vec![renamed],
        vec![genuine.clone()],
        vec![genuine.clone(); 9],
    ] {
        let mut stranger = Stranger::at(door, agent).await?;
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
            let Ok(mut stranger) = Stranger::at(door, &agent).await else {
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

/// Bytes without meaning, the same in every run (xorshift64*).
fn junk(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
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
    let (victim, agent) = introduction(&stack).await?;
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
    victim.stop().await;
    stack.stop().await
}
