//! Who has to go to the CDN where all uplinks together do not carry everybody (R6), and who comes
//! back (R8).
//!
//! A content is infeasible where all uplinks, the source's among them, fall short of what its
//! members take. Then those whose uplink is below what they take go, the lowest priority first,
//! among equals the one with the least uplink, among equals the one that takes most, so that few
//! have to go and agents need not carry the best rendition for a few; and of these the one who came
//! last. When there is enough again they come back in the opposite order.

use core::cmp::Reverse;
use std::collections::BTreeSet;

/// One member's part in the balance. The derived order is the order of going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat<Id> {
    /// Higher ones stay longer.
    pub(crate) priority: u8,
    /// What it offers, bit/s.
    pub(crate) uplink: u64,
    /// What it takes, bit/s.
    pub(crate) takes: Reverse<u64>,
    /// Its place in the order of arrival.
    pub(crate) arrival: Reverse<u64>,
    pub(crate) id: Id,
}

/// What has to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move<Id> {
    Out(Id),
    Back(Id),
}

/// Supply and demand of one content, kept up with every change.
#[derive(Debug)]
pub(crate) struct Balance<Id> {
    /// Of those who are in; a source is one who takes nothing.
    supply: u64,
    demand: u64,
    /// Those who are in and whose going would help.
    in_debt: BTreeSet<Seat<Id>>,
    out: BTreeSet<Seat<Id>>,
    /// What those who are out take beyond what they bring, and what they bring.
    owed: u64,
    idle: u64,
    /// Those who take anything, in or out.
    takers: u64,
}

impl<Id> Seat<Id> {
    const fn debt(&self) -> u64 {
        self.takes.0.saturating_sub(self.uplink)
    }
}

impl<Id: Ord + Copy> Balance<Id> {
    pub(crate) const fn new() -> Self {
        Self {
            supply: 0,
            demand: 0,
            in_debt: BTreeSet::new(),
            out: BTreeSet::new(),
            owed: 0,
            idle: 0,
            takers: 0,
        }
    }

    /// A member comes: it is in until [`Self::settle`] says otherwise.
    pub(crate) fn enter(&mut self, seat: Seat<Id>) {
        self.supply += seat.uplink;
        self.demand += seat.takes.0;
        self.takers += u64::from(seat.takes.0 > 0);
        if seat.uplink < seat.takes.0 {
            self.in_debt.insert(seat);
        }
    }

    /// A member goes, with the very seat it came with.
    pub(crate) fn leave(&mut self, seat: &Seat<Id>) {
        if !self.call_in(seat) {
            self.in_debt.remove(seat);
            self.supply = self.supply.saturating_sub(seat.uplink);
            self.demand = self.demand.saturating_sub(seat.takes.0);
            self.takers -= u64::from(seat.takes.0 > 0);
        }
    }

    /// What a member brings or takes has changed: where it is, in or out, it stays until
    /// [`Self::settle`] says otherwise.
    pub(crate) fn change(&mut self, old: &Seat<Id>, new: Seat<Id>) {
        if self.call_in(old) {
            self.send_out(new);
        } else {
            self.leave(old);
            self.enter(new);
        }
    }

    /// Whether the uplinks carry everybody who is in. Where there are none at all nobody would be
    /// helped by another's going.
    pub(crate) const fn is_feasible(&self) -> bool {
        self.supply >= self.demand || self.supply == 0
    }

    /// Whether everybody is in and carried.
    pub(crate) fn is_enough(&self) -> bool {
        self.supply >= self.demand && self.out.is_empty()
    }

    /// Uplink that is missing to carry everybody, bit/s.
    pub(crate) const fn missing(&self) -> u64 {
        (self.demand + self.owed).saturating_sub(self.supply)
    }

    /// What everybody brings, in or out, bit/s.
    pub(crate) const fn brought(&self) -> u64 {
        self.supply + self.idle
    }

    /// How many take anything, in or out.
    pub(crate) const fn takers(&self) -> u64 {
        self.takers
    }

    /// What those who are in bring and take, bit/s.
    pub(crate) const fn sums(&self) -> (u64, u64) {
        (self.supply, self.demand)
    }

    /// The next move towards the balance, already made; `None` when it stands. `take_back` says
    /// whether anybody may come back at present.
    pub(crate) fn settle(&mut self, take_back: bool) -> Option<Move<Id>> {
        if !self.is_feasible() {
            let seat = self.in_debt.first().copied()?;
            self.leave(&seat);
            self.send_out(seat);
            return Some(Move::Out(seat.id));
        }
        let seat = self.out.last().copied().filter(|_| take_back)?;
        if self.supply + seat.uplink < self.demand + seat.takes.0 {
            return None;
        }
        self.call_in(&seat);
        self.enter(seat);
        Some(Move::Back(seat.id))
    }

    fn send_out(&mut self, seat: Seat<Id>) {
        self.owed += seat.debt();
        self.idle += seat.uplink;
        self.takers += u64::from(seat.takes.0 > 0);
        self.out.insert(seat);
    }

    /// Whether it was out.
    fn call_in(&mut self, seat: &Seat<Id>) -> bool {
        let was_out = self.out.remove(seat);
        if was_out {
            self.owed = self.owed.saturating_sub(seat.debt());
            self.idle = self.idle.saturating_sub(seat.uplink);
            self.takers -= u64::from(seat.takes.0 > 0);
        }
        was_out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seat(id: u8, priority: u8, uplink: u64) -> Seat<u8> {
        Seat {
            priority,
            uplink,
            takes: Reverse(10),
            arrival: Reverse(u64::from(id)),
            id,
        }
    }

    fn settled(balance: &mut Balance<u8>) -> Vec<Move<u8>> {
        core::iter::from_fn(|| balance.settle(true)).collect()
    }

    fn source(uplink: u64) -> Seat<u8> {
        Seat {
            takes: Reverse(0),
            ..seat(200, 9, uplink)
        }
    }

    fn balance(uplink: u64, seats: &[Seat<u8>]) -> Balance<u8> {
        let mut balance = Balance::new();
        balance.enter(source(uplink));
        seats.iter().for_each(|seat| balance.enter(*seat));
        balance
    }

    #[test]
    fn whoever_brings_least_goes_first_until_it_fits_and_comes_back_last() {
        let seats = [seat(1, 5, 25), seat(2, 5, 0), seat(3, 5, 4), seat(4, 5, 9)];
        let mut balance = balance(2, &seats);
        assert!(settled(&mut balance).is_empty(), "40 of 40");
        balance.change(&source(2), source(0));
        // 38 of 40, then 38 of 30.
        assert_eq!(settled(&mut balance), [Move::Out(2)]);
        balance.leave(&seats[0]);
        // 13 of 20, 9 of 10.
        assert_eq!(settled(&mut balance), [Move::Out(3), Move::Out(4)]);
        balance.enter(seats[0]);
        balance.change(&source(0), source(2));
        let back = [Move::Back(4), Move::Back(3), Move::Back(2)];
        assert_eq!(settled(&mut balance), back);
    }

    #[test]
    fn priority_counts_before_uplink_and_the_last_to_come_goes_first() {
        let seats = [seat(1, 9, 0), seat(2, 1, 8), seat(3, 5, 0), seat(4, 5, 0)];
        let mut balance = balance(10, &seats);
        let gone = [Move::Out(2), Move::Out(4), Move::Out(3)];
        assert_eq!(settled(&mut balance), gone);
    }

    #[test]
    fn of_those_who_bring_as_little_the_one_that_takes_most_goes_first() {
        let wants = |id, takes| Seat {
            takes: Reverse(takes),
            ..seat(id, 5, 0)
        };
        let mut balance = balance(40, &[wants(1, 20), wants(2, 10), wants(3, 10)]);
        let latecomer = wants(4, 10);
        balance.enter(latecomer);
        assert_eq!(settled(&mut balance), [Move::Out(1)], "30 of 40");
        balance.change(&latecomer, wants(4, 20));
        assert_eq!(settled(&mut balance), [], "40 of 40");
        balance.enter(wants(5, 10));
        assert_eq!(settled(&mut balance), [Move::Out(4)], "30 of 40");
    }

    #[test]
    fn who_brings_more_than_it_takes_never_goes() {
        let mut balance = balance(0, &[seat(1, 0, 10), seat(2, 9, 5)]);
        assert_eq!(settled(&mut balance), [Move::Out(2)]);
        assert!(balance.is_feasible());
    }

    #[test]
    fn nobody_comes_back_while_that_is_not_allowed() {
        let mut balance = balance(5, &[seat(1, 0, 0)]);
        assert_eq!(balance.settle(false), Some(Move::Out(1)));
        balance.change(&source(5), source(10));
        assert_eq!(balance.settle(false), None);
        assert_eq!(balance.settle(true), Some(Move::Back(1)));
    }

    proptest! {
        /// Settling always ends in a feasible balance, nobody out would fit in, and going through
        /// members in any order of arrival gives sums that match.
        #[test]
        fn settling_ends_feasible_and_keeps_as_many_as_fit(
            source in 0u64..200,
            uplinks in prop::collection::vec((0u8..3, 0u64..30), 1..40),
            shrinks in prop::collection::vec((0usize..40, 0u64..30), 0..20),
        ) {
            let name = |place: usize| u8::try_from(place).unwrap();
            let mut seats: Vec<Seat<u8>> = uplinks
                .iter()
                .enumerate()
                .map(|(place, (priority, uplink))| seat(name(place), *priority, *uplink))
                .collect();
            let mut balance = balance(source, &seats);
            settled(&mut balance);
            for (place, uplink) in shrinks {
                let Some(seat) = seats.get_mut(place) else { continue };
                let old = *seat;
                seat.uplink = uplink;
                balance.change(&old, *seat);
                settled(&mut balance);
            }
            prop_assert!(balance.is_feasible());
            if let Some(first) = balance.out.last() {
                let with = balance.supply + first.uplink;
                prop_assert!(with < balance.demand + first.takes.0);
            }
            let inside = seats.iter().filter(|seat| !balance.out.contains(seat));
            let supply: u64 = inside.clone().map(|seat| seat.uplink).sum();
            prop_assert_eq!(balance.supply, source + supply);
            prop_assert_eq!(balance.demand, 10 * inside.count() as u64);
            let owed: u64 = balance.out.iter().map(Seat::debt).sum();
            prop_assert_eq!(balance.owed, owed);
            let all: u64 = seats.iter().map(|seat| seat.uplink).sum();
            prop_assert_eq!(balance.brought(), source + all);
            prop_assert_eq!(balance.takers(), seats.len() as u64);
        }
    }
}
