//! What the Worker does for the engine: one method per side effect.
//!
//! Methods are called while the engine is borrowed. They must not call back into it before they
//! return; whatever they learn comes later, through a method of [`crate::Engine`].
//!
//! Bytes are lent for the call only: they lie in the module's memory, which the next call may move.
//!
//! Numbers that name things (links, streams, checks …) are counters far below 2⁵³, so that `f64`,
//! JavaScript's own number, holds them exactly.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// The Worker; `js/src/worker/host.ts` implements it.
    pub type Host;

    /// The time in milliseconds since the UNIX epoch; never runs backwards.
    #[wasm_bindgen(method)]
    pub fn now(this: &Host) -> f64;
    /// Call `Engine.timeout` at this time; replaces the time set before. Infinity: never.
    #[wasm_bindgen(method, js_name = wakeAt)]
    pub fn wake_at(this: &Host, time: f64);

    /// Open the WebSocket to the coordinator.
    #[wasm_bindgen(method, js_name = connectCoordinator)]
    pub fn connect_coordinator(this: &Host);
    /// Close it.
    #[wasm_bindgen(method, js_name = disconnectCoordinator)]
    pub fn disconnect_coordinator(this: &Host);
    /// Ask the site for another join token, and give it to `Engine.token`.
    #[wasm_bindgen(method, js_name = renewToken)]
    pub fn renew_token(this: &Host);
    /// Send one binary frame to the coordinator.
    #[wasm_bindgen(method, js_name = toCoordinator)]
    pub fn to_coordinator(this: &Host, message: &[u8]);

    /// Connect to `peer`: `endpoints` are to be tried in order, 18 bytes each (IPv6 address, IPv4
    /// mapped into it, then port); `certificates` are SHA-256 hashes, 32 bytes each.
    #[wasm_bindgen(method)]
    pub fn dial(this: &Host, link: f64, peer: &str, endpoints: &[u8], certificates: &[u8]);
    /// Write to the link's control stream.
    #[wasm_bindgen(method)]
    pub fn send(this: &Host, link: f64, bytes: &[u8]);
    /// Close the link with this code.
    #[wasm_bindgen(method)]
    pub fn hangup(this: &Host, link: f64, code: u32);

    /// Open a unidirectional stream that begins with `header`. Lower `order` goes first.
    #[wasm_bindgen(method, js_name = openBulk)]
    pub fn open_bulk(this: &Host, link: f64, bulk: f64, header: &[u8], order: f64);
    /// Write a chunk frame (its header, then its data) to it, then call `Engine.written`.
    #[wasm_bindgen(method, js_name = sendChunk)]
    pub fn send_chunk(this: &Host, link: f64, bulk: f64, header: &[u8], data: &[u8]);
    /// End it in order.
    #[wasm_bindgen(method, js_name = finishBulk)]
    pub fn finish_bulk(this: &Host, link: f64, bulk: f64);
    /// Break it off.
    #[wasm_bindgen(method, js_name = resetBulk)]
    pub fn reset_bulk(this: &Host, link: f64, bulk: f64);
    /// Copy the bytes that `Engine.bulkBytes` was called for into `room`, which is as long as they
    /// are.
    #[wasm_bindgen(method, js_name = takeArrived)]
    pub fn take_arrived(this: &Host, room: &mut [u8]);
    /// Tell the sender of an arriving stream to stop.
    #[wasm_bindgen(method, js_name = stopStream)]
    pub fn stop_stream(this: &Host, link: f64, stream: f64);

    /// Check an Ed25519 signature, then call `Engine.checked`.
    #[wasm_bindgen(method)]
    pub fn check(this: &Host, check: f64, key: &[u8], message: &[u8], signature: &[u8]);
    /// Sign with the session's key, then call `Engine.signed`.
    #[wasm_bindgen(method)]
    pub fn sign(this: &Host, sign: f64, message: &[u8]);

    /// Fetch bytes of a want's segment from the CDN: `length` bytes from `offset`, or all of it
    /// where `length` is 0.
    #[wasm_bindgen(method)]
    pub fn fetch(this: &Host, fetch: f64, want: f64, offset: f64, length: f64);
    /// The rest of that fetch is not needed.
    #[wasm_bindgen(method, js_name = cancelFetch)]
    pub fn cancel_fetch(this: &Host, fetch: f64);
    /// Make room for the `length` bytes of a segment that is to be delivered.
    #[wasm_bindgen(method, js_name = makeRoom)]
    pub fn make_room(this: &Host, length: u32);
    /// Copy a part of that segment to its place.
    #[wasm_bindgen(method)]
    pub fn fill(this: &Host, offset: u32, part: &[u8]);
    /// A want is fulfilled by that segment; how many bytes came from whom.
    #[wasm_bindgen(method)]
    pub fn deliver(
        this: &Host,
        want: f64,
        from_peers: f64,
        from_waypoints: f64,
        from_cdn: f64,
        rescued: bool,
    );
    /// A want cannot be fulfilled.
    #[wasm_bindgen(method)]
    pub fn fail(this: &Host, want: f64);

    /// The coordinator let this peer in.
    #[wasm_bindgen(method)]
    pub fn joined(this: &Host, peer: &str, regular: bool, why: &str);
    /// The content is known; wants are taken from here on.
    #[wasm_bindgen(method)]
    pub fn opened(this: &Host, content: &str, name: &str);
    /// The peer belongs to the group of this name, with its own invitation if it made it; or, where the name is
    /// empty, to none, and why.
    #[wasm_bindgen(method)]
    pub fn grouped(this: &Host, name: &str, invitation: &str, why: &str);
    /// The coordinator said no.
    #[wasm_bindgen(method)]
    pub fn refused(this: &Host, why: &str, for_good: bool);
    /// A new assignment; `parent` follows for each of its parents. `max_suggested` is the bitrate
    /// that the player is asked not to exceed, 0 where it may choose any.
    #[wasm_bindgen(method)]
    pub fn assigned(this: &Host, epoch: f64, why: &str, max_suggested: f64);
    /// How policies have the player play; comes before each `assigned`. `behind` is how much later it
    /// shows a live picture, in milliseconds, `max` the highest bitrate that it is to choose, 0 for
    /// any. `ends`: playback is over.
    #[wasm_bindgen(method)]
    pub fn treated(this: &Host, behind: f64, max: f64, ends: bool, why: &str);
    /// One parent of the assignment; `substreams` has one bit each.
    #[wasm_bindgen(method)]
    pub fn parent(this: &Host, peer: &str, waypoint: bool, substreams: u32, why: &str);
    /// A link stands.
    #[wasm_bindgen(method, js_name = linkUp)]
    pub fn link_up(this: &Host, link: f64, peer: &str);
    /// A link is gone; -1 where nobody gave a reason.
    #[wasm_bindgen(method, js_name = linkDown)]
    pub fn link_down(this: &Host, link: f64, code: i32);
    /// Verified bytes came in over a link.
    #[wasm_bindgen(method)]
    pub fn received(this: &Host, link: f64, waypoint: bool, bytes: u32);
    /// Media bytes went out over a link.
    #[wasm_bindgen(method)]
    pub fn sent(this: &Host, link: f64, bytes: u32);
    /// Bytes came too late, twice or for nobody.
    #[wasm_bindgen(method)]
    pub fn wasted(this: &Host, bytes: u32);
    /// A peer misbehaved; `offence` in words.
    #[wasm_bindgen(method)]
    pub fn struck(this: &Host, peer: &str, offence: &str);
    /// The CDN's bytes of a segment differ from the manifest: played, not served.
    #[wasm_bindgen(method)]
    pub fn mismatch(this: &Host, sequence: f64);
}
