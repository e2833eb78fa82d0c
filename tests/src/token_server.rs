//! A site's own endpoint that mints join tokens, as docs/TOKENS.md has a site add it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::stack::Provider;

/// Mints for whoever asks, until it is dropped.
#[derive(Debug)]
pub struct TokenServer {
    address: SocketAddr,
    server: AbortHandle,
}

impl TokenServer {
    /// Serves tokens of this provider, for these contents (comma-separated, or `*`), on a loopback port.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(provider: Provider, contents: &'static str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/", post(mint))
            .with_state((Arc::new(provider), contents));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            address,
            server: server.abort_handle(),
        })
    }

    /// Where pages get tokens that say that this was paid for.
    pub fn url(&self, plan: &str) -> String {
        format!("http://{}/?plan={plan}", self.address)
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The body is the thumbprint of the page's key.
async fn mint(
    State((provider, contents)): State<(Arc<Provider>, &'static str)>,
    Query(said): Query<BTreeMap<String, String>>,
    thumbprint: String,
) -> Response {
    let plan = said.get("plan").map_or("free", String::as_str);
    let wanted = ["--contents", contents, "--for", &thumbprint, "--plan", plan];
    match provider.mint(&wanted).await {
        Ok(token) => ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], token).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
