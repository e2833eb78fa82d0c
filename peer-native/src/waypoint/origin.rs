//! Fetching from the origin, and from nothing else (T5).
//!
//! A waypoint fetches what a coordinator-signed grant names. An address is judged after its name
//! was resolved, and it is the judged address that is connected to: a second answer of the DNS
//! has nothing left to change.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    DATE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RANGE,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use runnel_protocol::segment::{ByteRange, MAX_SEGMENT};
use url::{Host, Url};

use super::private::{PrivateOrigins, Resolver, is_public};

/// Largest playlist: a day of two-second segments with tokens in their URLs.
const MAX_PLAYLIST: u64 = 8 * 1024 * 1024;
/// Time to reach the origin.
const CONNECT: Duration = Duration::from_secs(5);
/// Silence after which a transfer is given up.
const SILENCE: Duration = Duration::from_secs(5);
/// Time for a whole playlist or segment, however steadily it drips.
const WHOLE: Duration = Duration::from_secs(30);
/// Redirects that are followed, all on the same host.
const MAX_REDIRECTS: usize = 3;

/// Why something could not be had from the origin.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Not an origin that the operator granted, or not http(s).
    #[error("{0} is not an origin that was granted")]
    NotGranted(String),
    /// An address inside somebody's network.
    #[error(
        "{0} is a private address: name the host in `private-origins` if it is the operator's own"
    )]
    Private(IpAddr),
    /// The origin answered with an error, or not in time.
    #[error("origin: {0}")]
    Http(#[from] reqwest::Error),
    /// The origin answered with something else than what was asked.
    #[error("the origin answered {0}")]
    Status(StatusCode),
    /// More bytes than such a thing may have.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// Fewer bytes than the range that was asked.
    #[error("fewer bytes than asked")]
    TooShort,
}

/// Scheme, host and port of every place that may be fetched from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted(BTreeSet<String>);

impl Granted {
    /// The place of `master`, and `others` that a certificate names.
    pub fn new(master: &Url, others: &[String]) -> Self {
        let others = others.iter().filter_map(|text| Url::parse(text).ok());
        let places = others.chain([master.clone()]);
        Self(
            places
                .map(|url| url.origin().ascii_serialization())
                .collect(),
        )
    }

    fn check(&self, url: &Url) -> Result<(), OriginError> {
        let place = url.origin().ascii_serialization();
        let is_web = matches!(url.scheme(), "http" | "https");
        if is_web && self.0.contains(&place) {
            Ok(())
        } else {
            Err(OriginError::NotGranted(place))
        }
    }
}

/// What the origin said about a playlist's age, to be sent with the next question.
#[derive(Debug, Clone, Default)]
pub struct Validators {
    etag: Option<String>,
    modified: Option<String>,
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
        // Dates have whole seconds: what changed in the second of the answer may change again in
        // it, and would never be seen (RFC 9110 §8.8.2.2).
        let modified = text(LAST_MODIFIED).filter(|date| text(DATE).as_ref() != Some(date));
        Self {
            etag: text(ETAG),
            modified,
        }
    }

    fn ask(&self, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        } else if let Some(modified) = &self.modified {
            request = request.header(IF_MODIFIED_SINCE, modified);
        }
        request
    }
}

/// A playlist as the origin serves it.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Bytes,
    /// Where it was found in the end; its URIs are relative to that.
    pub url: Url,
    /// To ask for the next version.
    pub validators: Validators,
}

/// The way to origins.
#[derive(Debug, Clone)]
pub struct Origin {
    client: Client,
    private: Arc<PrivateOrigins>,
}

impl Origin {
    /// A client that reaches public addresses and those that `private` allows.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(private: PrivateOrigins) -> Result<Self, OriginError> {
        let private = Arc::new(private);
        let client = Client::builder()
            .user_agent(concat!("runnel-agent/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .dns_resolver(Arc::new(Resolver::new(private.clone())))
            .redirect(redirect::Policy::custom(follow))
            .referer(false)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .timeout(WHOLE)
            .build()?;
        Ok(Self { client, private })
    }

    /// Fetches a playlist; `None` if it is the one that `validators` describe.
    ///
    /// # Errors
    /// It may not or cannot be fetched.
    pub async fn playlist(
        &self,
        url: &Url,
        granted: &Granted,
        validators: &Validators,
    ) -> Result<Option<Fetched>, OriginError> {
        self.check(url, granted)?;
        let request = validators.ask(self.client.get(url.clone()));
        let response = request.send().await?;
        match response.status() {
            StatusCode::NOT_MODIFIED => Ok(None),
            StatusCode::OK => Ok(Some(Fetched {
                url: response.url().clone(),
                validators: Validators::of(response.headers()),
                bytes: read(response, MAX_PLAYLIST).await?,
            })),
            other => Err(OriginError::Status(other)),
        }
    }

    /// Fetches a segment, or its range of a resource.
    ///
    /// # Errors
    /// It may not or cannot be fetched, or is not what was asked for.
    pub async fn segment(
        &self,
        url: &Url,
        range: Option<ByteRange>,
        granted: &Granted,
    ) -> Result<Bytes, OriginError> {
        self.check(url, granted)?;
        let mut request = self.client.get(url.clone());
        let mut expected = StatusCode::OK;
        if let Some(ByteRange { offset, length }) = range {
            let last = offset.saturating_add(length).saturating_sub(1);
            request = request.header(RANGE, format!("bytes={offset}-{last}"));
            expected = StatusCode::PARTIAL_CONTENT;
        }
        let response = request.send().await?;
        if response.status() != expected {
            return Err(OriginError::Status(response.status()));
        }
        let limit = range.map_or(MAX_SEGMENT, |range| range.length.min(MAX_SEGMENT));
        let bytes = read(response, limit).await?;
        match range {
            Some(range) if range.length != bytes.len() as u64 => Err(OriginError::TooShort),
            Some(_) | None => Ok(bytes),
        }
    }

    /// Names are judged when they are resolved; addresses in the URL itself here.
    fn check(&self, url: &Url, granted: &Granted) -> Result<(), OriginError> {
        granted.check(url)?;
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) | None => None,
        };
        match literal {
            Some(ip) if !is_public(ip) && !self.private.allows(&ip.to_string()) => {
                Err(OriginError::Private(ip))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Redirects stay on the host, and never leave TLS.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let Some(from) = attempt.previous().last() else {
        return attempt.stop();
    };
    let to = attempt.url();
    let upgraded = from.scheme() == "http"
        && to.scheme() == "https"
        && from.host() == to.host()
        && (from.port(), to.port()) == (None, None);
    if attempt.previous().len() <= MAX_REDIRECTS && (from.origin() == to.origin() || upgraded) {
        attempt.follow()
    } else {
        attempt.error("a redirect away from the origin that was granted")
    }
}

/// Reads a body of at most `limit` bytes, whatever its headers promise.
async fn read(mut response: Response, limit: u64) -> Result<Bytes, OriginError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit {
        return Err(OriginError::TooLarge(limit));
    }
    let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or_default());
    while let Some(part) = response.chunk().await? {
        if body.len() as u64 + part.len() as u64 > limit {
            return Err(OriginError::TooLarge(limit));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests;
