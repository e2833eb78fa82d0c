//! The coordinator's side of the WebSocket, spoken by hand: it says what a story wants said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use runnel_protocol::WEBSOCKET_SUBPROTOCOL;
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::control::*;
use runnel_protocol::ids::*;
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::segment::SubstreamSet;
use runnel_protocol::signature::{Signed, Statement as _};
use runnel_protocol::signing::{KeyPair, verify};
use runnel_protocol::ticket::{SignedTicket, Ticket};
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// A peer whose session stands.
struct Member {
    hello: ClientHello,
    outgoing: mpsc::UnboundedSender<FromCoordinator>,
}

#[derive(Default)]
struct State {
    members: BTreeMap<PeerId, Member>,
    certificate: Option<Signed<StreamKeyCertificate>>,
    heard: Vec<ToCoordinator>,
    tickets: u8,
}

/// A coordinator that does nothing by itself but let peers in.
#[derive(Clone)]
pub(crate) struct Coordinator {
    address: SocketAddr,
    keys: Arc<KeyPair>,
    content: ContentId,
    state: Arc<Mutex<State>>,
}

impl Coordinator {
    pub(crate) async fn start(content: ContentId) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let coordinator = Self {
            address: listener.local_addr().unwrap(),
            keys: Arc::new(KeyPair::from_seed(&[42; 32])),
            content,
            state: Arc::default(),
        };
        let door = coordinator.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(door.clone().serve(stream));
            }
        });
        coordinator
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v1/peer", self.address)
    }

    /// What a peer said of itself when it came.
    pub(crate) fn hello(&self, peer: PeerId) -> ClientHello {
        self.state.lock().unwrap().members[&peer].hello.clone()
    }

    /// Offences that were reported.
    pub(crate) fn strikes(&self) -> Vec<Strike> {
        let state = self.state.lock().unwrap();
        let strikes = state.heard.iter().filter_map(|message| match message {
            ToCoordinator::Strike(strike) => Some(strike.clone()),
            _ => None,
        });
        strikes.collect()
    }

    /// A ticket for `client` at the agent `server`, good for a minute unless the story changes it.
    pub(crate) fn ticket(
        &self,
        server: PeerId,
        client: PublicKey,
        change: fn(&mut Ticket),
    ) -> SignedTicket {
        let server = self.hello(server).key;
        let mut state = self.state.lock().unwrap();
        state.tickets += 1;
        let mut ticket = Ticket {
            id: TicketId([state.tickets; 16]),
            server,
            client,
            content: self.content,
            tracks: Vec::new(),
            page: None,
            rate: BitsPerSecond::from_kilobits(1_000_000),
            bytes: 1 << 40,
            policy_version: 1,
            establish_before: now().plus(60),
            not_after: now().plus(600),
        };
        change(&mut ticket);
        self.keys.sign(ticket)
    }

    /// Has the waypoint attest what is at `master_url`.
    pub(crate) fn grant(&self, waypoint: PeerId, master_url: &str) {
        let grant = self.keys.sign(OriginGrant {
            content: self.content,
            name: "show".to_owned(),
            master_url: master_url.to_owned(),
            waypoint,
            expires: now().plus(600),
        });
        self.say(waypoint, FromCoordinator::Attest(grant));
    }

    /// Has `child` be fed by `parent`, the waypoint.
    pub(crate) fn assign(&self, parent: PeerId, child: PeerId) {
        let (above, below) = (self.hello(parent), self.hello(child));
        let ticket = self.ticket(parent, below.key, |_| {});
        let contact = |hello: &ClientHello| Contact {
            peer: PeerId::of(&hello.key),
            endpoints: hello.endpoints.clone(),
            certificates: hello.certificates.clone(),
            ticket: ticket.clone(),
        };
        let feeding = Parent {
            contact: contact(&above),
            source: Source::Waypoint,
            substreams: SubstreamSet::EMPTY,
            carries: SubstreamSet::all(1),
            why: "the only one".to_owned(),
        };
        let fed = Child {
            contact: contact(&below),
            priority: 1,
        };
        self.say(
            child,
            FromCoordinator::Assign(Box::new(self.plan(vec![feeding], vec![]))),
        );
        self.say(
            parent,
            FromCoordinator::Assign(Box::new(self.plan(vec![], vec![fed]))),
        );
    }

    /// Tells `peer` whose entries to trust, and nobody to be fed by.
    pub(crate) fn introduce(&self, peer: PeerId) {
        self.say(
            peer,
            FromCoordinator::Assign(Box::new(self.plan(vec![], vec![]))),
        );
    }

    fn plan(&self, parents: Vec<Parent>, children: Vec<Child>) -> Assign {
        let certificate = self.state.lock().unwrap().certificate.clone();
        Assign {
            epoch: 1,
            content: self.content,
            stripes: 1,
            carries: SubstreamSet::all(1),
            parents,
            children,
            stream_keys: certificate.into_iter().collect(),
            max_suggested_bitrate: None,
            treatment: Treatment::default(),
            why: String::new(),
        }
    }

    fn say(&self, peer: PeerId, message: FromCoordinator) {
        let state = self.state.lock().unwrap();
        state.members[&peer].outgoing.send(message).unwrap();
    }

    async fn serve(self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        #[expect(clippy::result_large_err, reason = "the library's callback")]
        let choose = |_: &Request, mut response: Response| {
            let ours = WEBSOCKET_SUBPROTOCOL.parse().unwrap();
            response
                .headers_mut()
                .insert("sec-websocket-protocol", ours);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, choose).await.unwrap();
        let nonce = Nonce([7; 32]);
        let (outgoing, mut queue) = mpsc::unbounded_channel();
        outgoing.send(FromCoordinator::Challenge(nonce)).unwrap();
        loop {
            tokio::select! {
                Some(message) = queue.recv() => {
                    let message = Message::binary(encode(&message));
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                frame = socket.next() => match frame {
                    Some(Ok(Message::Binary(bytes))) => {
                        self.on_message(decode(&bytes).unwrap(), nonce, &outgoing);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                }
            }
        }
    }

    fn on_message(
        &self,
        message: ToCoordinator,
        nonce: Nonce,
        outgoing: &mpsc::UnboundedSender<FromCoordinator>,
    ) {
        message.check_bounds().unwrap();
        match &message {
            ToCoordinator::Hello(hello) => {
                let proof = CoordinatorPossession { nonce }.message();
                assert!(verify(&hello.key, &proof, &hello.signature));
                outgoing.send(self.welcome(hello)).unwrap();
                let member = Member {
                    hello: (**hello).clone(),
                    outgoing: outgoing.clone(),
                };
                let peer = PeerId::of(&hello.key);
                self.state.lock().unwrap().members.insert(peer, member);
            }
            ToCoordinator::Enrol(enrol) => {
                let certificate = self.keys.sign(StreamKeyCertificate {
                    key: enrol.stream_key,
                    waypoint: PeerId([0; 16]),
                    contents: vec![self.content],
                    origins: Vec::new(),
                    issued: UnixSeconds(now().0 - 60),
                    expires: now().plus(3600),
                });
                self.state.lock().unwrap().certificate = Some(certificate.clone());
                outgoing
                    .send(FromCoordinator::Certificate(certificate))
                    .unwrap();
            }
            _ => {}
        }
        self.state.lock().unwrap().heard.push(message);
    }

    fn welcome(&self, hello: &ClientHello) -> FromCoordinator {
        FromCoordinator::Welcome(Box::new(Welcome {
            peer: PeerId::of(&hello.key),
            kind: PeerType::Regular,
            why: "a story's coordinator lets everybody in".to_owned(),
            heartbeat_ms: 1000,
            root_key: self.keys.public(),
            ticket_keys: vec![self.keys.public()],
            now: now(),
            policy_floor: 0,
        }))
    }
}

pub(crate) fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixSeconds(since.as_secs())
}
