//! How fast one network may bring connections to the peers' door (T13, T14).
//!
//! In front of the queue in which all wait their turn: a flood from one place is to hold up nobody
//! else.

use core::hash::BuildHasher as _;
use core::net::IpAddr;
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU64, Ordering};
use std::hash::RandomState;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use runnel_coordinator_core::site_of;

/// Whoever is turned away is told a time of one to so many seconds, each another than the one
/// before: a crowd comes back spread out.
const SPREAD_SECONDS: u64 = 10;

/// What networks are told apart by: a hash, so that there are at most 65,536 counts (some 2 MB)
/// whoever comes from wherever. Those who fall together share one count; with whom that is depends on
/// a secret of the process, so nobody can choose whom to hold up.
type Bucket = u16;

/// Counts the connections of each /24 (IPv4) or /48 (IPv6).
pub(crate) struct Turnstile<C: Clock = DefaultClock> {
    counts: RateLimiter<Bucket, HashMapStateStore<Bucket>, C, NoOpMiddleware<C::Instant>>,
    secret: RandomState,
    turned_away: AtomicU64,
}

impl<C: Clock> Turnstile<C> {
    /// Lets `burst` connections of a network pass at once, and `per_second` from then on.
    pub(crate) fn new(per_second: NonZeroU32, burst: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            counts: RateLimiter::new(quota, HashMapStateStore::default(), clock),
            secret: RandomState::new(),
            turned_away: AtomicU64::new(0),
        }
    }

    /// Lets one connection pass, or says after how many seconds to try again.
    pub(crate) fn pass(&self, address: IpAddr) -> Result<(), u64> {
        let bucket = self.bucket(address);
        self.counts.check_key(&bucket).map_err(|_| {
            // A place is free within a second: who comes back later leaves it to the others.
            1 + self.turned_away.fetch_add(1, Ordering::Relaxed) % SPREAD_SECONDS
        })
    }

    /// Forgets networks that may bring a whole burst again; to be called every few seconds.
    pub(crate) fn forget_quiet(&self) {
        self.counts.retain_recent();
    }

    fn bucket(&self, address: IpAddr) -> Bucket {
        let [low, high, ..] = self.secret.hash_one(site_of(address)).to_le_bytes();
        Bucket::from_le_bytes([low, high])
    }
}

impl<C: Clock> core::fmt::Debug for Turnstile<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Turnstile({} networks)", self.counts.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::settings::Settings;

    /// As it is when nothing is configured.
    fn turnstile() -> (Turnstile<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let Settings {
            network_connections_per_second: per_second,
            network_connections_burst: burst,
            ..
        } = Settings::default();
        (Turnstile::new(per_second, burst, clock.clone()), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `tries` connections pass at once.
    fn passed(turnstile: &Turnstile<FakeRelativeClock>, from: &str, tries: u32) -> u32 {
        let from = address(from);
        (0..tries)
            .map(|_| u32::from(turnstile.pass(from).is_ok()))
            .sum()
    }

    /// An address in a network that is counted by itself, apart from that of `other`.
    fn apart_from(turnstile: &Turnstile<FakeRelativeClock>, other: &str) -> String {
        let taken = turnstile.bucket(address(other));
        let mut others = (0..=255).map(|third| format!("198.51.{third}.1"));
        others
            .find(|text| turnstile.bucket(address(text)) != taken)
            .unwrap()
    }

    #[test]
    fn a_town_hall_behind_one_address_gets_in_at_once_and_again_when_it_reloads() {
        let (turnstile, _) = turnstile();
        assert_eq!(passed(&turnstile, "203.0.113.7", 900), 900);
        assert_eq!(passed(&turnstile, "203.0.113.7", 900), 900);
    }

    #[test]
    fn a_flood_is_turned_away_however_its_addresses_are_written_and_nobody_else_is() {
        let (turnstile, clock) = turnstile();
        let elsewhere = apart_from(&turnstile, "203.0.113.7");
        assert_eq!(passed(&turnstile, "203.0.113.7", 5000), 2000);
        assert_eq!(passed(&turnstile, "203.0.113.200", 10), 0, "the same /24");
        assert_eq!(passed(&turnstile, "::ffff:203.0.113.7", 10), 0);
        assert_eq!(passed(&turnstile, &elsewhere, 900), 900);
        clock.advance(Duration::from_secs(1));
        assert_eq!(passed(&turnstile, "203.0.113.7", 5000), 200);
        assert_eq!(passed(&turnstile, "2001:db8:7:1::1", 5000), 2000);
        assert_eq!(passed(&turnstile, "2001:db8:7:2::1", 10), 0, "the same /48");
    }

    #[test]
    fn those_turned_away_are_told_different_times() {
        let (turnstile, _) = turnstile();
        passed(&turnstile, "203.0.113.7", 2000);
        let from = address("203.0.113.7");
        let times: BTreeSet<u64> = (0..10).filter_map(|_| turnstile.pass(from).err()).collect();
        assert_eq!(times, (1..=10).collect());
    }

    #[test]
    fn a_million_networks_take_bounded_room_and_are_forgotten_when_they_are_quiet() {
        let (turnstile, clock) = turnstile();
        for number in 0..1_000_000u128 {
            let network = (0x2400_u128 << 112) | (number << 80);
            // Those that share a count pass as well: the burst is far from used up.
            assert_eq!(turnstile.pass(IpAddr::from(network.to_be_bytes())), Ok(()));
        }
        assert!(turnstile.counts.len() <= 65_536);
        clock.advance(Duration::from_secs(1));
        turnstile.forget_quiet();
        assert!(turnstile.counts.is_empty(), "{turnstile:?}");
    }

    #[test]
    fn a_network_that_floods_is_not_forgotten() {
        let (turnstile, clock) = turnstile();
        passed(&turnstile, "203.0.113.7", 5000);
        clock.advance(Duration::from_secs(5));
        turnstile.forget_quiet();
        assert_eq!(passed(&turnstile, "203.0.113.7", 5000), 1000);
    }
}
