//! What ran over links, by quarters of an hour: added to in batches, forgotten in time.

use runnel_coordinator_core::LinkUse;
use rusqlite::params;

use super::{Store, StoreError, connect};

/// The table. Quarters are counted from the UNIX epoch.
pub(super) const TABLE: &str = "
CREATE TABLE link_uses (
    link TEXT NOT NULL, quarter INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (link, quarter)) STRICT, WITHOUT ROWID;
";

/// Quarters kept before the newest one of a link: 40 days, longer than any month or mean.
const KEPT: i64 = 40 * 24 * 4;

const ADD: &str = "
INSERT INTO link_uses VALUES (?1, ?2, ?3)
ON CONFLICT (link, quarter) DO UPDATE SET bytes = bytes + excluded.bytes";

impl Store {
    /// All that is kept of links.
    pub(crate) fn link_uses(&self) -> Result<Vec<LinkUse>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows = connection.prepare("SELECT link, quarter, bytes FROM link_uses")?;
        let uses = rows.query_map([], |row| {
            let (link, quarter, bytes): (String, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(LinkUse {
                link: link.into(),
                quarter: u64::try_from(quarter).unwrap_or(0),
                bytes: u64::try_from(bytes).unwrap_or(0),
            })
        })?;
        Ok(uses.collect::<Result<_, _>>()?)
    }

    /// Adds to what is kept, all of it in one commit.
    pub(crate) async fn add_link_uses(&self, uses: Vec<LinkUse>) -> Result<(), StoreError> {
        self.run(move |transaction| {
            let mut add = transaction.prepare_cached(ADD)?;
            let mut forget = transaction
                .prepare_cached("DELETE FROM link_uses WHERE link = ?1 AND quarter < ?2")?;
            for one in &uses {
                let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
                let quarter = number(one.quarter);
                add.execute(params![&*one.link, quarter, number(one.bytes)])?;
                forget.execute(params![&*one.link, quarter - KEPT])?;
            }
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(link: &str, quarter: u64, bytes: u64) -> LinkUse {
        LinkUse {
            link: link.into(),
            quarter,
            bytes,
        }
    }

    #[tokio::test]
    async fn what_ran_over_a_link_is_added_up_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let uses = |bytes| vec![used("a/b", 2_000_000, bytes), used("a/c", 2_000_000, 1)];
        store.add_link_uses(uses(10)).await.unwrap();
        store.add_link_uses(uses(5)).await.unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        let kept = store.link_uses().unwrap();
        assert_eq!(
            kept,
            [used("a/b", 2_000_000, 15), used("a/c", 2_000_000, 2)]
        );
        let later = 2_000_001 + u64::try_from(KEPT).unwrap();
        store
            .add_link_uses(vec![used("a/b", later, 1)])
            .await
            .unwrap();
        let kept = store.link_uses().unwrap();
        assert_eq!(kept, [used("a/b", later, 1), used("a/c", 2_000_000, 2)]);
    }
}
