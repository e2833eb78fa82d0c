//! Somebody at an agent's doors who says what he likes: the first messages by hand, over real
//! connections.

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
use runnel_tests::stack::Stack;
use tokio::time::timeout;
use web_transport_quinn::http::header::ORIGIN;
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{
    ClientBuilder, RecvStream, SendStream, Session, SessionError, WebTransportError,
};

/// How long an answer may take while a browser plays beside it.
const BOUND: Duration = Duration::from_secs(20);

/// Which of the two doors behind an agent's port.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Native,
    Browser,
}

/// Whose keys nobody knows.
pub(crate) fn nobody() -> KeyPair {
    KeyPair::from_seed(&[0x57; 32])
}

/// Somebody who may have no business here.
pub(crate) struct Stranger {
    keys: KeyPair,
    pub(crate) session: Session,
    pub(crate) send: SendStream,
    receive: RecvStream,
    decoder: FrameDecoder,
}

impl Stranger {
    pub(crate) async fn at(door: Door, agent: &Contact, keys: KeyPair) -> Result<Self> {
        let session = match door {
            Door::Native => natively(agent).await?,
            Door::Browser => like_a_browser(agent, None).await?,
        };
        Self::over(session, keys).await
    }

    /// The same over a connection that stands.
    pub(crate) async fn over(session: Session, keys: KeyPair) -> Result<Self> {
        let (send, receive) = timeout(BOUND, session.accept_bi()).await??;
        Ok(Self {
            keys,
            session,
            send,
            receive,
            decoder: FrameDecoder::default(),
        })
    }

    async fn hears(&mut self) -> Result<Control> {
        loop {
            if let Some(message) = self.decoder.poll()? {
                return Ok(message);
            }
            let read = timeout(BOUND, self.receive.read_chunk(4096, true)).await??;
            self.decoder
                .push(&read.context("nothing more is said")?.bytes);
        }
    }

    async fn challenge(&mut self) -> Result<Challenge> {
        let message = self.hears().await?;
        let Control::Challenge(challenge) = message else {
            bail!("not a challenge: {message:?}");
        };
        Ok(challenge)
    }

    /// Waits until he is let in.
    pub(crate) async fn is_welcome(&mut self) -> Result<()> {
        let message = self.hears().await?;
        ensure!(message == Control::Welcome, "not a welcome: {message:?}");
        Ok(())
    }

    /// Answers the challenge with these tickets and the stranger's own key.
    pub(crate) async fn presents(&mut self, tickets: Vec<SignedTicket>) -> Result<()> {
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

    pub(crate) async fn says(&mut self, message: &Control) -> Result<()> {
        Ok(self.send.write_all(&encode_framed(message)).await?)
    }

    /// Waits to be shown out; fails at the first stream of media.
    pub(crate) async fn shown_out(&self) -> Result<CloseReason> {
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

/// As a browser connects that runs a page of this site, or of none.
pub(crate) async fn like_a_browser(agent: &Contact, site: Option<&str>) -> Result<Session> {
    let hashes = agent.certificates.iter().map(|hash| hash.0.to_vec());
    let client = ClientBuilder::new().with_server_certificate_hashes(hashes.collect())?;
    let address = agent.endpoints.first().context("no address")?;
    let url: url::Url = format!("https://{address}{WEBTRANSPORT_PATH}").parse()?;
    let mut request = ConnectRequest::new(url);
    if let Some(site) = site {
        request = request.with_header(ORIGIN, site.parse()?);
    }
    Ok(timeout(BOUND, client.connect(request)).await??)
}

/// Somebody whom the coordinator introduced to an agent.
pub(crate) struct Guest {
    player: Player,
    seed: [u8; 32],
    /// The agent, with the guest's own ticket.
    pub(crate) agent: Contact,
}

impl Guest {
    /// Comes as an honest peer that plays the live stream, under this name.
    pub(crate) async fn introduced(stack: &Stack, name: &str) -> Result<Self> {
        let data = stack.folder().join(name);
        let config = Config {
            coordinator: stack.door()?,
            listen: ([127, 0, 0, 1], 0).into(),
            data: data.clone(),
            content: vec!["live".to_owned()],
            ..Config::default()
        };
        let (player, mut events) = Player::start(config).await?;
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
        let agent = contact.await??;
        let seed = std::fs::read(data.join("identity.key"))?;
        let seed = seed.as_slice().try_into()?;
        Ok(Self {
            player,
            seed,
            agent,
        })
    }

    /// The honest peer leaves; the seed of its keys and its ticket are left.
    pub(crate) async fn leaves(self) -> ([u8; 32], Contact) {
        self.player.stop().await;
        (self.seed, self.agent)
    }
}

/// Bytes without meaning, the same in every run (xorshift64*).
pub(crate) fn junk(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
