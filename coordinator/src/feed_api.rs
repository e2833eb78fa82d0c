//! The operator's files, and whether what they say is in force.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::feeds::FeedState;

/// A file of `[feeds]`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeedView {
    /// Its key in the settings.
    name: &'static str,
    file: String,
    /// Ranges or pairs of which it says something in force.
    entries: usize,
    /// Since when that is so, in milliseconds of the UNIX epoch.
    since_ms: u64,
    /// Why a later version is not in force; `null` where there is none.
    error: Option<String>,
}

impl From<&FeedState> for FeedView {
    fn from(state: &FeedState) -> Self {
        Self {
            name: state.kind.name(),
            file: state.path.display().to_string(),
            entries: state.entries,
            since_ms: state.since_ms,
            error: state.error.clone(),
        }
    }
}

/// The feeds of the settings.
#[utoipa::path(get, path = "/v1/feeds", responses((status = 200, body = Vec<FeedView>), (status = 403)))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Json<Vec<FeedView>> {
    let states = api.feeds.borrow();
    Json(states.iter().map(FeedView::from).collect())
}
