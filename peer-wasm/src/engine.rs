//! The engine: what the Worker tells the peer, and the peer itself.

use core::mem::ManuallyDrop;

use bytes::Bytes;
use runnel_peer_core::{
    BulkId, CheckId, Config, FetchId, Input, LinkId, Peer, SignId, StreamId, WantId,
};
use runnel_protocol::codec::decode;
use runnel_protocol::control::{ContentLocator, FromCoordinator, Implementation, Platform};
use runnel_protocol::group::{GroupRequest, Strangers};
use runnel_protocol::ids::{ContentId, PublicKey};
use runnel_protocol::peer::CloseReason;
use runnel_protocol::signature::Signature;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::host::Host;
use crate::inbound::Inbound;
use crate::outputs;
use crate::want::{self, WantInit, millis, whole};

/// Most links of a browser: parents, standbys, and room for the change from one set to the next.
const MAX_LINKS: usize = 16;

/// One peer in one Worker. It ends with the Worker: what would take it apart is never run, and
/// left out.
#[wasm_bindgen]
pub struct Engine {
    peer: ManuallyDrop<Peer>,
    pub(crate) host: Host,
    pub(crate) links: ManuallyDrop<Links>,
    pub(crate) content: Option<ContentId>,
    /// Where arriving media is read, as long as the longest read was. With memory of its own for
    /// each read, between chunks that stay, the Worker takes a third more for the same media.
    inbox: ManuallyDrop<Vec<u8>>,
}

/// Links that the core dialled, under the numbers by which the Worker knows them; few enough to
/// be looked for one by one.
#[derive(Default)]
pub(crate) struct Links {
    count: u64,
    links: Vec<Linked>,
}

struct Linked {
    number: f64,
    id: LinkId,
    inbound: Inbound,
}

impl Links {
    /// A number for a link that is being dialled.
    pub(crate) fn add(&mut self, id: LinkId) -> f64 {
        self.count += 1;
        let number = number(self.count);
        self.links.push(Linked {
            number,
            id,
            inbound: Inbound::default(),
        });
        number
    }

    /// The number of a link; 0, which no link has, for one that is gone.
    pub(crate) fn number(&self, id: LinkId) -> f64 {
        let mut links = self.links.iter();
        links
            .find(|link| link.id == id)
            .map_or(0.0, |link| link.number)
    }

    /// Forgets a link; whatever still arrives over it is dropped.
    pub(crate) fn remove(&mut self, id: LinkId) -> f64 {
        let number = self.number(id);
        self.links.retain(|link| link.id != id);
        number
    }

    fn find(&mut self, number: f64) -> Option<&mut Linked> {
        self.links
            .iter_mut()
            .find(|link| link.number.total_cmp(&number).is_eq())
    }
}

/// A count as a JavaScript number.
pub(crate) fn number(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counters stay far below 2^53")]
    let number = count as f64;
    number
}

/// Getting started, and the way to the coordinator.
#[wasm_bindgen]
impl Engine {
    /// A peer with this public key (32 bytes) and this seed (32 bytes of good entropy). `root_key`
    /// pins the operator's root key, in hexadecimal.
    ///
    /// # Errors
    /// In words, when an argument has the wrong form.
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: Host,
        key: &[u8],
        seed: &[u8],
        root_key: Option<String>,
    ) -> Result<Engine, String> {
        let root_key = root_key.map(|text| text.parse()).transpose();
        let config = Config {
            key: PublicKey(key.try_into().map_err(|_| "key: not 32 bytes")?),
            implementation: Implementation {
                version: concat!("runnel-web ", env!("CARGO_PKG_VERSION")).into(),
                platform: Platform::Browser,
                accepts: false,
            },
            uplink: BitsPerSecond(0),
            root_key: root_key.map_err(|_| "rootKey: not 64 hexadecimal digits")?,
            join_token: None,
            origin: true,
            waypoint: false,
            disk: false,
            memory: Config::BROWSER_MEMORY,
            max_links: MAX_LINKS,
            max_handshakes: 0,
        };
        let seed = seed.try_into().map_err(|_| "seed: not 32 bytes")?;
        let peer = Peer::new(config, seed, timestamp(host.now()));
        Ok(Self {
            peer: ManuallyDrop::new(peer),
            host,
            links: ManuallyDrop::default(),
            content: None,
            inbox: ManuallyDrop::default(),
        })
    }

    /// Takes part in the content registered under `name`, or in that of this master playlist.
    pub fn open(&mut self, name: Option<String>, master_url: String) {
        let content = match name {
            Some(name) => ContentLocator::Name(name),
            None => ContentLocator::MasterUrl(master_url),
        };
        self.handle(Input::Open {
            content,
            plays: true,
        });
    }

    /// What the viewer allows; `uplink` in bits per second, 0 for no uploads.
    pub fn consent(&mut self, peers: bool, uplink: f64) {
        let uplink = BitsPerSecond(whole(uplink));
        self.handle(Input::Consent { peers, uplink });
    }

    /// A join token, in place of the one before.
    pub fn token(&mut self, token: String) {
        self.handle(Input::Token(token));
    }

    /// Joins the group that `text` invites to; or makes one that is called so, where `strangers` is 1 (they are
    /// fed and asked as others are), 2 (last) or 3 (never).
    pub fn group(&mut self, text: String, strangers: u8) {
        let request = match strangers {
            0 => text.parse().ok().map(GroupRequest::Join),
            rule => Some(GroupRequest::Found {
                name: text,
                strangers: match rule {
                    1 => Strangers::Yes,
                    2 => Strangers::Last,
                    _ => Strangers::No,
                },
            }),
        };
        if let Some(request) = request {
            self.handle(Input::Group(request));
        }
    }

    /// The WebSocket stands.
    #[wasm_bindgen(js_name = coordinatorConnected)]
    pub fn coordinator_connected(&mut self) {
        self.handle(Input::CoordinatorConnected);
    }

    /// A binary frame came. `false`: it is none of ours, close the WebSocket.
    #[wasm_bindgen(js_name = coordinatorMessage)]
    pub fn coordinator_message(&mut self, bytes: &[u8]) -> bool {
        let message = decode::<FromCoordinator>(bytes);
        let understood = message.is_ok();
        if let Ok(message) = message {
            self.handle(Input::Coordinator(message));
        }
        understood
    }

    /// The WebSocket is gone or could not be made.
    #[wasm_bindgen(js_name = coordinatorLost)]
    pub fn coordinator_lost(&mut self) {
        self.handle(Input::CoordinatorLost);
    }

    /// The time set by `wakeAt` has come.
    pub fn timeout(&mut self) {
        self.peer.handle_timeout(timestamp(self.host.now()));
        self.settle();
    }

    /// The core checked or made a signature with the Worker's help.
    pub fn checked(&mut self, check: f64, good: bool) {
        self.handle(Input::Checked(CheckId(whole(check)), good));
    }

    /// A signature made with the session's key, 64 bytes.
    pub fn signed(&mut self, sign: f64, signature: &[u8]) {
        if let Ok(signature) = signature.try_into() {
            self.handle(Input::Signed(SignId(whole(sign)), Signature(signature)));
        }
    }

    /// Leaves in order.
    pub fn drain(&mut self) {
        self.handle(Input::Drain);
    }
}

/// The player's side.
#[wasm_bindgen]
impl Engine {
    /// The player asks for a segment. `false`: no content is open, ask elsewhere.
    pub fn want(&mut self, init: &WantInit) -> bool {
        let Some(content) = self.content else {
            return false;
        };
        let took = init.cdn_took();
        if took > 0.0 {
            self.handle(Input::CdnTook(millis(took)));
        }
        self.handle(Input::Want(want::read(init, content)));
        true
    }

    /// The player no longer needs it.
    pub fn abandon(&mut self, want: f64) {
        self.handle(Input::Abandon(WantId(whole(want))));
    }

    /// How playback goes: media ahead of the playhead in milliseconds, stalls since the last
    /// report, rate of the rendition in bits per second.
    pub fn playback(&mut self, buffer: f64, stalls: u16, rate: f64) {
        let Some(content) = self.content else { return };
        self.handle(Input::Playback {
            content,
            buffer: millis(buffer),
            stalls,
            rate: BitsPerSecond(whole(rate)),
        });
    }

    /// The player got this many bytes from the CDN without asking here.
    #[wasm_bindgen(js_name = playedFromCdn)]
    pub fn played_from_cdn(&mut self, bytes: f64) {
        let Some(content) = self.content else { return };
        let bytes = whole(bytes);
        self.handle(Input::PlayedFromCdn { content, bytes });
    }

    /// Bytes from the CDN, in order.
    pub fn fetched(&mut self, fetch: f64, bytes: Vec<u8>) {
        self.handle(Input::Fetched(FetchId(whole(fetch)), Bytes::from(bytes)));
    }

    /// The CDN sent all of it.
    #[wasm_bindgen(js_name = fetchDone)]
    pub fn fetch_done(&mut self, fetch: f64) {
        self.handle(Input::FetchDone(FetchId(whole(fetch))));
    }

    /// The CDN failed.
    #[wasm_bindgen(js_name = fetchFailed)]
    pub fn fetch_failed(&mut self, fetch: f64) {
        self.handle(Input::FetchFailed(FetchId(whole(fetch))));
    }
}

/// Links to other peers.
#[wasm_bindgen]
impl Engine {
    /// A dialled link's transport stands.
    pub fn connected(&mut self, link: f64) {
        self.on_link(link, Input::Connected);
    }

    /// A dial came to nothing.
    #[wasm_bindgen(js_name = dialFailed)]
    pub fn dial_failed(&mut self, link: f64) {
        self.on_link(link, Input::DialFailed);
        self.forget(link);
    }

    /// A link is gone, with the code that the other end gave; -1 for none.
    pub fn closed(&mut self, link: f64, code: i32) {
        let reason = u32::try_from(code).ok().and_then(CloseReason::from_code);
        self.on_link(link, |id| Input::Closed(id, reason));
        self.forget(link);
    }

    /// Bytes of the control stream.
    #[wasm_bindgen(js_name = controlBytes)]
    pub fn control_bytes(&mut self, link: f64, bytes: &[u8]) {
        if let Some(linked) = self.links.find(link) {
            let inputs = linked.inbound.control(linked.id, bytes);
            self.handle_all(link, inputs);
        }
    }

    /// So many bytes of an arriving bulk stream, which the Worker numbers; the host gives them out.
    #[wasm_bindgen(js_name = bulkBytes)]
    pub fn bulk_bytes(&mut self, link: f64, stream: f64, length: usize) {
        if let Some(linked) = self.links.find(link) {
            if self.inbox.len() < length {
                self.inbox.resize(length, 0);
            }
            let (arrived, _) = self.inbox.split_at_mut(length);
            self.host.take_arrived(arrived);
            let stream = StreamId(whole(stream));
            let inputs = linked.inbound.bulk(linked.id, stream, arrived);
            self.handle_all(link, inputs);
        }
    }

    /// It ended, in order or not.
    #[wasm_bindgen(js_name = bulkEnded)]
    pub fn bulk_ended(&mut self, link: f64, stream: f64) {
        let stream = StreamId(whole(stream));
        if let Some(linked) = self.links.find(link) {
            linked.inbound.forget(stream);
        }
        self.on_link(link, |id| Input::BulkEnded(id, stream));
    }

    /// A chunk that was to be sent has left the Worker's hands.
    pub fn written(&mut self, link: f64, bulk: f64) {
        self.on_link(link, |id| Input::Written(id, BulkId(whole(bulk))));
    }
}

impl Engine {
    fn on_link(&mut self, link: f64, input: impl FnOnce(LinkId) -> Input) {
        if let Some(id) = self.links.find(link).map(|linked| linked.id) {
            self.handle(input(id));
        }
    }

    fn forget(&mut self, link: f64) {
        if let Some(id) = self.links.find(link).map(|linked| linked.id) {
            self.links.remove(id);
        }
    }

    fn handle_all(&mut self, link: f64, inputs: Vec<Input>) {
        for input in inputs {
            self.on_link(link, |_| input);
        }
    }

    fn handle(&mut self, input: Input) {
        self.peer.handle_input(input, timestamp(self.host.now()));
        self.settle();
    }

    /// Carries out what the peer asks for, then sets its alarm.
    fn settle(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            outputs::carry_out(self, output);
        }
        let wake = self.peer.poll_timeout();
        self.host
            .wake_at(wake.map_or(f64::INFINITY, |(at, _)| number(at.as_micros()) / 1000.0));
    }
}

fn timestamp(millis: f64) -> Timestamp {
    Timestamp::from_micros(whole(millis * 1000.0))
}
