//! The waypoint: an agent that the operator trusts to attest.
//!
//! It polls the unmodified origin, fetches each new segment that somebody plays once, hashes and
//! signs it. `origin` fetches (and refuses), `playlist` reads, `window` decides what is next,
//! `track` does it for one rendition, `stream_key` signs.

mod attest;
pub mod origin;
pub mod playlist;
pub mod private;
mod show;
mod stream_key;
mod track;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use runnel_peer_core::Input;
use runnel_protocol::control::OriginGrant;
use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::segment::SegmentKey;
use runnel_protocol::signature::Signed;
use runnel_protocol::signing::KeyPair;
use runnel_protocol::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::inbox::Inbox;
use origin::Origin;
use playlist::Master;
use show::Show;
pub(crate) use stream_key::StreamKey;
use track::{Command, Track};

/// Tasks that wait for the waypoint.
const TASKS: usize = 1024;
/// Contents attested by one waypoint.
const MAX_SHOWS: usize = 64;
/// Demands for contents whose grant, certificate or master playlist is not there yet.
const MAX_EARLY: usize = 256;
/// How long such a demand waits: viewers of a content that just began come with its grant.
const EARLY: Duration = Duration::from_secs(3);
/// How often grants, certificates and missing playlists are looked after.
const UPKEEP: Duration = Duration::from_secs(1);

/// What the peer asks its waypoint to do.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// This content may be fetched, from there.
    Grant(OriginGrant),
    /// The stream key is certified.
    Certified(Signed<StreamKeyCertificate>),
    /// Somebody plays this track, or nobody does any more.
    Follow(ContentId, TrackId, bool),
    /// Somebody needs this segment.
    Segment(SegmentKey),
}

/// What all tracks share.
#[derive(Debug)]
pub(crate) struct Means {
    origin: Origin,
    stream_key: Arc<KeyPair>,
    clock: Clock,
    inbox: Inbox,
    /// Segments that the disk held whole at the start.
    held: BTreeSet<SegmentKey>,
}

/// A track's task, and whether it knows that somebody plays it.
#[derive(Debug)]
struct Running {
    commands: mpsc::Sender<Command>,
    follows: bool,
}

/// The task that keeps an eye on all contents.
#[derive(Debug)]
pub(crate) struct Waypoint {
    means: Arc<Means>,
    stream_key: StreamKey,
    shows: BTreeMap<ContentId, Show>,
    followed: BTreeSet<(ContentId, TrackId)>,
    /// Demands that cannot be passed on yet, and since when.
    early: Vec<(SegmentKey, Timestamp)>,
    tracks: BTreeMap<(ContentId, TrackId), Running>,
    loads: JoinSet<(ContentId, Option<Master>)>,
    renewed: bool,
}

impl Waypoint {
    /// Starts the waypoint; tasks go into what it returns.
    pub(crate) fn start(
        stream_key: StreamKey,
        origin: Origin,
        held: BTreeSet<SegmentKey>,
        clock: Clock,
        inbox: Inbox,
    ) -> mpsc::Sender<Task> {
        let (sender, tasks) = mpsc::channel(TASKS);
        let means = Means {
            origin,
            stream_key: stream_key.pair(),
            clock,
            inbox,
            held,
        };
        let waypoint = Self {
            means: Arc::new(means),
            stream_key,
            shows: BTreeMap::new(),
            followed: BTreeSet::new(),
            early: Vec::new(),
            tracks: BTreeMap::new(),
            loads: JoinSet::new(),
            renewed: false,
        };
        tokio::spawn(waypoint.run(tasks));
        sender
    }

    async fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        self.enrol().await;
        let mut upkeep = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                task = tasks.recv() => match task {
                    Some(task) => self.on_task(task),
                    None => return,
                },
                Some(Ok((content, loaded))) = self.loads.join_next() => {
                    self.on_loaded(content, loaded).await;
                }
                _ = upkeep.tick() => self.keep_up().await,
            }
            self.reconcile().await;
        }
    }

    fn on_task(&mut self, task: Task) {
        match task {
            Task::Grant(grant) => self.on_grant(grant),
            Task::Certified(certificate) => {
                self.renewed = false;
                let expires = certificate.body.expires.0;
                info!(expires, "the stream key is certified");
                if let Err(error) = self.stream_key.on_certified(certificate) {
                    warn!(%error, "the certificate cannot be kept: a restart enrols again");
                }
            }
            Task::Follow(content, track, true) => {
                self.followed.insert((content, track));
            }
            Task::Follow(content, track, false) => {
                self.followed.remove(&(content, track));
            }
            Task::Segment(segment) if self.early.len() < MAX_EARLY => {
                self.early.push((segment, self.means.clock.now()));
            }
            Task::Segment(_) => {}
        }
    }

    async fn on_loaded(&mut self, content: ContentId, loaded: Option<Master>) {
        let now = self.means.clock.now();
        let show = self.shows.get_mut(&content);
        if let Some(master) = show.and_then(|show| show.on_loaded(loaded, now)) {
            let ladder = Input::Ladder(content, master.ladder.clone());
            self.means.inbox.input(ladder).await;
        }
    }

    fn on_grant(&mut self, grant: OriginGrant) {
        let content = grant.content;
        let full = self.shows.len() >= MAX_SHOWS && !self.shows.contains_key(&content);
        let known = self.shows.get_mut(&content);
        match known.filter(|show| show.master_url() == grant.master_url) {
            Some(show) => show.renew(grant),
            None if full => warn!(%content, "more contents than one waypoint attests"),
            None => {
                info!(name = grant.name, "granted a content");
                self.tracks.retain(|(of, _), _| *of != content);
                self.shows.insert(content, Show::new(grant));
            }
        }
    }

    /// Drops what is no longer granted, renews what is about to expire.
    async fn keep_up(&mut self) {
        let date = self.means.clock.now().unix_seconds();
        self.shows.retain(|_, show| show.is_granted(date));
        let shows = &self.shows;
        self.tracks
            .retain(|(content, _), _| shows.contains_key(content));
        let due = self.stream_key.renewal_due();
        if due.is_some_and(|due| due <= date) && !self.renewed {
            self.enrol().await;
        }
    }

    /// Has every track that somebody needs and that may be attested be attested.
    async fn reconcile(&mut self) {
        self.read_missing();
        for (content, track) in self.followed.clone() {
            self.open(content, track);
        }
        let now = self.means.clock.now();
        for (key, since) in std::mem::take(&mut self.early) {
            self.open(key.content, key.track);
            let track = self.tracks.get(&(key.content, key.track));
            let sent = track.map(|track| track.commands.try_send(Command::Want(key)));
            match sent {
                Some(Ok(())) => {}
                None if self.is_hopeless(&key) || now.since(since) >= EARLY => {
                    self.means.inbox.input(Input::Unattainable(key)).await;
                }
                None | Some(Err(_)) => self.early.push((key, since)),
            }
        }
        for (name, track) in &mut self.tracks {
            let follows = self.followed.contains(name);
            if follows != track.follows && track.commands.try_send(Command::Follow(follows)).is_ok()
            {
                track.follows = follows;
            }
        }
    }

    /// Reads the master playlists of which tracks are needed and not known.
    fn read_missing(&mut self) {
        let now = self.means.clock.now();
        let Some(certificate) = self.stream_key.certificate() else {
            return;
        };
        for (content, show) in &mut self.shows {
            let followed = self.followed.iter().map(|(of, track)| (of, track));
            let early = self.early.iter().map(|(key, _)| (&key.content, &key.track));
            let mut needed = followed.chain(early).filter(|(of, _)| *of == content);
            let missing = needed.any(|(_, track)| show.track(track).is_none());
            if show.is_due(missing, now) {
                let content = *content;
                let load = show.load(self.means.origin.clone(), &certificate.origins, now);
                self.loads.spawn(async move { (content, load.await) });
            }
        }
    }

    /// Starts a track's task, if its content is granted, certified and read.
    fn open(&mut self, content: ContentId, track: TrackId) {
        if self.tracks.contains_key(&(content, track)) {
            return;
        }
        let now = self.means.clock.now().unix_seconds();
        let certificate = self.stream_key.certificate();
        let Some(certificate) = certificate.filter(|one| one.covers(content, now)) else {
            return;
        };
        let show = self.shows.get(&content);
        let Some((show, url)) = show.and_then(|show| Some((show, show.track(&track)?))) else {
            return;
        };
        let means = self.means.clone();
        let granted = show.granted(&certificate.origins);
        let running = Running {
            commands: Track::start(means, content, track, url.clone(), granted),
            follows: false,
        };
        self.tracks.insert((content, track), running);
    }

    /// Whether the master playlist is there and knows no such track.
    fn is_hopeless(&self, key: &SegmentKey) -> bool {
        let show = self.shows.get(&key.content);
        show.is_some_and(|show| show.is_read() && show.track(&key.track).is_none())
    }

    async fn enrol(&mut self) {
        self.renewed = true;
        let enrolment = Input::Enrol(self.stream_key.enrolment());
        self.means.inbox.input(enrolment).await;
    }
}
