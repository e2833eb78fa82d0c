//! The WebSocket to the coordinator: one postcard message per binary frame.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use runnel_peer_core::Input;
use runnel_protocol::WEBSOCKET_SUBPROTOCOL;
use runnel_protocol::codec::{MAX_MESSAGE, decode, encode};
use runnel_protocol::control::{FromCoordinator, Refused, ToCoordinator};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tracing::{debug, info};

use crate::inbox::{Arrival, Inbox};

/// Messages that wait to be sent: minutes of heartbeats. A coordinator that takes none of them
/// is gone.
const WAITING: usize = 256;
/// Time to connect, TLS and upgrade included.
const CONNECT: Duration = Duration::from_secs(10);
/// How often the coordinator is asked for a sign of life.
const PING: Duration = Duration::from_secs(10);
/// Silence after which it is gone, whatever TCP believes.
const SILENCE: Duration = Duration::from_secs(25);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why the coordinator is not, or no longer, connected.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("no answer")]
    NoAnswer,
    #[error("{}", .0.why)]
    Refused(Refused),
    #[error("it does not speak {WEBSOCKET_SUBPROTOCOL}")]
    Subprotocol,
    #[error("a malformed message")]
    Malformed,
    #[error("it closed the connection")]
    Closed,
    #[error(transparent)]
    Socket(#[from] tungstenite::Error),
}

/// The driver's hold on the connection to the coordinator.
#[derive(Debug)]
pub(crate) struct Coordinator {
    url: String,
    inbox: Inbox,
    /// Counts connections, so that a late word from an old one is recognised.
    count: u64,
    standing: Option<(mpsc::Sender<ToCoordinator>, JoinHandle<()>)>,
}

impl Coordinator {
    pub(crate) fn new(url: String, inbox: Inbox) -> Self {
        Self {
            url,
            inbox,
            count: 0,
            standing: None,
        }
    }

    /// Connects, giving up any earlier connection.
    pub(crate) fn connect(&mut self) {
        self.count += 1;
        let (sender, outgoing) = mpsc::channel(WAITING);
        let task = tokio::spawn(run(
            self.url.clone(),
            self.count,
            outgoing,
            self.inbox.clone(),
        ));
        self.standing = Some((sender, task));
    }

    /// Whether what the `count`th connection says still counts.
    pub(crate) fn is_current(&self, count: u64) -> bool {
        self.standing.is_some() && self.count == count
    }

    /// Sends, if there is a connection.
    pub(crate) fn send(&mut self, message: ToCoordinator) {
        let Some((sender, task)) = &self.standing else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(message) {
            debug!("the coordinator takes no messages");
            task.abort();
        }
    }

    /// Says what is still to be said and closes; waits for that at most `patience`.
    pub(crate) async fn close(&mut self, patience: Duration) {
        if let Some((sender, task)) = self.standing.take() {
            drop(sender);
            if timeout(patience, task).await.is_err() {
                debug!("left the coordinator without goodbye");
            }
        }
    }

    /// Closes in the background.
    pub(crate) fn disconnect(&mut self) {
        self.standing = None;
    }
}

/// Tells the driver when the task ends, however it ends.
struct Farewell {
    count: u64,
    inbox: Inbox,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let (count, inbox) = (self.count, self.inbox.clone());
        tokio::spawn(async move {
            let lost = Arrival::Coordinator(count, Input::CoordinatorLost);
            inbox.put(lost).await;
        });
    }
}

async fn run(url: String, count: u64, outgoing: mpsc::Receiver<ToCoordinator>, inbox: Inbox) {
    let _farewell = Farewell {
        count,
        inbox: inbox.clone(),
    };
    let connected = timeout(CONNECT, connect(&url)).await;
    let ended = match connected.unwrap_or(Err(Lost::NoAnswer)) {
        Ok(socket) => {
            inbox
                .put(Arrival::Coordinator(count, Input::CoordinatorConnected))
                .await;
            converse(socket, count, outgoing, &inbox).await
        }
        Err(Lost::Refused(refused)) => {
            let message = FromCoordinator::Refused(refused.clone());
            let message = Input::Coordinator(message);
            inbox.put(Arrival::Coordinator(count, message)).await;
            Err(Lost::Refused(refused))
        }
        Err(why) => Err(why),
    };
    if let Err(why) = ended {
        info!(%why, "no connection to the coordinator");
    }
}

async fn connect(url: &str) -> Result<Socket, Lost> {
    let mut request = url.into_client_request()?;
    let ours = HeaderValue::from_static(WEBSOCKET_SUBPROTOCOL);
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, ours.clone());
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let connected = connect_async_with_config(request, Some(config), true).await;
    let (socket, response) = connected.map_err(unconnected)?;
    if response.headers().get(SEC_WEBSOCKET_PROTOCOL) == Some(&ours) {
        Ok(socket)
    } else {
        Err(Lost::Subprotocol)
    }
}

fn unconnected(error: tungstenite::Error) -> Lost {
    if let tungstenite::Error::Http(response) = &error
        && let Some(refused) = refusal(response)
    {
        return Lost::Refused(refused);
    }
    error.into()
}

/// What an HTTP answer in place of the upgrade says, where it names the seconds after which to come
/// back (RFC 9110 §10.2.3; a date there is taken for no word).
fn refusal(response: &Response<Option<Vec<u8>>>) -> Option<Refused> {
    let after = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: u32 = after.parse().ok()?;
    Some(Refused {
        content: None,
        why: format!("the coordinator answers {}", response.status()),
        retry_after_ms: Some(seconds.saturating_mul(1000)),
    })
}

/// Speaks until either side has had enough. `Ok` if it was ours.
async fn converse(
    mut socket: Socket,
    count: u64,
    mut outgoing: mpsc::Receiver<ToCoordinator>,
    inbox: &Inbox,
) -> Result<(), Lost> {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = outgoing.recv() => match message {
                Some(message) => socket.send(Message::binary(encode(&message))).await?,
                None => {
                    socket.close(None).await?;
                    return Ok(());
                }
            },
            frame = socket.next() => {
                heard = Instant::now();
                if let Some(message) = read(frame.ok_or(Lost::Closed)??)? {
                    let message = Input::Coordinator(message);
                    inbox.put(Arrival::Coordinator(count, message)).await;
                }
            }
            _ = pings.tick() => {
                if heard.elapsed() > SILENCE {
                    return Err(Lost::NoAnswer);
                }
                socket.send(Message::Ping(Vec::new().into())).await?;
            }
        }
    }
}

fn read(frame: Message) -> Result<Option<FromCoordinator>, Lost> {
    match frame {
        Message::Binary(bytes) => decode(&bytes).map(Some).map_err(|_| Lost::Malformed),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
        Message::Text(_) => Err(Lost::Malformed),
        Message::Close(_) => Err(Lost::Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, after: Option<&str>) -> tungstenite::Error {
        let mut response = Response::new(None);
        *response.status_mut() = status.try_into().unwrap();
        if let Some(after) = after {
            let after = HeaderValue::from_str(after).unwrap();
            response.headers_mut().insert(RETRY_AFTER, after);
        }
        tungstenite::Error::Http(response.into())
    }

    #[test]
    fn whoever_is_told_when_to_come_back_before_the_upgrade_does_so() {
        let Lost::Refused(refused) = unconnected(answer(429, Some("7"))) else {
            panic!("the time is overlooked");
        };
        assert_eq!(refused.retry_after_ms, Some(7000));
        assert!(refused.why.contains("429"), "{}", refused.why);
    }

    #[test]
    fn other_answers_are_lost_connections() {
        let date = "Fri, 27 Nov 2026 09:00:00 GMT";
        for answer in [
            answer(429, None),
            answer(403, None),
            answer(503, Some(date)),
            answer(503, Some("-1")),
            tungstenite::Error::ConnectionClosed,
        ] {
            assert!(matches!(unconnected(answer), Lost::Socket(_)));
        }
    }
}
