//! A coordinator is killed, and everybody who was there comes back at once (T14): they are let in one after
//! another, none has to wait for longer than a minute, and none is lost.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::control::{
    ClientHello, CoordinatorPossession, FromCoordinator, Implementation, Platform, ToCoordinator,
};
use runnel_protocol::signature::Statement as _;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::BitsPerSecond;
use runnel_tests::stack::{Plan, Stack};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use url::Url;

use crate::counts::counted;

/// More than twice what the coordinator lets in at once.
const CROWD: u32 = 3000;
/// Within which all are back.
const BACK: Duration = Duration::from_secs(60);
/// What a peer waits for before it tries again, where nobody tells it: half a second, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const TURNED_AWAY: &str = "runnel_turned_away_total";

type Socket = WebSocketStream<TcpStream>;

/// What became of one attempt.
enum Attempt {
    In(Box<Socket>),
    /// Come back after so long.
    Later(Duration),
    Lost,
}

/// One of the crowd, in a network of its own with some hundred others.
#[derive(Clone)]
struct Member {
    number: u32,
    door: String,
    address: SocketAddr,
}

impl Member {
    /// Comes, as often as it takes.
    async fn comes(self) -> Result<(Self, Box<Socket>)> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.tries().await? {
                Attempt::In(socket) => return Ok((self, socket)),
                Attempt::Later(wait) => sleep(wait).await,
                Attempt::Lost => {
                    // Spread by its number, as a peer does it by chance.
                    sleep(pause.mul_f64(0.75 + f64::from(self.number % 50) / 100.0)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn tries(&self) -> Result<Attempt> {
        let mut request = self.door.as_str().into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "runnel.1".parse()?);
        let [.., high, low] = self.number.to_be_bytes();
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 1 + high, low, 1), 0).into())?;
        let Ok(stream) = socket.connect(self.address).await else {
            return Ok(Attempt::Lost);
        };
        match client_async(request, stream).await {
            Ok((socket, _)) => self.introduces_itself(Box::new(socket)).await,
            Err(Error::Http(response)) => bail!("{}", response.status()),
            Err(_) => Ok(Attempt::Lost),
        }
    }

    async fn introduces_itself(&self, mut socket: Box<Socket>) -> Result<Attempt> {
        loop {
            let Some(Ok(frame)) = socket.next().await else {
                return Ok(Attempt::Lost);
            };
            let Message::Binary(bytes) = frame else {
                continue;
            };
            match decode(&bytes)? {
                FromCoordinator::Challenge(nonce) => {
                    let hello = self.hello(&CoordinatorPossession { nonce }.message());
                    let hello = Message::Binary(encode(&hello).into());
                    if socket.send(hello).await.is_err() {
                        return Ok(Attempt::Lost);
                    }
                }
                FromCoordinator::Welcome(_) => return Ok(Attempt::In(socket)),
                FromCoordinator::Refused(refused) => {
                    let wait = refused.retry_after_ms.context("sent away for good")?;
                    return Ok(Attempt::Later(Duration::from_millis(wait.into())));
                }
                other => bail!("{other:?}"),
            }
        }
    }

    fn hello(&self, signed: &[u8]) -> ToCoordinator {
        let mut seed = [0x14; 32];
        seed[..4].copy_from_slice(&self.number.to_be_bytes());
        let keys = KeyPair::from_seed(&seed);
        ToCoordinator::Hello(Box::new(ClientHello {
            key: keys.public(),
            signature: keys.sign_message(signed),
            implementation: Implementation {
                version: "crowd".to_owned(),
                platform: Platform::Browser,
                accepts: false,
            },
            endpoints: Vec::new(),
            certificates: Vec::new(),
            uplink: BitsPerSecond(0),
            join_token: None,
        }))
    }
}

/// Everybody comes at the same time; how long it takes until the last one is in.
async fn all_come(crowd: Vec<Member>) -> Result<(Duration, Vec<(Member, Box<Socket>)>)> {
    let begin = Instant::now();
    let mut coming: JoinSet<_> = crowd.into_iter().map(Member::comes).collect();
    let mut inside = Vec::new();
    let all_in = async {
        while let Some(came) = coming.join_next().await {
            inside.push(came??);
        }
        anyhow::Ok(())
    };
    let in_time = timeout(BACK, all_in).await;
    match in_time {
        Ok(ended) => ended?,
        Err(_) => bail!("{} of {CROWD} are in after a minute", inside.len()),
    }
    Ok((begin.elapsed(), inside))
}

#[tokio::test]
async fn thousands_who_come_back_at_once_are_all_in_within_a_minute() -> Result<()> {
    let plan = Plan {
        agents: 0,
        waypoint: false,
        ..Plan::default()
    };
    let mut stack = Stack::start("adversary-stampede", plan).await?;
    let door = stack.door()?;
    let address = *Url::parse(&door)?
        .socket_addrs(|| None)?
        .first()
        .context("no address")?;
    let member = |number| Member {
        number,
        door: door.clone(),
        address,
    };
    let (_, inside) = all_come((0..CROWD).map(member).collect()).await?;

    stack.center()?.kill();
    let mut crowd = Vec::new();
    for (member, mut socket) in inside {
        while let Some(Ok(_)) = socket.next().await {}
        crowd.push(member);
    }
    stack.revive_center().await?;
    let (took, inside) = all_come(crowd).await?;
    ensure!(inside.len() == usize::try_from(CROWD)?);
    // The queue was needed at all.
    let turned_away = counted(&stack, TURNED_AWAY).await?;
    ensure!(turned_away > 0, "all {CROWD} were let in at once");
    println!("{CROWD} back after {took:?}, {turned_away} times told to come later");
    stack.stop().await
}
