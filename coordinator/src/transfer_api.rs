//! Transfer records, for billing.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Api, Refusal, peer_id};
use crate::store::{Kept, Wanted};

/// Records in an answer where nothing else is asked for, and at most.
const USUAL: u32 = 1000;
const MOST: u32 = 100_000;

/// Which records; all conditions have to hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// Of this content, by the text under which it is registered.
    content: Option<String>,
    /// Of this provider's contents.
    provider: Option<String>,
    /// Of this peer, by its id.
    peer: Option<String>,
    /// That ended then or later, in milliseconds since the UNIX epoch.
    since: Option<i64>,
    /// That ended before then.
    until: Option<i64>,
    /// At most so many, the newest: 1000 unless told, 100,000 at most.
    limit: Option<u32>,
    /// `json`, which is what you get, or `csv`.
    #[serde(default)]
    format: Format,
}

/// How records are written.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Csv,
}

/// How much a peer received of a content, or a piece of a long stay. Times are milliseconds since
/// the UNIX epoch, rates bit/s. Bytes are as the receiver reported them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransferView {
    peer: String,
    content: String,
    provider: String,
    began: i64,
    ended: i64,
    from_peers: i64,
    from_waypoints: i64,
    from_cdn: i64,
    /// Of what peers and waypoints sent, from other networks.
    off_net: i64,
    /// What it sent to others, as it says itself.
    sent: i64,
    mean: i64,
    /// Between two heartbeats.
    peak: i64,
}

impl From<Kept> for TransferView {
    fn from(kept: Kept) -> Self {
        Self {
            peer: kept.peer.to_string(),
            content: kept.content,
            provider: kept.provider,
            began: kept.began,
            ended: kept.ended,
            from_peers: kept.from_peers,
            from_waypoints: kept.from_waypoints,
            from_cdn: kept.from_cdn,
            off_net: kept.off_net,
            sent: kept.sent,
            mean: kept.mean,
            peak: kept.peak,
        }
    }
}

/// Transfer records, the oldest first, as JSON or CSV.
#[utoipa::path(
    get,
    path = "/v1/transfers",
    params(Question),
    responses((status = 200, body = Vec<TransferView>), (status = 400), (status = 403))
)]
pub(crate) async fn transfers(
    State(api): State<Arc<Api>>,
    Query(asked): Query<Question>,
) -> Result<Response, Refusal> {
    let limit = asked.limit.unwrap_or(USUAL);
    if limit > MOST {
        let why = format!(
            "at most {MOST} records at a time: ask for a shorter time with since and until"
        );
        return Err(Refusal::BadRequest(why));
    }
    let wanted = Wanted {
        content: asked.content,
        provider: asked.provider,
        peer: asked.peer.as_deref().map(peer_id).transpose()?,
        since: asked.since,
        until: asked.until,
        limit,
    };
    let store = Arc::clone(&api.store);
    let found = tokio::task::spawn_blocking(move || store.transfers(&wanted)).await;
    let found = found.map_err(|_| Refusal::Unavailable)??;
    let views = found.into_iter().map(TransferView::from);
    match asked.format {
        Format::Json => Ok(Json(views.collect::<Vec<_>>()).into_response()),
        Format::Csv => {
            let text = written(&COLUMNS, views).map_err(|_| Refusal::Unavailable)?;
            Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
        }
    }
}

/// Rows as CSV.
pub(crate) fn written(
    columns: &[&str],
    rows: impl Iterator<Item = impl Serialize>,
) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    // Also where there are no records.
    writer.write_record(columns)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error().into())
}

const COLUMNS: [&str; 12] = [
    "peer",
    "content",
    "provider",
    "began",
    "ended",
    "from_peers",
    "from_waypoints",
    "from_cdn",
    "off_net",
    "sent",
    "mean",
    "peak",
];
