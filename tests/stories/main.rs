//! End-to-end stories: real processes, real Chromium, a real origin. Each takes the whole machine:
//! run them one at a time (`cargo xtask test --only stories`).

mod doors;
mod failures;
mod fallback;
mod liars;
mod peers;
mod plain;
mod secrets;
mod viewer;
mod viewing;
