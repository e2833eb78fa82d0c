//! The lightweight peer: [`runnel_peer_core::Peer`] in a browser's Worker.
//!
//! The wall is drawn by size and clarity: Rust owns every decision and every byte format; the
//! Worker's TypeScript (`js/src/worker/`) owns the browser's objects: WebSocket, WebTransport,
//! fetch, WebCrypto, timers. Bytes come in through [`Engine`], commands go out through
//! [`host::Host`], so the module needs no `web-sys`, no futures and no JSON.
//!
//! It only ever dials; nothing here can accept.

mod engine;
mod events;
pub mod host;
mod inbound;
mod outputs;
pub mod want;

pub use engine::Engine;

/// 1 KB of code, where the standard library's allocator takes 8, for a tenth more memory where buffers
/// of 68 KB come and go between small ones.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
