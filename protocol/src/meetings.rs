//! How many viewers an agent may meet: whoever serves a viewer learns its address, and nobody is to
//! gather many of them (THREATS T6).
//!
//! The coordinator keeps the account of each agent, and an agent its own as well, so that a
//! coordinator that has just restarted, or errs, makes it meet no more.

use core::net::IpAddr;
use core::time::Duration;

use crate::local::is_local;
use crate::peer::max_links;
use crate::time::Timestamp;
use crate::units::BitsPerSecond;

/// Whoever was met counts for so long.
pub const MEETING: Duration = Duration::from_secs(3600);

/// Expired meetings are looked for at most this often.
const SWEEP: Duration = Duration::from_secs(60);

/// Times its links, what an agent may meet in an hour: each place for a viewer is taken anew every
/// quarter of an hour.
const TURNS: usize = 4;

/// Viewers that an agent with this uplink may meet within an hour: 512 to 4096.
pub fn meetings_per_hour(uplink: BitsPerSecond) -> usize {
    TURNS * max_links(uplink)
}

/// Those who share an IPv4 address or an IPv6 /56, which is what providers give to a home (RFC 6177):
/// who reloads a page, or uses another of its addresses, is met once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Household(u64);

impl Household {
    /// The household of an address; `None` where it says nothing to anybody elsewhere.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            local if is_local(local) => None,
            IpAddr::V4(four) => Some(Self(u64::from(four.to_bits()))),
            IpAddr::V6(six) => {
                // Global addresses begin with 2000::/3: far above all of IPv4.
                let [a, b, c, d, e, f, g, ..] = six.octets();
                Some(Self(u64::from_be_bytes([0, a, b, c, d, e, f, g])))
            }
        }
    }
}

/// Whom somebody has met within the last hour; as many entries as its owner lets in.
#[derive(Debug, Clone, Default)]
pub struct Meetings {
    /// In the order of the households, with the date of the first meeting.
    met: Vec<(Household, Timestamp)>,
    swept: Option<Timestamp>,
}

impl Meetings {
    /// Whether this one was met already, or one more may be, of `most` within an hour.
    pub fn admits(&self, other: Household, most: usize, now: Timestamp) -> bool {
        let known = || {
            self.find(other)
                .is_ok_and(|place| self.met[place].1 + MEETING > now)
        };
        self.met.len() < most || known() || self.count(now) < most
    }

    /// How many were met within the hour.
    pub fn count(&self, now: Timestamp) -> usize {
        let fresh = |(_, since): &&(Household, Timestamp)| *since + MEETING > now;
        self.met.iter().filter(fresh).count()
    }

    /// The two meet; whoever is known stays known from the first time on.
    pub fn meet(&mut self, other: Household, now: Timestamp) {
        if self.swept.is_none_or(|swept| swept + SWEEP <= now) {
            self.met.retain(|(_, since)| *since + MEETING > now);
            self.swept = Some(now);
        }
        match self.find(other) {
            Ok(place) if self.met[place].1 + MEETING > now => {}
            Ok(place) => self.met[place].1 = now,
            Err(place) => self.met.insert(place, (other, now)),
        }
    }

    fn find(&self, other: Household) -> Result<usize, usize> {
        self.met.binary_search_by_key(&other, |(one, _)| *one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn household(text: &str) -> Household {
        Household::of(text.parse().unwrap()).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn a_household_is_an_ipv4_address_or_an_ipv6_home() {
        assert_eq!(household("203.0.113.7"), household("::ffff:203.0.113.7"));
        assert_ne!(household("203.0.113.7"), household("203.0.113.8"));
        assert_eq!(
            household("2001:db8:7:12::1"),
            household("2001:db8:7:34::2"),
            "a /56"
        );
        assert_ne!(
            household("2001:db8:7:12::1"),
            household("2001:db8:7:134::1")
        );
        assert_eq!(Household::of("192.168.1.7".parse().unwrap()), None);
    }

    #[test]
    fn whoever_is_known_costs_nothing_and_strangers_wait_for_the_hour_to_pass() {
        let mut meetings = Meetings::default();
        let [ann, bob, eve] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(household);
        meetings.meet(ann, at(0));
        meetings.meet(bob, at(1800));
        meetings.meet(ann, at(1900));
        assert_eq!(meetings.count(at(1900)), 2);
        assert!(meetings.admits(ann, 2, at(1900)));
        assert!(!meetings.admits(eve, 2, at(3599)));
        assert!(meetings.admits(eve, 2, at(3600)), "ann was met an hour ago");
        meetings.meet(eve, at(3600));
        assert!(!meetings.admits(ann, 2, at(3601)), "so she is new again");
        assert!(meetings.admits(bob, 2, at(3601)));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut meetings = Meetings::default();
        for hour in 0..50 {
            for number in 0..20u8 {
                let other = Household::of([20, hour, 0, number].into()).unwrap();
                assert!(meetings.admits(other, 20, at(3600 * u64::from(hour))));
                meetings.meet(other, at(3600 * u64::from(hour)));
            }
        }
        assert_eq!(meetings.met.len(), 20);
    }

    #[test]
    fn a_wide_agent_may_meet_more() {
        let most = |megabits: u64| meetings_per_hour(BitsPerSecond(megabits * 1_000_000));
        assert_eq!([most(5), most(300), most(50_000)], [512, 1200, 4096]);
    }
}
