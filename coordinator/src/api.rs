//! The REST API: explanations for everybody who knows a peer's id, the rest for the operator.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use runnel_coordinator_core::{Content, Input};
use runnel_protocol::ids::{ContentId, PeerId, PublicKey};
use runnel_protocol::{WEBSOCKET_PATH, WEBSOCKET_SUBPROTOCOL};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tower_http::cors::{Any, CorsLayer};
use utoipa::openapi::Info;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::codes::{self, DEFAULT_LIFE_SECONDS};
use crate::engine::{Command, Handle, Question};
use crate::feed_api;
use crate::feeds::FeedState;
use crate::group_api;
use crate::history_api;
use crate::link_api;
use crate::measure;
use crate::network_api;
use crate::operator::{self, Operator};
use crate::policies::Shelf;
use crate::policy_api;
use crate::policy_words;
use crate::settings::ContentSetting;
use crate::store::{Store, StoreError};
use crate::transfer_api;
use crate::view::{ContentView, Healthy, Introduction, PairWhy, PeerView, PeerWhy};

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// Longest policy, in bytes.
const MAX_POLICY: usize = 64 * 1024;
/// Longest group, in bytes: ten thousand contacts.
const MAX_GROUP: usize = 1024 * 1024;
/// Longest life of a one-time code, in seconds.
const MAX_CODE_LIFE: u64 = 30 * 24 * 60 * 60;

/// What the handlers need.
pub(crate) struct Api {
    pub(crate) engine: Handle,
    pub(crate) store: Arc<Store>,
    pub(crate) root_key: PublicKey,
    pub(crate) allow_private_origins: bool,
    pub(crate) policies: Arc<Mutex<Shelf>>,
    pub(crate) feeds: watch::Receiver<Vec<FeedState>>,
}

/// A "no" of the API, in words.
pub(crate) enum Refusal {
    BadRequest(String),
    Conflict(String),
    NotFound(&'static str),
    Unavailable,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::BadRequest(words) => (StatusCode::BAD_REQUEST, words),
            Self::Conflict(words) => (StatusCode::CONFLICT, words),
            Self::NotFound(words) => (StatusCode::NOT_FOUND, words.to_owned()),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "try again later".to_owned(),
            ),
        };
        (status, words + "\n").into_response()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store does not answer");
        Self::Unavailable
    }
}

/// All routes but the peers' door.
pub(crate) fn router(api: Api, operator: Operator) -> Router {
    let api = Arc::new(api);
    let guard = middleware::from_fn_with_state(Arc::new(operator), operator::guard);
    let everybodys = OpenApiRouter::new()
        .routes(routes!(introduce))
        .routes(routes!(health))
        .routes(routes!(explain))
        .layer(
            CorsLayer::new()
                .allow_origin(Any)
                .allow_methods([Method::GET]),
        );
    let operators = OpenApiRouter::new()
        .routes(routes!(peers))
        .routes(routes!(contents, register))
        .routes(routes!(remove))
        .routes(routes!(enrol))
        .routes(routes!(
            transfer_api::transfers,
            history_api::forget_transfers
        ))
        .routes(routes!(history_api::histories, history_api::forget))
        .routes(routes!(group_api::list))
        .routes(routes!(group_api::put, group_api::remove).layer(DefaultBodyLimit::max(MAX_GROUP)))
        .routes(routes!(group_api::invite))
        .routes(routes!(group_api::withdraw))
        .routes(routes!(link_api::list))
        .routes(routes!(feed_api::list))
        .routes(routes!(network_api::show))
        .routes(routes!(policy_api::list))
        .routes(routes!(policy_words::explain))
        .routes(
            routes!(policy_api::show, policy_api::put, policy_api::remove)
                .layer(DefaultBodyLimit::max(MAX_POLICY)),
        )
        .route_layer(guard);
    let (router, mut openapi) = everybodys.merge(operators).split_for_parts();
    openapi.info = Info::builder()
        .title("Runnel coordinator")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Who feeds whom, and why."))
        .build();
    router
        .route("/metrics", get(metrics))
        .route("/v1/openapi.json", get(|| async { Json(openapi) }))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}

/// Who this is.
#[utoipa::path(get, path = "/", responses((status = 200, body = Introduction)))]
async fn introduce(State(api): State<Arc<Api>>) -> Json<Introduction> {
    Json(Introduction {
        name: "runnel-coordinator",
        version: env!("CARGO_PKG_VERSION"),
        root_key: api.root_key.to_string(),
        peers: WEBSOCKET_PATH,
        subprotocol: WEBSOCKET_SUBPROTOCOL,
        openapi: "/v1/openapi.json",
    })
}

/// Whether the server works: the engine answered.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Healthy), (status = 503)))]
async fn health(State(api): State<Arc<Api>>) -> Result<Json<Healthy>, Refusal> {
    let health = api
        .engine
        .ask(Question::Health)
        .await
        .ok_or(Refusal::Unavailable)?;
    Ok(Json(Healthy {
        status: "ok",
        peers: health.peers,
    }))
}

/// Metrics for Prometheus.
async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let health = api.engine.ask(Question::Health).await;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, measure::render(health)).into_response()
}

/// What is to be explained: one of the two.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct About {
    /// A peer's id.
    peer: Option<String>,
    /// Two ids with a comma between them.
    pair: Option<String>,
}

/// An explanation.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Why {
    Peer(Box<PeerWhy>),
    Pair(PairWhy),
}

/// Why a peer has its parents, or why two peers are, or are not, a pair.
#[utoipa::path(
    get,
    path = "/v1/explain",
    params(About),
    responses((status = 200, body = Why), (status = 400), (status = 404))
)]
async fn explain(
    State(api): State<Arc<Api>>,
    Query(about): Query<About>,
) -> Result<Json<Why>, Refusal> {
    match (about.peer, about.pair) {
        (Some(peer), None) => {
            let id = peer_id(&peer)?;
            let question = |answer| Question::Peer(id, answer);
            let found = api.engine.ask(question).await.ok_or(Refusal::Unavailable)?;
            let found = found.ok_or(Refusal::NotFound("no such peer is known"))?;
            Ok(Json(Why::Peer(Box::new(PeerWhy::new(
                id.to_string(),
                found,
            )))))
        }
        (None, Some(pair)) => {
            let (one, other) = pair.split_once(',').ok_or_else(|| {
                Refusal::BadRequest("a pair is two ids with a comma between them".to_owned())
            })?;
            let (one, other) = (peer_id(one)?, peer_id(other)?);
            let question = |answer| Question::Pair(one, other, answer);
            let found = api.engine.ask(question).await.ok_or(Refusal::Unavailable)?;
            let found = found.ok_or(Refusal::NotFound("one of the two is not known"))?;
            Ok(Json(Why::Pair(found.into())))
        }
        (None, None) | (Some(_), Some(_)) => Err(Refusal::BadRequest(
            "ask about ?peer=… or ?pair=…,…".to_owned(),
        )),
    }
}

pub(crate) fn peer_id(text: &str) -> Result<PeerId, Refusal> {
    text.trim()
        .parse()
        .map_err(|error| Refusal::BadRequest(format!("{text:?}: {error}")))
}

/// Connected peers.
#[utoipa::path(get, path = "/v1/peers", responses((status = 200, body = Vec<PeerView>), (status = 403)))]
async fn peers(State(api): State<Arc<Api>>) -> Result<Json<Vec<PeerView>>, Refusal> {
    let peers = api
        .engine
        .ask(Question::Peers)
        .await
        .ok_or(Refusal::Unavailable)?;
    Ok(Json(peers.into_iter().map(PeerView::from).collect()))
}

/// Registered contents.
#[utoipa::path(get, path = "/v1/contents", responses((status = 200, body = Vec<ContentView>), (status = 403)))]
async fn contents(State(api): State<Arc<Api>>) -> Result<Json<Vec<ContentView>>, Refusal> {
    let contents = api
        .engine
        .ask(Question::Contents)
        .await
        .ok_or(Refusal::Unavailable)?;
    Ok(Json(contents.into_iter().map(ContentView::from).collect()))
}

/// A content as it was registered.
#[derive(Debug, Serialize, ToSchema)]
struct Registered {
    id: String,
}

/// Offers a content, in place of one of the same name.
#[utoipa::path(
    post,
    path = "/v1/contents",
    request_body = ContentSetting,
    responses((status = 201, body = Registered), (status = 400), (status = 403))
)]
async fn register(
    State(api): State<Arc<Api>>,
    Json(setting): Json<ContentSetting>,
) -> Result<(StatusCode, Json<Registered>), Refusal> {
    let refuse = |error: crate::settings::SettingsError| Refusal::BadRequest(error.to_string());
    setting.check(api.allow_private_origins).map_err(refuse)?;
    let content = Content::from(setting);
    let id = content.id().to_string();
    api.store.put_content(content.clone()).await?;
    let input = Input::ContentRegistered(content);
    api.engine.tell(Command::Input(input)).await;
    Ok((StatusCode::CREATED, Json(Registered { id })))
}

/// Ends the offer of a content, by its text; tickets for it are revoked at once.
#[utoipa::path(delete, path = "/v1/contents/{name}", responses((status = 204), (status = 403)))]
async fn remove(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    let input = Input::ContentRemoved(ContentId::of(&name));
    api.store.remove_content(name).await?;
    api.engine.tell(Command::Input(input)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// What a waypoint shall be enrolled for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEnrolment {
    /// Texts of the contents that it may attest.
    contents: Vec<String>,
    /// Seconds until the code is void; a day if absent.
    life_seconds: Option<u64>,
}

/// A one-time code, shown this once.
#[derive(Debug, Serialize, ToSchema)]
struct Enrolment {
    code: String,
}

/// Makes a one-time code that enrols a waypoint.
#[utoipa::path(
    post,
    path = "/v1/enrolments",
    request_body = NewEnrolment,
    responses((status = 201, body = Enrolment), (status = 400), (status = 403))
)]
async fn enrol(
    State(api): State<Arc<Api>>,
    Json(new): Json<NewEnrolment>,
) -> Result<(StatusCode, Json<Enrolment>), Refusal> {
    if new.contents.is_empty() || new.contents.len() > 64 {
        return Err(Refusal::BadRequest("name 1 to 64 contents".to_owned()));
    }
    if new
        .contents
        .iter()
        .any(|name| name.is_empty() || name.chars().any(char::is_control))
    {
        return Err(Refusal::BadRequest(
            "a content's name is not usable".to_owned(),
        ));
    }
    let life = new
        .life_seconds
        .unwrap_or(DEFAULT_LIFE_SECONDS)
        .min(MAX_CODE_LIFE);
    let code = codes::new_code().map_err(|error| Refusal::from(StoreError::from(error)))?;
    api.store
        .add_code_soon(code.clone(), new.contents, life)
        .await?;
    Ok((StatusCode::CREATED, Json(Enrolment { code })))
}
