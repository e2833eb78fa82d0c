//! The links that policies limit, for operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use runnel_coordinator_core::LinkSummary;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Api, Refusal};
use crate::engine::Question;

/// A link, and what runs over it. Rates are bit/s.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkView {
    /// The policy's name, a slash, and its own.
    name: String,
    /// What may run over it at present: its peak, or what is left of a mean or a month's total.
    limit: u64,
    /// What runs over it: as measured, and for grants that are too young for that, as reserved.
    used: u64,
    /// What is reserved there.
    reserved: u64,
    /// What delivery coordinators hold of it.
    leased: u64,
    /// Bytes of this month, where it has a limit for months.
    this_month: Option<u64>,
}

impl From<LinkSummary> for LinkView {
    fn from(link: LinkSummary) -> Self {
        Self {
            name: link.name.to_string(),
            limit: link.limit.0,
            used: link.used.0,
            reserved: link.reserved.0,
            leased: link.leased.0,
            this_month: link.this_month,
        }
    }
}

/// The links in force, in the order of their names.
#[utoipa::path(get, path = "/v1/links", responses((status = 200, body = Vec<LinkView>), (status = 403)))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Vec<LinkView>>, Refusal> {
    let links = api.engine.ask(Question::Links).await;
    let links = links.ok_or(Refusal::Unavailable)?;
    Ok(Json(links.into_iter().map(LinkView::from).collect()))
}
