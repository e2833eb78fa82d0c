//! Somebody at the coordinator's door who says what he likes.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all that is heard, an attack waits for one thing"
)]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::control::{
    ClientHello, Contact, ContentLocator, CoordinatorPossession, FromCoordinator, Implementation,
    Open, PeerType, Platform, ToCoordinator,
};
use runnel_protocol::ids::{CertificateHash, PeerId};
use runnel_protocol::signature::Statement as _;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::BitsPerSecond;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// What a squatter says he can send: more than anybody else.
const MUCH: BitsPerSecond = BitsPerSecond(1_000_000_000);
/// The certificate that he says is shown where he sends others.
const CERTIFICATE: [CertificateHash; 1] = [CertificateHash([0x5a; 32])];
/// How long an answer may take.
const BOUND: Duration = Duration::from_secs(20);

/// What he comes with.
#[derive(Debug)]
pub struct Impostor {
    /// Who he says he is.
    pub keys: KeyPair,
    /// A provider's token.
    pub token: Option<String>,
    /// The site whose page he pretends to be, or is.
    pub origin: Option<&'static str>,
    /// What program he says he is.
    pub platform: Platform,
    /// Where he says that others can connect to him, and get much.
    pub endpoints: Vec<SocketAddr>,
}

/// What became of him.
#[derive(Debug, Default)]
pub struct Fate {
    /// The HTTP status with which he was turned away.
    pub status: Option<u16>,
    /// The words in which he was refused, in order.
    pub refusals: Vec<String>,
    /// Of whom he was told: addresses, tickets.
    pub introduced: Vec<Contact>,
    /// Whether he may take part in the content.
    pub opened: bool,
}

/// He has taken part in the content since, and stays until this is dropped.
#[derive(Debug)]
pub struct Squatter {
    socket: Socket,
    /// The name under which he is known.
    pub peer: PeerId,
}

impl Squatter {
    /// What he is treated as, once that was tested, and why.
    ///
    /// # Errors
    /// When he does not hear of it.
    pub async fn verdict(&mut self) -> Result<(PeerType, String)> {
        loop {
            let heard = timeout(BOUND, hear(&mut self.socket)).await;
            let heard = heard.context("no verdict")??;
            if let FromCoordinator::Type { kind, why, .. } = heard.context("shown out")? {
                return Ok((kind, why));
            }
        }
    }
}

impl Impostor {
    /// Joins at this door, asks for the live stream, and stays until he has his answer.
    ///
    /// # Errors
    /// When he is neither heard nor sent away.
    pub async fn tries(&self, door: &str) -> Result<Fate> {
        let fate = timeout(BOUND, self.meets_his_fate(door));
        fate.await.context("neither heard nor sent away")?
    }

    /// Joins at this door, takes part in the live stream, and stays.
    ///
    /// # Errors
    /// When he may not.
    pub async fn squats(&self, door: &str) -> Result<Squatter> {
        let mut socket = match self.knocks(door).await? {
            Ok(socket) => socket,
            Err(status) => bail!("turned away with {status}"),
        };
        loop {
            let heard = timeout(BOUND, hear(&mut socket)).await?;
            match heard?.context("shown out")? {
                FromCoordinator::Refused(refused) => bail!("refused: {}", refused.why),
                FromCoordinator::Opened(_) => break,
                message => self.answers(&mut socket, &message).await?,
            }
        }
        let peer = PeerId::of(&self.keys.public());
        Ok(Squatter { socket, peer })
    }

    /// A connection, or the HTTP status with which he is turned away.
    async fn knocks(&self, door: &str) -> Result<Result<Socket, u16>> {
        let mut request = door.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "runnel.1".parse()?);
        if let Some(origin) = self.origin {
            headers.insert("origin", origin.parse()?);
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Ok(socket)),
            Err(Error::Http(response)) => Ok(Err(response.status().as_u16())),
            Err(error) => bail!(error),
        }
    }

    /// Says what gets him in and to the live stream.
    async fn answers(&self, socket: &mut Socket, message: &FromCoordinator) -> Result<()> {
        match message {
            FromCoordinator::Challenge(nonce) => {
                let possession = CoordinatorPossession { nonce: *nonce };
                say(socket, &self.hello(&possession.message())).await
            }
            FromCoordinator::Welcome(_) => {
                let content = ContentLocator::Name("live".to_owned());
                let open = Open {
                    content,
                    plays: true,
                };
                say(socket, &ToCoordinator::Open(open)).await
            }
            _ => Ok(()),
        }
    }

    async fn meets_his_fate(&self, door: &str) -> Result<Fate> {
        let mut fate = Fate::default();
        let mut socket = match self.knocks(door).await? {
            Ok(socket) => socket,
            Err(status) => {
                fate.status = Some(status);
                return Ok(fate);
            }
        };
        while let Some(message) = hear(&mut socket).await? {
            self.answers(&mut socket, &message).await?;
            match message {
                FromCoordinator::Refused(refused) => {
                    fate.refusals.push(refused.why);
                    // The session of a page goes on; that of an agent does not.
                    if refused.content.is_some() && self.platform == Platform::Browser {
                        return Ok(fate);
                    }
                }
                FromCoordinator::Opened(_) => fate.opened = true,
                FromCoordinator::Assign(assign) => {
                    let parents = assign.parents.into_iter().map(|parent| parent.contact);
                    let children = assign.children.into_iter().map(|child| child.contact);
                    fate.introduced.extend(parents.chain(children));
                    return Ok(fate);
                }
                _ => {}
            }
        }
        Ok(fate)
    }

    fn hello(&self, signed: &[u8]) -> ToCoordinator {
        ToCoordinator::Hello(Box::new(ClientHello {
            key: self.keys.public(),
            signature: self.keys.sign_message(signed),
            implementation: Implementation {
                version: "impostor".to_owned(),
                platform: self.platform,
                accepts: !self.endpoints.is_empty(),
            },
            endpoints: self.endpoints.clone(),
            certificates: self
                .endpoints
                .first()
                .map_or_else(Vec::new, |_| CERTIFICATE.into()),
            uplink: match self.endpoints.is_empty() {
                true => BitsPerSecond(0),
                false => MUCH,
            },
            join_token: self.token.clone(),
        }))
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn say(socket: &mut Socket, message: &ToCoordinator) -> Result<()> {
    Ok(socket.send(Message::Binary(encode(message).into())).await?)
}

/// The next message; `None` once the coordinator has hung up.
async fn hear(socket: &mut Socket) -> Result<Option<FromCoordinator>> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(Some(decode(&bytes)?)),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(None),
            Some(Ok(_)) => {}
        }
    }
}
