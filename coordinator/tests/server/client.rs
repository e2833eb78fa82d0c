//! A client of the door that behaves, unless told otherwise, and a server to visit.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use runnel_coordinator::{ContentSetting, Server, Settings};
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::control::{
    ClientHello, ContentLocator, CoordinatorPossession, FromCoordinator, Implementation, Open,
    Platform, ToCoordinator, Welcome,
};
use runnel_protocol::ids::CertificateHash;
use runnel_protocol::signature::Statement;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::units::BitsPerSecond;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Nothing on loopback takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the REST API.
pub(crate) fn http() -> reqwest::Client {
    // The first test of the process installs it for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A server with the content `live` and a folder of its own.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

pub(crate) fn settings(folder: &TempDir) -> Settings {
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        data: folder.path().to_owned(),
        allow_private_origins: true,
        // Most agents here are mere words.
        probe: false,
        content: vec![ContentSetting {
            id: "live".to_owned(),
            provider: "demo".to_owned(),
            url: "http://127.0.0.1:9/live/master.m3u8".to_owned(),
            media_origins: Vec::new(),
            cdn_capacity_mbps: None,
            enforce: false,
        }],
        ..Settings::default()
    }
}

pub(crate) async fn house() -> House {
    house_with(|_| {}).await
}

/// A server whose settings differ from [`settings`].
pub(crate) async fn house_with(change: impl FnOnce(&mut Settings)) -> House {
    let folder = tempfile::tempdir().unwrap();
    let mut changed = settings(&folder);
    change(&mut changed);
    let server = Server::start(changed).await.unwrap();
    House { server, folder }
}

impl House {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// What a path answers to GET.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        http().get(self.url(path)).send().await.unwrap()
    }

    /// The JSON that a path answers with.
    pub(crate) async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    /// Asks for a content to be registered.
    pub(crate) async fn register(&self, content: Value) -> reqwest::Response {
        let request = http().post(self.url("/v1/contents")).json(&content);
        request.send().await.unwrap()
    }

    /// The value of a metric, zero where it was never counted.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.map_or(0.0, |line| {
            line.rsplit(' ').next().unwrap().parse().unwrap()
        })
    }

    /// Waits until a metric has risen above `before`.
    pub(crate) async fn rises(&self, name: &str, before: f64) {
        let risen = async {
            while self.metric(name).await <= before {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, risen)
            .await
            .unwrap_or_else(|_| panic!("{name} does not rise"));
    }
}

/// A connection to the door.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    pub(crate) key: KeyPair,
    /// Where an agent says that it is, with which certificate.
    pub(crate) place: (SocketAddr, CertificateHash),
    /// What it joins with.
    pub(crate) token: Option<String>,
}

/// Connects with this subprotocol.
pub(crate) async fn connect(house: &House, subprotocol: Option<&str>) -> Result<Client, Error> {
    let subprotocol = subprotocol.map(|name| ("sec-websocket-protocol", name));
    connect_with(house, subprotocol.as_slice()).await
}

/// Connects with these headers.
pub(crate) async fn connect_with(
    house: &House,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    let here = Ipv4Addr::LOCALHOST;
    connect_from(house, here, headers).await
}

/// Connects with these headers from an address of this machine, in 127.0.0.0/8.
pub(crate) async fn connect_from(
    house: &House,
    address: Ipv4Addr,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    connect_to(house.server.address(), address, headers).await
}

/// The same to any server.
pub(crate) async fn connect_to(
    server: SocketAddr,
    address: Ipv4Addr,
    headers: &[(&'static str, &str)],
) -> Result<Client, Error> {
    let url = format!("ws://{server}/v1/peer");
    let mut request = url.into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    let stream = socket.connect(server).await?;
    let (socket, _) = client_async(request, stream).await?;
    Ok(Client {
        socket,
        key: KeyPair::from_seed(&seed()),
        place: (([127, 0, 0, 1], 4433).into(), CertificateHash([1; 32])),
        token: None,
    })
}

/// Different for each client of the process.
fn seed() -> [u8; 32] {
    use std::sync::atomic::{AtomicU8, Ordering};
    static NEXT: AtomicU8 = AtomicU8::new(1);
    [NEXT.fetch_add(1, Ordering::Relaxed); 32]
}

impl Client {
    pub(crate) async fn visit(house: &House) -> Self {
        connect(house, Some("runnel.1")).await.unwrap()
    }

    /// A browser whose key is proven.
    pub(crate) async fn viewer(house: &House) -> (Self, Welcome) {
        let mut client = Self::visit(house).await;
        let welcome = client.introduce(Platform::Browser).await;
        (client, welcome)
    }

    /// An agent with 20 Mbit/s whose key is proven.
    pub(crate) async fn agent(house: &House) -> (Self, Welcome) {
        let mut client = Self::visit(house).await;
        let welcome = client.introduce(Platform::Native).await;
        (client, welcome)
    }

    /// Comes back as an agent with the same key.
    pub(crate) async fn reconnect(&mut self, house: &House) {
        self.socket = Self::visit(house).await.socket;
        self.introduce(Platform::Native).await;
    }

    pub(crate) async fn introduce(&mut self, platform: Platform) -> Welcome {
        match self.ask_to_join(platform).await {
            FromCoordinator::Welcome(welcome) => *welcome,
            other => panic!("{other:?}"),
        }
    }

    /// Proves its key, and hears what comes of it.
    pub(crate) async fn ask_to_join(&mut self, platform: Platform) -> FromCoordinator {
        let FromCoordinator::Challenge(nonce) = self.receive().await else {
            panic!("the challenge comes first");
        };
        let possession = CoordinatorPossession { nonce };
        let hello = self.hello(platform, &possession.message());
        self.send(&hello).await;
        self.receive().await
    }

    pub(crate) fn hello(&self, platform: Platform, signed: &[u8]) -> ToCoordinator {
        let native = platform == Platform::Native;
        let (endpoint, certificate) = self.place;
        let endpoints = native.then_some(endpoint).into_iter().collect();
        ToCoordinator::Hello(Box::new(ClientHello {
            key: self.key.public(),
            signature: self.key.sign_message(signed),
            implementation: Implementation {
                version: "test".to_owned(),
                platform,
                accepts: native,
            },
            endpoints,
            certificates: native.then_some(certificate).into_iter().collect(),
            uplink: BitsPerSecond::from_kilobits(if native { 20_000 } else { 0 }),
            join_token: self.token.clone(),
        }))
    }

    pub(crate) async fn open(&mut self, name: &str) {
        let content = ContentLocator::Name(name.to_owned());
        self.send(&ToCoordinator::Open(Open {
            content,
            plays: true,
        }))
        .await;
    }

    pub(crate) async fn send(&mut self, message: &ToCoordinator) {
        self.send_raw(Message::Binary(encode(message).into())).await;
    }

    pub(crate) async fn send_raw(&mut self, frame: Message) {
        assert!(self.try_send_raw(frame).await);
    }

    /// `false` once the server has closed.
    pub(crate) async fn try_send_raw(&mut self, frame: Message) -> bool {
        self.socket.send(frame).await.is_ok()
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> FromCoordinator {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap()
            {
                Message::Binary(bytes) => return decode(&bytes).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits for a message that `wanted` takes.
    pub(crate) async fn await_message<T>(
        &mut self,
        wanted: impl Fn(FromCoordinator) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = wanted(self.receive().await) {
                return found;
            }
        }
    }

    /// Reads on until the server closes; its close frame, `None` where it just hung up.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
