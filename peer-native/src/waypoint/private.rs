//! Which addresses belong to nobody in particular, and which lie inside somebody's network.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What the operator of this machine says about origins at private addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateOrigins {
    /// Only these hosts, by name or address, may lie at private addresses; usually none.
    Only(Vec<String>),
    /// Every granted origin may.
    Allowed,
}

impl PrivateOrigins {
    /// Whether `host` may lie at a private address.
    pub fn allows(&self, host: &str) -> bool {
        match self {
            Self::Allowed => true,
            Self::Only(hosts) => hosts.iter().any(|one| one.eq_ignore_ascii_case(host)),
        }
    }
}

/// Whether an address is one of the public internet: not of this machine, its link, a private
/// network, a provider's translation or a cloud's metadata service (all of which RFC 6890 and
/// its updates list).
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a, b, c) == (192, 0, 0);
    !special
}

/// Only 2000::/3 is routed; inside it, transition prefixes carry an IPv4 address of their own.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let routed = segments[0] & 0xe000 == 0x2000;
    let documentation = (segments[0], segments[1]) == (0x2001, 0xdb8);
    let teredo_and_other_protocols = segments[0] == 0x2001 && segments[1] < 0x200;
    let six_to_four = segments[0] == 0x2002;
    routed && !documentation && !teredo_and_other_protocols && !six_to_four
}

/// Resolves names and lets only those addresses through that may be connected to.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    private: Arc<PrivateOrigins>,
}

impl Resolver {
    pub(super) fn new(private: Arc<PrivateOrigins>) -> Self {
        Self { private }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private.clone();
        Box::pin(async move {
            let host = name.as_str();
            let allowed = private.allows(host);
            let found = tokio::net::lookup_host((host, 0)).await?;
            let fit: Vec<SocketAddr> = found
                .filter(|address| allowed || is_public(address.ip()))
                .collect();
            if fit.is_empty() {
                return Err(refusal(host));
            }
            let addresses: Addrs = Box::new(fit.into_iter());
            Ok(addresses)
        })
    }
}

fn refusal(host: &str) -> Box<dyn Error + Send + Sync> {
    let text = format!(
        "{host} has no public address: name it in `private-origins` if it is the operator's own"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_networks_are_not_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "93.184.216.34",
            "8.8.8.8",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_does_not_resolve() {
        let strict = Resolver::new(Arc::new(PrivateOrigins::Only(Vec::new())));
        let refused = strict.resolve("localhost".parse().unwrap()).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("private-origins")));

        let named = PrivateOrigins::Only(vec!["LOCALHOST".to_owned()]);
        let lenient = Resolver::new(Arc::new(named));
        assert!(lenient.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
