//! The operator's door: who may change things, or see all peers.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::origins::is_loopback;
use crate::proxies::is_proxied;

/// Who is let in.
#[derive(Debug)]
pub(crate) struct Operator {
    /// BLAKE3 of the token, so that comparing takes the same time for every guess.
    token: Option<blake3::Hash>,
}

impl Operator {
    pub(crate) fn new(token: Option<&str>) -> Self {
        Self {
            token: token.map(|token| blake3::hash(token.as_bytes())),
        }
    }

    /// With a token: whoever has it, from anywhere. Without: this machine only.
    fn admits(&self, headers: &HeaderMap, address: SocketAddr) -> Result<(), &'static str> {
        match self.token {
            Some(token) if bearer(headers).is_some_and(|given| blake3::hash(given) == token) => {
                Ok(())
            }
            Some(_) => Err("the operator's token is required, as Authorization: Bearer\n"),
            None if is_this_machine(headers, address.ip()) => Ok(()),
            None => Err("open to this machine only, unless an admin token is configured\n"),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    value.strip_prefix(b"Bearer ")
}

/// Whether a program on this machine asks for itself: by a name that is this machine's own, so no page whose
/// name was rebound to it, and for nobody else.
pub(crate) fn is_this_machine(headers: &HeaderMap, address: IpAddr) -> bool {
    is_loopback(address) && has_local_name(headers) && !is_proxied(headers)
}

fn has_local_name(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    host.is_some_and(|host| {
        let name = host.strip_prefix('[').map_or_else(
            || host.split(':').next().unwrap_or_default(),
            |six| six.split(']').next().unwrap_or_default(),
        );
        name == "localhost" || name.parse().is_ok_and(is_loopback)
    })
}

/// Lets only the operator through.
pub(crate) async fn guard(
    State(operator): State<Arc<Operator>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match operator.admits(request.headers(), address) {
        Ok(()) => next.run(request).await,
        Err(words) => (StatusCode::FORBIDDEN, words).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn without_a_token_only_this_machine_under_a_local_name() {
        let operator = Operator::new(None);
        let local: SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let named = |host| headers(&[(header::HOST, host)]);
        assert!(operator.admits(&named("127.0.0.1:8470"), local).is_ok());
        assert!(operator.admits(&named("localhost:8470"), local).is_ok());
        assert!(operator.admits(&named("[::1]:8470"), local).is_ok());
        assert!(operator.admits(&named("evil.example"), local).is_err());
        let far = "203.0.113.1:5000".parse().unwrap();
        assert!(operator.admits(&named("127.0.0.1:8470"), far).is_err());
        let proxied = headers(&[(header::HOST, "localhost"), (header::FORWARDED, "for=_x")]);
        assert!(operator.admits(&proxied, local).is_err());
    }

    #[test]
    fn with_a_token_nobody_without_it() {
        let operator = Operator::new(Some("correct horse battery"));
        let far = "203.0.113.1:5000".parse().unwrap();
        let local = "127.0.0.1:5000".parse().unwrap();
        let with = |value| headers(&[(header::AUTHORIZATION, value), (header::HOST, "localhost")]);
        assert!(
            operator
                .admits(&with("Bearer correct horse battery"), far)
                .is_ok()
        );
        assert!(operator.admits(&with("Bearer wrong"), local).is_err());
        assert!(
            operator
                .admits(&headers(&[(header::HOST, "localhost")]), local)
                .is_err()
        );
    }
}
