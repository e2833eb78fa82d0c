//! Somebody at the coordinator's door who says what he likes.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::control::{
    ClientHello, Contact, ContentLocator, CoordinatorPossession, FromCoordinator, Implementation,
    Open, Platform, ToCoordinator,
};
use runnel_protocol::signature::Statement as _;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::BitsPerSecond;
use runnel_tests::stack::Stack;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long an answer may take.
const BOUND: Duration = Duration::from_secs(20);

/// What he comes with.
pub(crate) struct Impostor {
    pub(crate) keys: KeyPair,
    pub(crate) token: Option<String>,
    /// The site whose page he pretends to be, or is.
    pub(crate) origin: Option<&'static str>,
    pub(crate) platform: Platform,
}

/// What became of him.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// The HTTP status with which he was turned away.
    pub(crate) status: Option<u16>,
    /// The words in which he was refused, in order.
    pub(crate) refusals: Vec<String>,
    /// Of whom he was told: addresses, tickets.
    pub(crate) introduced: Vec<Contact>,
    /// Whether he may take part in the content.
    pub(crate) opened: bool,
}

impl Impostor {
    /// Joins, asks for the live stream, and stays until he has his answer.
    pub(crate) async fn tries(&self, stack: &Stack) -> Result<Fate> {
        let fate = timeout(BOUND, self.meets_his_fate(stack)).await;
        fate.context("neither heard nor sent away")?
    }

    async fn meets_his_fate(&self, stack: &Stack) -> Result<Fate> {
        let mut fate = Fate::default();
        let mut request = stack.door()?.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "runnel.1".parse()?);
        if let Some(origin) = self.origin {
            headers.insert("origin", origin.parse()?);
        }
        let mut socket = match connect_async(request).await {
            Ok((socket, _)) => socket,
            Err(Error::Http(response)) => {
                fate.status = Some(response.status().as_u16());
                return Ok(fate);
            }
            Err(error) => bail!(error),
        };
        while let Some(message) = hear(&mut socket).await? {
            match message {
                FromCoordinator::Challenge(nonce) => {
                    let possession = CoordinatorPossession { nonce };
                    say(&mut socket, &self.hello(&possession.message())).await?;
                }
                FromCoordinator::Welcome(_) => {
                    let content = ContentLocator::Name("live".to_owned());
                    let open = Open {
                        content,
                        plays: true,
                    };
                    say(&mut socket, &ToCoordinator::Open(open)).await?;
                }
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
                accepts: false,
            },
            endpoints: Vec::new(),
            certificates: Vec::new(),
            uplink: BitsPerSecond(0),
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
