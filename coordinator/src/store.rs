//! What outlives the process: keys, providers, contents, one-time codes, waypoints and their certificates,
//! records and histories, in one SQLite file. One thread writes, and commits together what waits together (measured:
//! 295 single commits a second, 50,000 rows a second in groups).

mod generations;
mod groups;
mod histories;
mod link_uses;
mod policies;
mod providers;
mod transfers;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use runnel_coordinator_core::Content;
use runnel_protocol::codec::{decode, encode};
use runnel_protocol::ids::PeerId;
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::signature::Signed;
use runnel_protocol::units::BitsPerSecond;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

pub(crate) use self::generations::Fingerprint;
pub(crate) use self::groups::GroupChange;
pub(crate) use self::histories::KeptHistory;
pub(crate) use self::providers::{NewKey, ProvidersWatch};
pub(crate) use self::transfers::{Kept, Wanted};
use crate::clock;
use crate::codes;

/// Writes that wait before whoever asks has to wait as well.
const QUEUE: usize = 1024;
/// Most writes in one commit.
const GROUP: usize = 256;
/// Another process (`enrol`) may hold the file for this long.
const BUSY: Duration = Duration::from_secs(5);

const VERSION: &str = "user_version";
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, seed BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS contents (
        name TEXT PRIMARY KEY, provider TEXT NOT NULL, url TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS codes (
        hash BLOB PRIMARY KEY, contents TEXT NOT NULL, expires INTEGER NOT NULL,
        used_by BLOB) STRICT;
    CREATE TABLE IF NOT EXISTS waypoints (
        peer BLOB PRIMARY KEY, contents TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS certificates (
        waypoint BLOB PRIMARY KEY, signed BLOB NOT NULL) STRICT;
";

/// What was added to that, in order. SQLite's `user_version` counts those that a file has.
const ADDED: [&str; 10] = [
    "ALTER TABLE contents ADD COLUMN media_origins TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE contents ADD COLUMN cdn_capacity INTEGER",
    transfers::TABLE,
    policies::TABLE,
    providers::TABLES,
    link_uses::TABLE,
    histories::TABLES,
    generations::TABLE,
    "ALTER TABLE contents ADD COLUMN enforce INTEGER NOT NULL DEFAULT 0",
    groups::TABLES,
];

/// Why the store does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or file cannot be made or opened.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite says no.
    #[error("the store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A later version of the program has written it.
    #[error("{0} was written by a later version: start that one, or another data folder")]
    Later(PathBuf),
    /// A row is not what was written.
    #[error("the store holds a damaged {0}")]
    Damaged(&'static str),
    /// The system gives no entropy.
    #[error("no entropy: {0}")]
    Entropy(#[from] getrandom::Error),
    /// The writer thread has ended.
    #[error("the store is closed")]
    Closed,
}

/// A write; what it returns is called once the commit is on disk, or has failed.
type Job = Box<dyn FnOnce(&Transaction<'_>) -> rusqlite::Result<Reply> + Send>;
type Reply = Box<dyn FnOnce(bool) + Send>;

/// The store, open.
pub struct Store {
    path: PathBuf,
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

fn folder_error(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError + '_ {
    move |source| StoreError::Folder {
        path: path.to_owned(),
        source,
    }
}

/// Makes the folder and file, for this user alone: private keys are in there.
fn prepare(folder: &Path) -> Result<PathBuf, StoreError> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(folder_error(folder))?;
    let path = folder.join("coordinator.sqlite");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(&path).map_err(folder_error(&path))?;
    Ok(path)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Makes the tables, or adds to those of an earlier version.
fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    // Two processes may open a new file at the same time.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    let has: u32 = transaction.pragma_query_value(None, VERSION, |row| row.get(0))?;
    let missing = ADDED.get(has as usize..);
    let missing = missing.ok_or_else(|| StoreError::Later(path.to_owned()))?;
    for addition in missing {
        transaction.execute_batch(addition)?;
    }
    transaction.pragma_update(None, VERSION, ADDED.len() as u32)?;
    Ok(transaction.commit()?)
}

impl Store {
    /// Opens the store in `folder`, made where there is none.
    ///
    /// # Errors
    /// The folder cannot be made, or the file is not ours to use.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = prepare(folder)?;
        let mut connection = connect(&path)?;
        bring_up_to_date(&mut connection, &path)?;
        let (jobs, queue) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write(connection, &queue))
            .map_err(folder_error(&path))?;
        Ok(Self {
            path,
            jobs: Some(jobs),
            writer: Some(writer),
        })
    }

    /// The seed of a key, drawn the first time.
    pub(crate) fn key_seed(&self, name: &str) -> Result<[u8; 32], StoreError> {
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed)?;
        let connection = connect(&self.path)?;
        connection.execute(
            "INSERT OR IGNORE INTO keys (name, seed) VALUES (?1, ?2)",
            params![name, seed],
        )?;
        let kept: Vec<u8> =
            connection.query_row("SELECT seed FROM keys WHERE name = ?1", [name], |row| {
                row.get(0)
            })?;
        kept.try_into().map_err(|_| StoreError::Damaged("key"))
    }

    /// The contents that were registered over the API.
    pub(crate) fn contents(&self) -> Result<Vec<Content>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows = connection.prepare(
            "SELECT name, provider, url, media_origins, cdn_capacity, enforce FROM contents \
             ORDER BY name",
        )?;
        let contents = rows.query_map([], |row| {
            Ok(Content {
                name: row.get(0)?,
                provider: row.get(1)?,
                master_url: row.get(2)?,
                media_origins: split(&row.get::<_, String>(3)?),
                cdn_capacity: rate(row.get(4)?),
                enforce: row.get(5)?,
            })
        })?;
        Ok(contents.collect::<Result<_, _>>()?)
    }

    /// Enrolled waypoints and the names of their contents.
    pub(crate) fn waypoints(&self) -> Result<Vec<(PeerId, Vec<String>)>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows = connection.prepare("SELECT peer, contents FROM waypoints ORDER BY peer")?;
        let pairs = rows.query_map([], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?))
        })?;
        pairs
            .map(|pair| {
                let (peer, contents) = pair?;
                let peer = peer
                    .try_into()
                    .map_err(|_| StoreError::Damaged("waypoint"))?;
                Ok((PeerId(peer), split(&contents)))
            })
            .collect()
    }

    /// The newest certificate of each waypoint.
    pub(crate) fn certificates(&self) -> Result<Vec<Signed<StreamKeyCertificate>>, StoreError> {
        let connection = connect(&self.path)?;
        let mut rows = connection.prepare("SELECT signed FROM certificates ORDER BY waypoint")?;
        let blobs = rows.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        blobs
            .map(|bytes| decode(&bytes?).map_err(|_| StoreError::Damaged("certificate")))
            .collect()
    }

    /// Keeps a one-time code that enrols a waypoint for `contents`, for `life` seconds.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_code(&self, code: &str, contents: &[String], life: u64) -> Result<(), StoreError> {
        insert_code(&connect(&self.path)?, code, contents, life)?;
        Ok(())
    }

    /// The same from a task.
    pub(crate) async fn add_code_soon(
        &self,
        code: String,
        contents: Vec<String>,
        life: u64,
    ) -> Result<(), StoreError> {
        self.run(move |transaction| insert_code(transaction, &code, &contents, life))
            .await
    }

    /// Uses up a code for `peer`; the names of its contents, or `None` where it is not valid.
    pub(crate) async fn redeem(
        &self,
        code: String,
        peer: PeerId,
    ) -> Result<Option<Vec<String>>, StoreError> {
        self.run(move |transaction| use_code(transaction, &code, peer))
            .await
    }

    /// Keeps a content, in place of one of the same name.
    pub(crate) async fn put_content(&self, content: Content) -> Result<(), StoreError> {
        let write = "INSERT OR REPLACE INTO contents \
                     (name, provider, url, media_origins, cdn_capacity, enforce) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.run(move |transaction| {
            let elsewhere = content.media_origins.join("\n");
            let row = params![
                content.name,
                content.provider,
                content.master_url,
                elsewhere,
                content.cdn_capacity.map(whole),
                content.enforce
            ];
            transaction.execute(write, row).map(drop)
        })
        .await
    }

    /// Forgets a content.
    pub(crate) async fn remove_content(&self, name: String) -> Result<(), StoreError> {
        self.run(move |transaction| {
            transaction
                .execute("DELETE FROM contents WHERE name = ?1", [name])
                .map(drop)
        })
        .await
    }

    /// Keeps a waypoint's newest certificate.
    pub(crate) async fn keep_certificate(
        &self,
        signed: Signed<StreamKeyCertificate>,
    ) -> Result<(), StoreError> {
        let write = "INSERT OR REPLACE INTO certificates (waypoint, signed) VALUES (?1, ?2)";
        self.run(move |transaction| {
            let row = params![signed.body.waypoint.0, encode(&signed)];
            transaction.execute(write, row).map(drop)
        })
        .await
    }

    /// Has the writer do something and waits for the commit.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, done) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let result = work(transaction)?;
            Ok(Box::new(move |committed| {
                if committed {
                    // Whoever asked may have gone.
                    let _ = answer.send(result);
                }
            }))
        });
        let jobs = self.jobs.clone().ok_or(StoreError::Closed)?;
        // A full queue blocks: keep that off the runtime's workers.
        tokio::task::spawn_blocking(move || jobs.send(job))
            .await
            .map_err(|_| StoreError::Closed)?
            .map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)
    }
}

impl Drop for Store {
    /// Writes what waits, then closes the file.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

/// The writer thread: groups what waits into one commit.
fn write(mut connection: Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let rest = queue.try_iter().take(GROUP - 1);
        let group: Vec<Job> = core::iter::once(first).chain(rest).collect();
        if let Err(error) = commit(&mut connection, group) {
            tracing::error!(%error, "the store could not be written");
        }
    }
}

fn commit(connection: &mut Connection, group: Vec<Job>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut replies = Vec::with_capacity(group.len());
    for job in group {
        // One that fails is alone with it: its reply is dropped, which tells whoever waits.
        match job(&transaction) {
            Ok(reply) => replies.push(reply),
            Err(error) => tracing::error!(%error, "the store refused a write"),
        }
    }
    let committed = transaction.commit();
    for reply in replies {
        reply(committed.is_ok());
    }
    committed
}

fn insert_code(
    connection: &Connection,
    code: &str,
    contents: &[String],
    life: u64,
) -> rusqlite::Result<()> {
    let expires = i64::try_from(clock::unix_seconds().saturating_add(life)).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO codes (hash, contents, expires) VALUES (?1, ?2, ?3)",
        params![codes::hash(code), contents.join("\n"), expires],
    )?;
    Ok(())
}

fn use_code(
    connection: &Connection,
    code: &str,
    peer: PeerId,
) -> rusqlite::Result<Option<Vec<String>>> {
    let now = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
    let hash = codes::hash(code);
    let used = connection.execute(
        "UPDATE codes SET used_by = ?1 WHERE hash = ?2 AND used_by IS NULL AND expires > ?3",
        params![peer.0, hash, now],
    )?;
    if used == 0 {
        return Ok(None);
    }
    let contents: Option<String> = connection
        .query_row(
            "SELECT contents FROM codes WHERE hash = ?1",
            [hash],
            |row| row.get(0),
        )
        .optional()?;
    let contents = contents.unwrap_or_default();
    connection.execute(
        "INSERT OR REPLACE INTO waypoints (peer, contents) VALUES (?1, ?2)",
        params![peer.0, contents],
    )?;
    Ok(Some(split(&contents)))
}

/// SQLite's whole numbers have a sign; one that no rate can be is none.
fn rate(bits: Option<i64>) -> Option<BitsPerSecond> {
    bits.and_then(|bits| u64::try_from(bits).ok())
        .map(BitsPerSecond)
}

fn whole(rate: BitsPerSecond) -> i64 {
    i64::try_from(rate.0).unwrap_or(i64::MAX)
}

/// Names and URLs have no control characters, so a line holds one.
fn split(names: &str) -> Vec<String> {
    names.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(sql: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = prepare(folder.path()).unwrap();
        connect(&path).unwrap().execute_batch(sql).unwrap();
        folder
    }

    #[test]
    fn what_an_earlier_version_kept_is_there() {
        let first = format!("{SCHEMA} INSERT INTO contents VALUES ('live', 'demo', 'https://a/');");
        let folder = folder_with(&first);
        for _ in 0..2 {
            let contents = Store::open(folder.path()).unwrap().contents().unwrap();
            assert_eq!(contents[0].name, "live");
            assert!(contents[0].media_origins.is_empty());
        }
    }

    #[tokio::test]
    async fn a_content_is_kept_with_all_its_places() {
        let folder = tempfile::tempdir().unwrap();
        let content = Content {
            name: "live".to_owned(),
            provider: "demo".to_owned(),
            master_url: "https://a.example/master.m3u8".to_owned(),
            media_origins: vec![
                "https://b.example".to_owned(),
                "https://c.example".to_owned(),
            ],
            cdn_capacity: Some(BitsPerSecond(20_000_000_000)),
            enforce: true,
        };
        let store = Store::open(folder.path()).unwrap();
        store.put_content(content.clone()).await.unwrap();
        drop(store);
        let contents = Store::open(folder.path()).unwrap().contents().unwrap();
        assert_eq!(contents, [content]);
    }

    #[test]
    fn what_a_later_version_wrote_is_left_alone() {
        let folder = folder_with("PRAGMA user_version = 99");
        let refused = Store::open(folder.path()).err().unwrap().to_string();
        assert!(refused.contains("a later version"), "{refused}");
    }
}
