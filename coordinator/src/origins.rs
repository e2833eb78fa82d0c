//! Which origins a content may name: waypoints fetch from there, so an internal address would
//! turn them into a way in (T5).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Why a master URL is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It cannot be read.
    #[error("this is not a URL: {0}")]
    NotAUrl(String),
    /// Neither http nor https.
    #[error("the scheme {0:?} is not http or https")]
    Scheme(String),
    /// It carries a user name or password.
    #[error("a URL with a user name or password would be told to every waypoint")]
    Credentials,
    /// More than scheme, host and port.
    #[error("{0} has a path: an origin is scheme, host and port, like https://media.example")]
    Path(String),
    /// It points inside.
    #[error(
        "{0} is a private, loopback or link-local address; set allow_private_origins = true if \
         waypoints may fetch from it"
    )]
    Private(String),
}

/// Checks a master URL. Names are looked up by the waypoint, which refuses private addresses
/// again; here what can be seen in the URL is refused.
pub(crate) fn check(text: &str, allow_private: bool) -> Result<(), OriginError> {
    let url = Url::parse(text).map_err(|error| OriginError::NotAUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OriginError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OriginError::Credentials);
    }
    let Some(host) = url.host() else {
        return Err(OriginError::NotAUrl("it names no host".to_owned()));
    };
    if !allow_private && is_private(&host) {
        return Err(OriginError::Private(host.to_string()));
    }
    Ok(())
}

/// Checks an origin: scheme, host and port alone.
pub(crate) fn check_origin(text: &str, allow_private: bool) -> Result<(), OriginError> {
    check(text, allow_private)?;
    let url = Url::parse(text).map_err(|error| OriginError::NotAUrl(error.to_string()))?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(OriginError::Path(text.to_owned()));
    }
    Ok(())
}

fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost") || name.ends_with(".local")
        }
        Host::Ipv4(four) => is_private_v4(*four),
        Host::Ipv6(six) => six
            .to_ipv4_mapped()
            .map_or_else(|| is_private_v6(*six), is_private_v4),
    }
}

fn is_private_v4(four: Ipv4Addr) -> bool {
    let [first, second, ..] = four.octets();
    // 100.64.0.0/10 is carrier-grade NAT (RFC 6598).
    let shared = first == 100 && second & 0xc0 == 64;
    four.is_private()
        || four.is_loopback()
        || four.is_link_local()
        || four.is_unspecified()
        || four.is_broadcast()
        || four.is_multicast()
        || shared
}

fn is_private_v6(six: Ipv6Addr) -> bool {
    six.is_loopback()
        || six.is_unspecified()
        || six.is_multicast()
        || six.is_unique_local()
        || six.is_unicast_link_local()
}

/// Whether an address is this machine itself.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_addresses_are_refused_in_words_unless_allowed() {
        for inside in [
            "http://127.0.0.1:8080/live/master.m3u8",
            "http://localhost/master.m3u8",
            "https://10.0.0.1/a",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/a",
            "https://[::ffff:192.168.0.1]/a",
            "https://[fd00::1]/a",
            "https://0/a",
            "https://2130706433/a",
        ] {
            let refusal = check(inside, false).unwrap_err();
            assert!(
                refusal.to_string().contains("allow_private_origins"),
                "{inside}"
            );
            assert_eq!(check(inside, true), Ok(()), "{inside}");
        }
        assert_eq!(check("https://cdn.example/live/master.m3u8", false), Ok(()));
    }

    #[test]
    fn only_plain_web_addresses_are_taken() {
        assert!(matches!(
            check("file:///etc/passwd", true),
            Err(OriginError::Scheme(_))
        ));
        assert!(matches!(
            check("master.m3u8", true),
            Err(OriginError::NotAUrl(_))
        ));
        let secret = check("https://me:secret@cdn.example/a", true).unwrap_err();
        assert!(!secret.to_string().contains("secret@"));
    }
}
