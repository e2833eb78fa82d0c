//! The thread that owns the cache: disks block, the peer never does.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use runnel_protocol::manifest::SignedEntry;
use runnel_protocol::proof::ProvenChunk;
use runnel_protocol::segment::SegmentKey;
use tracing::warn;

use super::{Cache, CacheError, Held};
use crate::clock::Clock;

/// Requests that wait: each of a home machine's 128 links may have 8 reads under way. If all were chunks to be
/// kept, they would be 64 MiB; beyond that the disk is too slow to be worth asking.
const QUEUE: usize = 1024;
/// How much of the index a crash may lose; its chunks are fetched again then.
const FLUSH_AFTER: Duration = Duration::from_secs(2);
/// How often expired entries are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// What the disk is asked for.
pub(crate) enum Request {
    /// Keep a chunk.
    Store(SignedEntry, ProvenChunk),
    /// Read a chunk; the answer goes to the closure, on the disk's thread.
    Load(SegmentKey, u32, Box<dyn FnOnce(Option<ProvenChunk>) + Send>),
    /// Delete a chunk.
    Discard(SegmentKey, u32),
}

/// The way to the disk.
#[derive(Debug)]
pub(crate) struct Disk {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Opens the cache in `directory` and gives it a thread; also what it held already.
    pub(crate) fn start(
        directory: PathBuf,
        quota: u64,
        clock: Clock,
    ) -> Result<(Self, Vec<Held>), CacheError> {
        let cache = Cache::open(&directory, quota, clock.now().unix_seconds())?;
        let held = cache.held();
        let (requests, queue) = sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || serve(cache, &queue, clock))?;
        let disk = Self {
            requests: Some(requests),
            thread: Some(thread),
        };
        Ok((disk, held))
    }

    /// Asks; whether the disk can keep up with it.
    #[must_use]
    pub(crate) fn ask(&self, request: Request) -> bool {
        let requests = self.requests.as_ref();
        requests.is_some_and(|requests| requests.try_send(request).is_ok())
    }
}

impl Drop for Disk {
    /// Waits until everything asked for is done and on record.
    fn drop(&mut self) {
        self.requests.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the disk's thread had panicked");
        }
    }
}

fn serve(mut cache: Cache, queue: &Receiver<Request>, clock: Clock) {
    let (mut flushed, mut expired) = (Instant::now(), Instant::now());
    loop {
        let now = clock.now().unix_seconds();
        let done = match queue.recv_timeout(FLUSH_AFTER) {
            Ok(Request::Store(entry, chunk)) => cache.store(&entry, &chunk, now),
            Ok(Request::Discard(segment, chunk)) => cache.discard(&segment, chunk),
            Ok(Request::Load(segment, chunk, answer)) => {
                let loaded = cache.load(&segment, chunk, now);
                let outcome = loaded.as_ref().map(|_| ()).map_err(ToString::to_string);
                answer(loaded.ok().flatten());
                report(outcome);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        report(done);
        if flushed.elapsed() >= FLUSH_AFTER {
            flushed = Instant::now();
            report(cache.flush());
        }
        if expired.elapsed() >= EXPIRE_EVERY {
            expired = Instant::now();
            report(cache.expire(now));
        }
    }
    report(cache.expire(clock.now().unix_seconds()));
    report(cache.flush());
}

/// A failing disk costs bandwidth, not the picture: it is said, and the agent goes on.
fn report<E: std::fmt::Display>(outcome: Result<(), E>) {
    if let Err(error) = outcome {
        warn!(%error, "the disk cache failed");
    }
}
