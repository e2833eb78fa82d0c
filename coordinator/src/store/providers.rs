//! Content providers and the keys that sign their tokens.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, connect, split};
use crate::clock;
use crate::tokens::{Algorithm, Key, Keyring, Provider, ProviderKey};

/// The tables.
pub(super) const TABLES: &str = "
CREATE TABLE providers (
    name TEXT PRIMARY KEY, origins TEXT NOT NULL, bound INTEGER NOT NULL) STRICT;
CREATE TABLE provider_keys (
    provider TEXT NOT NULL REFERENCES providers (name), id TEXT NOT NULL,
    algorithm TEXT NOT NULL, key BLOB NOT NULL, retired INTEGER,
    PRIMARY KEY (provider, id)) STRICT;
";

/// A key that is to be pinned.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    pub(crate) provider: String,
    pub(crate) id: String,
    pub(crate) key: Key,
    /// In place of those before; empty leaves them.
    pub(crate) origins: Vec<String>,
    /// Tokens need not be bound from now on.
    pub(crate) unbound: bool,
}

impl Store {
    /// All providers with their keys.
    pub(crate) fn keyring(&self) -> Result<Keyring, StoreError> {
        read(&connect(&self.path)?)
    }

    /// What tells of changes, whoever makes them.
    pub(crate) fn watch_providers(&self) -> Result<ProvidersWatch, StoreError> {
        Ok(ProvidersWatch {
            connection: connect(&self.path)?,
            version: None,
            known: Keyring::default(),
        })
    }

    /// Pins a key; `false` where the provider has another one of that name.
    pub(crate) fn add_key(&self, new: &NewKey) -> Result<bool, StoreError> {
        let mut connection = connect(&self.path)?;
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT OR IGNORE INTO providers (name, origins, bound) VALUES (?1, '', 1)",
            [&new.provider],
        )?;
        if !new.origins.is_empty() {
            transaction.execute(
                "UPDATE providers SET origins = ?2 WHERE name = ?1",
                params![new.provider, new.origins.join("\n")],
            )?;
        }
        if new.unbound {
            let write = "UPDATE providers SET bound = 0 WHERE name = ?1";
            transaction.execute(write, [&new.provider])?;
        }
        let (algorithm, bytes) = (new.key.algorithm.name(), &new.key.bytes);
        transaction.execute(
            "INSERT OR IGNORE INTO provider_keys (provider, id, algorithm, key) \
             VALUES (?1, ?2, ?3, ?4)",
            params![new.provider, new.id, algorithm, bytes],
        )?;
        let same = transaction
            .query_row(
                "SELECT 1 FROM provider_keys \
                 WHERE provider = ?1 AND id = ?2 AND algorithm = ?3 AND key = ?4",
                params![new.provider, new.id, algorithm, bytes],
                |_| Ok(()),
            )
            .optional()?;
        if same.is_some() {
            transaction.commit()?;
        }
        Ok(same.is_some())
    }

    /// The key signs nothing any more; `false` where there is none.
    pub(crate) fn retire_key(&self, provider: &str, id: &str) -> Result<bool, StoreError> {
        let now = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
        let write = "UPDATE provider_keys SET retired = COALESCE(retired, ?3) \
                     WHERE provider = ?1 AND id = ?2";
        let changed = connect(&self.path)?.execute(write, params![provider, id, now])?;
        Ok(changed > 0)
    }

    /// Forgets one key of a provider, or the provider with all of them; how many keys that was.
    pub(crate) fn remove_keys(
        &self,
        provider: &str,
        id: Option<&str>,
    ) -> Result<usize, StoreError> {
        let mut connection = connect(&self.path)?;
        let transaction = connection.transaction()?;
        let removed = transaction.execute(
            "DELETE FROM provider_keys WHERE provider = ?1 AND id = COALESCE(?2, id)",
            params![provider, id],
        )?;
        transaction.execute(
            "DELETE FROM providers WHERE name = ?1 \
             AND NOT EXISTS (SELECT 1 FROM provider_keys WHERE provider = ?1)",
            [provider],
        )?;
        transaction.commit()?;
        Ok(removed)
    }
}

/// Looks whether the providers have changed.
#[derive(Debug)]
pub(crate) struct ProvidersWatch {
    connection: Connection,
    version: Option<i64>,
    known: Keyring,
}

impl ProvidersWatch {
    /// The providers, where they are others than the last time.
    pub(crate) fn changed(&mut self) -> Result<Option<Keyring>, StoreError> {
        // SQLite counts what other connections commit, of this process or another.
        let version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.version == Some(version) {
            return Ok(None);
        }
        let read = read(&self.connection)?;
        self.version = Some(version);
        if read == self.known {
            return Ok(None);
        }
        self.known = read.clone();
        Ok(Some(read))
    }
}

fn read(connection: &Connection) -> Result<Keyring, StoreError> {
    let mut keyring = Keyring::default();
    let mut rows = connection.prepare("SELECT name, origins, bound FROM providers")?;
    let providers = rows.query_map([], |row| {
        let provider = Provider {
            origins: split(&row.get::<_, String>(1)?),
            bound: row.get(2)?,
            ..Provider::default()
        };
        Ok((row.get(0)?, provider))
    })?;
    keyring.0 = providers.collect::<Result<_, _>>()?;
    let mut rows =
        connection.prepare("SELECT provider, id, algorithm, key, retired FROM provider_keys")?;
    let keys = rows.query_map([], |row| {
        let (algorithm, bytes): (String, Vec<u8>) = (row.get(2)?, row.get(3)?);
        let retired: Option<i64> = row.get(4)?;
        Ok((row.get(0)?, row.get(1)?, algorithm, bytes, retired))
    })?;
    for row in keys {
        let (provider, id, algorithm, bytes, retired): (String, String, _, _, _) = row?;
        let damaged = || StoreError::Damaged("provider's key");
        let algorithm = Algorithm::named(&algorithm).ok_or_else(damaged)?;
        let key = Key::new(algorithm, bytes).map_err(|_| damaged())?;
        let retired = retired.map(|at| u64::try_from(at).unwrap_or(0));
        let provider = keyring.0.get_mut(&provider).ok_or_else(damaged)?;
        provider.keys.insert(id, ProviderKey { key, retired });
    }
    Ok(keyring)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(id: &str, byte: u8) -> NewKey {
        NewKey {
            provider: "demo".to_owned(),
            id: id.to_owned(),
            key: Key::new(Algorithm::EdDsa, vec![byte; 32]).unwrap(),
            origins: Vec::new(),
            unbound: false,
        }
    }

    #[test]
    fn keys_are_pinned_retired_and_removed_and_whoever_watches_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut watch = store.watch_providers().unwrap();
        assert_eq!(watch.changed().unwrap(), None, "there was none and is none");
        // As another process does it.
        let beside = Store::open(folder.path()).unwrap();
        assert!(beside.add_key(&new("one", 1)).unwrap());
        assert!(beside.add_key(&new("one", 1)).unwrap(), "the same again");
        assert!(
            !beside.add_key(&new("one", 2)).unwrap(),
            "another key of that name"
        );
        let mut second = new("two", 2);
        second.origins = vec!["https://site.example".to_owned()];
        second.unbound = true;
        assert!(beside.add_key(&second).unwrap());
        let keyring = watch.changed().unwrap().unwrap();
        assert_eq!(watch.changed().unwrap(), None);
        let provider = &keyring.0["demo"];
        assert_eq!(provider.keys.len(), 2);
        assert_eq!(provider.origins, ["https://site.example"]);
        assert!(!provider.bound);

        assert!(beside.retire_key("demo", "one").unwrap());
        assert!(!beside.retire_key("demo", "three").unwrap());
        let keyring = watch.changed().unwrap().unwrap();
        assert!(keyring.0["demo"].keys["one"].retired.is_some());
        assert_eq!(beside.remove_keys("demo", Some("one")).unwrap(), 1);
        assert_eq!(beside.remove_keys("demo", None).unwrap(), 1);
        let keyring = watch.changed().unwrap().unwrap();
        assert!(keyring.is_empty() && keyring.0.is_empty());
    }
}
