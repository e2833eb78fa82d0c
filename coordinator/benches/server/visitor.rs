//! One peer at the door: proves its key, opens the content, and sends heartbeats in time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::control::{
    ClientHello, ContentLocator, ContentReport, CoordinatorPossession, Enrol, FromCoordinator,
    Heartbeat, Implementation, Open, ParentReport, Platform, ToCoordinator,
};
use runnel_protocol::ids::{CertificateHash, ContentId, PeerId, TrackId};
use runnel_protocol::segment::Substream;
use runnel_protocol::signature::Statement;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::BitsPerSecond;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// One of so many is an agent, with three times the rate as uplink.
const AGENTS: usize = 8;
const RATE: BitsPerSecond = BitsPerSecond::from_kilobits(2000);

/// Heartbeats of all come evenly, in so many steps of an interval.
const PHASES: usize = 997;

/// When heartbeats are sent.
pub(crate) struct Beats {
    pub(crate) start: watch::Receiver<bool>,
    pub(crate) interval: Duration,
}

pub(crate) struct Visitor {
    socket: WebSocketStream<TcpStream>,
    parents: Vec<PeerId>,
    sequence: u32,
    /// Which part of an interval its heartbeats come in.
    phase: f64,
}

impl Visitor {
    /// Connects, proves its key and opens the content, or enrols with a code.
    pub(crate) async fn arrive(
        address: SocketAddr,
        number: usize,
        code: Option<String>,
    ) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}/v1/peer").into_client_request()?;
        let protocol = runnel_protocol::WEBSOCKET_SUBPROTOCOL.parse()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = client_async(request, stream).await?;
        let mut visitor = Self {
            socket,
            parents: Vec::new(),
            sequence: 0,
            phase: (number % PHASES) as f64 / PHASES as f64,
        };
        visitor.introduce(number, code).await?;
        Ok(visitor)
    }

    async fn introduce(&mut self, number: usize, code: Option<String>) -> Result<()> {
        let FromCoordinator::Challenge(nonce) = self.receive().await? else {
            bail!("the challenge comes first");
        };
        let signed = CoordinatorPossession { nonce }.message();
        self.say(&ToCoordinator::Hello(Box::new(hello(number, &signed))))
            .await?;
        let FromCoordinator::Welcome(_) = self.receive().await? else {
            bail!("not welcome");
        };
        if code.is_some() {
            let stream_key = KeyPair::from_seed(&[9; 32]).public();
            return self
                .say(&ToCoordinator::Enrol(Enrol { code, stream_key }))
                .await;
        }
        let content = ContentLocator::Name("live".to_owned());
        let plays = true;
        self.say(&ToCoordinator::Open(Open { content, plays }))
            .await
    }

    async fn say(&mut self, message: &ToCoordinator) -> Result<()> {
        let frame = Message::Binary(encode(message).into());
        Ok(self.socket.send(frame).await?)
    }

    async fn receive(&mut self) -> Result<FromCoordinator> {
        loop {
            let frame = self.socket.next().await.context("the server closed")??;
            if let Message::Binary(bytes) = frame {
                return Ok(decode(&bytes)?);
            }
        }
    }

    /// Waits for the start, then sends a heartbeat per interval; the first ones are spread over
    /// one. What it is told meanwhile is taken in.
    pub(crate) async fn stay(mut self, mut beats: Beats) -> Result<()> {
        while !*beats.start.borrow() {
            tokio::select! {
                changed = beats.start.changed() => changed?,
                message = self.receive() => self.take_in(&message?),
            }
        }
        let phase = beats.interval.mul_f64(self.phase);
        let mut times = interval_at(tokio::time::Instant::now() + phase, beats.interval);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = times.tick() => {
                    let beat = self.heartbeat();
                    self.say(&beat).await?;
                }
                message = self.receive() => self.take_in(&message?),
            }
        }
    }

    fn take_in(&mut self, message: &FromCoordinator) {
        if let FromCoordinator::Assign(assign) = message {
            let parents = assign.parents.iter();
            self.parents = parents.map(|parent| parent.contact.peer).collect();
        }
    }

    fn heartbeat(&mut self) -> ToCoordinator {
        self.sequence += 1;
        let number = u64::from(self.sequence);
        let content = ContentId::of("live");
        let report = |peer: &PeerId| ParentReport {
            peer: *peer,
            content,
            received: 120_000,
            wasted: 0,
            sequence_numbers: (0..2).map(|stripe| (Substream(stripe), number)).collect(),
            late: false,
        };
        ToCoordinator::Heartbeat(Box::new(Heartbeat {
            sequence: self.sequence,
            covers_ms: 1000,
            parents: self.parents.iter().map(report).collect(),
            contents: vec![ContentReport {
                content,
                live: true,
                tracks: vec![(TrackId([3; 16]), number)],
                rate: RATE,
                from_peers: 240_000,
                from_waypoints: 0,
                from_cdn: 10_000,
                buffer_ms: Some(4000),
                stalls: 0,
                ladder: Vec::new(),
            }],
            ..Heartbeat::default()
        }))
    }
}

fn hello(number: usize, signed: &[u8]) -> ClientHello {
    let agent = number.is_multiple_of(AGENTS);
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    let key = KeyPair::from_seed(&seed);
    let agents_only = usize::from(agent);
    ClientHello {
        key: key.public(),
        signature: key.sign_message(signed),
        implementation: Implementation {
            version: "bench".to_owned(),
            platform: if agent {
                Platform::Native
            } else {
                Platform::Browser
            },
            accepts: agent,
        },
        endpoints: vec![([127, 0, 0, 1], 4433).into(); agents_only],
        certificates: vec![CertificateHash([1; 32]); agents_only],
        uplink: BitsPerSecond(3 * RATE.0 * u64::from(agent)),
        join_token: None,
    }
}
