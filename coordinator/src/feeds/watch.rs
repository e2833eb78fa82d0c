//! Following files: looked at each half second, read once they have stopped changing.
//!
//! Looking at dates sees every way in which operators replace files: written in place, renamed over,
//! a symbolic link turned (as Kubernetes does), on a network's disk. A watch of the kernel's is lost
//! with the file that it was set on, and sees no other machine's writes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runnel_coordinator_core::Input;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::{FeedError, FeedSettings, Kind, SITE_LINES, Said, Stamp};
use crate::engine::{Command, Handle};
use crate::measure;
use crate::policies::{PolicyError, Shelf};
use crate::settings::NetworkSetting;
use crate::store::{Fingerprint, Store};

/// Time between looks. A file that changed is read when the next look finds it as this one did: what is
/// half written is not taken for the whole.
const LOOK: Duration = Duration::from_millis(500);

/// One file, as the operator is told of it.
#[derive(Debug, Clone)]
pub(crate) struct FeedState {
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    /// What it says of so many ranges or pairs is in force.
    pub(crate) entries: usize,
    /// Since when, in milliseconds of the UNIX epoch.
    pub(crate) since_ms: u64,
    /// Why a later version is not in force.
    pub(crate) error: Option<String>,
}

#[derive(Debug)]
struct File {
    state: FeedState,
    /// What was read last, well or not, and what was seen last.
    read: Option<Stamp>,
    seen: Option<Stamp>,
}

impl File {
    /// Whether it has another version, which has stood since the last look.
    fn has_settled(&mut self) -> bool {
        let now = Stamp::read(&self.state.path);
        let stood = core::mem::replace(&mut self.seen, now) == now;
        stood && now != self.read
    }

    fn take(&mut self, said: &mut Said) -> Result<(), FeedError> {
        self.read = Stamp::read(&self.state.path);
        self.seen = self.read;
        self.state.entries = said.take(self.state.kind, &self.state.path)?;
        self.state.since_ms = now_ms();
        self.state.error = None;
        Ok(())
    }

    fn succeed(&self) {
        let (kind, entries) = (self.state.kind.name(), self.state.entries);
        measure::fed(kind, entries);
        let path = self.state.path.display();
        tracing::info!(feed = kind, %path, entries, "a feed is in force");
    }

    fn fail(&mut self, error: &FeedError) {
        let kind = self.state.kind.name();
        measure::misfed(kind);
        tracing::error!(feed = kind, %error, "a feed is not taken: what it said before stays in force");
        self.state.error = Some(error.to_string());
    }
}

/// What files that change are put in force in.
pub(crate) struct Governed {
    pub(crate) engine: Handle,
    /// Held while something changes, as the API does.
    pub(crate) shelf: Arc<Mutex<Shelf>>,
    pub(crate) store: Arc<Store>,
}

impl Governed {
    /// The next start is to know that tickets of before may be against what is in force by then: kept before
    /// anybody hears of it, so that a process that dies in between has not forgotten.
    async fn note(&self, shelf: &Shelf, networks: Fingerprint) {
        let kept = async {
            self.store.note_policies(shelf.fingerprint()).await?;
            self.store.note_networks(networks).await
        };
        if let Err(error) = kept.await {
            tracing::error!(%error, "that a feed changed is not kept");
        }
    }
}

/// All files, and what they say.
#[derive(Debug)]
pub(crate) struct Watch {
    files: Vec<File>,
    said: Said,
    /// A hash of the settings' own lines, which say something of networks as well.
    lines: Fingerprint,
    told: watch::Sender<Vec<FeedState>>,
}

impl Watch {
    /// Reads all files. At the start there is nothing that could stay in force instead.
    ///
    /// # Errors
    /// One of them is wrong.
    pub(crate) fn start(
        settings: &FeedSettings,
        networks: &[NetworkSetting],
    ) -> Result<Self, FeedError> {
        let mut said = Said::default();
        let mut files = Vec::new();
        for (kind, path) in settings.files() {
            let mut file = File {
                state: FeedState {
                    kind,
                    path,
                    entries: 0,
                    since_ms: 0,
                    error: None,
                },
                read: None,
                seen: None,
            };
            file.take(&mut said)?;
            file.succeed();
            files.push(file);
        }
        let (told, _) = watch::channel(Vec::new());
        // A later version that writes them otherwise only asks for doubt.
        let lines = *blake3::hash(format!("{networks:?}").as_bytes()).as_bytes();
        let watch = Self {
            files,
            said,
            lines,
            told,
        };
        watch.tell();
        Ok(watch)
    }

    /// What all files say.
    pub(crate) const fn said(&self) -> &Said {
        &self.said
    }

    /// A hash of all that is known of networks.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.said.fingerprint(self.lines)
    }

    /// What the operator is told.
    pub(crate) fn states(&self) -> watch::Receiver<Vec<FeedState>> {
        self.told.subscribe()
    }

    fn tell(&self) {
        let states = self.files.iter().map(|file| file.state.clone()).collect();
        // Nobody may be there to hear it.
        self.told.send_replace(states);
    }

    /// Reads what has changed; what all say from now on, and whose word is new.
    fn look(&mut self) -> Option<(Said, Vec<usize>)> {
        let mut said = self.said.clone();
        let mut fresh = Vec::new();
        let mut looked = false;
        for (place, file) in self.files.iter_mut().enumerate() {
            if !file.has_settled() {
                continue;
            }
            looked = true;
            match file.take(&mut said) {
                Ok(()) => fresh.push(place),
                Err(error) => file.fail(&error),
            }
        }
        if looked {
            self.tell();
        }
        (!fresh.is_empty()).then_some((said, fresh))
    }

    /// Puts in force what was read; what was before, for the caller to let go of.
    async fn put(
        &mut self,
        (mut said, mut fresh): (Said, Vec<usize>),
        governed: &Governed,
    ) -> Said {
        let mut shelf = governed.shelf.lock().await;
        let set = match shelf.derive(SITE_LINES, said.site_lines.clone()) {
            Ok(set) => set,
            Err(error) => {
                said.take_back_sites(&self.said);
                let sites = |place: &usize| self.files[*place].state.kind == Kind::Sites;
                let refused = fresh.extract_if(.., |place| sites(place)).collect();
                self.refuse_sites(refused, error);
                None
            }
        };
        governed.note(&shelf, said.fingerprint(self.lines)).await;
        if let Some(set) = set {
            let policies = Input::Policies(set);
            governed.engine.tell(Command::Input(policies)).await;
        }
        let feeds = Input::Feeds(said.feeds.clone());
        governed.engine.tell(Command::Input(feeds)).await;
        fresh.iter().for_each(|place| self.files[*place].succeed());
        self.tell();
        core::mem::replace(&mut self.said, said)
    }

    fn refuse_sites(&mut self, refused: Vec<usize>, error: PolicyError) {
        let error = FeedError::from(error);
        for place in refused {
            self.files[place].state.entries = self.said.feeds.sites.len();
            self.files[place].fail(&error);
        }
    }
}

/// Follows the files until it is stopped.
pub(crate) async fn watch(mut watch: Watch, governed: Governed, stop: CancellationToken) {
    if watch.files.is_empty() {
        return;
    }
    let mut looks = tokio::time::interval(LOOK);
    // Tables of a million lines take a while to free: not in the engine, which has let go of
    // this one by the next look.
    let mut before = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        let looked = tokio::task::spawn_blocking(move || {
            drop(before);
            let read = watch.look();
            (watch, read)
        });
        let read;
        (watch, read) = match looked.await {
            Ok(looked) => looked,
            Err(error) => {
                tracing::error!(%error, "feeds are followed no more");
                return;
            }
        };
        before = match read {
            Some(read) => Some(watch.put(read, &governed).await),
            None => None,
        };
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    u64::try_from(millis).unwrap_or(u64::MAX)
}
