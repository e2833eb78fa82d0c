//! Policies: each change is a version, and the newest one is in force.

use rusqlite::{Connection, params};

use super::{Store, StoreError, connect};
use crate::clock;
use crate::policies::Kept;

/// The table. A version without text says that the policy was taken out of force.
pub(super) const TABLE: &str = "
CREATE TABLE policies (
    name TEXT NOT NULL, version INTEGER NOT NULL, text TEXT, changed INTEGER NOT NULL,
    PRIMARY KEY (name, version)) STRICT;
";

/// Versions kept of each policy.
const MAX_VERSIONS: u32 = 50;

impl Store {
    /// The newest version of each policy that is in force.
    pub(crate) fn policies(&self) -> Result<Vec<Kept>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows = connection
            .prepare("SELECT name, MAX(version), text FROM policies GROUP BY name ORDER BY name")?;
        let newest = rows.query_map([], |row| {
            let text: Option<String> = row.get(2)?;
            let (name, version) = (row.get(0)?, row.get(1)?);
            Ok(text.map(|text| Kept {
                name,
                version,
                text,
            }))
        })?;
        let newest: Vec<Option<Kept>> = newest.collect::<Result<_, _>>()?;
        Ok(newest.into_iter().flatten().collect())
    }

    /// Keeps a policy, and says which version it is: the earlier ones are kept as well.
    pub(crate) async fn put_policy(&self, name: String, text: String) -> Result<u32, StoreError> {
        self.run(move |transaction| add_version(transaction, &name, Some(&text)))
            .await
    }

    /// Keeps that a policy is no longer in force.
    pub(crate) async fn remove_policy(&self, name: String) -> Result<u32, StoreError> {
        self.run(move |transaction| add_version(transaction, &name, None))
            .await
    }
}

fn add_version(connection: &Connection, name: &str, text: Option<&str>) -> rusqlite::Result<u32> {
    let newest = "SELECT COALESCE(MAX(version), 0) FROM policies WHERE name = ?1";
    let newest: u32 = connection.query_row(newest, [name], |row| row.get(0))?;
    let version = newest.saturating_add(1);
    let now = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO policies (name, version, text, changed) VALUES (?1, ?2, ?3, ?4)",
        params![name, version, text, now],
    )?;
    connection.execute(
        "DELETE FROM policies WHERE name = ?1 AND version <= ?2",
        params![name, version.saturating_sub(MAX_VERSIONS)],
    )?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn versions_of_a_policy_rise_and_the_newest_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for version in 1..=MAX_VERSIONS + 5 {
            let text = format!("text {version}");
            let kept = store.put_policy("germany".to_owned(), text).await.unwrap();
            assert_eq!(kept, version);
        }
        store
            .put_policy("gone".to_owned(), "text".to_owned())
            .await
            .unwrap();
        assert_eq!(store.remove_policy("gone".to_owned()).await.unwrap(), 2);
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        let kept = store.policies().unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].version, kept[0].text.as_str()), (55, "text 55"));
        let rows = "SELECT COUNT(*) FROM policies WHERE name = 'germany'";
        let connection = connect(&store.path).unwrap();
        let rows: u32 = connection.query_row(rows, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, MAX_VERSIONS);
        let again = store
            .put_policy("gone".to_owned(), "text".to_owned())
            .await
            .unwrap();
        assert_eq!(again, 3, "a name that comes back goes on counting");
    }
}
