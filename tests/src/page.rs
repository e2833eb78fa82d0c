//! The built viewer page, served as any static server would, with its `config.json`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower_http::services::ServeDir;

/// Most of one script, bytes.
const MAX_SCRIPT: usize = 16 << 20;

/// What the visiting browser cannot do. Chromium has no switches for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It can do everything.
    Nothing,
    /// It may compile no WebAssembly: a content policy without `wasm-unsafe-eval`.
    WebAssembly,
    /// It has no WebTransport.
    WebTransport,
    /// It has no WebRTC.
    WebRtc,
    /// Its network lets no WebTransport through: what it dials leads to this UDP port of 127.0.0.1.
    OpenNetwork(u16),
    /// It is too old to have either WebTransport or WebRTC.
    Transports,
}

impl Lack {
    /// What page and Worker each run before their own first statement.
    fn prologue(self) -> Option<String> {
        match self {
            Self::Nothing | Self::WebAssembly => None,
            Self::WebTransport => Some("delete globalThis.WebTransport;".to_owned()),
            Self::WebRtc => Some("delete globalThis.RTCPeerConnection;".to_owned()),
            Self::Transports => Some(
                "delete globalThis.WebTransport; delete globalThis.RTCPeerConnection;".to_owned(),
            ),
            Self::OpenNetwork(port) => Some(format!(
                "globalThis.WebTransport = class extends WebTransport {{ constructor(_, options) {{ \
                 super('https://127.0.0.1:{port}/runnel/1', options); }} }};"
            )),
        }
    }
}

/// A folder that is served until this is dropped.
#[derive(Debug)]
pub struct Page {
    address: SocketAddr,
    server: AbortHandle,
}

impl Page {
    /// Serves a folder and `config.json` on a loopback port (0 takes any free one) to browsers that
    /// may lack something.
    ///
    /// # Errors
    /// When the folder is missing or the port is in use.
    pub async fn serve(folder: &Path, port: u16, config: &Value, lack: Lack) -> Result<Self> {
        anyhow::ensure!(folder.is_dir(), "{} is not built", folder.display());
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let config = Json(config.clone());
        let router = Router::new()
            .route("/config.json", get(async move || config.clone()))
            .fallback_service(ServeDir::new(folder))
            .layer(map_response(move |response| deprive(response, lack)));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            address,
            server: server.abort_handle(),
        })
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn deprive(mut response: Response, lack: Lack) -> Response {
    if lack == Lack::WebAssembly {
        let policy = HeaderValue::from_static("script-src 'self'");
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    match lack.prologue() {
        Some(prologue) if is_script(&response) => behind(prologue, response).await,
        Some(_) | None => response,
    }
}

fn is_script(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/javascript"))
}

async fn behind(prologue: String, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(script) = to_bytes(body, MAX_SCRIPT).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let script = [prologue.as_bytes(), &script].concat();
    Response::from_parts(parts, Body::from(script))
}

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}
