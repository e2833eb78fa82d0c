//! Transfer records on their way to the store: collected, written in batches, forgotten in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runnel_coordinator_core::Transfer;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::measure;
use crate::store::{Kept, Store};

/// Records that wait to be written; a crowd that leaves at once is larger, and takes seconds.
const QUEUE: usize = 65_536;
/// Most that are written in one commit.
const BATCH: usize = 4096;
/// How often old records are forgotten, where new ones come.
const UPKEEP: Duration = Duration::from_secs(3600);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Where records go.
#[derive(Debug, Clone)]
pub(crate) struct Keeper(Option<mpsc::Sender<Kept>>);

impl Keeper {
    /// Keeps records for so many days; for none, where that is zero. What returns ends, with
    /// everything written, once the keeper is dropped.
    pub(crate) fn start(
        store: Arc<Store>,
        days: u32,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, records) = mpsc::channel(QUEUE);
        let keeper = Self((days > 0).then_some(sender));
        (keeper, keep(store, days, clock, records))
    }

    /// Where the store is that far behind, the record is lost and counted: the decisions go on.
    pub(crate) fn keep(&self, transfer: &Transfer) {
        let lost = self
            .0
            .as_ref()
            .is_some_and(|sender| sender.try_send(Kept::from(transfer)).is_err());
        if lost {
            measure::lost_transfer();
        }
    }
}

async fn keep(store: Arc<Store>, days: u32, clock: Clock, mut records: mpsc::Receiver<Kept>) {
    forget(&store, days, clock).await;
    let mut forgotten = Instant::now();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let count = records.recv_many(&mut batch, BATCH).await;
        if count == 0 {
            return;
        }
        if let Err(error) = store.keep_transfers(core::mem::take(&mut batch)).await {
            tracing::error!(%error, count, "transfer records could not be kept");
        }
        if forgotten.elapsed() >= UPKEEP {
            forgotten = Instant::now();
            forget(&store, days, clock).await;
        }
    }
}

async fn forget(store: &Store, days: u32, clock: Clock) {
    let now = i64::try_from(clock.now().as_micros() / 1000).unwrap_or(i64::MAX);
    let oldest = now - i64::from(days) * DAY_MS;
    match store.forget_transfers_before(oldest).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, days, "old transfer records are forgotten"),
        Err(error) => tracing::error!(%error, "old transfer records stay"),
    }
}
