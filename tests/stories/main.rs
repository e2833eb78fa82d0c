//! End-to-end stories: real processes, real Chromium, a real origin. Each takes the whole machine:
//! run them one at a time (`cargo xtask test --only stories`).

mod consent;
mod doors;
mod failures;
mod fallback;
mod groups;
mod guests;
mod liars;
mod limited;
mod peers;
mod plain;
mod policies;
mod reasons;
mod scattered;
mod second_way;
mod secrets;
mod stranger;
mod uploads;
mod viewer;
mod viewing;
