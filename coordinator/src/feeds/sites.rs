//! Sites by subnet: what their machines may do, and what their lines to the world carry.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use runnel_coordinator_core::policy::Policy;
use runnel_coordinator_core::{Prefixes, Sharing, SiteEntry};

use super::FeedError;
use super::rows;
use crate::policies;

/// The policy that holds the lines of all sites.
pub(crate) const SITE_LINES: &str = "site-lines";
/// Most subnets.
const MAX_SUBNETS: usize = 65_536;
/// Longest name.
const MAX_NAME: usize = 64;
/// Largest limit, in Mbit/s: a terabit a second.
const MAX_MBPS: u32 = 1_000_000;

type Lines = BTreeMap<Arc<str>, u32>;
type Site = Arc<SiteEntry>;
type Read = (Prefixes<Site>, Option<(Policy, String)>);

/// `group,cidrs,p2p,wan_mbps`: a site a line, or several lines of one group.
pub(super) fn read(path: &Path) -> Result<Read, FeedError> {
    let mut subnets: Vec<(IpNet, Site)> = Vec::new();
    let mut lines = Lines::new();
    rows::each(path, &["group", "cidrs", "p2p"], &["wan_mbps"], |row| {
        let name: Arc<str> = name(row.get("group"))?.into();
        let sharing = sharing(row.get("p2p"))?;
        if let Some(limit) = limit(row.get("wan_mbps"))?
            && let Some(other) = lines.insert(Arc::clone(&name), limit)
            && other != limit
        {
            return Err(format!(
                "{name:?} has wan_mbps {other} in another line: a group has one line to the world"
            ));
        }
        let site = Arc::new(SiteEntry { name, sharing });
        for cidr in row.get("cidrs").split_whitespace() {
            if subnets.len() >= MAX_SUBNETS {
                return Err(format!("at most {MAX_SUBNETS} subnets"));
            }
            subnets.push((rows::range(cidr)?, Arc::clone(&site)));
        }
        Ok(())
    })?;
    let lines = (!lines.is_empty()).then(|| policy(&lines)).transpose()?;
    Ok((subnets.into_iter().collect(), lines))
}

fn name(text: &str) -> Result<&str, String> {
    let fits =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let well = (1..=MAX_NAME).contains(&text.len()) && text.chars().all(fits);
    well.then_some(text)
        .ok_or_else(|| format!("group {text:?}: use 1 to {MAX_NAME} of a to z, 0 to 9 and -"))
}

fn sharing(text: &str) -> Result<Sharing, String> {
    match text {
        "on" => Ok(Sharing::Full),
        "download-only" => Ok(Sharing::DownloadOnly),
        "off" => Ok(Sharing::Off),
        _ => Err(format!("p2p {text:?}: write on, off or download-only")),
    }
}

fn limit(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let limit = text.parse().ok().filter(|limit| *limit <= MAX_MBPS);
    let limit = limit.ok_or_else(|| {
        format!("wan_mbps {text:?}: write whole Mbit/s, 0 to {MAX_MBPS}, or nothing for no limit")
    });
    limit.map(Some)
}

/// What enters or leaves a site on its line to the world, as the policy that says so.
fn policy(lines: &Lines) -> Result<(Policy, String), FeedError> {
    let mut text = format!("name = {SITE_LINES:?}\nkind = \"network\"\n");
    for (name, limit) in lines {
        let (inside, outside) = (format!("site == {name:?}"), format!("site != {name:?}"));
        let _ = write!(
            text,
            "\n[[link]]\nname = \"{name}\"\nwhen = '(viewer.{inside} && peer.{outside}) || \
             (peer.{inside} && viewer.{outside})'\nmax_mbps = {limit}\n"
        );
    }
    Ok((policies::read(SITE_LINES, &text)?, text))
}
