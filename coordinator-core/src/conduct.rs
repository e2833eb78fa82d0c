//! Whom others say to have sent bad data (T10): known by the household that it is in, since a new
//! name, or another session, costs nothing.
//!
//! Nothing but a word stands behind it, so it takes those of three: of three households at the accused's own
//! site, of three sites elsewhere, since whoever has one address of a network easily has many. Each time
//! that somebody is found guilty it is out for twice as long.

use core::time::Duration;

use runnel_protocol::ids::PeerId;
use runnel_protocol::meetings::Household;
use runnel_protocol::time::Timestamp;

use crate::place::Site;
use crate::record::Record;
use crate::table::Table;
use crate::wheel::Wheel;

/// Accusers that make somebody unfit for everybody: a single liar cannot take an agent away from the others.
const ENOUGH: usize = 3;
/// How long an accusation counts.
const ACCUSED_FOR: Duration = Duration::from_secs(600);
/// For how long the first verdict stands; each further one for twice as long, some ten hours at most.
const FIRST: Duration = Duration::from_secs(600);
const MOST_DOUBLINGS: u32 = 6;
/// For how long after a verdict has ended, or the last accusation, they are remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Accounts looked at a second.
const LOOKED_AT: usize = 1000;

/// What somebody is known by: the accused by its household, who accuses it by household or site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Household(Household),
    Site(Site),
    /// One of those who share a household with whoever it is about, or have no address that says
    /// anything elsewhere.
    Peer(PeerId),
}

fn accused((peer, record): (PeerId, &Record)) -> Who {
    Household::of(record.address).map_or(Who::Peer(peer), Who::Household)
}

/// Whose word an accusation is.
fn accuser(by: (PeerId, &Record), about: (PeerId, &Record)) -> Who {
    let (site, household) = (by.1.place.site, accused(by));
    if household == accused(about) {
        Who::Peer(by.0)
    } else if site == about.1.place.site || matches!(household, Who::Peer(_)) {
        household
    } else {
        Who::Site(site)
    }
}

#[derive(Debug, Default)]
struct Account {
    /// [`ENOUGH`] at most.
    accusers: Vec<(Who, Timestamp)>,
    verdicts: u32,
    /// `None` where it never was out.
    out_until: Option<Timestamp>,
}

/// All accounts: one for each household, or peer, that was accused within a day.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    accounts: Table<Who, Account>,
    due: Wheel<Who>,
}

impl Conduct {
    /// Takes in an accusation; true where it is the one that makes the accused unfit for everybody.
    pub(crate) fn accuse(
        &mut self,
        about: (PeerId, &Record),
        by: (PeerId, &Record),
        now: Timestamp,
    ) -> bool {
        let who = accused(about);
        let by = accuser(by, about);
        let due = &mut self.due;
        let account = self.accounts.entry(who).or_insert_with(|| {
            due.insert(now + REMEMBERED_FOR, who);
            Account::default()
        });
        account.accuse(by, now)
    }

    pub(crate) fn is_distrusted(&self, peer: PeerId, record: &Record, now: Timestamp) -> bool {
        let account = self.accounts.get(&accused((peer, record)));
        account.is_some_and(|account| account.is_out(now))
    }

    /// Lets go of what is long past.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        for who in self.due.take_due(LOOKED_AT, now) {
            match self
                .accounts
                .get(&who)
                .map(|account| account.forget_at(now))
            {
                Some(later) if later > now => self.due.insert(later, who),
                Some(_) | None => drop(self.accounts.swap_remove(&who)),
            }
        }
    }
}

impl Account {
    fn accuse(&mut self, by: Who, now: Timestamp) -> bool {
        // What all of its children say of the same lie is one offence.
        if self.is_out(now) {
            return false;
        }
        self.accusers
            .retain(|(who, at)| *who != by && now.since(*at) < ACCUSED_FOR);
        self.accusers.push((by, now));
        if self.accusers.len() < ENOUGH {
            return false;
        }
        self.accusers.clear();
        let longer = 2_u32.pow(self.verdicts.min(MOST_DOUBLINGS));
        self.verdicts = self.verdicts.saturating_add(1);
        self.out_until = Some(now + FIRST * longer);
        true
    }

    fn is_out(&self, now: Timestamp) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    fn forget_at(&self, now: Timestamp) -> Timestamp {
        let last = self.accusers.last().map(|(_, at)| *at);
        last.max(self.out_until)
            .map_or(now, |last| last + REMEMBERED_FOR)
    }
}
