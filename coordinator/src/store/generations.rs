//! Starts of the coordinator, counted, and when policies, networks or feeds last became others: whether
//! tickets that a former process gave may be forbidden by now.

use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Store, StoreError, connect};
use crate::clock;

/// The table, of one row.
pub(super) const TABLE: &str = "
CREATE TABLE generations (
    id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, policies BLOB NOT NULL,
    networks BLOB NOT NULL, changed INTEGER NOT NULL) STRICT;
";

/// A hash of all that is in force.
pub(crate) type Fingerprint = [u8; 32];

/// One start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation {
    /// One more than that of the start before.
    pub(crate) number: u32,
    /// When policies or networks last became others than at the first start, in seconds since 1970; 0 if
    /// they never did.
    pub(crate) changed: u64,
}

impl Store {
    /// Counts a start, with the policies that it finds, and what is known of networks.
    pub(crate) fn begin_generation(
        &self,
        policies: Fingerprint,
        networks: Fingerprint,
    ) -> Result<Generation, StoreError> {
        let mut connection = connect(&self.path)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let generation = begin(&transaction, policies, networks, clock::unix_seconds())?;
        transaction.commit()?;
        Ok(generation)
    }

    /// Other policies are in force from now on.
    pub(crate) async fn note_policies(&self, policies: Fingerprint) -> Result<(), StoreError> {
        self.note(Column::Policies, policies).await
    }

    /// Something else is known of networks from now on.
    pub(crate) async fn note_networks(&self, networks: Fingerprint) -> Result<(), StoreError> {
        self.note(Column::Networks, networks).await
    }

    async fn note(&self, column: Column, now_is: Fingerprint) -> Result<(), StoreError> {
        let now = clock::unix_seconds();
        self.run(move |transaction| {
            transaction.execute(column.note(), params![now_is, seconds(now)])?;
            Ok(())
        })
        .await
    }
}

/// What may become another.
#[derive(Debug, Clone, Copy)]
enum Column {
    Policies,
    Networks,
}

impl Column {
    const fn note(self) -> &'static str {
        match self {
            Self::Policies => {
                "UPDATE generations SET policies = ?1, changed = ?2 WHERE policies <> ?1"
            }
            Self::Networks => {
                "UPDATE generations SET networks = ?1, changed = ?2 WHERE networks <> ?1"
            }
        }
    }
}

fn begin(
    transaction: &Transaction<'_>,
    policies: Fingerprint,
    networks: Fingerprint,
    now: u64,
) -> rusqlite::Result<Generation> {
    let last = "SELECT number, changed, policies = ?1 AND networks = ?2 FROM generations";
    let last = transaction.query_row(last, params![policies, networks], |row| {
        let (number, changed, same): (u32, i64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((number, changed, same))
    });
    let (number, changed) = match last.optional()? {
        Some((number, changed, true)) => (number, u64::try_from(changed).unwrap_or(now)),
        Some((number, _, false)) => (number, now),
        // Nothing was granted before.
        None => (0, 0),
    };
    let number = number.saturating_add(1);
    transaction.execute(
        "INSERT OR REPLACE INTO generations (id, number, policies, networks, changed)
         VALUES (1, ?1, ?2, ?3, ?4)",
        params![number, policies, networks, seconds(changed)],
    )?;
    Ok(Generation { number, changed })
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORKS: Fingerprint = [9; 32];

    fn start(store: &Store, policies: Fingerprint, now: u64) -> Generation {
        let mut connection = connect(&store.path).unwrap();
        let transaction = connection.transaction().unwrap();
        let generation = begin(&transaction, policies, NETWORKS, now).unwrap();
        transaction.commit().unwrap();
        generation
    }

    #[tokio::test]
    async fn starts_are_counted_and_a_change_while_nothing_ran_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let of = |number, changed| Generation { number, changed };
        assert_eq!(start(&store, [1; 32], 1000), of(1, 0));
        assert_eq!(start(&store, [1; 32], 2000), of(2, 0));
        assert_eq!(start(&store, [2; 32], 3000), of(3, 3000));
        // What changed while it ran is known by its date.
        store.note_policies([3; 32]).await.unwrap();
        let next = start(&store, [3; 32], 4000);
        assert_eq!(next.number, 4);
        assert!(next.changed > 1_000_000_000, "{next:?}");
        store.note_policies([3; 32]).await.unwrap();
        assert_eq!(start(&store, [3; 32], 5000).changed, next.changed);
        store.note_networks([8; 32]).await.unwrap();
        assert_eq!(
            start(&store, [3; 32], 6000).changed,
            6000,
            "networks are others than those of the last moment"
        );
    }
}
