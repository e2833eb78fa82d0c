//! The task of one track: polls its playlist, fetches what the window says, attests it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runnel_peer_core::Input;
use runnel_protocol::ids::{ContentId, TrackId};
use runnel_protocol::segment::SegmentKey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};
use url::Url;

use super::Means;
use super::attest::{Attestation, attest};
use super::origin::{Fetched, Granted, OriginError, Validators};
use super::playlist::{Media, PlaylistError, Segment};
use super::window::Window;

/// Segments of one track fetched at a time: one to play, two to get ahead.
const FETCHES: usize = 3;
/// Polls per target duration: a new segment is seen an eighth of its length after it is there.
const POLLS: u32 = 8;
/// Pause after a poll that failed, and between looks at fetches that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// Commands that wait.
const COMMANDS: usize = 256;

/// What a track is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    /// Somebody plays it, or nobody does.
    Follow(bool),
    /// Somebody needs this segment of it.
    Want(SegmentKey),
}

/// What a track was waiting for.
enum Done {
    Polled(Result<Option<Fetched>, OriginError>),
    Attested(SegmentKey),
    Failed(SegmentKey),
}

/// One track under attestation.
pub(super) struct Track {
    means: Arc<Means>,
    url: Url,
    granted: Granted,
    window: Window,
    followed: bool,
    validators: Validators,
    next_poll: Instant,
    polling: bool,
    /// Whether the last poll failed: said once, not twice a second.
    failing: bool,
    fetching: usize,
    jobs: JoinSet<Done>,
}

impl Track {
    /// Starts the task; it ends when what it returns is dropped.
    pub(super) fn start(
        means: Arc<Means>,
        content: ContentId,
        track: TrackId,
        url: Url,
        granted: Granted,
    ) -> mpsc::Sender<Command> {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let window = Window::new(content, track, &means.held, means.clock.now());
        let task = Self {
            means,
            url,
            granted,
            window,
            followed: false,
            validators: Validators::default(),
            next_poll: Instant::now(),
            polling: false,
            failing: false,
            fetching: 0,
            jobs: JoinSet::new(),
        };
        tokio::spawn(task.run(commands));
        sender
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            self.start_jobs();
            let retry = self.window.is_waiting() && self.fetching < FETCHES;
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    None => return,
                },
                Some(Ok(done)) = self.jobs.join_next() => self.on_done(done).await,
                () = sleep_until(self.next_poll), if !self.polling && self.window.wants_playlist() => {}
                () = tokio::time::sleep(PAUSE), if retry => {}
            }
        }
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Follow(followed) if followed != self.followed => {
                debug!(url = %self.url.path(), followed, "demand");
                self.followed = followed;
                self.window.follow(followed);
            }
            Command::Follow(_) => {}
            Command::Want(key) => {
                if !self.window.want(key, self.means.clock.now()) {
                    self.means.inbox.input(Input::Unattainable(key)).await;
                }
            }
        }
    }

    fn start_jobs(&mut self) {
        let now = Instant::now();
        if !self.polling && self.window.wants_playlist() && self.next_poll <= now {
            self.polling = true;
            self.next_poll = now + self.pace();
            self.jobs.spawn(poll(
                self.means.clone(),
                self.url.clone(),
                self.granted.clone(),
                self.validators.clone(),
            ));
        }
        while self.fetching < FETCHES {
            let Some((key, segment)) = self.window.next(self.means.clock.now()) else {
                return;
            };
            self.fetching += 1;
            let fetch = Fetch {
                means: self.means.clone(),
                granted: self.granted.clone(),
                on_demand: self.window.media().is_some_and(|media| media.on_demand),
                key,
                segment,
            };
            self.jobs.spawn(fetch.run());
        }
    }

    fn pace(&self) -> Duration {
        let target = self.window.media().map(|media| media.target);
        target.map_or(PAUSE, |target| target / POLLS)
    }

    async fn on_done(&mut self, done: Done) {
        let now = self.means.clock.now();
        match done {
            Done::Polled(outcome) => {
                self.polling = false;
                self.on_polled(outcome).await;
            }
            Done::Attested(key) => {
                self.fetching -= 1;
                self.window.on_attested(key, now);
            }
            Done::Failed(key) => {
                self.fetching -= 1;
                if self.window.on_failed(key, now) {
                    self.means.inbox.input(Input::Unattainable(key)).await;
                }
            }
        }
    }

    async fn on_polled(&mut self, outcome: Result<Option<Fetched>, OriginError>) {
        match outcome.map(|fetched| fetched.map(|fetched| self.on_playlist(&fetched))) {
            Ok(Some(Err(why))) => self.on_poll_failed(&why),
            Err(why) => self.on_poll_failed(&why),
            Ok(Some(Ok(())) | None) => self.failing = false,
        }
        for key in self.window.unknown() {
            self.means.inbox.input(Input::Unattainable(key)).await;
        }
    }

    fn on_playlist(&mut self, fetched: &Fetched) -> Result<(), PlaylistError> {
        self.window
            .update(Media::parse(&fetched.bytes, &fetched.url)?);
        self.validators = fetched.validators.clone();
        self.next_poll = self.next_poll.min(Instant::now() + self.pace());
        Ok(())
    }

    fn on_poll_failed(&mut self, why: &dyn std::error::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(%why, path = self.url.path(), "a playlist cannot be had");
        }
        self.next_poll = Instant::now() + PAUSE;
    }
}

async fn poll(means: Arc<Means>, url: Url, granted: Granted, validators: Validators) -> Done {
    Done::Polled(means.origin.playlist(&url, &granted, &validators).await)
}

/// One segment on its way from the origin to the peer.
struct Fetch {
    means: Arc<Means>,
    granted: Granted,
    on_demand: bool,
    key: SegmentKey,
    segment: Segment,
}

impl Fetch {
    async fn run(self) -> Done {
        let fetched = self
            .means
            .origin
            .segment(&self.segment.url, self.segment.range, &self.granted)
            .await;
        let attestation = match fetched {
            Ok(bytes) => self.attest(&bytes),
            Err(why) => {
                warn!(%why, path = self.segment.url.path(), "a segment cannot be had");
                None
            }
        };
        match attestation {
            Some(Attestation { entry, chunks }) => {
                let attested = Input::Attested { entry, chunks };
                self.means.inbox.input(attested).await;
                Done::Attested(self.key)
            }
            None => Done::Failed(self.key),
        }
    }

    fn attest(&self, bytes: &Bytes) -> Option<Attestation> {
        attest(
            &self.means.stream_key,
            self.key,
            &self.segment,
            self.on_demand,
            bytes,
            self.means.clock.now().unix_seconds(),
        )
    }
}
