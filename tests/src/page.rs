//! The built viewer page, served as any static server would, with its `config.json`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
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
    /// Serves a folder and `config.json` on a loopback port; 0 takes any free one.
    ///
    /// # Errors
    /// When the folder is missing or the port is in use.
    pub async fn serve(folder: &Path, port: u16, config: &Value) -> Result<Self> {
        anyhow::ensure!(folder.is_dir(), "{} is not built", folder.display());
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let config = Json(config.clone());
        let router = Router::new()
            .route("/config.json", get(async move || config.clone()))
            .fallback_service(ServeDir::new(folder));
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

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}
