//! What is remembered of peers and of their kinds: added to in batches, forgotten in time.

use runnel_coordinator_core::{Figures, Past, Profile, ProfileName, Remembered};
use runnel_protocol::control::Platform;
use runnel_protocol::ids::PeerId;
use runnel_protocol::units::UnixSeconds;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::{Store, StoreError, connect};

/// The columns of figures, in the order in which [`read_past`] reads them. `blamed_by` are 64 bits,
/// `seen` is in seconds since the UNIX epoch.
macro_rules! figures {
    () => {
        "stays, uptime_s, tried, connected, loss_0, loss_1, loss_2, loss_3, loss_4, loss_5, \
         loss_6, loss_7, blamed_by, blamed_at, seen"
    };
}

/// The same in a table of integers.
macro_rules! figure_columns {
    () => {
        "stays INTEGER NOT NULL, uptime_s INTEGER NOT NULL, tried INTEGER NOT NULL, \
         connected INTEGER NOT NULL, loss_0 INTEGER NOT NULL, loss_1 INTEGER NOT NULL, \
         loss_2 INTEGER NOT NULL, loss_3 INTEGER NOT NULL, loss_4 INTEGER NOT NULL, \
         loss_5 INTEGER NOT NULL, loss_6 INTEGER NOT NULL, loss_7 INTEGER NOT NULL, \
         blamed_by INTEGER NOT NULL, blamed_at INTEGER NOT NULL, seen INTEGER NOT NULL"
    };
}

/// The tables.
pub(super) const TABLES: &str = concat!(
    "CREATE TABLE histories (",
    figure_columns!(),
    ", peer BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE INDEX histories_by_time ON histories (seen);
CREATE TABLE profiles (",
    figure_columns!(),
    ", network TEXT NOT NULL, platform TEXT NOT NULL, uplink INTEGER NOT NULL,
    PRIMARY KEY (network, platform, uplink)) STRICT, WITHOUT ROWID;"
);

const OF_PEER: &str = concat!("SELECT ", figures!(), " FROM histories WHERE peer = ?1");
const NEWEST: &str = concat!(
    "SELECT ",
    figures!(),
    ", peer FROM histories ORDER BY seen DESC, peer LIMIT ?1"
);
const OF_KINDS: &str = concat!(
    "SELECT ",
    figures!(),
    ", network, platform, uplink FROM profiles ORDER BY seen"
);
const OF_KIND: &str = concat!(
    "SELECT ",
    figures!(),
    " FROM profiles WHERE network = ?1 AND platform = ?2 AND uplink = ?3"
);
const WRITE: &str = "INSERT OR REPLACE INTO histories VALUES \
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const WRITE_KIND: &str = "INSERT OR REPLACE INTO profiles VALUES \
    (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// Most peers that are remembered; those seen longest ago make room.
const MOST: i64 = 1_000_000;
/// Most kinds: as many as a control center keeps in memory.
const MOST_PROFILES: i64 = 4096;

/// A peer's history as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptHistory {
    pub(crate) peer: PeerId,
    pub(crate) past: Past,
}

impl Store {
    /// What is kept of one peer.
    pub(crate) fn history(&self, peer: PeerId) -> Result<Option<KeptHistory>, StoreError> {
        let connection = connect(&self.path)?;
        let past = past(&connection, peer)?;
        Ok(past.map(|past| KeptHistory { peer, past }))
    }

    /// Those seen last, the newest first.
    pub(crate) fn histories(&self, limit: u32) -> Result<Vec<KeptHistory>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows = connection.prepare(NEWEST)?;
        let found = rows.query_map([limit], |row| {
            let (past, peer) = (read_past(row)?, PeerId(row.get(FIGURES)?));
            Ok(KeptHistory { peer, past })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// What is kept of kinds of peers.
    pub(crate) fn profiles(&self) -> Result<Vec<Profile>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows = connection.prepare(OF_KINDS)?;
        let found = rows.query_map([], |row| {
            let name = ProfileName {
                network: row.get(FIGURES)?,
                platform: platform(&row.get::<_, String>(FIGURES + 1)?),
                uplink: row.get(FIGURES + 2)?,
            };
            let figures = read_past(row)?.figures;
            Ok(Profile { name, figures })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Adds to what is kept, all of it in one commit; what there is then of those who are `asked`
    /// for.
    pub(crate) async fn remember(
        &self,
        new: Vec<Remembered>,
        asked: Vec<PeerId>,
    ) -> Result<Vec<KeptHistory>, StoreError> {
        self.run(move |transaction| {
            for one in &new {
                if let Some(peer) = one.peer {
                    add(transaction, peer, one)?;
                }
                add_to_profile(transaction, one)?;
            }
            let found = asked.into_iter().map(|peer| {
                let past = past(transaction, peer)?;
                Ok(past.map(|past| KeptHistory { peer, past }))
            });
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// Forgets who was seen last before `seen`, and whoever is too many; how many peers that were.
    pub(crate) async fn forget_histories_before(&self, seen: i64) -> Result<usize, StoreError> {
        self.run(move |transaction| {
            transaction.execute("DELETE FROM profiles WHERE seen < ?1", [seen])?;
            transaction.execute(
                "DELETE FROM profiles WHERE seen < \
                 (SELECT seen FROM profiles ORDER BY seen DESC LIMIT 1 OFFSET ?1)",
                [MOST_PROFILES],
            )?;
            let old = transaction.execute("DELETE FROM histories WHERE seen < ?1", [seen])?;
            let excess = transaction.execute(
                "DELETE FROM histories WHERE peer IN \
                 (SELECT peer FROM histories ORDER BY seen DESC LIMIT -1 OFFSET ?1)",
                [MOST],
            )?;
            Ok(old + excess)
        })
        .await
    }

    /// Forgets a peer: what is remembered of it, and its transfer records.
    pub(crate) async fn forget_peer(&self, peer: PeerId) -> Result<(), StoreError> {
        self.run(move |transaction| {
            transaction.execute("DELETE FROM transfers WHERE peer = ?1", [peer.0])?;
            let forget = "DELETE FROM histories WHERE peer = ?1";
            transaction.execute(forget, [peer.0]).map(drop)
        })
        .await
    }
}

/// Columns that a history and a profile have in common, a count.
const FIGURES: usize = 15;

fn past(connection: &Connection, peer: PeerId) -> rusqlite::Result<Option<Past>> {
    let mut find = connection.prepare_cached(OF_PEER)?;
    find.query_row([peer.0], read_past).optional()
}

fn add(connection: &Connection, peer: PeerId, new: &Remembered) -> rusqlite::Result<()> {
    let before = past(connection, peer)?;
    let row = sum(before, new).into_iter().map(Value::Integer);
    let row = row.chain([Value::Blob(peer.0.to_vec())]);
    let mut write = connection.prepare_cached(WRITE)?;
    write.execute(params_from_iter(row)).map(drop)
}

fn add_to_profile(connection: &Connection, new: &Remembered) -> rusqlite::Result<()> {
    let name = &new.profile;
    let platform = platform_name(name.platform);
    let mut find = connection.prepare_cached(OF_KIND)?;
    let key = params![name.network, platform, name.uplink];
    let before = find.query_row(key, read_past).optional()?;
    let row = sum(before, new).into_iter().map(Value::Integer);
    let row = row.chain([
        Value::Text(name.network.clone()),
        Value::Text(platform.to_owned()),
        Value::Integer(name.uplink.into()),
    ]);
    let mut write = connection.prepare_cached(WRITE_KIND)?;
    write.execute(params_from_iter(row)).map(drop)
}

/// What was kept with what is new, as a row.
fn sum(before: Option<Past>, new: &Remembered) -> [i64; FIGURES] {
    let mut sum = before.map_or_else(Figures::default, |past| past.figures);
    sum.add(&new.figures);
    let date = |date: UnixSeconds| i64::try_from(date.0).unwrap_or(i64::MAX);
    let mut row = [0; FIGURES];
    row[0] = sum.stays.into();
    row[1] = sum.uptime_s.into();
    row[2] = sum.tried.into();
    row[3] = sum.connected.into();
    for (column, count) in row[4..].iter_mut().zip(sum.loss) {
        *column = count.into();
    }
    row[12] = sum.blamed_by.cast_signed();
    row[13] = date(sum.blamed_at);
    row[14] = date(new.at.unix_seconds());
    row
}

fn read_past(row: &Row<'_>) -> rusqlite::Result<Past> {
    let date = |column| {
        let seconds: rusqlite::Result<i64> = row.get(column);
        seconds.map(|seconds| UnixSeconds(u64::try_from(seconds).unwrap_or(0)))
    };
    let mut figures = Figures {
        stays: row.get(0)?,
        uptime_s: row.get(1)?,
        tried: row.get(2)?,
        connected: row.get(3)?,
        blamed_by: row.get::<_, i64>(12)?.cast_unsigned(),
        blamed_at: date(13)?,
        ..Figures::default()
    };
    for (place, count) in figures.loss.iter_mut().enumerate() {
        *count = row.get(4 + place)?;
    }
    let seen = date(14)?;
    Ok(Past { figures, seen })
}

const fn platform_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Browser => "browser",
        Platform::Native => "native",
    }
}

fn platform(name: &str) -> Platform {
    if name == "native" {
        Platform::Native
    } else {
        Platform::Browser
    }
}

#[cfg(test)]
mod tests {
    use runnel_protocol::time::Timestamp;

    use super::*;

    const ANN: PeerId = PeerId([1; 16]);
    const BOB: PeerId = PeerId([2; 16]);

    fn told(peer: Option<PeerId>, second: u64, figures: Figures) -> Remembered {
        Remembered {
            peer,
            profile: ProfileName {
                network: "north".to_owned(),
                platform: Platform::Native,
                uplink: 11,
            },
            figures,
            at: Timestamp::from_micros(second * 1_000_000),
        }
    }

    fn stay(uptime_s: u32) -> Figures {
        Figures {
            stays: 1,
            uptime_s,
            tried: 3,
            connected: 2,
            loss: [1, 2, 3, 4, 5, 6, 7, 8],
            blamed_by: 1 << 63 | 1,
            blamed_at: UnixSeconds(7),
        }
    }

    #[tokio::test]
    async fn what_is_told_is_added_up_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let new = vec![told(Some(ANN), 100, stay(60)), told(None, 100, stay(10))];
        let found = store.remember(new, vec![ANN, BOB]).await.unwrap();
        let first = KeptHistory {
            peer: ANN,
            past: Past {
                figures: stay(60),
                seen: UnixSeconds(100),
            },
        };
        assert_eq!(found, [first], "asked for with what came right before");
        let again = vec![told(Some(ANN), 200, stay(40))];
        store.remember(again, Vec::new()).await.unwrap();
        drop(store);

        let store = Store::open(folder.path()).unwrap();
        let mut both = stay(60);
        both.add(&stay(40));
        let past = store.history(ANN).unwrap().unwrap().past;
        assert_eq!((past.figures, past.seen), (both, UnixSeconds(200)));
        assert_eq!(store.history(BOB).unwrap(), None);
        let [profile] = &store.profiles().unwrap()[..] else {
            panic!("one kind was told of");
        };
        assert_eq!((profile.figures.stays, profile.figures.uptime_s), (3, 110));
        assert_eq!(profile.name, told(None, 0, stay(0)).profile);
    }

    #[tokio::test]
    async fn who_was_not_seen_for_long_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let new = vec![told(Some(ANN), 100, stay(1)), told(Some(BOB), 200, stay(1))];
        store.remember(new, Vec::new()).await.unwrap();
        assert_eq!(store.forget_histories_before(200).await.unwrap(), 1);
        let left = store.histories(10).unwrap();
        assert_eq!(left.iter().map(|one| one.peer).collect::<Vec<_>>(), [BOB]);
        store.forget_peer(BOB).await.unwrap();
        assert_eq!(store.histories(10).unwrap(), []);
        assert_eq!(
            store.profiles().unwrap().len(),
            1,
            "of kinds nobody is named"
        );
    }
}
