//! What the module does in a real browser: `wasm-pack test --headless --chrome --mode no-install`.

#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use bytes::Bytes;
use js_sys::{Array, Promise, Uint8Array};
use runnel_protocol::ids::{Nonce, PeerId, PublicKey, Root, TicketId};
use runnel_protocol::peer::Possession;
use runnel_protocol::proof::{ProvenChunk, SegmentTree};
use runnel_protocol::segment::chunk_count;
use runnel_protocol::signature::{Signature, Statement};
use runnel_protocol::signing::verify;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen(module = "/tests/webcrypto.js")]
extern "C" {
    /// Resolves to [public key, signature] of a fresh key that cannot be exported.
    #[wasm_bindgen(js_name = signWithFreshKey)]
    fn sign_with_fresh_key(message: Uint8Array) -> Promise;
}

/// The input of BLAKE3's official test vectors: bytes that count from 0 to 250, over and over.
fn vector(length: usize) -> Bytes {
    (0..=250).cycle().take(length).collect()
}

fn proven(segment: &Bytes) -> (Root, Vec<ProvenChunk>) {
    let tree = SegmentTree::new(segment).unwrap();
    let chunks = (0..chunk_count(segment.len() as u64))
        .map(|index| tree.chunk(segment, index).unwrap())
        .collect();
    (tree.root(), chunks)
}

#[wasm_bindgen_test]
fn the_modules_hash_is_blake3() {
    // "hash", first 32 bytes, from test_vectors.json of the BLAKE3 repository.
    let (root, _) = proven(&vector(102_400));
    assert_eq!(
        root.to_string(),
        "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"
    );
}

#[wasm_bindgen_test]
fn every_true_chunk_is_believed_and_no_tampered_one() {
    let segment = vector(300_001);
    let (root, chunks) = proven(&segment);
    let length = segment.len() as u64;
    for chunk in &chunks {
        assert!(chunk.verify(&root, length));
        let mut flipped = chunk.data.to_vec();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let mut wrong = chunk.clone();
        wrong.data = flipped.into();
        assert!(!wrong.verify(&root, length));
        let mut moved = chunk.clone();
        moved.index = (chunk.index + 1) % chunk_count(length);
        assert!(!moved.verify(&root, length));
    }
}

#[wasm_bindgen_test]
async fn what_a_browser_signs_an_agent_accepts() {
    let possession = Possession {
        nonce: Nonce([7; 32]),
        acceptor: PeerId([1; 16]),
        ticket: TicketId([2; 16]),
    };
    let message = possession.message();
    let signed = sign_with_fresh_key(Uint8Array::from(message.as_slice()));
    let signed: Array = JsFuture::from(signed).await.unwrap().into();
    let key = PublicKey(bytes(&signed, 0).try_into().unwrap());
    let signature = Signature(bytes(&signed, 1).try_into().unwrap());
    assert!(verify(&key, &message, &signature));
    assert!(!verify(&key, b"another message", &signature));
}

fn bytes(array: &Array, index: u32) -> Vec<u8> {
    Uint8Array::new(&array.get(index)).to_vec()
}
