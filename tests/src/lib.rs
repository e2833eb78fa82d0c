//! What the end-to-end stories and the demo are made of: an origin that plays a clip live and on
//! demand, real processes that can be killed and frozen, and a real Chromium.

pub mod bench;
pub mod browser;
pub mod cached;
pub mod ending;
pub mod impostor;
pub mod lab;
pub mod liar;
pub mod media;
pub mod meter;
pub mod origin;
pub mod page;
pub mod process;
pub mod soak;
pub mod stack;
pub mod stream;
pub mod taps;
pub mod token_server;
pub mod wait;
