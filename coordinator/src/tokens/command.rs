//! `runnel-coordinator provider`: whose tokens let people in. It works while the server runs, which
//! follows within a second.

use clap::Subcommand;
use url::Url;

use super::key::{Key, KeyError};
use crate::store::{NewKey, Store, StoreError};

/// What to do with providers and their keys.
#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// Pin a key of a content provider: from the first one on, nobody joins without a token
    Add {
        /// The provider: `iss` in its tokens, and `provider` of its contents
        name: String,
        /// Its public key for EdDSA (Ed25519) or ES256 (P-256): a file with PEM or a JWK, or a JWK
        #[arg(long, value_name = "FILE|JWK")]
        key: String,
        /// What its tokens call the key (`kid`) [default: the JWK's kid, else its thumbprint]
        #[arg(long, value_name = "ID", allow_hyphen_values = true)]
        kid: Option<String>,
        /// Site whose pages may join, like https://site.example; repeatable, in place of those
        /// before [default: any]
        #[arg(long, value_name = "URL")]
        origin: Vec<String>,
        /// Take tokens that are bound to no key: whoever copies one can use it until it expires
        #[arg(long)]
        unbound: bool,
    },
    /// List providers and keys
    List,
    /// Let a key sign nothing any more: what it has signed is good until it expires
    Retire {
        /// The provider
        name: String,
        /// The key
        #[arg(long, value_name = "ID", allow_hyphen_values = true)]
        kid: String,
    },
    /// Forget a key, or a provider with all keys: whoever came by it is sent away
    Remove {
        /// The provider
        name: String,
        /// The key [default: all]
        #[arg(long, value_name = "ID", allow_hyphen_values = true)]
        kid: Option<String>,
    },
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// See [`KeyError`].
    #[error(transparent)]
    Key(#[from] KeyError),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name is not usable.
    #[error("{0:?} is no name: use 1 to 200 printable characters, no white space")]
    Name(String),
    /// A site is not written as browsers write it.
    #[error("{0:?} is no origin: scheme, host and port alone, like https://site.example")]
    Origin(String),
    /// Two keys of one name could not be told apart.
    #[error("{provider} has another key called {id:?}: give this one another --kid")]
    Taken {
        /// Whose.
        provider: String,
        /// Which.
        id: String,
    },
    /// There is no such key.
    #[error("no such provider or key is known: see `runnel-coordinator provider list`")]
    Unknown,
}

impl ProviderCommand {
    /// Carries it out; the lines that are to be printed.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn run(&self, store: &Store) -> Result<Vec<String>, ProviderError> {
        match self {
            Self::Add {
                name,
                key,
                kid,
                origin,
                unbound,
            } => add(store, name, (key, kid.as_ref()), origin, *unbound),
            Self::List => list(store),
            Self::Retire { name, kid } => {
                let known = store.retire_key(name, kid)?;
                let words = format!("{name}: the key {kid} signs nothing any more");
                known.then_some(vec![words]).ok_or(ProviderError::Unknown)
            }
            Self::Remove { name, kid } => {
                let known = store.remove_keys(name, kid.as_deref())?;
                let words = format!("{name}: {known} keys removed");
                (known > 0)
                    .then_some(vec![words])
                    .ok_or(ProviderError::Unknown)
            }
        }
    }
}

fn add(
    store: &Store,
    name: &str,
    (source, kid): (&str, Option<&String>),
    origins: &[String],
    unbound: bool,
) -> Result<Vec<String>, ProviderError> {
    let (key, own) = Key::find(source)?;
    let id = kid.cloned().or(own).unwrap_or_else(|| key.thumbprint());
    for text in [name, &id] {
        let fits = text
            .chars()
            .all(|one| !one.is_control() && !one.is_whitespace());
        if text.is_empty() || text.len() > 200 || !fits {
            return Err(ProviderError::Name(text.to_owned()));
        }
    }
    let origins = origins.iter().map(|text| site(text));
    let origins = origins.collect::<Result<Vec<_>, _>>()?;
    let algorithm = key.algorithm.name();
    let new = NewKey {
        provider: name.to_owned(),
        id: id.clone(),
        key,
        origins,
        unbound,
    };
    if !store.add_key(&new)? {
        let provider = name.to_owned();
        return Err(ProviderError::Taken { provider, id });
    }
    Ok(vec![format!(
        "{name}: tokens signed with {algorithm} by the key {id} are taken"
    )])
}

/// A site as a browser's `Origin` names it.
fn site(text: &str) -> Result<String, ProviderError> {
    let refuse = || ProviderError::Origin(text.to_owned());
    let url = Url::parse(text).map_err(|_| refuse())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !bare || !url.username().is_empty() {
        return Err(refuse());
    }
    Ok(url.origin().ascii_serialization())
}

fn list(store: &Store) -> Result<Vec<String>, ProviderError> {
    let mut lines = Vec::new();
    for (name, provider) in store.keyring()?.0 {
        let origins = match provider.origins.as_slice() {
            [] => "pages of any site".to_owned(),
            some => some.join(", "),
        };
        let binding = if provider.bound { "bound" } else { "unbound" };
        lines.push(format!("{name}\t{binding} tokens\t{origins}"));
        for (id, pinned) in provider.keys {
            let algorithm = pinned.key.algorithm.name();
            let state = pinned.retired.map_or("in use", |_| "retired");
            lines.push(format!("  {id}\t{algorithm}\t{state}"));
        }
    }
    Ok(lines)
}
