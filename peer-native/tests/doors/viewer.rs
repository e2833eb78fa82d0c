//! A client of an agent, spoken by hand: it sends what a story wants sent, right or wrong.

use bytes::Bytes;
use runnel_peer_native::certificates::Certificates;
use runnel_peer_native::dial::dial;
use runnel_peer_native::endpoint::Endpoint;
use runnel_protocol::bulk::{BulkDecoder, BulkItem};
use runnel_protocol::codec::{FrameDecoder, encode_framed};
use runnel_protocol::control::ClientHello;
use runnel_protocol::ids::PeerId;
use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::peer::*;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signature::Statement as _;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::ticket::SignedTicket;
use web_transport_quinn::{RecvStream, SendStream, Session, SessionError, WebTransportError};

use crate::coordinator::now;
use crate::within;

/// A segment as it came over the wire.
pub(crate) struct Received {
    pub(crate) entry: SignedEntry,
    pub(crate) chunks: Vec<ProvenChunk>,
}

impl Received {
    /// All bytes, after each chunk was proven against the entry's root.
    pub(crate) fn proven(&self) -> Vec<u8> {
        let entry = &self.entry.body;
        let mut chunks: Vec<_> = self.chunks.iter().collect();
        chunks.sort_by_key(|chunk| chunk.index);
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.verify(&entry.root, entry.length))
        );
        chunks
            .iter()
            .flat_map(|chunk| chunk.data.to_vec())
            .collect()
    }
}

/// A link to an agent, before or after the handshake.
pub(crate) struct Viewer {
    pub(crate) keys: KeyPair,
    pub(crate) session: Session,
    send: SendStream,
    receive: RecvStream,
    decoder: FrameDecoder,
    requests: u32,
    /// Keeps the port open.
    _endpoint: Endpoint,
    _home: tempfile::TempDir,
}

impl Viewer {
    /// Connects over native QUIC; says nothing yet.
    pub(crate) async fn dial(agent: &ClientHello, seed: u8) -> Self {
        let home = tempfile::tempdir().unwrap();
        let certificates = Certificates::load(home.path(), now()).unwrap();
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), &certificates).unwrap();
        let session = dial(
            endpoint.clone(),
            agent.endpoints.clone(),
            agent.certificates.clone(),
        );
        let session = within(session).await.expect("the agent answers");
        let (send, receive) = within(session.accept_bi()).await.unwrap();
        Self {
            keys: KeyPair::from_seed(&[seed; 32]),
            session,
            send,
            receive,
            decoder: FrameDecoder::default(),
            requests: 0,
            _endpoint: endpoint,
            _home: home,
        }
    }

    /// Connects and presents `ticket`, answering the challenge.
    pub(crate) async fn present(agent: &ClientHello, seed: u8, ticket: SignedTicket) -> Self {
        let mut viewer = Self::dial(agent, seed).await;
        let Control::Challenge(challenge) = viewer.hear().await.unwrap() else {
            panic!("the acceptor speaks first");
        };
        let possession = Possession {
            nonce: challenge.nonce,
            acceptor: PeerId::of(&challenge.key),
            ticket: ticket.body.id,
        };
        let hello = Hello {
            key: viewer.keys.public(),
            signature: viewer.keys.sign_message(&possession.message()),
            tickets: vec![ticket],
        };
        viewer.say(&Control::Hello(hello)).await;
        viewer
    }

    /// [`Viewer::present`], and the agent takes it.
    pub(crate) async fn welcome(agent: &ClientHello, seed: u8, ticket: SignedTicket) -> Self {
        let mut viewer = Self::present(agent, seed, ticket).await;
        assert_eq!(viewer.hear().await, Some(Control::Welcome));
        viewer
    }

    pub(crate) async fn say(&mut self, message: &Control) {
        self.say_raw(&encode_framed(message)).await;
    }

    pub(crate) async fn say_raw(&mut self, bytes: &[u8]) {
        // An agent that has hung up already is found out by what comes next.
        self.send.write_all(bytes).await.ok();
    }

    /// The next control message; `None` once the agent has closed.
    pub(crate) async fn hear(&mut self) -> Option<Control> {
        loop {
            if let Some(message) = self.decoder.poll().unwrap() {
                return Some(message);
            }
            let read = within(self.receive.read_chunk(16 * 1024, true)).await;
            self.decoder.push(&read.ok()??.bytes);
        }
    }

    /// Why the agent closed; fails if it sends a byte of content before.
    pub(crate) async fn turned_away(&mut self) -> Option<CloseReason> {
        tokio::select! {
            biased;
            stream = self.session.accept_uni() => {
                assert!(stream.is_err(), "content for nobody who may have it");
                self.closed().await
            }
            reason = self.closed() => reason,
        }
    }

    /// Why the agent closed.
    pub(crate) async fn closed(&self) -> Option<CloseReason> {
        match within(self.session.closed()).await {
            SessionError::WebTransportError(WebTransportError::Closed(code, _)) => {
                CloseReason::from_code(code)
            }
            other => panic!("closed without a reason: {other}"),
        }
    }

    /// Asks for a whole segment and waits for it.
    pub(crate) async fn request(&mut self, segment: SegmentKey) -> Received {
        self.requests += 1;
        let request = Request {
            id: RequestId(self.requests),
            segment,
            first: 0,
            count: u32::MAX,
            within_ms: 10_000,
        };
        self.say(&Control::Request(request)).await;
        self.receive().await
    }

    /// Waits for the next segment, asked for or pushed.
    pub(crate) async fn receive(&mut self) -> Received {
        let session = self.session.clone();
        let mut stream = loop {
            tokio::select! {
                stream = within(session.accept_uni()) => break stream.unwrap(),
                said = self.hear() => match said {
                    Some(Control::Announce(_)) => {}
                    other => panic!("instead of a segment: {other:?}"),
                },
            }
        };
        let bytes = within(stream.read_to_end(1 << 26)).await.unwrap();
        cut(bytes.into())
    }
}

fn cut(bytes: Bytes) -> Received {
    let mut decoder = BulkDecoder::default();
    let mut bytes = &*bytes;
    let Some(BulkItem::Header(header)) = decoder.poll(&mut bytes).unwrap() else {
        panic!("a stream begins with its header");
    };
    let chunks = std::iter::from_fn(|| match decoder.poll(&mut bytes).unwrap()? {
        BulkItem::Chunk(chunk) => Some(chunk),
        BulkItem::Header(_) => panic!("a second header"),
    });
    let chunks = chunks.collect();
    assert!(decoder.is_complete());
    Received {
        entry: header.entry,
        chunks,
    }
}
