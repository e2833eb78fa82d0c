//! temp
pub mod addresses;
pub mod cache;
pub mod certificates;
pub mod clock;
pub mod dial;
pub mod endpoint;
mod limits;
pub mod secrets;
