//! The control center's server: sockets, keys, store and API around `coordinator-core`.
//!
//! One task owns the control center ([`engine`]); everything else talks to it over a bounded
//! channel: the WebSocket [`door`], the REST [`api`], the [`store`]'s answers, the [`prober`]'s. Media bytes never
//! come here.

mod api;
mod clock;
mod codes;
mod door;
mod engine;
mod feed_api;
mod feeds;
mod group_api;
mod groups;
mod history_api;
mod keeper;
mod keys;
mod link_api;
mod logs;
mod measure;
mod network_api;
mod operator;
mod origins;
mod policies;
mod policy_api;
mod policy_client;
mod policy_command;
mod policy_words;
mod prober;
mod proxies;
mod server;
mod settings;
mod store;
mod tokens;
mod transfer_api;
mod turnstile;
mod view;

pub use codes::{DEFAULT_LIFE_SECONDS, new_code};
pub use feeds::{FeedError, FeedSettings};
pub use logs::start as start_logs;
pub use policies::{PolicyError, Refused};
pub use policy_command::PolicyCommand;
pub use prober::ProberError;
pub use proxies::ForwardedHeader;
pub use server::{Server, StartError};
pub use settings::{ContentSetting, NetworkSetting, Settings, SettingsError};
pub use store::{Store, StoreError};
pub use tokens::{KeyError, Mint, MintError, ProviderCommand, ProviderError, thumbprint};
