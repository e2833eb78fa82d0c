//! The third door behind the port: WebRTC, for browsers that have no WebTransport or cannot get through with it.
//!
//! Nothing is signalled (`runnel_protocol::channels`): whoever was assigned this agent knows its addresses and
//! its certificate, writes its answer himself, and comes with a connectivity check. One that knows the
//! password is answered; to any other the port is silent. So a flood of forgeries costs an HMAC each, and whoever
//! does know it has three bytes sent for each of his own, as with QUIC, until the handshake is done.

mod connection;
mod inbound;
mod outbound;
mod packets;
mod session;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runnel_protocol::channels::ice_password;
use runnel_protocol::meetings::Household;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::ice::StunMessage;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use crate::addresses::Truncated;
use crate::certificates::Certificates;
use crate::endpoint::Visitor;
use crate::inbox::{Arrival, Inbox};
use crate::limits::{HANDSHAKE_TIME, webrtc as limits};
use crate::port::{Datagram, Port};
use crate::refusals::{Refusal, Refusals};
use crate::transport;

use connection::{Caller, Connection, WAITING};
pub(crate) use session::{RecvStream, SendStream, Session};

/// Certificates that an assignment may name: the one in use, the next, and the one before, whose bearers are
/// still on their way when it is replaced.
const SHOWN: usize = 3;
/// Calls that are remembered after their end, and how long: Chromium gives up after 30 s.
const REMEMBERED: usize = 1024;
const REMEMBERED_FOR: Duration = Duration::from_secs(40);
/// Addresses from which one connection may come: a browser tries each of its interfaces.
const ADDRESSES: usize = 16;

/// A certificate as WebRTC shows it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    certificate: DtlsCert,
    password: String,
    crypto: Arc<CryptoProvider>,
}

/// Certificates to show, the first one for whoever does not care.
pub(crate) type Showcase = watch::Sender<Vec<Shown>>;

/// The certificates to begin with.
pub(crate) fn showcase(certificates: &Certificates) -> Showcase {
    watch::Sender::new(shown(certificates))
}

/// Shows these from now on, and for a while those before.
pub(crate) fn show(showcase: &Showcase, certificates: &Certificates) {
    showcase.send_modify(|showing| {
        let mut fresh = shown(certificates);
        let gone = |old: &Shown| fresh.iter().all(|new| new.password != old.password);
        let former: Vec<_> = showing.drain(..).filter(gone).collect();
        fresh.extend(former);
        fresh.truncate(SHOWN);
        *showing = fresh;
    });
}

fn shown(certificates: &Certificates) -> Vec<Shown> {
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let shown = certificates.with_keys().map(|(hash, der, key)| Shown {
        certificate: DtlsCert {
            certificate: der.to_vec(),
            private_key: key.to_vec(),
        },
        password: ice_password(&hash),
        crypto: Arc::clone(&crypto),
    });
    shown.collect()
}

/// Takes in who comes by WebRTC.
pub(crate) struct Door {
    pub(crate) port: Port,
    pub(crate) listening: SocketAddr,
    pub(crate) showing: watch::Receiver<Vec<Shown>>,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) handshakes: Arc<Semaphore>,
    /// Of those, what WebRTC may have.
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) inbox: Inbox,
    pub(crate) refusals: Arc<Refusals>,
}

/// What ICE calls a connection: our name for this call and the caller's, with a colon between.
type Name = Arc<str>;

/// Connections that there are, and whose datagrams are whose.
#[derive(Default)]
struct Calls {
    calls: HashMap<Name, Call>,
    addresses: HashMap<SocketAddr, Name>,
    tasks: JoinSet<Name>,
    /// Calls that are over: a browser goes on checking for a while, and gets no second one by that.
    over: VecDeque<(Instant, Name)>,
}

struct Call {
    datagrams: mpsc::Sender<Datagram>,
    addresses: Vec<SocketAddr>,
}

impl Door {
    /// Greets everybody who comes until the port is closed.
    pub(crate) async fn greet(self, datagrams: &mut mpsc::Receiver<Datagram>) {
        let mut calls = Calls::default();
        loop {
            tokio::select! {
                datagram = datagrams.recv() => match datagram {
                    Some(datagram) => self.on_datagram(datagram, &mut calls),
                    None => return,
                },
                Some(Ok(name)) = calls.tasks.join_next() => calls.forget(&name),
            }
        }
    }

    fn on_datagram(&self, datagram: Datagram, calls: &mut Calls) {
        if let Some(call) = calls.of(datagram.from) {
            // What its task does not take in time is lost, as on any network.
            call.datagrams.try_send(datagram).ok();
            return;
        }
        let Ok(check) = StunMessage::parse(&datagram.bytes) else {
            return;
        };
        if !check.is_binding_request() {
            return;
        }
        let Some((ours, theirs)) = check.split_username() else {
            return;
        };
        let name: Name = format!("{ours}:{theirs}").into();
        let Some(shown) = self.bearer(&check) else {
            debug!(from = %Truncated(datagram.from), "a check without the password is not answered");
            return self.refusals.count(Refusal::Handshake);
        };
        if calls.is_over(&name, Instant::now()) {
            return;
        }
        if !calls.calls.contains_key(&name) {
            let caller = Caller {
                from: datagram.from,
                to: self.asked(&datagram),
                asked: datagram.to,
                names: (ours.to_owned(), theirs.to_owned()),
            };
            self.answer(&caller, &shown, &name, calls);
        }
        calls.come_from(&name, datagram);
    }

    /// The certificate whose password the check knows.
    fn bearer(&self, check: &StunMessage<'_>) -> Option<Shown> {
        let showing = self.showing.borrow();
        let knows = |shown: &&Shown| {
            let hmac =
                |key: &[u8], parts: &[&[u8]]| shown.crypto.sha1_hmac_provider.sha1_hmac(key, parts);
            check.verify(shown.password.as_bytes(), hmac)
        };
        showing.iter().find(knows).cloned()
    }

    /// The address of ours that was asked, so that it is known again.
    fn asked(&self, datagram: &Datagram) -> SocketAddr {
        let loopback = || match datagram.from.ip() {
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        };
        let bound = Some(self.listening.ip()).filter(|ip| !ip.is_unspecified());
        // Any address does where the system tells none: packets leave by the port whatever it is.
        let ip = datagram.to.or(bound).unwrap_or_else(loopback);
        SocketAddr::new(ip, self.listening.port())
    }

    fn answer(&self, caller: &Caller, shown: &Shown, name: &Name, calls: &mut Calls) {
        let free = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned();
        let greeter = (free(&self.calls), free(&self.handshakes));
        let ((Ok(call), Ok(handshake)), Ok(place)) = (greeter, free(&self.places)) else {
            debug!(from = %Truncated(caller.from), "no room, refused");
            return self.refusals.count(Refusal::Full);
        };
        let (connection, opened) = match Connection::answer(caller, shown, self.port.clone()) {
            Ok(answered) => answered,
            Err(error) => return debug!(%error, "no answer by WebRTC"),
        };
        let (datagrams, arriving) = mpsc::channel(WAITING);
        let home = Household::of(caller.from.ip());
        let welcome = self.welcome(opened, [call, handshake], (home, place));
        let name = Arc::clone(name);
        let call = Call {
            datagrams,
            addresses: Vec::new(),
        };
        calls.calls.insert(Arc::clone(&name), call);
        tokio::spawn(welcome);
        calls.tasks.spawn(async move {
            connection.run(arriving).await;
            name
        });
    }

    /// Shows the visitor in once the channels are open; lets go of one who takes too long.
    fn welcome(
        &self,
        opened: tokio::sync::oneshot::Receiver<Session>,
        greeter: [OwnedSemaphorePermit; 2],
        (home, place): (Option<Household>, OwnedSemaphorePermit),
    ) -> impl Future<Output = ()> + Send + 'static {
        let (inbox, refusals) = (self.inbox.clone(), Arc::clone(&self.refusals));
        async move {
            let opened = timeout(HANDSHAKE_TIME, opened).await;
            drop(greeter);
            match opened {
                Ok(Ok(session)) => {
                    let session = transport::Session::WebRtc(session);
                    let visitor = Visitor {
                        session,
                        caller: runnel_peer_core::Caller { home, page: None },
                        place,
                    };
                    inbox.put(Arrival::Visitor(visitor)).await;
                }
                _ => refusals.count(Refusal::Handshake),
            }
        }
    }
}

impl Calls {
    fn of(&self, address: SocketAddr) -> Option<&Call> {
        self.calls.get(self.addresses.get(&address)?)
    }

    /// A call comes from this address too from now on.
    fn come_from(&mut self, name: &Name, datagram: Datagram) {
        let Some(call) = self.calls.get_mut(name) else {
            return;
        };
        if call.addresses.len() < ADDRESSES {
            call.addresses.push(datagram.from);
            self.addresses.insert(datagram.from, Arc::clone(name));
        }
        call.datagrams.try_send(datagram).ok();
    }

    fn forget(&mut self, name: &Name) {
        let gone = self.calls.remove(name);
        for address in gone.iter().flat_map(|call| &call.addresses) {
            self.addresses.remove(address);
        }
        if self.over.len() >= REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back((Instant::now(), Arc::clone(name)));
    }

    fn is_over(&mut self, name: &Name, now: Instant) -> bool {
        while self
            .over
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > REMEMBERED_FOR)
        {
            self.over.pop_front();
        }
        self.over.iter().any(|(_, over)| over == name)
    }
}
