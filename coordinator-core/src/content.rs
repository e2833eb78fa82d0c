//! What an operator offers, and how a page's URL is recognised.

use runnel_protocol::ids::ContentId;
use runnel_protocol::units::BitsPerSecond;

/// A registered content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The text under which it is registered.
    pub name: String,
    /// Whose it is.
    pub provider: String,
    /// Its unmodified master playlist (or media playlist).
    pub master_url: String,
    /// Other origins (scheme, host, port) where its playlists and media lie.
    pub media_origins: Vec<String>,
    /// What the CDN is to send of it at most, where that is limited: beyond it players are asked
    /// to choose smaller renditions.
    pub cdn_capacity: Option<BitsPerSecond>,
    /// Whether its site has players stop where a policy forbids playback; else they play from the
    /// CDN.
    pub enforce: bool,
}

impl Content {
    /// Its id.
    pub fn id(&self) -> ContentId {
        ContentId::of(&self.name)
    }

    /// The origins that a waypoint may fetch from.
    pub(crate) fn origins(&self) -> impl Iterator<Item = String> {
        let urls = core::iter::once(&self.master_url).chain(&self.media_origins);
        urls.map(|url| origin(url))
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> String {
    let url = normalised(url);
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[authority..]
        .find('/')
        .map_or(url.len(), |slash| authority + slash);
    url[..end].to_owned()
}

/// A URL without what differs between two viewers of the same content: query and fragment (they
/// carry tokens), user information, letter case of scheme and host, a default port.
pub(crate) fn normalised(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = plain.split_once("://") else {
        return plain.to_owned();
    };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    let path = if path.is_empty() { "/" } else { path };
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_the_same_with_a_token_and_without() {
        let plain = normalised("https://cdn.example/live/master.m3u8");
        for other in [
            "HTTPS://CDN.example:443/live/master.m3u8?token=x#t",
            "https://user:secret@cdn.example/live/master.m3u8",
        ] {
            assert_eq!(normalised(other), plain);
        }
        assert_ne!(normalised("http://cdn.example/live/master.m3u8"), plain);
        assert_ne!(normalised("https://cdn.example/Live/master.m3u8"), plain);
        assert_eq!(normalised("https://[::1]:8443"), "https://[::1]:8443/");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let content = Content {
            name: "live".into(),
            provider: "demo".into(),
            master_url: "http://127.0.0.1:8080/live/master.m3u8?a=b".into(),
            media_origins: vec!["https://Media.example:443/".into()],
            cdn_capacity: None,
            enforce: false,
        };
        let origins: Vec<String> = content.origins().collect();
        assert_eq!(origins, ["http://127.0.0.1:8080", "https://media.example"]);
    }
}
