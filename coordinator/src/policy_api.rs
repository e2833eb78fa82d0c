//! The operator's door to policies: what is put here is in force a moment later, and kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use runnel_coordinator_core::policy::{Kind, Strictness};
use runnel_coordinator_core::{Input, PolicySet};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Api, Refusal};
use crate::engine::Command;
use crate::policies::{PolicyError, Shelved, check};
use crate::policy_words::{self, TrialView};

/// A policy in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyView {
    name: String,
    /// `network`, `provider` or `client`.
    kind: &'static str,
    /// 1 is the most important.
    rank: u16,
    /// `hard` or `soft`.
    strictness: &'static str,
    /// Rises with each change over this API; absent for one that a file holds.
    version: Option<u32>,
    /// The document.
    text: String,
}

impl From<&Shelved> for PolicyView {
    fn from(shelved: &Shelved) -> Self {
        let policy = &shelved.policy;
        Self {
            name: policy.name().to_owned(),
            kind: match policy.kind() {
                Kind::Network => "network",
                Kind::Provider => "provider",
                Kind::Client => "client",
            },
            rank: policy.rank(),
            strictness: match policy.strictness() {
                Strictness::Hard => "hard",
                Strictness::Soft => "soft",
            },
            version: shelved.version,
            text: shelved.text.clone(),
        }
    }
}

impl From<PolicyError> for Refusal {
    fn from(error: PolicyError) -> Self {
        let words = error.to_string();
        match error {
            PolicyError::InFile(_) => Self::Conflict(words),
            PolicyError::Refused(_)
            | PolicyError::Together(_)
            | PolicyError::OtherName { .. }
            | PolicyError::Unreadable { .. }
            | PolicyError::Empty(_) => Self::BadRequest(words),
        }
    }
}

const UNKNOWN: Refusal = Refusal::NotFound("no such policy is in force");

/// The policies in force, in the order of their names.
#[utoipa::path(get, path = "/v1/policies", responses((status = 200, body = Vec<PolicyView>), (status = 403)))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Json<Vec<PolicyView>> {
    let shelf = api.policies.lock().await;
    Json(shelf.iter().map(PolicyView::from).collect())
}

/// One policy in force.
#[utoipa::path(get, path = "/v1/policies/{name}", responses((status = 200, body = PolicyView), (status = 403), (status = 404)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<PolicyView>, Refusal> {
    let shelf = api.policies.lock().await;
    let found = shelf.get(&name).ok_or(UNKNOWN)?;
    Ok(Json(found.into()))
}

/// Whether a policy is only tried.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manner {
    /// Only say what would change at present: nothing does.
    #[serde(default)]
    dry_run: bool,
}

/// A policy in force, or what would change if it were.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Put {
    InForce(PolicyView),
    Tried(Box<TrialView>),
}

/// Puts a policy into force, in place of one of the same name. The body is its document (TOML); it
/// has to pass the cases beside its rules.
#[utoipa::path(
    put,
    path = "/v1/policies/{name}",
    params(Manner),
    request_body(content = String, content_type = "application/toml"),
    responses((status = 200, body = Put), (status = 400), (status = 403), (status = 409))
)]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(manner): Query<Manner>,
    text: String,
) -> Result<Json<Put>, Refusal> {
    let policy = check(&name, &text)?;
    if policy.name() != name {
        let found = policy.name().to_owned();
        return Err(PolicyError::OtherName { asked: name, found }.into());
    }
    // Held until it is kept and told: of two changes, what is in force is what was kept last.
    let mut shelf = api.policies.lock().await;
    if shelf.is_in_file(&name) {
        return Err(PolicyError::InFile(name).into());
    }
    let mut changed = shelf.clone();
    changed.put(policy.clone(), text.clone(), 0);
    let set = changed.set()?;
    if manner.dry_run {
        drop(shelf);
        let tried = policy_words::try_out(&api, set).await?;
        return Ok(Json(Put::Tried(Box::new(tried))));
    }
    let version = api.store.put_policy(name.clone(), text.clone()).await?;
    changed.put(policy, text, version);
    api.store.note_policies(changed.fingerprint()).await?;
    *shelf = changed;
    enforce(&api, set).await?;
    tracing::info!(policy = name, version, "a policy is in force");
    let found = shelf.get(&name).ok_or(UNKNOWN)?;
    Ok(Json(Put::InForce(found.into())))
}

/// Takes a policy out of force.
#[utoipa::path(delete, path = "/v1/policies/{name}", responses((status = 204), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    let mut shelf = api.policies.lock().await;
    if shelf.is_in_file(&name) {
        return Err(PolicyError::InFile(name).into());
    }
    let mut changed = shelf.clone();
    if !changed.remove(&name) {
        return Err(UNKNOWN);
    }
    let set = changed.set()?;
    api.store.remove_policy(name.clone()).await?;
    api.store.note_policies(changed.fingerprint()).await?;
    *shelf = changed;
    enforce(&api, set).await?;
    tracing::info!(policy = name, "a policy is no longer in force");
    Ok(StatusCode::NO_CONTENT)
}

async fn enforce(api: &Api, set: PolicySet) -> Result<(), Refusal> {
    let input = Command::Input(Input::Policies(set));
    let told = api.engine.tell(input).await;
    told.then_some(()).ok_or(Refusal::Unavailable)
}
