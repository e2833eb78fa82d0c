//! The built viewer page, served as any static server would, with its `config.json`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower_http::services::ServeDir;

/// A folder that is served until this is dropped.
#[derive(Debug)]
pub struct Page {
    address: SocketAddr,
    server: AbortHandle,
}

impl Page {
    /// Serves a folder and `config.json` on a loopback port (0 takes any free one), each file with
    /// this `Content-Security-Policy` if there is one.
    ///
    /// # Errors
    /// When the folder is missing or the port is in use.
    pub async fn serve(
        folder: &Path,
        port: u16,
        config: &Value,
        policy: Option<&'static str>,
    ) -> Result<Self> {
        anyhow::ensure!(folder.is_dir(), "{} is not built", folder.display());
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let config = Json(config.clone());
        let router = Router::new()
            .route("/config.json", get(async move || config.clone()))
            .fallback_service(ServeDir::new(folder))
            .layer(map_response(move |response| with_policy(response, policy)));
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

async fn with_policy(mut response: Response, policy: Option<&'static str>) -> Response {
    if let Some(policy) = policy {
        let policy = HeaderValue::from_static(policy);
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}
