//! One granted content: where it is, until when, and which tracks it has.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use runnel_protocol::control::OriginGrant;
use runnel_protocol::ids::TrackId;
use runnel_protocol::segment::TrackAttributes;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::UnixSeconds;
use tracing::{info, warn};
use url::Url;

use super::origin::{Granted, Origin, Validators};
use super::playlist::{Master, Playlist};

/// Pause before a master playlist is read again because it could not be had, or because a track
/// is asked for that it does not name.
const AGAIN: Duration = Duration::from_secs(5);

/// A content that may be attested.
#[derive(Debug)]
pub(super) struct Show {
    grant: OriginGrant,
    master: Option<Master>,
    asked: Option<Timestamp>,
    loading: bool,
}

impl Show {
    pub(super) fn new(grant: OriginGrant) -> Self {
        Self {
            grant,
            master: None,
            asked: None,
            loading: false,
        }
    }

    pub(super) fn master_url(&self) -> &str {
        &self.grant.master_url
    }

    /// The same content is granted for longer.
    pub(super) fn renew(&mut self, grant: OriginGrant) {
        self.grant = grant;
    }

    pub(super) fn is_granted(&self, now: UnixSeconds) -> bool {
        now < self.grant.expires
    }

    /// Whether its tracks are known.
    pub(super) fn is_read(&self) -> bool {
        self.master.is_some()
    }

    pub(super) fn track(&self, track: &TrackId) -> Option<&Url> {
        self.master.as_ref()?.tracks.get(track)
    }

    /// Every place that its media may be fetched from.
    pub(super) fn granted(&self, others: &[String]) -> Granted {
        let master = Url::parse(self.master_url());
        master.map_or_else(|_| Granted::default(), |url| Granted::new(&url, others))
    }

    /// Whether the master playlist is to be read: at first, and where a track is `missing`.
    pub(super) fn is_due(&self, missing: bool, now: Timestamp) -> bool {
        let rested = self.asked.is_none_or(|asked| now.since(asked) >= AGAIN);
        !self.loading && rested && (self.master.is_none() || missing)
    }

    /// Reads the master playlist.
    pub(super) fn load(
        &mut self,
        origin: Origin,
        others: &[String],
        now: Timestamp,
    ) -> impl Future<Output = Option<Master>> + use<> {
        self.loading = true;
        self.asked = Some(now);
        let granted = self.granted(others);
        let master = self.grant.master_url.clone();
        async move {
            let outcome = read(&origin, &master, &granted).await;
            outcome
                .inspect_err(|why| warn!(%why, "the master playlist cannot be read"))
                .ok()
        }
    }

    /// What came of it; what is read is handed back.
    pub(super) fn on_loaded(&mut self, loaded: Option<Master>, now: Timestamp) -> Option<&Master> {
        self.loading = false;
        self.asked = Some(now);
        let master = loaded?;
        info!(
            name = self.grant.name,
            tracks = master.tracks.len(),
            "read the master playlist"
        );
        Some(self.master.insert(master))
    }
}

async fn read(origin: &Origin, master: &str, granted: &Granted) -> anyhow::Result<Master> {
    let url = Url::parse(master)?;
    let fetched = origin
        .playlist(&url, granted, &Validators::default())
        .await?
        .ok_or_else(|| anyhow::anyhow!("unchanged, though nothing was known of it"))?;
    Ok(match Playlist::parse(&fetched.bytes, &fetched.url)? {
        Playlist::Master(master) => master,
        Playlist::Media(_) => Master {
            tracks: BTreeMap::from([(TrackAttributes::ALONE.id(), url)]),
            ladder: Vec::new(),
        },
    })
}
