//! The engine against a host that only writes down: who is contacted when, and what is refused.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use runnel_peer_wasm::Engine;
use runnel_peer_wasm::host::Host;
use runnel_peer_wasm::want::WantInit;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen(module = "/tests/host.js")]
extern "C" {
    #[wasm_bindgen(js_name = recordingHost)]
    fn recording_host() -> JsValue;
    /// How often the host was asked for this.
    fn asked(host: &JsValue, name: &str) -> u32;
    #[wasm_bindgen(js_name = anyWant)]
    fn any_want() -> JsValue;
}

fn engine() -> (Engine, JsValue) {
    let host = recording_host();
    let given = host.clone().unchecked_into::<Host>();
    let engine = Engine::new(given, &[1; 32], &[2; 32], None).unwrap();
    (engine, host)
}

#[wasm_bindgen_test]
fn nobody_is_contacted_before_consent_and_the_coordinator_is_left_when_it_is_withdrawn() {
    let (mut engine, host) = engine();
    engine.open(Some("live".into()), String::new());
    engine.timeout();
    assert_eq!(asked(&host, "connectCoordinator"), 0);

    engine.consent(true, 0.0);
    engine.timeout();
    assert_eq!(asked(&host, "connectCoordinator"), 1);

    engine.consent(false, 0.0);
    assert_eq!(asked(&host, "disconnectCoordinator"), 1);
    assert_eq!(asked(&host, "dial"), 0);
}

#[wasm_bindgen_test]
fn a_want_is_declined_until_the_content_is_known() {
    let (mut engine, host) = engine();
    engine.consent(true, 0.0);
    let want = any_want().unchecked_into::<WantInit>();
    assert!(!engine.want(&want));
    assert_eq!(asked(&host, "fetch"), 0);
}

#[wasm_bindgen_test]
fn a_frame_that_is_no_message_is_refused_and_nothing_breaks() {
    let (mut engine, _) = engine();
    engine.consent(true, 0.0);
    for frame in [&[][..], &[0xff; 40], &[3; 70_000]] {
        assert!(!engine.coordinator_message(frame));
    }
    engine.timeout();
}

#[wasm_bindgen_test]
fn bytes_of_a_link_that_is_gone_are_dropped() {
    let (mut engine, host) = engine();
    engine.control_bytes(7.0, &[0xff; 100]);
    engine.bulk_bytes(7.0, 1.0, 100);
    engine.closed(7.0, -1);
    assert_eq!(asked(&host, "takeArrived"), 0);
    assert_eq!(asked(&host, "hangup"), 0);
}

#[wasm_bindgen_test]
fn a_pinned_key_that_is_none_is_named_as_the_fault() {
    let host = recording_host().unchecked_into::<Host>();
    let refused = Engine::new(host, &[1; 32], &[2; 32], Some("xyz".into()));
    assert_eq!(
        refused.err().as_deref(),
        Some("rootKey: not 64 hexadecimal digits")
    );
}
