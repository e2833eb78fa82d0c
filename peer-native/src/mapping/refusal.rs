//! Why a router forwards nothing.

use std::fmt;
use std::net::IpAddr;

use igd_next::{AddAnyPortError, AddPortError, GetExternalIpError, RemovePortError, SearchError};

/// Most characters of a router's own words: they may be a megabyte.
const MOST: usize = 120;

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("PCP: {}", Brief(.0))]
    Pcp(#[from] crab_nat::pcp::Failure),
    #[error("NAT-PMP: {}", Brief(.0))]
    NatPmp(#[from] crab_nat::natpmp::Failure),
    #[error("UPnP: no router answers ({})", Brief(.0))]
    Search(#[from] SearchError),
    #[error("UPnP: {0} answers, which is not the router")]
    Stranger(IpAddr),
    #[error("UPnP: {}", Brief(.0))]
    AddPort(#[from] AddPortError),
    #[error("UPnP: {}", Brief(.0))]
    AddAnyPort(#[from] AddAnyPortError),
    #[error("UPnP: its outside address: {}", Brief(.0))]
    ExternalIp(#[from] GetExternalIpError),
    #[error("UPnP: {}", Brief(.0))]
    Remove(#[from] RemovePortError),
    /// What is forwarded for good stays open when the agent is gone.
    #[error("UPnP: it forwards for good or not at all, and the agent asks for a while only")]
    ForGood,
    #[error("its outside address is {0}, which is no IPv4 address")]
    NotIpv4(IpAddr),
    #[error("it forwards for {0} s only")]
    TooShort(u32),
    #[error("UPnP: no answer in time")]
    Silence,
    /// By neither way.
    #[error(
        "{0}; {1}. Switch on UPnP, PCP or NAT-PMP in the router's settings, or have it forward the port by hand"
    )]
    Neither(Box<Self>, Box<Self>),
}

/// What a remote made us say, cut to what fits into a line of a log.
struct Brief<'a, T>(&'a T);

impl<T: fmt::Display> fmt::Display for Brief<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.to_string();
        let mut plain = words.chars().filter(|one| !one.is_control());
        plain
            .by_ref()
            .take(MOST)
            .try_for_each(|one| fmt::Write::write_char(f, one))?;
        if plain.next().is_some() {
            f.write_str(" …")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routers_own_words_stay_within_a_line() {
        let said = format!("<html>\n\x1b[2J{}", "x".repeat(1 << 20));
        let invalid = igd_next::RequestError::InvalidResponse(said);
        let words = Refusal::AddPort(AddPortError::RequestError(invalid)).to_string();
        assert!(words.chars().count() < MOST + 20, "{}", words.len());
        assert!(words.contains("<html>[2Jxxx"), "{words}");
    }
}
