//! Join tokens at the door: by what right somebody comes (T3), and the keys that decide it.

mod claims;
mod command;
mod jws;
mod key;
mod keyring;
mod mint;
mod thumbprint;

use runnel_coordinator_core::{TokenRefusal, Verdict};
use runnel_protocol::ids::PublicKey;

pub use self::command::{ProviderCommand, ProviderError};
pub use self::key::KeyError;
pub(crate) use self::key::{Algorithm, Key};
pub(crate) use self::keyring::{Keyring, Provider, ProviderKey, watch};
pub use self::mint::{Mint, MintError};
pub use self::thumbprint::thumbprint;

/// What is known of a newcomer besides its key and its token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    /// The site whose page opened the connection, by the browser's word.
    pub(crate) origin: Option<String>,
    /// Whether it sits on this very machine.
    pub(crate) local: bool,
}

/// By what right a peer with this key joins, at `now` in seconds.
pub(crate) fn judge(
    keyring: &Keyring,
    visitor: &Visitor,
    (key, token): (&PublicKey, Option<&str>),
    now: u64,
) -> Verdict {
    let verdict = match token {
        Some(token) => claims::verify(keyring, visitor, (key, token), now),
        None if !keyring.is_empty() => return Verdict::Missing,
        None if visitor.local => return Verdict::Free,
        None => Err(TokenRefusal::NoKeys),
    };
    match verdict {
        Ok(pass) => Verdict::Pass(Box::new(pass)),
        // Where nobody is asked for a token on this machine, a page that brings one is as welcome.
        Err(_) if keyring.is_empty() && visitor.local => Verdict::Free,
        Err(refusal) => Verdict::Refused(refusal),
    }
}
