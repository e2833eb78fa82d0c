//! First packets without end at an agent's port, from addresses that never answer (T13): nobody there gets
//! more than three times what was sent in his name, and honest people come in meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use quinn::crypto::rustls::QuicClientConfig;
use runnel_protocol::channels::{BULK_CHANNEL, CONTROL_CHANNEL, ice_password};
use runnel_protocol::control::Contact;
use runnel_protocol::ids::CertificateHash;
use runnel_protocol::pinned::{SERVER_NAME, trusting};
use runnel_protocol::signing::KeyPair;
use runnel_tests::stack::{Plan, Stack};
use runnel_tests::wait;
use str0m::channel::ChannelConfig;
use str0m::{Candidate, IceCreds, Output, Rtc, RtcConfig};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::stranger::{Door, Guest, Stranger};

/// Bounds of everything, on a machine that compiles something as well.
const BOUND: Duration = Duration::from_secs(60);
/// Addresses in whose names packets are sent: more than the agent makes handshakes at a time.
const VICTIMS: u8 = 120;
/// Calls in each one's name: a call that is over is known, and is not answered again.
const CALLS: u8 = 40;
/// How often something is sent in anybody's name: 200 times a second, where the agent makes 64 handshakes
/// at a time, of five seconds each.
const PACE: Duration = Duration::from_millis(5);
/// RFC 9000 §8.1: what may be sent to an address that has proven nothing, per byte from there.
const CREDIT: u64 = 3;

/// Somebody in whose name packets are sent, who never says a word.
struct Victim {
    socket: UdpSocket,
    /// What is sent in its name, in turn.
    packets: Vec<Vec<u8>>,
    next: usize,
    sent: u64,
}

impl Victim {
    async fn new(number: u8, packets: Vec<Vec<u8>>, agent: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 9, number), 0)).await?;
        // What comes from elsewhere is not the agent's.
        socket.connect(agent).await?;
        Ok(Self {
            socket,
            packets,
            next: 0,
            sent: 0,
        })
    }

    async fn is_named(&mut self) -> Result<()> {
        let packet = &self.packets[self.next % self.packets.len()];
        self.socket.send(packet).await?;
        self.sent += u64::try_from(packet.len())?;
        self.next += 1;
        Ok(())
    }

    /// Bytes that have come to it.
    fn received(&self) -> Result<u64> {
        let (mut all, mut buffer) = (0, [0; 2000]);
        while let Ok(length) = self.socket.try_recv(&mut buffer) {
            all += u64::try_from(length)?;
        }
        Ok(all)
    }
}

/// Sends in everybody's name, round and round, until it is stopped.
struct Flood {
    going: JoinHandle<Result<Vec<Victim>>>,
    stop: Arc<tokio::sync::Notify>,
}

impl Flood {
    fn start(mut victims: Vec<Victim>) -> Self {
        let stop = Arc::new(tokio::sync::Notify::new());
        let stopped = Arc::clone(&stop);
        let going = tokio::spawn(async move {
            let mut pace = interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for victim in (0..victims.len()).cycle() {
                tokio::select! {
                    () = stopped.notified() => break,
                    _ = pace.tick() => victims[victim].is_named().await?,
                }
            }
            Ok(victims)
        });
        Self { going, stop }
    }

    async fn ends(self) -> Result<Vec<Victim>> {
        self.stop.notify_one();
        self.going.await?
    }
}

/// The first packet of a QUIC handshake, as an honest dialler sends it, each for another connection.
async fn hello_by_quic(certificates: &[CertificateHash]) -> Result<Vec<u8>> {
    let sink = UdpSocket::bind("127.0.0.1:0").await?;
    let dialler = quinn::Endpoint::client(([127, 0, 0, 1], 0).into())?;
    let tls = QuicClientConfig::try_from(trusting(certificates.to_vec())?)?;
    let config = quinn::ClientConfig::new(Arc::new(tls));
    let _dialling = dialler.connect_with(config, sink.local_addr()?, SERVER_NAME)?;
    let mut packet = vec![0; 2000];
    let length = timeout(BOUND, sink.recv(&mut packet)).await??;
    packet.truncate(length);
    Ok(packet)
}

/// A connectivity check with this password, as a browser sends it, each for another call.
fn hello_by_webrtc(agent: SocketAddr, certificate: &CertificateHash) -> Result<Vec<u8>> {
    let mut rtc: Rtc = RtcConfig::new().clear_codecs().build(Instant::now());
    rtc.add_local_candidate(Candidate::host(([127, 0, 0, 1], 9).into(), "udp")?);
    rtc.add_remote_candidate(Candidate::host(agent, "udp")?);
    let mut direct = rtc.direct_api();
    direct.set_ice_controlling(true);
    direct.set_remote_ice_credentials(IceCreds {
        ufrag: "call".to_owned(),
        pass: ice_password(certificate),
    });
    direct.set_remote_fingerprint(str0m::config::Fingerprint {
        hash_func: "sha-256".to_owned(),
        bytes: certificate.0.to_vec(),
    });
    direct.start_dtls(true)?;
    direct.start_sctp(true);
    for stream in [CONTROL_CHANNEL, BULK_CHANNEL] {
        direct.create_data_channel(ChannelConfig {
            negotiated: Some(stream),
            ..ChannelConfig::default()
        });
    }
    let mut now = Instant::now();
    loop {
        match rtc.poll_output()? {
            Output::Transmit(packet) => return Ok(packet.contents.to_vec()),
            Output::Event(_) => {}
            // Its clock runs as fast as it likes.
            Output::Timeout(next) => {
                now = now.max(next);
                rtc.handle_input(str0m::Input::Timeout(now))?;
            }
        }
    }
}

/// A stack with one agent, and somebody who knows it.
async fn besieged(name: &str) -> Result<(Stack, Guest, SocketAddr)> {
    let plan = Plan {
        agents: 1,
        ..Plan::default()
    };
    let stack = Stack::start(name, plan).await?;
    let guest = Guest::introduced(&stack, "guest").await?;
    let agent = *guest.agent.endpoints.first().context("no address")?;
    Ok((stack, guest, agent))
}

/// Waits until the agent says that it has refused somebody for this reason.
async fn refuses(stack: &Stack, reason: &str) -> Result<()> {
    let agent = stack.agents().first().context("no agent")?;
    let none = format!("{reason} 0,");
    let what = format!("a refusal: {reason}");
    wait::until(&what, BOUND, async || {
        let log = agent.log();
        let told = log
            .lines()
            .rev()
            .find(|line| line.contains("refused so far"))?;
        (told.contains(reason) && !told.contains(&none)).then_some(())
    })
    .await
}

/// Whoever knows the agent and has a ticket gets in, by either of QUIC's doors.
async fn the_honest_come_in(keys: [u8; 32], agent: &Contact) -> Result<()> {
    for door in [Door::Native, Door::Browser] {
        let mut honest = Stranger::at(door, agent, KeyPair::from_seed(&keys)).await?;
        honest.presents(vec![agent.ticket.clone()]).await?;
        honest.is_welcome().await?;
    }
    Ok(())
}

/// How many of them were sent anything; nobody more than his credit.
fn nobody_is_hit(victims: &[Victim]) -> Result<usize> {
    let mut answered = 0;
    for victim in victims {
        let received = victim.received()?;
        ensure!(
            received <= victim.sent * CREDIT,
            "{received} bytes for {} in his name",
            victim.sent
        );
        answered += usize::from(received > 0);
    }
    Ok(answered)
}

#[tokio::test]
async fn handshakes_that_go_nowhere_hit_nobody_and_keep_nobody_out() -> Result<()> {
    let (stack, guest, agent) = besieged("adversary-handshakes").await?;
    let (keys, contact) = guest.leaves().await;
    let mut victims = Vec::new();
    for number in 1..=VICTIMS {
        let packets = vec![hello_by_quic(&contact.certificates).await?];
        victims.push(Victim::new(number, packets, agent).await?);
    }
    let flood = Flood::start(victims);
    // Handshakes that were begun on trust have run out of time.
    refuses(&stack, "handshake").await?;
    the_honest_come_in(keys, &contact).await?;
    let victims = flood.ends().await?;
    ensure!(
        nobody_is_hit(&victims)? > 0,
        "no packet was answered at all"
    );
    stack.stop().await
}

#[tokio::test]
async fn calls_that_go_nowhere_hit_nobody_and_keep_nobody_out() -> Result<()> {
    let (stack, guest, agent) = besieged("adversary-calls").await?;
    let (keys, contact) = guest.leaves().await;
    let certificate = contact.certificates.first().context("no certificate")?;
    let mut victims = Vec::new();
    for number in 1..=VICTIMS {
        let calls = (0..CALLS).map(|_| hello_by_webrtc(agent, certificate));
        victims.push(Victim::new(number, calls.collect::<Result<_>>()?, agent).await?);
    }
    let flood = Flood::start(victims);
    refuses(&stack, "full").await?;
    the_honest_come_in(keys, &contact).await?;
    let victims = flood.ends().await?;
    ensure!(nobody_is_hit(&victims)? > 0, "no check was answered at all");
    stack.stop().await
}

#[tokio::test]
async fn checks_by_somebody_who_only_guesses_are_counted_and_never_answered() -> Result<()> {
    let (stack, guest, agent) = besieged("adversary-guesses").await?;
    let (keys, contact) = guest.leaves().await;
    let mut victims = Vec::new();
    for number in 1..=VICTIMS {
        let packets = vec![hello_by_webrtc(agent, &CertificateHash([number; 32]))?];
        victims.push(Victim::new(number, packets, agent).await?);
    }
    let flood = Flood::start(victims);
    refuses(&stack, "handshake").await?;
    the_honest_come_in(keys, &contact).await?;
    let victims = flood.ends().await?;
    ensure!(nobody_is_hit(&victims)? == 0, "an answer to a guess");
    stack.stop().await
}
