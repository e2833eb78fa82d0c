//! Links that operators limit: what runs over each, and who holds which part of it (Y3).
//!
//! A delivery coordinator holds a *lease* of each link that its grants run over, and books them
//! there (`lease`); only where the lease does not suffice it asks for more. Leases are refreshed
//! with each tick, and end when that stops. At a refresh what was measured stands in for what was
//! booked (`meter`): measurement-based admission. What ran over a link is added up (`usage`), since
//! a mean or a month's total may be limited as well; whatever limits it, at each moment it comes
//! down to a rate.

mod lease;
mod meter;
mod place;
mod shortage;
mod usage;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_protocol::ids::ContentId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

pub(crate) use self::lease::Leases;
pub(crate) use self::place::Ranks;
use self::place::{LEASE, Lease, Place, percent};
pub(crate) use self::shortage::Shortage;
pub use self::usage::LinkUse;
use self::usage::Usage;
use crate::policy::{Link, LinkSet, MAX_PLACES, PolicySet, Strictness};

/// A link counts as having room again when so much of its limit is free, in percent.
const ROOM: u64 = 5;
/// Links whose use is remembered, those that no policy names any more among them.
const MAX_REMEMBERED: usize = 1024;
/// How often it is told what ran over links: what a control center that dies takes with it.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// All links in force, and those whose leases have not ended yet.
#[derive(Debug, Default)]
pub(crate) struct Links {
    places: BTreeMap<u8, Place>,
    usage: BTreeMap<Arc<str>, Usage>,
    told: Option<Timestamp>,
}

impl Links {
    /// The links of these policies are in force from now on; each that was there keeps its place.
    pub(crate) fn replace(&mut self, set: &mut PolicySet, now: Timestamp) {
        self.places
            .values_mut()
            .for_each(|one| one.in_force = false);
        set.place_links(|link| self.place(link));
        self.look_at_all(now);
    }

    fn place(&mut self, link: &Link) -> u8 {
        let known = self
            .places
            .iter_mut()
            .find(|(_, one)| one.name == link.name);
        if let Some((place, one)) = known {
            one.follow(link);
            return *place;
        }
        let is_free = |place: &u8| !self.places.contains_key(place);
        let unused = |place: &u8| self.places.get(place).is_none_or(|one| !one.in_force);
        // Half of the places are for links that were, so there is one.
        let free = (0..MAX_PLACES).find(is_free);
        let place = free.or_else(|| (0..MAX_PLACES).find(unused)).unwrap_or(0);
        self.places.insert(place, Place::new(link));
        place
    }

    fn look_at_all(&mut self, now: Timestamp) {
        for place in self.places.values_mut().filter(|place| place.in_force) {
            let usage = self.usage.entry(Arc::clone(&place.name)).or_default();
            place.look_at(usage, now);
        }
    }

    /// Whether nothing is limited, and nothing is left of what was.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What ran over links before this control center began.
    pub(crate) fn remember(&mut self, uses: Vec<LinkUse>, now: Timestamp) {
        for one in uses {
            let usage = self.usage.entry(Arc::clone(&one.link)).or_default();
            usage.remember(&one);
        }
        self.look_at_all(now);
    }

    /// What is left of a link that nobody has leased, bit/s.
    pub(crate) fn pool(&self, place: u8) -> u64 {
        self.places.get(&place).map_or(0, Place::pool)
    }

    /// What a link is called that has this place.
    pub(crate) fn name(&self, place: u8) -> Option<&Arc<str>> {
        self.places.get(&place).map(|one| &one.name)
    }

    /// What might run over a link that is not in force, or has other limits there.
    pub(crate) fn limit_of(&self, link: &Link, now: Timestamp) -> BitsPerSecond {
        let mut usage = self.usage.get(&link.name).cloned().unwrap_or_default();
        let mut place = Place::new(link);
        place.look_at(&mut usage, now);
        BitsPerSecond(place.limit)
    }

    /// Whether a link gives way where nobody else is left, to whom these ranks give way.
    pub(crate) fn gives_way(&self, place: u8, relaxed: Option<u16>) -> bool {
        self.places.get(&place).is_some_and(|one| {
            let soft = one.ruling.strictness == Strictness::Soft;
            soft && relaxed.is_some_and(|from| one.ruling.rank >= from)
        })
    }

    pub(crate) fn is_soft(&self, place: u8) -> bool {
        let place = self.places.get(&place);
        place.is_some_and(|one| one.ruling.strictness == Strictness::Soft)
    }

    /// Why a link does not carry one more stripe, of which `left` bit/s are left.
    pub(crate) fn shortage(
        &self,
        place: u8,
        left: u64,
        stripe: BitsPerSecond,
    ) -> Option<Arc<Shortage>> {
        let one = self.places.get(&place)?;
        Some(Arc::new(Shortage {
            link: Arc::clone(&one.name),
            bound: one.bound,
            limit: BitsPerSecond(one.limit),
            left: BitsPerSecond(left),
            stripe,
            ruling: Arc::clone(&one.ruling),
        }))
    }

    /// A lease of `content` is to be no larger than this, bit/s.
    pub(crate) fn shrink(&mut self, place: u8, content: ContentId, granted: u64) {
        if let Some(one) = self.places.get_mut(&place)
            && let Some(old) = one.leases.get(&content).copied()
        {
            let granted = old.granted.min(granted);
            one.set(content, Lease { granted, ..old });
        }
    }

    /// How much more a lease of `content` is to have at once, beyond what was leased to it.
    pub(crate) fn extend(&mut self, place: u8, content: ContentId, more: u64) {
        if let Some(one) = self.places.get_mut(&place) {
            let old = one.leases.get(&content).copied().unwrap_or_default();
            let granted = old.granted + more;
            one.set(content, Lease { granted, ..old });
        }
    }

    /// A delivery coordinator tells what it uses of a link, and what ran over it since it last
    /// did; what it may use from now on, bit/s.
    pub(crate) fn refresh(
        &mut self,
        (place, content): (u8, ContentId),
        (used, booked): (u64, u64),
        bytes: u64,
        now: Timestamp,
    ) -> u64 {
        let Some(one) = self.places.get_mut(&place) else {
            return used;
        };
        if bytes > 0 {
            let usage = self.usage.entry(Arc::clone(&one.name)).or_default();
            usage.add(bytes, now);
        }
        one.end(content);
        if used == 0 && booked == 0 {
            return 0;
        }
        let granted = used + one.headroom(used);
        let lease = Lease {
            granted,
            used,
            booked,
            until: Some(now + LEASE),
        };
        one.set(content, lease);
        granted
    }

    /// Once a second, after all have told: leases that nobody refreshes end, limits follow what was
    /// used, and it is told. True where a link has room again that had none.
    pub(crate) fn on_tick(&mut self, now: Timestamp) -> bool {
        for place in self.places.values_mut() {
            place.end_old_leases(now);
        }
        self.places
            .retain(|_, one| one.in_force || !one.leases.is_empty());
        self.look_at_all(now);
        let mut opened = false;
        for place in self.places.values_mut() {
            let free = place.filled().saturating_sub(place.used());
            let has_room = free > percent(place.limit, ROOM);
            opened |= has_room && !place.had_room;
            place.had_room = has_room;
            place.ranks.clear();
        }
        opened
    }

    /// Whether more runs over a link than it carries.
    pub(crate) fn is_overrun(&self, place: u8) -> bool {
        let one = self.places.get(&place).filter(|one| one.in_force);
        one.is_some_and(|one| one.used() > one.limit)
    }

    /// A delivery coordinator tells whom it feeds over a link that is overrun: all of them do,
    /// before the first one is cut back.
    pub(crate) fn note_ranks(&mut self, place: u8, content: ContentId, ranks: Ranks) {
        if let Some(one) = self.places.get_mut(&place) {
            one.ranks.insert(content, ranks);
        }
    }

    /// What a delivery coordinator may go on using of what it uses, bit/s; `None` where the link
    /// carries all that runs over it.
    pub(crate) fn cut_back(&self, place: u8, content: ContentId) -> Option<u64> {
        let one = self.places.get(&place)?;
        one.ranks
            .contains_key(&content)
            .then(|| one.share_of(content))
    }

    /// What ran over links and is to be kept; nothing where it was told a moment ago.
    pub(crate) fn take_uses(&mut self, now: Timestamp) -> Vec<LinkUse> {
        if self.told.is_some_and(|told| now.since(told) < TELL_EVERY) {
            return Vec::new();
        }
        self.told = Some(now);
        let uses = self.take_all_uses();
        let places = &self.places;
        if self.usage.len() > MAX_REMEMBERED {
            self.usage
                .retain(|name, _| places.values().any(|one| one.name == *name));
        }
        uses
    }

    /// The same, whenever it was told last.
    pub(crate) fn take_all_uses(&mut self) -> Vec<LinkUse> {
        let usage = self.usage.iter_mut();
        let uses = usage.flat_map(|(link, usage)| usage.take_uses(link));
        uses.collect()
    }

    /// All links in force, in the order of their names.
    pub(crate) fn summaries(&self) -> Vec<LinkSummary> {
        let in_force = self.places.iter().filter(|(_, place)| place.in_force);
        let mut all: Vec<_> = in_force
            .map(|(place, one)| LinkSummary {
                name: Arc::clone(&one.name),
                links: LinkSet::EMPTY.with(*place),
                limit: BitsPerSecond(one.limit),
                used: BitsPerSecond(one.used()),
                reserved: BitsPerSecond(one.leases.values().map(|lease| lease.booked).sum()),
                leased: BitsPerSecond(one.granted),
                this_month: one.month.and_then(|month| {
                    let usage = self.usage.get(&one.name)?;
                    Some(usage.total_since(month.begins))
                }),
            })
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}

/// A link in force, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSummary {
    /// The policy's name, a slash, and its own.
    pub name: Arc<str>,
    /// It, as verdicts name it.
    pub links: LinkSet,
    /// What may run over it at present: by its peak, or by what is left of a mean or a month's
    /// total.
    pub limit: BitsPerSecond,
    /// What runs over it: measured, and for grants that are too young for that, reserved.
    pub used: BitsPerSecond,
    /// What is reserved there.
    pub reserved: BitsPerSecond,
    /// What delivery coordinators hold of it.
    pub leased: BitsPerSecond,
    /// Bytes in this month, where its limit asks for them.
    pub this_month: Option<u64>,
}
