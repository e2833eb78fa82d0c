//! How much runs from where to where, and how much of it comes late.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use runnel_coordinator_core::{EdgeSummary, NetworkSummary};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Api, Refusal};
use crate::engine::Question;

/// Edges of each level that are shown where nobody asks for more.
const LIMIT: usize = 100;

/// The network's condition, as heartbeats tell it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NetworkView {
    /// Bytes that peers and waypoints sent within networks, since the start.
    on_net: u64,
    /// The same from one network to another.
    off_net: u64,
    /// Bytes between networks of which it is not told where they ran: there are too many.
    untold: u64,
    /// Between regions, between networks, from networks to addresses and from those to clients, in that
    /// order; those that carry most first. Of the last two only those at which something came late.
    edges: Vec<EdgeView>,
}

/// From one node of the network to another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EdgeView {
    /// What it leads to: `region`, `network`, `address` or `client`.
    level: &'static str,
    from: String,
    to: String,
    /// Bytes, since it was first seen or something first came late.
    bytes: u64,
    /// Bit/s, on average over about half a minute.
    rate: u64,
    /// Of the chunks sent in that time, those that had not arrived a heartbeat later, in percent.
    late_percent: u8,
    /// Whether nobody new is fed over it.
    congested: bool,
}

impl From<EdgeSummary> for EdgeView {
    fn from(edge: EdgeSummary) -> Self {
        Self {
            level: edge.level,
            from: edge.from,
            to: edge.to,
            bytes: edge.bytes,
            rate: edge.rate.saturating_mul(8),
            late_percent: edge.late_percent,
            congested: edge.congested,
        }
    }
}

/// How many are to be shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    /// Most edges of each level; 100 if left out.
    limit: Option<usize>,
}

/// The network's condition.
#[utoipa::path(get, path = "/v1/network", params(Shown), responses((status = 200, body = NetworkView), (status = 403)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Query(shown): Query<Shown>,
) -> Result<Json<NetworkView>, Refusal> {
    let network = api.engine.ask(Question::Network).await;
    let network: NetworkSummary = network.ok_or(Refusal::Unavailable)?;
    let limit = shown.limit.unwrap_or(LIMIT);
    let levels = network
        .edges
        .chunk_by(|one, other| one.level == other.level);
    let edges = levels.flat_map(|level| level.iter().take(limit).cloned());
    Ok(Json(NetworkView {
        on_net: network.on_net,
        off_net: network.off_net,
        untold: network.untold,
        edges: edges.map(EdgeView::from).collect(),
    }))
}
