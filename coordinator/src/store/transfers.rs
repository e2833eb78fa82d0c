//! Transfer records: written in batches, asked for by operators, forgotten in time.

use runnel_coordinator_core::Transfer;
use runnel_protocol::ids::PeerId;
use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::{Store, StoreError, connect, whole};

/// The table. Times are milliseconds since the UNIX epoch.
pub(super) const TABLE: &str = "
CREATE TABLE transfers (
    peer BLOB NOT NULL, content TEXT NOT NULL, provider TEXT NOT NULL,
    began INTEGER NOT NULL, ended INTEGER NOT NULL,
    from_peers INTEGER NOT NULL, from_waypoints INTEGER NOT NULL, from_cdn INTEGER NOT NULL,
    off_net INTEGER NOT NULL, sent INTEGER NOT NULL, mean INTEGER NOT NULL, peak INTEGER NOT NULL
);
CREATE INDEX transfers_by_time ON transfers (ended);
CREATE INDEX transfers_by_peer ON transfers (peer);
";

const WRITE: &str =
    "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// Which records are asked for; all conditions have to hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) content: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) peer: Option<PeerId>,
    /// Those that ended then or later, in milliseconds since the UNIX epoch.
    pub(crate) since: Option<i64>,
    /// Those that ended before then.
    pub(crate) until: Option<i64>,
    pub(crate) limit: u32,
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) peer: PeerId,
    pub(crate) content: String,
    pub(crate) provider: String,
    pub(crate) began: i64,
    pub(crate) ended: i64,
    pub(crate) from_peers: i64,
    pub(crate) from_waypoints: i64,
    pub(crate) from_cdn: i64,
    pub(crate) off_net: i64,
    pub(crate) sent: i64,
    pub(crate) mean: i64,
    pub(crate) peak: i64,
}

impl From<&Transfer> for Kept {
    fn from(one: &Transfer) -> Self {
        let millis = |at: runnel_protocol::time::Timestamp| number(at.as_micros() / 1000);
        Self {
            peer: one.peer,
            content: one.name.to_string(),
            provider: one.provider.to_string(),
            began: millis(one.began),
            ended: millis(one.ended),
            from_peers: number(one.received.from_peers),
            from_waypoints: number(one.received.from_waypoints),
            from_cdn: number(one.received.from_cdn),
            off_net: number(one.off_net),
            sent: number(one.sent),
            mean: whole(one.mean()),
            peak: whole(one.peak),
        }
    }
}

/// SQLite's whole numbers have a sign.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Store {
    /// Keeps records, all of them in one commit.
    pub(crate) async fn keep_transfers(&self, records: Vec<Kept>) -> Result<(), StoreError> {
        self.run(move |transaction| {
            let mut write = transaction.prepare_cached(WRITE)?;
            for one in &records {
                write.execute(params![
                    one.peer.0,
                    one.content,
                    one.provider,
                    one.began,
                    one.ended,
                    one.from_peers,
                    one.from_waypoints,
                    one.from_cdn,
                    one.off_net,
                    one.sent,
                    one.mean,
                    one.peak
                ])?;
            }
            Ok(())
        })
        .await
    }

    /// The newest of those that are wanted, the oldest of them first.
    pub(crate) fn transfers(&self, wanted: &Wanted) -> Result<Vec<Kept>, StoreError> {
        let blob = |peer: PeerId| Value::Blob(peer.0.to_vec());
        let text = |text: &String| Value::Text(text.clone());
        let conditions: [(&str, Option<Value>); 5] = [
            ("content = ?", wanted.content.as_ref().map(text)),
            ("provider = ?", wanted.provider.as_ref().map(text)),
            ("peer = ?", wanted.peer.map(blob)),
            ("ended >= ?", wanted.since.map(Value::Integer)),
            ("ended < ?", wanted.until.map(Value::Integer)),
        ];
        let (terms, mut values): (Vec<_>, Vec<_>) = conditions
            .into_iter()
            .filter_map(|(term, value)| Some((term, value?)))
            .unzip();
        let filter = if terms.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", terms.join(" AND "))
        };
        values.push(Value::Integer(wanted.limit.into()));
        let connection = connect(&self.path)?;
        let query = format!("SELECT * FROM transfers {filter} ORDER BY ended DESC LIMIT ?");
        let mut rows = connection.prepare(&query)?;
        let found = rows.query_map(params_from_iter(values), kept)?;
        let mut found: Vec<Kept> = found.collect::<Result<_, _>>()?;
        found.reverse();
        Ok(found)
    }

    /// Forgets what ended before then; how many that were.
    pub(crate) async fn forget_transfers_before(&self, ended: i64) -> Result<usize, StoreError> {
        let write = "DELETE FROM transfers WHERE ended < ?1";
        self.run(move |transaction| transaction.execute(write, [ended]))
            .await
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        peer: PeerId(row.get(0)?),
        content: row.get(1)?,
        provider: row.get(2)?,
        began: row.get(3)?,
        ended: row.get(4)?,
        from_peers: row.get(5)?,
        from_waypoints: row.get(6)?,
        from_cdn: row.get(7)?,
        off_net: row.get(8)?,
        sent: row.get(9)?,
        mean: row.get(10)?,
        peak: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(peer: u8, content: &str, ended: i64) -> Kept {
        Kept {
            peer: PeerId([peer; 16]),
            content: content.to_owned(),
            provider: "demo".to_owned(),
            began: ended - 1000,
            ended,
            from_peers: 3,
            from_waypoints: 2,
            from_cdn: 1,
            off_net: 4,
            sent: 5,
            mean: 48,
            peak: 96,
        }
    }

    fn ends(store: &Store, wanted: Wanted) -> Vec<i64> {
        let wanted = Wanted {
            limit: wanted.limit.max(10),
            ..wanted
        };
        let found = store.transfers(&wanted).unwrap();
        found.into_iter().map(|one| one.ended).collect()
    }

    #[tokio::test]
    async fn records_are_found_by_what_they_say_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let first = record(1, "live", 1000);
        let all = vec![
            first.clone(),
            record(2, "live", 2000),
            record(1, "film", 3000),
        ];
        store.keep_transfers(all).await.unwrap();
        let everything = Wanted {
            limit: 10,
            ..Wanted::default()
        };
        assert_eq!(store.transfers(&everything).unwrap()[0], first);
        let live = || Some("live".to_owned());
        let one = || Some(PeerId([1; 16]));
        assert_eq!(
            ends(
                &store,
                Wanted {
                    content: live(),
                    ..Wanted::default()
                }
            ),
            [1000, 2000]
        );
        assert_eq!(
            ends(
                &store,
                Wanted {
                    peer: one(),
                    ..Wanted::default()
                }
            ),
            [1000, 3000]
        );
        let both = Wanted {
            content: live(),
            peer: one(),
            ..Wanted::default()
        };
        assert_eq!(ends(&store, both), [1000]);
        let between = Wanted {
            since: Some(2000),
            until: Some(3000),
            ..Wanted::default()
        };
        assert_eq!(ends(&store, between), [2000]);
        let other = Wanted {
            provider: Some("other".to_owned()),
            ..Wanted::default()
        };
        assert!(ends(&store, other).is_empty());
        let newest = store
            .transfers(&Wanted {
                limit: 2,
                ..Wanted::default()
            })
            .unwrap();
        assert_eq!(
            newest.iter().map(|one| one.ended).collect::<Vec<_>>(),
            [2000, 3000]
        );

        assert_eq!(store.forget_transfers_before(2000).await.unwrap(), 1);
        store.forget_peer(PeerId([1; 16])).await.unwrap();
        assert_eq!(ends(&store, Wanted::default()), [2000]);
    }
}
