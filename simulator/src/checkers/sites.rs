//! N1: nobody feeds from or into a site whose line in the operator's file forbids that, once a change of the
//! file had the time to reach whoever sends.

use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_coordinator_core::Sharing;
use runnel_protocol::time::Timestamp;

use super::Verdict;
use super::lawful::Hears;
use crate::atlas::Known;
use crate::population::Role;

#[derive(Debug)]
pub(crate) struct Sites {
    pub(crate) verdict: Verdict,
    /// What each site's machines may do, and since when.
    sharing: BTreeMap<Arc<str>, (Sharing, Timestamp)>,
}

impl Default for Sites {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("N1 sites share what they may"),
            sharing: BTreeMap::new(),
        }
    }
}

impl Sites {
    /// The file says this of a site from now on.
    pub(crate) fn change(&mut self, site: &str, sharing: Sharing, now: Timestamp) {
        let before = self.sharing.get(site);
        if before.is_none_or(|(before, _)| *before != sharing) {
            self.sharing.insert(site.into(), (sharing, now));
        }
    }

    /// Bytes move from one to another.
    pub(crate) fn carried(
        &mut self,
        (from, to): (&Known<'_>, &Known<'_>),
        hears: Hears,
        now: Timestamp,
    ) {
        if self.sharing.is_empty() {
            return;
        }
        let gives = |sharing| sharing == Sharing::Full;
        let gets = |sharing| sharing != Sharing::Off;
        let broken = [(from, &gives as &dyn Fn(Sharing) -> bool), (to, &gets)]
            .into_iter()
            .find_map(|(one, may)| {
                // The operator's own do what they do wherever they stand.
                let site = one.site().filter(|_| one.guest.role != Role::Waypoint)?;
                let (sharing, since) = self.sharing.get(site)?;
                (!may(*sharing) && hears.binds(*since, now)).then(|| site.to_owned())
            });
        self.verdict.expect(broken.is_none(), || {
            let (from, to) = (from.peer, to.peer);
            format!(
                "{from} feeds {to}, against the line of {}",
                broken.unwrap_or_default()
            )
        });
    }
}
