//! What is remembered of peers, for operators and for whoever wants to be forgotten.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use runnel_coordinator_core::LOSS_BUCKETS;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::{IntoParams, ToSchema};

use crate::api::{Api, Refusal, peer_id};
use crate::engine::Command;
use crate::store::{Kept, KeptHistory, Store, StoreError, Wanted};
use crate::transfer_api::{Format, written};

/// Peers in an answer where nothing else is asked for, and at most.
const USUAL: u32 = 1000;
const MOST: u32 = 100_000;
/// Downloads shown of one peer.
const DOWNLOADS: usize = 10;
/// Transfer records in which they are looked for: a long one is told in pieces.
const RECORDS: u32 = 1000;

/// Of whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// One peer, by its id, with its last downloads; else those seen last.
    peer: Option<String>,
    /// At most so many: 1000 unless told, 100,000 at most.
    limit: Option<u32>,
    /// `json`, which is what you get, or `csv`.
    #[serde(default)]
    format: Format,
}

/// What is remembered of a peer. Older figures count less: see docs/HISTORY.md.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryView {
    peer: String,
    /// When it was last told of, in seconds since the UNIX epoch.
    seen: u64,
    /// Times that it came.
    stays: u16,
    /// Seconds that it was there.
    uptime_s: u32,
    /// Seconds that one of them lasted on average.
    mean_stay_s: Option<u32>,
    /// Attempts to connect to it that whom it was to feed told of.
    tried: u16,
    /// Those that succeeded.
    connected: u16,
    /// Links by what was missing when it was due: less than 1/128, 1/64, 1/32, 1/16, 1/8, 1/4, 1/2,
    /// and half or more.
    loss: [u16; LOSS_BUCKETS],
    /// Sites that had to complain lately, or fewer.
    blamed_by_sites: u32,
    /// The last ten, the newest first; only where one peer is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    downloads: Option<Vec<DownloadView>>,
}

impl From<KeptHistory> for HistoryView {
    fn from(kept: KeptHistory) -> Self {
        let figures = kept.past.figures;
        Self {
            peer: kept.peer.to_string(),
            seen: kept.past.seen.0,
            stays: figures.stays,
            uptime_s: figures.uptime_s,
            mean_stay_s: figures.mean_stay_s(),
            tried: figures.tried,
            connected: figures.connected,
            loss: figures.loss,
            blamed_by_sites: figures.blamed_by.count_ones(),
            downloads: None,
        }
    }
}

/// One stay of a peer in one content. Times are milliseconds since the UNIX epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DownloadView {
    content: String,
    began: i64,
    ended: i64,
    /// Bytes that it received.
    bytes: i64,
    /// Those of them that came from peers.
    from_peers: i64,
    /// Bytes that it sent to others meanwhile, as it says itself.
    sent: i64,
    /// Mean rate of receiving, bit/s.
    mean: i64,
}

impl From<&Kept> for DownloadView {
    fn from(kept: &Kept) -> Self {
        Self {
            content: kept.content.clone(),
            began: kept.began,
            ended: kept.ended,
            bytes: kept.from_peers + kept.from_waypoints + kept.from_cdn,
            from_peers: kept.from_peers,
            sent: kept.sent,
            mean: kept.mean,
        }
    }
}

impl DownloadView {
    /// A piece that begins where this one ends.
    fn add(&mut self, piece: &Kept) {
        let piece = Self::from(piece);
        self.ended = piece.ended;
        self.bytes = self.bytes.saturating_add(piece.bytes);
        self.from_peers = self.from_peers.saturating_add(piece.from_peers);
        self.sent = self.sent.saturating_add(piece.sent);
        let millis = (self.ended - self.began).max(1);
        self.mean = self.bytes.saturating_mul(8000) / millis;
    }
}

/// The last downloads, the newest first, from records in order of their ends.
fn downloads(records: &[Kept]) -> Vec<DownloadView> {
    let mut found: Vec<DownloadView> = Vec::new();
    for record in records {
        let goes_on =
            |one: &&mut DownloadView| one.content == record.content && one.ended == record.began;
        match found.iter_mut().find(goes_on) {
            Some(one) => one.add(record),
            None => found.push(record.into()),
        }
    }
    found.sort_by_key(|one| core::cmp::Reverse(one.ended));
    found.truncate(DOWNLOADS);
    found
}

/// What is remembered of peers, those seen last first, as JSON or CSV. Of whoever is connected it is up
/// to a quarter of an hour old.
#[utoipa::path(
    get,
    path = "/v1/history",
    params(Question),
    responses((status = 200, body = Vec<HistoryView>), (status = 400), (status = 403))
)]
pub(crate) async fn histories(
    State(api): State<Arc<Api>>,
    Query(asked): Query<Question>,
) -> Result<Response, Refusal> {
    let limit = asked.limit.unwrap_or(USUAL);
    if limit > MOST {
        let why = format!("at most {MOST} peers at a time");
        return Err(Refusal::BadRequest(why));
    }
    let peer = asked.peer.as_deref().map(peer_id).transpose()?;
    let store = Arc::clone(&api.store);
    let found = tokio::task::spawn_blocking(move || match peer {
        Some(peer) => of_one(&store, peer),
        None => {
            let found = store.histories(limit)?;
            Ok(found.into_iter().map(HistoryView::from).collect())
        }
    });
    let views = found.await.map_err(|_| Refusal::Unavailable)??;
    match asked.format {
        Format::Json => Ok(Json(views).into_response()),
        Format::Csv => {
            let rows = views.iter().map(CsvRow::from);
            let text = written(&COLUMNS, rows).map_err(|_| Refusal::Unavailable)?;
            Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
        }
    }
}

fn of_one(
    store: &Store,
    peer: runnel_protocol::ids::PeerId,
) -> Result<Vec<HistoryView>, StoreError> {
    let Some(kept) = store.history(peer)? else {
        return Ok(Vec::new());
    };
    let records = store.transfers(&Wanted {
        peer: Some(peer),
        limit: RECORDS,
        ..Wanted::default()
    })?;
    let mut view = HistoryView::from(kept);
    view.downloads = Some(downloads(&records));
    Ok(vec![view])
}

const COLUMNS: [&str; 16] = [
    "peer",
    "seen",
    "stays",
    "uptime_s",
    "mean_stay_s",
    "tried",
    "connected",
    "loss_0",
    "loss_1",
    "loss_2",
    "loss_3",
    "loss_4",
    "loss_5",
    "loss_6",
    "loss_7",
    "blamed_by_sites",
];

/// A line of the list.
#[derive(Serialize)]
struct CsvRow<'a>(
    &'a str,
    u64,
    u16,
    u32,
    Option<u32>,
    u16,
    u16,
    [u16; LOSS_BUCKETS],
    u32,
);

impl<'a> From<&'a HistoryView> for CsvRow<'a> {
    fn from(view: &'a HistoryView) -> Self {
        Self(
            &view.peer,
            view.seen,
            view.stays,
            view.uptime_s,
            view.mean_stay_s,
            view.tried,
            view.connected,
            view.loss,
            view.blamed_by_sites,
        )
    }
}

/// Who is to be forgotten.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// The peer's id.
    peer: String,
}

/// Forgets a peer: what is remembered of it, its transfer records, and what was counted for the next
/// ones.
#[utoipa::path(
    delete,
    path = "/v1/history",
    params(Whose),
    responses((status = 204), (status = 400), (status = 403), (status = 503))
)]
pub(crate) async fn forget(
    State(api): State<Arc<Api>>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, Refusal> {
    forget_peer(&api, &whose).await
}

/// The same: one request forgets both.
#[utoipa::path(
    delete,
    path = "/v1/transfers",
    params(Whose),
    responses((status = 204), (status = 400), (status = 403), (status = 503))
)]
pub(crate) async fn forget_transfers(
    State(api): State<Arc<Api>>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, Refusal> {
    forget_peer(&api, &whose).await
}

async fn forget_peer(api: &Api, whose: &Whose) -> Result<StatusCode, Refusal> {
    let peer = peer_id(&whose.peer)?;
    let (answer, done) = oneshot::channel();
    api.engine.tell(Command::Forget(peer, answer)).await;
    done.await.map_err(|_| Refusal::Unavailable)??;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use runnel_protocol::ids::PeerId;

    use super::*;

    fn record(content: &str, began: i64, ended: i64) -> Kept {
        Kept {
            peer: PeerId([1; 16]),
            content: content.to_owned(),
            provider: "demo".to_owned(),
            began,
            ended,
            from_peers: 600,
            from_waypoints: 300,
            from_cdn: 100,
            off_net: 0,
            sent: 5,
            mean: 1,
            peak: 1,
        }
    }

    #[test]
    fn pieces_of_one_stay_are_one_download() {
        let records = [
            record("live", 0, 1000),
            record("film", 500, 1500),
            record("live", 1000, 2000),
            record("live", 2001, 3000),
        ];
        let found = downloads(&records);
        let shown = |one: &DownloadView| (one.content.clone(), one.began, one.bytes);
        assert_eq!(
            found.iter().map(shown).collect::<Vec<_>>(),
            [
                ("live".to_owned(), 2001, 1000),
                ("live".to_owned(), 0, 2000),
                ("film".to_owned(), 500, 1000),
            ]
        );
        assert_eq!((found[1].mean, found[1].from_peers), (8000, 1200));
    }

    #[test]
    fn only_the_last_ten_are_shown() {
        let records: Vec<Kept> = (0..12)
            .map(|day| record("live", 10 * day, 10 * day + 5))
            .collect();
        let found = downloads(&records);
        assert_eq!((found.len(), found[9].began), (10, 20));
    }
}
