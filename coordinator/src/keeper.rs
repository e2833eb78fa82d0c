//! Transfer records, histories and groups on their way to the store: collected, written in batches, in the
//! order in which they were told, forgotten in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runnel_coordinator_core::{Input, Remembered, Transfer};
use runnel_protocol::ids::PeerId;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::engine::Command;
use crate::measure;
use crate::store::{GroupChange, Kept, Store, StoreError};

/// Records that wait to be written; a crowd that leaves at once is larger, and takes seconds.
const QUEUE: usize = 65_536;
/// Most that are written in one commit.
const BATCH: usize = 4096;
/// How often old records are forgotten, where new ones come.
const UPKEEP: Duration = Duration::from_secs(3600);
const DAY_S: i64 = 24 * 60 * 60;

/// For how many days things are kept; none at all where that is zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Days {
    pub(crate) transfers: u32,
    pub(crate) history: u32,
}

/// What the keeper is asked for.
#[derive(Debug)]
enum Errand {
    Keep(Box<Kept>),
    Remember(Box<Remembered>),
    /// The engine is told what is kept of this peer.
    Recall(PeerId, mpsc::WeakSender<Command>),
    Group(GroupChange),
    /// Answered once all changes of groups before it are written.
    Settle(oneshot::Sender<Result<(), StoreError>>),
    Forget(PeerId, oneshot::Sender<Result<(), StoreError>>),
}

/// Where records go. One queue for all: what is asked for, or is to be forgotten, includes what was
/// told before.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    errands: mpsc::Sender<Errand>,
    days: Days,
}

impl Keeper {
    /// What is returned ends, with everything written, once the keeper is dropped.
    pub(crate) fn start(
        store: Arc<Store>,
        days: Days,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (errands, waiting) = mpsc::channel(QUEUE);
        (Self { errands, days }, keep(store, days, clock, waiting))
    }

    /// Where the store is that far behind, the record is lost and counted: the decisions go on.
    pub(crate) fn keep(&self, transfer: &Transfer) {
        let record = || Errand::Keep(Box::new(Kept::from(transfer)));
        if self.days.transfers > 0 && self.errands.try_send(record()).is_err() {
            measure::lost_record("transfer");
        }
    }

    /// The same of what a peer did.
    pub(crate) fn remember(&self, remembered: Box<Remembered>) {
        if self.errands.try_send(Errand::Remember(remembered)).is_err() {
            measure::lost_record("history");
        }
    }

    /// Finds what is kept of a peer; it counts as a stranger where the store is far behind.
    pub(crate) fn recall(&self, peer: PeerId, engine: mpsc::WeakSender<Command>) {
        if self.errands.try_send(Errand::Recall(peer, engine)).is_err() {
            measure::lost_record("recall");
        }
    }

    /// Keeps what becomes of a group.
    pub(crate) fn change_group(&self, change: GroupChange) {
        if self.errands.try_send(Errand::Group(change)).is_err() {
            measure::lost_record("group");
        }
    }

    /// Says when all changes of groups are kept. Where the store is too far behind, the answer is dropped.
    pub(crate) fn settle_groups(&self, done: oneshot::Sender<Result<(), StoreError>>) {
        if self.errands.try_send(Errand::Settle(done)).is_err() {
            measure::lost_record("group");
        }
    }

    /// Forgets all that is kept of a peer. Where the store is too far behind, the answer is dropped.
    pub(crate) fn forget(&self, peer: PeerId, done: oneshot::Sender<Result<(), StoreError>>) {
        if self.errands.try_send(Errand::Forget(peer, done)).is_err() {
            measure::lost_record("forget");
        }
    }
}

async fn keep(store: Arc<Store>, days: Days, clock: Clock, mut waiting: mpsc::Receiver<Errand>) {
    forget_old(&store, days, clock).await;
    let mut forgotten = Instant::now();
    let mut errands = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut errands, BATCH).await > 0 {
        let mut batch = Batch::default();
        for errand in errands.drain(..) {
            match errand {
                Errand::Keep(record) => batch.transfers.push(*record),
                Errand::Remember(remembered) => batch.remembered.push(*remembered),
                Errand::Recall(peer, engine) => batch.asked.push((peer, engine)),
                Errand::Group(change) => batch.groups.push(change),
                Errand::Settle(done) => {
                    let groups = core::mem::take(&mut batch.groups);
                    drop(done.send(store.change_groups(groups).await));
                }
                Errand::Forget(peer, done) => {
                    core::mem::take(&mut batch).write(&store).await;
                    // Whoever asked may have gone.
                    drop(done.send(store.forget_peer(peer).await));
                }
            }
        }
        batch.write(&store).await;
        if forgotten.elapsed() >= UPKEEP {
            forgotten = Instant::now();
            forget_old(&store, days, clock).await;
        }
    }
}

/// What is written together.
#[derive(Default)]
struct Batch {
    transfers: Vec<Kept>,
    groups: Vec<GroupChange>,
    remembered: Vec<Remembered>,
    asked: Vec<(PeerId, mpsc::WeakSender<Command>)>,
}

impl Batch {
    async fn write(self, store: &Store) {
        if !self.transfers.is_empty() {
            let count = self.transfers.len();
            if let Err(error) = store.keep_transfers(self.transfers).await {
                tracing::error!(%error, count, "transfer records could not be kept");
            }
        }
        if !self.groups.is_empty()
            && let Err(error) = store.change_groups(self.groups).await
        {
            tracing::error!(%error, "groups could not be kept");
        }
        if self.remembered.is_empty() && self.asked.is_empty() {
            return;
        }
        let (peers, engines): (Vec<_>, Vec<_>) = self.asked.into_iter().unzip();
        let found = match store.remember(self.remembered, peers).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "what peers did could not be kept");
                return;
            }
        };
        let Some(engine) = engines.into_iter().find_map(|engine| engine.upgrade()) else {
            return;
        };
        for one in found {
            let (peer, past) = (one.peer, one.past);
            let recalled = Command::Input(Input::Recalled { peer, past });
            if engine.send(recalled).await.is_err() {
                return;
            }
        }
    }
}

async fn forget_old(store: &Store, days: Days, clock: Clock) {
    let now = i64::try_from(clock.now().unix_seconds().0).unwrap_or(i64::MAX);
    let oldest = |days: u32| now - i64::from(days) * DAY_S;
    let transfers = store.forget_transfers_before(oldest(days.transfers) * 1000);
    say("transfer records", days.transfers, transfers.await);
    let histories = store.forget_histories_before(oldest(days.history));
    say("histories", days.history, histories.await);
}

fn say(what: &str, days: u32, forgotten: Result<usize, StoreError>) {
    match forgotten {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, days, "old {what} are forgotten"),
        Err(error) => tracing::error!(%error, "old {what} stay"),
    }
}
