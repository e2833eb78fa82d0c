//! Reservations against a slow account of them that shares nothing with the engine: what everybody has booked
//! and when it last told so, added up anew for each question, through reservations that expire and limits that
//! are edited meanwhile (Y3).
//!
//! Everybody moves what it has booked, no more and no less, so that nothing needs to be measured.

use std::collections::BTreeMap;

use proptest::prelude::*;
use runnel_protocol::ids::PeerId;

use super::*;
use crate::member::Role;
use crate::policy::read;

const MEGABIT: u64 = 1_000_000;
const SECOND: Duration = Duration::from_secs(1);
const CONTENTS: usize = 4;
/// After so many seconds without a word nothing is reserved any more.
const EXPIRES_S: u64 = 3;

#[derive(Debug, Clone)]
enum Step {
    /// A pair of a content wants so much, Mbit/s, and books it where the engine says that it fits.
    Book(usize, u8, u64),
    GiveBack(usize, u8),
    /// A delivery coordinator is gone, with all that it knew, or begins again.
    Die(usize),
    Revive(usize),
    /// The operator sets another limit, Mbit/s.
    Edit(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let content = 0..CONTENTS;
    prop_oneof![
        8 => (content.clone(), 0u8..8, 1u64..12).prop_map(|(content, pair, rate)| Step::Book(content, pair, rate)),
        4 => (content.clone(), 0u8..8).prop_map(|(content, pair)| Step::GiveBack(content, pair)),
        1 => content.clone().prop_map(Step::Die),
        1 => content.prop_map(Step::Revive),
        1 => (10u64..120).prop_map(Step::Edit),
        3 => (1u64..6).prop_map(Step::Wait),
    ]
}

/// One delivery coordinator in the slow account, in bit/s.
#[derive(Debug, Default, Clone)]
struct Account {
    alive: bool,
    booked: BTreeMap<u8, u64>,
    /// What it had booked when it last told, and most since then.
    told: u64,
    peak: u64,
    told_at: u64,
    /// What one that is gone had reserved, and when it last told.
    left_behind: Option<(u64, u64)>,
}

impl Account {
    fn used(&self) -> u64 {
        self.booked.values().sum()
    }

    /// What it uses, or still has reserved.
    fn reserved(&self) -> u64 {
        self.used() + self.left_behind.map_or(0, |(rate, _)| rate)
    }

    /// At most so much may be set aside for it: a quarter more than it uses, or what it used lately.
    fn at_most(&self) -> u64 {
        let own = (self.told + self.told / 4).max(self.peak);
        own + self.left_behind.map_or(0, |(rate, _)| rate)
    }
}

struct World {
    links: Links,
    place: u8,
    /// In seconds.
    now: u64,
    /// Whether all that was told last fits the limit. Where one was lowered, others are to part first, which is
    /// not played here.
    fits: bool,
    limit: u64,
    leases: Vec<Leases>,
    accounts: Vec<Account>,
}

fn moment(now: u64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000) + SECOND * u32::try_from(now).unwrap()
}

fn content(number: usize) -> ContentId {
    ContentId::of(&number.to_string())
}

fn pair(number: u8) -> (PeerId, PeerId) {
    (PeerId([number; 16]), PeerId([100 + number; 16]))
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            links: Links::default(),
            place: 0,
            now: 0,
            fits: true,
            limit: 0,
            leases: (0..CONTENTS).map(|_| Leases::default()).collect(),
            accounts: vec![
                Account {
                    alive: true,
                    ..Account::default()
                };
                CONTENTS
            ],
        };
        world.edit(100);
        world.tick();
        world
    }

    fn edit(&mut self, megabits: u64) {
        let text = format!(
            "name = \"p\"\nkind = \"network\"\n[[link]]\nname = \"line\"\nwhen = 'true'\nmax_mbps = {megabits}\n"
        );
        let mut set = PolicySet::new(vec![read(&text).unwrap()]).unwrap();
        self.links.replace(&mut set, moment(self.now));
        self.place = set.links().map(|(place, _)| place).next().unwrap();
        (self.limit, self.fits) = (megabits * MEGABIT, false);
    }

    fn tick(&mut self) {
        self.now += 1;
        for (number, account) in self.accounts.iter_mut().enumerate() {
            if !account.alive {
                continue;
            }
            let lease = &mut self.leases[number];
            lease.on_received(LinkSet::EMPTY.with(self.place), account.used() / 8);
            lease.refresh(content(number), &mut self.links, moment(self.now));
            (account.told, account.peak, account.told_at) =
                (account.used(), account.used(), self.now);
            account.left_behind = None;
        }
        self.links.on_tick(moment(self.now));
        for account in &mut self.accounts {
            account.left_behind = account
                .left_behind
                .filter(|(_, told_at)| self.now <= told_at + EXPIRES_S);
        }
        let reserved: u64 = self.accounts.iter().map(Account::reserved).sum();
        self.fits = reserved <= self.limit / 10 * 9;
    }

    fn room(&self, number: usize) -> u64 {
        self.leases[number].room(self.place, &self.links)
    }

    /// What the slow account says is free, nine tenths of the limit being given away; and that less all that may
    /// be set aside for others.
    fn free(&self, number: usize) -> (u64, u64) {
        let filled = self.limit / 10 * 9;
        let used: u64 = self.accounts.iter().map(Account::used).sum();
        let others = self.accounts.iter().enumerate();
        let others = others.filter(|(other, _)| *other != number);
        let others: u64 = others.map(|(_, account)| account.at_most()).sum();
        let own = &self.accounts[number];
        let behind = own.left_behind.map_or(0, |(rate, _)| rate);
        let surely = filled.saturating_sub(own.used() + behind + others);
        (filled.saturating_sub(used), surely)
    }

    fn book(&mut self, number: usize, who: u8, megabits: u64) -> Result<(), TestCaseError> {
        let rate = megabits * MEGABIT;
        if !self.accounts[number].alive {
            return Ok(());
        }
        let (room, (free, surely)) = (self.room(number), self.free(number));
        prop_assert!(room >= surely, "{room} are left, {surely} have to be");
        if self.fits {
            prop_assert!(room <= free, "{room} are left, of {free}");
        }
        if room < rate || self.accounts[number].booked.contains_key(&who) {
            return Ok(());
        }
        let on = LinkSet::EMPTY.with(self.place);
        let whose = (pair(who), Role::Viewer);
        let links = (&mut self.links, content(number));
        self.leases[number].book(whose, on, BitsPerSecond(rate), links);
        let account = &mut self.accounts[number];
        account.booked.insert(who, rate);
        account.peak = account.peak.max(account.used());
        Ok(())
    }

    fn perform(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Book(number, who, rate) => self.book(number, who, rate)?,
            Step::GiveBack(number, who) => {
                if self.accounts[number].booked.remove(&who).is_some() {
                    self.leases[number].give_back(&pair(who), LinkSet::EMPTY.with(self.place));
                }
            }
            Step::Die(number) => {
                let account = &mut self.accounts[number];
                if account.alive {
                    // What was never told of is heard of with the next tick.
                    let told_at = if account.told == 0 {
                        self.now + 1
                    } else {
                        account.told_at
                    };
                    *account = Account {
                        left_behind: Some((account.at_most(), told_at)),
                        ..Account::default()
                    };
                    self.leases[number] = Leases::default();
                }
            }
            Step::Revive(number) => self.accounts[number].alive = true,
            Step::Edit(megabits) => self.edit(megabits),
            Step::Wait(seconds) => (0..seconds).for_each(|_| self.tick()),
        }
        Ok(())
    }
}

proptest! {
    // Some 115,000 answers.
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_of_a_link_is_what_a_slow_account_of_it_says(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new();
        for step in steps {
            world.perform(step)?;
        }
    }
}
