//! The third door: what a browser without WebTransport does, by another implementation's client side.

use std::net::SocketAddr;
use std::time::Instant;

use runnel_peer_native::agent::Agent;
use runnel_peer_native::config::Config;
use runnel_protocol::channels::{
    BULK_CHANNEL, CONTROL_CHANNEL, CONTROL_STREAM, Frame, ice_password,
};
use runnel_protocol::codec::{FrameDecoder, encode_framed};
use runnel_protocol::control::ClientHello;
use runnel_protocol::ids::{CertificateHash, PeerId};
use runnel_protocol::peer::{CloseReason, Control, Hello, Possession};
use runnel_protocol::signature::Statement as _;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::ticket::SignedTicket;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig};
use tokio::net::UdpSocket;
use tokio::time::{Instant as Moment, sleep_until};

use crate::coordinator::Coordinator;
use crate::{config, content, joined, lone_agent, within};

const SEED: u8 = 6;

/// A page that dials, from its own answer to its own offer.
struct Page {
    rtc: Rtc,
    socket: UdpSocket,
    own: SocketAddr,
    control: ChannelId,
    decoder: FrameDecoder,
}

/// What a page hears: a message, or that it is shown out, and why.
type Heard = Result<Control, Option<CloseReason>>;

impl Page {
    async fn dial(agent: SocketAddr, certificate: CertificateHash) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let own = socket.local_addr().unwrap();
        // Whoever answers from another address is not heard, as by a router or a browser.
        socket.connect(agent).await.unwrap();
        let mut rtc = RtcConfig::new().clear_codecs().build(Instant::now());
        rtc.add_local_candidate(Candidate::host(own, "udp").unwrap());
        rtc.add_remote_candidate(Candidate::host(agent, "udp").unwrap());
        let mut direct = rtc.direct_api();
        direct.set_ice_controlling(true);
        direct.set_remote_ice_credentials(IceCreds {
            ufrag: "call".to_owned(),
            pass: ice_password(&certificate),
        });
        direct.set_remote_fingerprint(str0m::config::Fingerprint {
            hash_func: "sha-256".to_owned(),
            bytes: certificate.0.to_vec(),
        });
        direct.start_dtls(true).unwrap();
        direct.start_sctp(true);
        let channel = |stream| ChannelConfig {
            negotiated: Some(stream),
            ..ChannelConfig::default()
        };
        let control = direct.create_data_channel(channel(CONTROL_CHANNEL));
        direct.create_data_channel(channel(BULK_CHANNEL));
        Self {
            rtc,
            socket,
            own,
            control,
            decoder: FrameDecoder::default(),
        }
    }

    fn say(&mut self, message: &Control) {
        let frame = Frame::Data(CONTROL_STREAM, encode_framed(message)).encode();
        let mut control = self.rtc.channel(self.control).unwrap();
        assert!(control.write(true, &frame).unwrap());
    }

    async fn hear(&mut self) -> Heard {
        within(self.next()).await
    }

    async fn next(&mut self) -> Heard {
        let mut buffer = vec![0; 2000];
        loop {
            if let Some(message) = self.decoder.poll().unwrap() {
                return Ok(message);
            }
            let wake = match self.rtc.poll_output().unwrap() {
                Output::Transmit(packet) => {
                    self.socket.send(&packet.contents).await.unwrap();
                    continue;
                }
                Output::Event(Event::ChannelData(message)) => {
                    match Frame::decode(message.data.into()).unwrap() {
                        Frame::Data(CONTROL_STREAM, bytes) => self.decoder.push(&bytes),
                        Frame::Close(code) => return Err(CloseReason::from_code(code)),
                        other => panic!("not for a stranger: {other:?}"),
                    }
                    continue;
                }
                Output::Event(_) => continue,
                Output::Timeout(wake) => wake,
            };
            tokio::select! {
                received = self.socket.recv(&mut buffer) => {
                    let bytes = &buffer[..received.unwrap()];
                    let from = self.socket.peer_addr().unwrap();
                    let receive = Receive::new(Protocol::Udp, from, self.own, bytes).unwrap();
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
                }
                () = sleep_until(Moment::from_std(wake)) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
                }
            }
        }
    }

    /// Answers the challenge with this ticket.
    async fn present(&mut self, agent: &ClientHello, ticket: SignedTicket) {
        let Ok(Control::Challenge(challenge)) = self.hear().await else {
            panic!("the acceptor speaks first");
        };
        assert_eq!(challenge.key, agent.key);
        let keys = KeyPair::from_seed(&[SEED; 32]);
        let possession = Possession {
            nonce: challenge.nonce,
            acceptor: PeerId::of(&challenge.key),
            ticket: ticket.body.id,
        };
        let signature = keys.sign_message(&possession.message());
        let tickets = vec![ticket];
        self.say(&Control::Hello(Hello {
            key: keys.public(),
            tickets,
            signature,
        }));
    }
}

#[tokio::test]
async fn a_page_with_a_ticket_is_let_in_by_either_certificate() {
    let (coordinator, agent, _home) = lone_agent().await;
    for certificate in agent.hello.certificates.clone() {
        let mut page = Page::dial(agent.hello.endpoints[0], certificate).await;
        let own = KeyPair::from_seed(&[SEED; 32]).public();
        let ticket = coordinator.ticket(agent.peer, own, |_| {});
        page.present(&agent.hello, ticket).await;
        assert_eq!(page.hear().await, Ok(Control::Welcome));
    }
}

#[tokio::test]
async fn another_viewers_ticket_is_refused_here_too() {
    let (coordinator, agent, _home) = lone_agent().await;
    let mut page = Page::dial(agent.hello.endpoints[0], agent.hello.certificates[0]).await;
    let anothers = KeyPair::from_seed(&[SEED + 1; 32]).public();
    let foreign = coordinator.ticket(agent.peer, anothers, |_| {});
    page.present(&agent.hello, foreign).await;
    assert_eq!(page.hear().await, Err(Some(CloseReason::Unauthorised)));
}

#[tokio::test]
async fn who_does_not_know_whom_he_wants_to_reach_hears_nothing() {
    let (_coordinator, agent, _home) = lone_agent().await;
    let address = agent.hello.endpoints[0];
    let mut guesser = Page::dial(address, CertificateHash([0; 32])).await;
    let mut welcome = Page::dial(address, agent.hello.certificates[0]).await;
    // The guesser's checks go out first, and again and again while the other one gets through.
    tokio::select! {
        heard = guesser.hear() => panic!("an answer to a guess: {heard:?}"),
        heard = welcome.hear() => assert!(matches!(heard, Ok(Control::Challenge(_)))),
    }
    let mut buffer = [0; 2000];
    assert!(guesser.socket.try_recv(&mut buffer).is_err());
}

#[tokio::test]
async fn whoever_asks_one_of_several_addresses_is_answered_from_it() {
    let coordinator = Coordinator::start(content()).await;
    let home = tempfile::tempdir().unwrap();
    let everywhere = Config {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..config(&coordinator, home.path())
    };
    let (agent, mut events) = Agent::start(everywhere).await.unwrap();
    let hello = coordinator.hello(joined(&mut events).await);
    let asked = SocketAddr::from(([127, 0, 0, 2], agent.address().port()));
    let mut page = Page::dial(asked, hello.certificates[0]).await;
    assert!(matches!(page.hear().await, Ok(Control::Challenge(_))));
}
