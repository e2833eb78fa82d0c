//! The WebSocket door for both kinds of peers: frames in, messages out, nothing decided.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use runnel_coordinator_core::{CloseCause, Input, SessionId, Whence};
use runnel_protocol::WEBSOCKET_SUBPROTOCOL;
use runnel_protocol::codec::{DecodeError, MAX_MESSAGE, decode};
use runnel_protocol::control::ToCoordinator;
use runnel_protocol::ids::PageOrigin;
use runnel_protocol::signing::verify;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::engine::{Command, Errand, Handle, Outbox};
use crate::measure;
use crate::operator::is_this_machine;
use crate::origins::is_loopback;
use crate::proxies::is_proxied;
use crate::tokens::{self, Keyring, Visitor};
use crate::turnstile::Turnstile;

/// Messages that wait for a slow session before it is cut off: an assignment each for several
/// contents, with room for a burst.
const OUTBOX: usize = 64;
/// A connection over which nothing has come for this long is gone; pings are sent thrice as often.
const IDLE: Duration = Duration::from_secs(30);
const PING: Duration = Duration::from_secs(10);
/// A frame that is not taken within this time counts as never.
const SEND: Duration = Duration::from_secs(10);
/// Messages a second that a session may send, and how many at once: heartbeats are one a second,
/// and a busy agent reports an outcome per child.
const MESSAGES_PER_SECOND: u32 = 50;
const BURST: u32 = 500;

/// What the door needs.
#[derive(Debug)]
pub(crate) struct Door {
    engine: Handle,
    keyring: watch::Receiver<Arc<Keyring>>,
    turnstile: Turnstile,
    /// Whether the operator has named the proxies.
    knows_proxies: bool,
    next: AtomicU64,
    tasks: TaskTracker,
}

impl Door {
    pub(crate) fn new(
        engine: Handle,
        keyring: watch::Receiver<Arc<Keyring>>,
        (turnstile, knows_proxies): (Turnstile, bool),
        tasks: TaskTracker,
    ) -> Self {
        Self {
            engine,
            keyring,
            turnstile,
            knows_proxies,
            next: AtomicU64::new(1),
            tasks,
        }
    }

    /// Whether pages of this site may join, as far as that can be said before a token is seen.
    fn welcomes(&self, origin: &str) -> bool {
        self.keyring.borrow().welcomes(origin)
    }

    /// The answer to whoever comes from a network that brings too many at once.
    fn turns_away(&self, headers: &HeaderMap, address: IpAddr) -> Option<Response> {
        let is_masked = is_loopback(address) && is_proxied(headers);
        if is_masked && !self.knows_proxies {
            // Everybody behind the proxy has its address: only it can tell them apart.
            return None;
        }
        let seconds = self.turnstile.pass(address).err()?;
        measure::refused_upgrade("rate");
        let words = format!("too many connections from this network: come back in {seconds} s\n");
        let after = [(header::RETRY_AFTER, seconds.to_string())];
        Some((StatusCode::TOO_MANY_REQUESTS, after, words).into_response())
    }

    /// Frees what is kept about networks that have become quiet; to be called every few seconds.
    pub(crate) fn upkeep(&self) {
        self.turnstile.forget_quiet();
    }
}

/// Takes a peer in.
pub(crate) async fn enter(
    State(door): State<Arc<Door>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Some(refusal) = door.turns_away(&headers, address.ip()) {
        return refusal;
    }
    let upgrade = upgrade
        .protocols([WEBSOCKET_SUBPROTOCOL])
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .max_write_buffer_size(4 * MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        measure::refused_upgrade("subprotocol");
        let words = format!("the WebSocket subprotocol {WEBSOCKET_SUBPROTOCOL} is required\n");
        return (StatusCode::BAD_REQUEST, words).into_response();
    }
    let visitor = visitor(&headers, address);
    if visitor
        .origin
        .as_ref()
        .is_some_and(|origin| !door.welcomes(origin))
    {
        measure::refused_upgrade("origin");
        let words = "pages of this site may not join: `runnel-coordinator provider add --origin`\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    upgrade.on_upgrade(move |socket| async move {
        let session = SessionId(door.next.fetch_add(1, Ordering::Relaxed));
        let visit = Visit::new(&door, session, visitor);
        let work = visit.stay(socket, address, door.engine.clone());
        // Tracked, so that a shutdown waits for the farewells.
        if door.tasks.spawn(work).await.is_err() {
            tracing::error!("a session's task panicked");
        }
    })
}

/// Who comes, by what the connection tells.
fn visitor(headers: &HeaderMap, address: SocketAddr) -> Visitor {
    let origin = headers.get(header::ORIGIN);
    Visitor {
        origin: origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned()),
        local: is_this_machine(headers, address.ip()),
    }
}

/// One session at the door.
struct Visit {
    session: SessionId,
    engine: Handle,
    keyring: watch::Receiver<Arc<Keyring>>,
    visitor: Visitor,
    cut: CancellationToken,
    heard: Instant,
    allowance: Allowance,
}

/// Why a visit ends.
enum End {
    /// The other side closed, or the network did.
    Gone,
    /// This side closes, with a code and words.
    Close(u16, &'static str),
}

impl Visit {
    fn new(door: &Door, session: SessionId, visitor: Visitor) -> Self {
        Self {
            session,
            engine: door.engine.clone(),
            keyring: door.keyring.clone(),
            visitor,
            cut: CancellationToken::new(),
            heard: Instant::now(),
            allowance: Allowance::new(Instant::now()),
        }
    }

    async fn stay(mut self, mut socket: WebSocket, address: SocketAddr, engine: Handle) {
        let (errands, inbox) = mpsc::channel(OUTBOX);
        let page = self.visitor.origin.as_ref();
        let opened = Command::Opened {
            session: self.session,
            from: Whence {
                address: address.ip().to_canonical(),
                page: page.map(|origin| PageOrigin::of(origin.as_bytes())),
            },
            outbox: Outbox {
                errands,
                cut: self.cut.clone(),
            },
        };
        if engine.tell(opened).await {
            let end = self.converse(&mut socket, inbox).await;
            farewell(socket, end).await;
        }
        let closed = Input::SessionClosed(self.session);
        engine.tell(Command::Input(closed)).await;
    }

    async fn converse(&mut self, socket: &mut WebSocket, mut inbox: mpsc::Receiver<Errand>) -> End {
        let mut pings = interval(PING);
        let cut = self.cut.clone();
        loop {
            let end = tokio::select! {
                () = cut.cancelled() => Some(End::Close(close_code::POLICY, "too slow")),
                frame = socket.recv() => self.on_frame(frame).await,
                errand = inbox.recv() => self.run(socket, errand).await,
                _ = pings.tick() => self.on_ping_time(socket).await,
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    async fn on_ping_time(&self, socket: &mut WebSocket) -> Option<End> {
        if self.heard.elapsed() >= IDLE {
            return Some(End::Close(close_code::AWAY, "nothing was heard"));
        }
        send(socket, Message::Ping(Default::default())).await
    }

    async fn on_frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Option<End> {
        let message = match frame {
            None => return Some(End::Gone),
            Some(Err(error)) => return Some(broken(&error)),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        match message {
            Message::Binary(bytes) => self.on_bytes(&bytes).await,
            Message::Text(_) => Some(refuse("text", close_code::UNSUPPORTED, "binary only")),
            Message::Close(_) => Some(End::Gone),
            Message::Ping(_) | Message::Pong(_) => None,
        }
    }

    async fn on_bytes(&mut self, bytes: &[u8]) -> Option<End> {
        measure::control_bytes("in", bytes.len());
        if !self.allowance.take(self.heard) {
            return Some(refuse("flood", close_code::POLICY, "too many messages"));
        }
        match read(bytes) {
            Ok(message) => {
                let session = self.session;
                let command = Command::Received { session, message };
                let alive = self.engine.tell(command).await;
                (!alive).then_some(End::Close(close_code::AWAY, "going down"))
            }
            Err(DecodeError::TooLong { .. }) => {
                Some(refuse("oversized", close_code::SIZE, "too long"))
            }
            Err(DecodeError::Malformed) => {
                Some(refuse("malformed", close_code::PROTOCOL, "malformed"))
            }
            Err(DecodeError::OutOfBounds(_)) => Some(refuse(
                "out_of_bounds",
                close_code::PROTOCOL,
                "out of bounds",
            )),
        }
    }

    async fn run(&self, socket: &mut WebSocket, errand: Option<Errand>) -> Option<End> {
        match errand {
            Some(Errand::Send(bytes)) => {
                measure::control_bytes("out", bytes.len());
                send(socket, Message::Binary(bytes.into())).await
            }
            Some(Errand::Check {
                key,
                message,
                signature,
            }) => {
                let valid = verify(&key, &message, &signature);
                let session = self.session;
                let verdict = Input::SignatureChecked { session, valid };
                self.engine.tell(Command::Input(verdict)).await;
                None
            }
            Some(Errand::CheckToken { key, token }) => {
                let keyring = Arc::clone(&self.keyring.borrow());
                let claim = (&key, token.as_deref());
                let verdict = tokens::judge(&keyring, &self.visitor, claim, clock::unix_seconds());
                let session = self.session;
                let verdict = Input::TokenChecked { session, verdict };
                self.engine.tell(Command::Input(verdict)).await;
                None
            }
            Some(Errand::Close(cause)) => {
                let (code, words) = closing(cause);
                Some(End::Close(code, words))
            }
            // The engine has let the session go.
            None => Some(End::Close(close_code::AWAY, "going down")),
        }
    }
}

fn read(bytes: &[u8]) -> Result<ToCoordinator, DecodeError> {
    let message: ToCoordinator = decode(bytes)?;
    message.check_bounds()?;
    Ok(message)
}

/// `None` when it was taken in time.
async fn send(socket: &mut WebSocket, message: Message) -> Option<End> {
    match timeout(SEND, socket.send(message)).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(End::Gone),
        Err(_) => {
            measure::slow_session();
            Some(End::Close(close_code::POLICY, "too slow"))
        }
    }
}

fn refuse(reason: &'static str, code: u16, words: &'static str) -> End {
    measure::refused_frame(reason);
    End::Close(code, words)
}

/// An error below the messages: too long a frame, or no WebSocket at all any more.
fn broken(error: &axum::Error) -> End {
    let words = error.to_string();
    if words.contains("too long") {
        return refuse("oversized", close_code::SIZE, "too long");
    }
    if words.contains("reset") || words.contains("closed") {
        return End::Gone;
    }
    refuse("broken", close_code::PROTOCOL, "not a WebSocket frame")
}

async fn farewell(mut socket: WebSocket, end: End) {
    if let End::Close(code, words) = end {
        let frame = CloseFrame {
            code,
            reason: words.into(),
        };
        let closing = socket.send(Message::Close(Some(frame)));
        // Who does not listen any more needs no goodbye.
        let _ = timeout(Duration::from_secs(1), closing).await;
    }
}

fn closing(cause: CloseCause) -> (u16, &'static str) {
    match cause {
        CloseCause::Busy => (close_code::AGAIN, "come back later"),
        CloseCause::Unproven => (close_code::POLICY, "the key is not proven"),
        CloseCause::Unauthorised => (close_code::POLICY, "no join token allows it"),
        CloseCause::OutOfOrder => (close_code::PROTOCOL, "out of order"),
        CloseCause::Replaced => (close_code::NORMAL, "replaced by another connection"),
        CloseCause::Left => (close_code::NORMAL, "goodbye"),
        CloseCause::Draining => (close_code::RESTART, "going down"),
    }
}

/// How many messages a session may send still.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            since: now,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let seconds = u32::try_from(now.duration_since(self.since).as_secs()).unwrap_or(u32::MAX);
        if seconds > 0 {
            let earned = seconds.saturating_mul(MESSAGES_PER_SECOND);
            self.left = self.left.saturating_add(earned).min(BURST);
            self.since = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}
