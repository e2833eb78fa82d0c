//! The providers' keys as the door knows them, kept up to date with the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runnel_coordinator_core::{Input, KeyName};
use tokio::sync::watch::Sender;
use tokio_util::sync::CancellationToken;

use super::key::Key;
use crate::engine::{Command, Handle};
use crate::store::{ProvidersWatch, StoreError};

/// How often the store is asked whether something has changed: `provider` runs beside the server.
const LOOK: Duration = Duration::from_millis(500);

/// A content provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Sites whose pages may join, as browsers write them; empty for any.
    pub(crate) origins: Vec<String>,
    /// Whether tokens have to be bound to the session's key.
    pub(crate) bound: bool,
    pub(crate) keys: BTreeMap<String, ProviderKey>,
}

/// A key that is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderKey {
    pub(crate) key: Key,
    /// From this date on, in seconds, it signs nothing any more: what it signed before is good.
    pub(crate) retired: Option<u64>,
}

/// All providers by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keyring(pub(crate) BTreeMap<String, Provider>);

impl Keyring {
    /// Whether there is no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.values().all(|provider| provider.keys.is_empty())
    }

    pub(super) fn find(&self, provider: &str, id: &str) -> Option<(&Provider, &ProviderKey)> {
        let provider = self.0.get(provider)?;
        Some((provider, provider.keys.get(id)?))
    }

    /// Whether pages of a site may join at all: some provider lists it, or lists none.
    pub(crate) fn welcomes(&self, origin: &str) -> bool {
        self.is_empty() || self.0.values().any(|provider| provider.welcomes(origin))
    }

    /// All keys by provider, as the control center knows them.
    pub(crate) fn names(&self) -> Vec<KeyName> {
        let pairs = self.0.iter().flat_map(|(name, provider)| {
            let name: Arc<str> = name.as_str().into();
            provider.keys.keys().map(move |id| (Arc::clone(&name), id))
        });
        pairs
            .map(|(provider, id)| KeyName {
                provider,
                id: id.as_str().into(),
            })
            .collect()
    }
}

impl Provider {
    pub(super) fn welcomes(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|one| one == origin)
    }
}

/// Follows what `provider` changes in the store, at the door and in the control center.
pub(crate) async fn watch(
    mut store: ProvidersWatch,
    keyring: Sender<Arc<Keyring>>,
    engine: Handle,
    stop: CancellationToken,
) {
    let mut times = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = times.tick() => {}
        }
        let looked = tokio::task::spawn_blocking(move || {
            let changed = store.changed();
            (store, changed)
        });
        let Ok((same, changed)) = looked.await else {
            return tracing::error!("the providers' keys are no longer followed");
        };
        store = same;
        match changed {
            Ok(Some(new)) => follow(new, &keyring, &engine).await,
            Ok(None) => {}
            Err(error) => complain(&error),
        }
    }
}

async fn follow(new: Keyring, keyring: &Sender<Arc<Keyring>>, engine: &Handle) {
    let names = new.names();
    let (providers, keys) = (new.0.len(), names.len());
    if keyring.send_replace(Arc::new(new)).is_empty() && keys > 0 {
        tracing::info!("join tokens are asked for from now on");
    }
    tracing::info!(providers, keys, "the providers' keys have changed");
    engine.tell(Command::Input(Input::TrustedKeys(names))).await;
}

fn complain(error: &StoreError) {
    tracing::error!(%error, "the providers' keys cannot be read");
}
