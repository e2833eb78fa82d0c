//! End-to-end stories: real processes, real Chromium, a real origin. Each takes the whole machine:
//! run them one at a time (`cargo xtask test --only stories`).

mod failures;
mod fallback;
mod peers;
mod plain;
mod viewer;
