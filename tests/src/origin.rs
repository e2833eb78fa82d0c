//! A plain HTTP origin: static files, nothing of ours in it. A folder with an HLS recording is
//! played on demand as it is, or live: then its media playlists slide along with the clock and
//! start over with a discontinuity when the recording ends.

mod accounting;
mod clock;
mod recording;
mod show;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::cors::{Any, CorsLayer};

use accounting::{CountingListener, Ledger, Tally};
use show::Show;

/// What the origin plays, and how.
pub struct Options {
    /// What is played, under which names.
    pub streams: Vec<Stream>,
    /// How many segments a live playlist shows.
    pub window: usize,
    /// Round trip to this origin: each request waits that long, the first of a connection twice.
    pub latency: Duration,
}

/// One recording under one name: `/NAME/master.m3u8`.
pub struct Stream {
    /// First part of the URL's path.
    pub name: String,
    /// Folder with `master.m3u8`, its media playlists and segments.
    pub folder: PathBuf,
    /// Live or on demand.
    pub mode: Mode,
}

/// How a recording is played.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the files are.
    OnDemand,
    /// By the wall clock, over and over; it begins with a full window.
    Live,
}

struct Origin {
    shows: Vec<Show>,
    ledger: Arc<Ledger>,
    latency: Duration,
}

/// Serves until the future is dropped.
///
/// # Errors
/// When a recording cannot be read.
pub async fn serve(listener: TcpListener, options: Options) -> Result<()> {
    let start = SystemTime::now();
    let shows: Result<Vec<Show>> = options
        .streams
        .iter()
        .map(|stream| {
            Show::open(stream, options.window, start)
                .with_context(|| format!("cannot play {}", stream.folder.display()))
        })
        .collect();
    let ledger = Arc::new(Ledger::default());
    let origin = Arc::new(Origin {
        shows: shows?,
        ledger: Arc::clone(&ledger),
        latency: options.latency,
    });
    let router = router(origin).into_make_service_with_connect_info::<Tally>();
    axum::serve(CountingListener::new(listener, ledger), router).await?;
    Ok(())
}

/// Binds the address on which to [`serve`]; port 0 takes any free one.
///
/// # Errors
/// When the address is in use.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

fn router(origin: Arc<Origin>) -> Router {
    // Pages live elsewhere, as they do with any CDN.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(Any)
        .expose_headers(Any);
    Router::new()
        .route("/__origin/stats", get(stats))
        .fallback(answer)
        .layer(cors)
        .with_state(origin)
}

async fn answer(
    State(origin): State<Arc<Origin>>,
    ConnectInfo(connection): ConnectInfo<Tally>,
    request: Request,
) -> Response {
    // Only a browser says on whose behalf it asks.
    let by_page = request.headers().contains_key(header::ORIGIN);
    let first = connection.begin(request.uri().path(), by_page);
    tokio::time::sleep(origin.latency * if first { 2 } else { 1 }).await;
    let mut response = match origin.find(request.uri().path()) {
        Some((show, file)) => show.answer(&file, request, SystemTime::now()).await,
        None => StatusCode::NOT_FOUND.into_response(),
    };
    // Viewers in one test browser share its HTTP cache; viewers in the world do not.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("timing-allow-origin"),
        HeaderValue::from_static("*"),
    );
    response
}

/// Bytes and requests by path, and what each live playlist has published so far.
async fn stats(State(origin): State<Arc<Origin>>) -> Json<Value> {
    let now = SystemTime::now();
    let published: serde_json::Map<String, Value> = origin
        .shows
        .iter()
        .flat_map(|show| show.published(now))
        .collect();
    Json(json!({ "paths": origin.ledger.snapshot(), "published": published }))
}

impl Origin {
    fn find(&self, path: &str) -> Option<(&Show, String)> {
        let (name, file) = path.strip_prefix('/')?.split_once('/')?;
        let show = self.shows.iter().find(|show| show.name() == name)?;
        Some((show, file.to_owned()))
    }
}
