//! Behind reverse proxies: whose request it is that one of them hands on.
//!
//! A proxy's word counts only if the operator names its address, and only in the header that it writes
//! itself: the other one may be the client's own invention, handed on as it came.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What proxies add that have not heard of RFC 7239.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Hops that are looked at, from this machine outwards: more stand in no honest request.
const MAX_HOPS: usize = 32;

/// Where a proxy says for whom it asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// A list of addresses, to which each proxy appends the one that it sees.
    #[default]
    XForwardedFor,
    /// The same by RFC 7239.
    Forwarded,
}

/// The proxies that are believed.
#[derive(Debug, Clone)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Proxies {
    pub(crate) fn new(trusted: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted, header }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// Whose request it is that came from `from`: the nearest hop that is no trusted proxy, since only
    /// trusted ones have written what stands to the right of it.
    fn client(&self, from: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = from.to_canonical();
        let mut hops = self.hops(headers).into_iter().rev().take(MAX_HOPS);
        while self.trusts(nearest)
            && let Some(Some(next)) = hops.next()
        {
            nearest = next.to_canonical();
        }
        nearest
    }

    /// Everybody through whose hands the request is said to have gone, the client first; `None` for one
    /// who is not told.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let lines = headers.get_all(name).iter();
        lines
            .flat_map(|line| match (self.header, line.to_str()) {
                (_, Err(_)) => vec![None],
                (ForwardedHeader::XForwardedFor, Ok(line)) => line.split(',').map(listed).collect(),
                (ForwardedHeader::Forwarded, Ok(line)) => rfc7239::parse(line)
                    .map(|hop| hop.ok()?.forwarded_for?.name.ip().copied())
                    .collect(),
            })
            .collect()
    }
}

/// An address of a list; some proxies add the port.
fn listed(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().map(|one| one.ip());
    text.parse().or_else(|_| with_port()).ok()
}

/// Whether a proxy says that it hands on somebody else's request, who then seems to sit where the
/// proxy does.
pub(crate) fn is_proxied(headers: &HeaderMap) -> bool {
    headers.contains_key(header::FORWARDED) || headers.contains_key(FORWARDED_FOR)
}

/// Has a request seem to come from where its client is.
pub(crate) async fn unmask(
    State(proxies): State<Arc<Proxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(ConnectInfo(from)) = from.copied() {
        let client = proxies.client(from.ip(), request.headers());
        if client != from.ip() {
            let client = ConnectInfo(SocketAddr::new(client, from.port()));
            request.extensions_mut().insert(client);
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ForwardedHeader, from: &str, headers: &[(HeaderName, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8:f::/48"];
        let trusted = trusted.map(|net| net.parse().unwrap()).to_vec();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let proxies = Proxies::new(trusted, header);
        proxies.client(from.parse().unwrap(), &map).to_string()
    }

    fn listed_by(from: &str, lists: &[&str]) -> String {
        let lines: Vec<_> = lists.iter().map(|one| (FORWARDED_FOR, *one)).collect();
        client(ForwardedHeader::XForwardedFor, from, &lines)
    }

    fn forwarded_by(from: &str, line: &str) -> String {
        let line = [(header::FORWARDED, line)];
        client(ForwardedHeader::Forwarded, from, &line)
    }

    #[test]
    fn a_trusted_proxy_tells_for_whom_it_asks() {
        assert_eq!(listed_by("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(listed_by("10.0.0.1", &["203.0.113.7:999"]), "203.0.113.7");
        assert_eq!(listed_by("127.0.0.1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(
            listed_by("::ffff:10.0.0.1", &["203.0.113.7, 10.0.0.2"]),
            "203.0.113.7"
        );
        assert_eq!(
            listed_by("10.0.0.1", &["203.0.113.7", "10.0.0.2"]),
            "203.0.113.7"
        );
        assert_eq!(
            forwarded_by("10.0.0.1", "for=203.0.113.7;proto=https, for=10.0.0.2"),
            "203.0.113.7"
        );
        assert_eq!(
            forwarded_by("2001:db8:f::1", "for=\"[2001:db8::7]:4711\""),
            "2001:db8::7"
        );
    }

    #[test]
    fn what_a_client_writes_itself_is_not_believed() {
        let spoofed = "198.51.100.99";
        assert_eq!(listed_by("203.0.113.7", &[spoofed]), "203.0.113.7");
        let through_a_proxy = "198.51.100.99, 203.0.113.7";
        assert_eq!(listed_by("10.0.0.1", &[through_a_proxy]), "203.0.113.7");
        assert_eq!(
            listed_by("10.0.0.1", &["10.0.0.9, 203.0.113.7"]),
            "203.0.113.7"
        );
        assert_eq!(
            forwarded_by("10.0.0.1", "for=198.51.100.99, for=203.0.113.7"),
            "203.0.113.7"
        );
        let both = [
            (header::FORWARDED, "for=198.51.100.99"),
            (FORWARDED_FOR, "203.0.113.7"),
        ];
        let seen = client(ForwardedHeader::XForwardedFor, "10.0.0.1", &both);
        assert_eq!(seen, "203.0.113.7", "the proxy writes the other header");
    }

    #[test]
    fn where_nothing_is_told_the_nearest_known_hop_has_to_do() {
        assert_eq!(listed_by("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(listed_by("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(
            listed_by("10.0.0.1", &["203.0.113.7, nonsense, 10.0.0.2"]),
            "10.0.0.2"
        );
        assert_eq!(forwarded_by("10.0.0.1", "for=_hidden"), "10.0.0.1");
        assert_eq!(forwarded_by("10.0.0.1", "for=\"[2001:db8"), "10.0.0.1");
        assert_eq!(listed_by("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        let long = vec!["10.0.0.2"; 1000].join(",");
        assert_eq!(listed_by("10.0.0.1", &[&long]), "10.0.0.2");
    }
}
