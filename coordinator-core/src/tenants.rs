//! What each provider's audience may take of the door, where there are several: a crowd of one, or
//! somebody with its key, keeps nobody else's viewers out.

use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_protocol::time::Timestamp;

use crate::admission::Admission;
use crate::random::Random;

/// Why nobody more of a provider's is let in at present, and after how many milliseconds to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// So many come at the same time.
    Rate(u32),
    /// So many are there.
    Sessions(u32),
}

/// How long those wait for whom there is no room.
const ROOM_MS: u32 = 30_000;

/// One provider's audience, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSummary {
    /// Whose.
    pub provider: Arc<str>,
    /// Sessions that stand by its tokens.
    pub sessions: usize,
    /// Those that were told to come later, since the start.
    pub turned_away: u64,
}

#[derive(Debug)]
struct Tenant {
    admission: Admission,
    sessions: usize,
    turned_away: u64,
}

/// All providers by whose tokens somebody came: as many as had keys since the start.
#[derive(Debug)]
pub(crate) struct Tenants {
    tenants: BTreeMap<Arc<str>, Tenant>,
    admissions_per_second: u32,
    max_sessions: usize,
    /// Whether keys of more than one are known: one alone may have everything.
    several: bool,
}

impl Tenants {
    pub(crate) fn new(admissions_per_second: u32, max_sessions: usize) -> Self {
        Self {
            tenants: BTreeMap::new(),
            admissions_per_second,
            max_sessions,
            several: false,
        }
    }

    /// The providers whose keys are known.
    pub(crate) fn follow<'a>(&mut self, mut providers: impl Iterator<Item = &'a Arc<str>>) {
        let first = providers.next();
        self.several = providers.any(|other| Some(other) != first);
    }

    /// Lets somebody come in by a provider's token; whoever `returns` takes no place of its own.
    ///
    /// # Errors
    /// Its own audience takes what it may already.
    pub(crate) fn admit(
        &mut self,
        provider: &Arc<str>,
        returns: bool,
        random: &mut Random,
        now: Timestamp,
    ) -> Result<(), Crowded> {
        if !self.several {
            return Ok(());
        }
        let most = self.max_sessions;
        let tenant = self.tenant(provider, now);
        let crowded = if tenant.sessions >= most && !returns {
            Err(Crowded::Sessions(ROOM_MS))
        } else {
            tenant.admission.admit(random, now).map_err(Crowded::Rate)
        };
        tenant.turned_away += u64::from(crowded.is_err());
        crowded
    }

    /// A session stands by a provider's token from now on.
    pub(crate) fn enter(&mut self, provider: &Arc<str>, now: Timestamp) {
        self.tenant(provider, now).sessions += 1;
    }

    fn tenant(&mut self, provider: &Arc<str>, now: Timestamp) -> &mut Tenant {
        let rate = self.admissions_per_second;
        let known = self.tenants.entry(Arc::clone(provider));
        known.or_insert_with(|| Tenant {
            admission: Admission::new(rate, now),
            sessions: 0,
            turned_away: 0,
        })
    }

    /// It does no more.
    pub(crate) fn leave(&mut self, provider: &Arc<str>) {
        if let Some(tenant) = self.tenants.get_mut(provider) {
            tenant.sessions = tenant.sessions.saturating_sub(1);
        }
    }

    pub(crate) fn summaries(&self) -> Vec<TenantSummary> {
        let summary = |(provider, tenant): (&Arc<str>, &Tenant)| TenantSummary {
            provider: Arc::clone(provider),
            sessions: tenant.sessions,
            turned_away: tenant.turned_away,
        };
        self.tenants.iter().map(summary).collect()
    }
}
