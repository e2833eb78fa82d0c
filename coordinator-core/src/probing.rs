//! Which peers are tested when: by connecting back to the addresses that they name (P3b).
//!
//! Nothing is decided about a peer here. A test is asked for on each new session, when others
//! fail to connect (P8), and from time to time; it begins when it is its turn.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use crate::io::SessionId;
use crate::kind::across;
use crate::place::site_of;
use crate::random::Random;
use crate::table::Table;
use crate::wheel::Wheel;

/// Tests under way at a time. One takes a round trip, or three seconds where nobody answers: 85
/// agents a second get their verdict even if none of them can be reached.
const MAX_UNDER_WAY: usize = 256;
/// Tests per address and minute: everybody behind a large NAT may have itself tested, and nobody
/// there can have the coordinator send more than this to the others. The coordinator's own machine
/// has no others. The same goes for each /24 and /48 of addresses of the other family, which nothing
/// proves to be the peer's: 30 tests of six packets are 30 kbit/s, whoever claims to be there.
const MAX_PER_ADDRESS: u8 = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// Mean time between tests of one peer that nobody complains about, jittered by a quarter.
const AGAIN: Duration = Duration::from_secs(600);
/// A regular peer that was not reached once is tested once more after this: what was lost may
/// have been the coordinator's own link.
const DOUBT: Duration = Duration::from_secs(10);
/// Least time between two tests that others' failures ask for.
const COMPLAINTS_APART: Duration = Duration::from_secs(30);
/// Attempts of an agent that fail before it is told that UDP does not get out: to peers that others get
/// to, with none in between that succeeds.
const FAILED_WAYS_OUT: u8 = 2;
/// Tests that come due per tick: 100,000 agents are gone through in ten minutes with a third of it.
const DUE_PER_TICK: usize = 512;

#[derive(Debug)]
struct Claim {
    session: SessionId,
    address: IpAddr,
    /// All usable addresses that the peer named; the hello's bound holds.
    named: Box<[SocketAddr]>,
    state: State,
    /// When the last test began.
    tested: Option<Timestamp>,
    /// Whether it was not reached the last time, and nothing was concluded from that.
    doubted: bool,
    out: WayOut,
}

/// What an agent's own attempts to connect to others over UDP have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WayOut {
    /// So many have failed.
    Failed(u8),
    Works,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Waiting,
    UnderWay,
    /// Under way, at addresses that the peer named before the present ones.
    Outdated,
}

impl Claim {
    /// Where a test sends packets, as they are counted.
    fn networks(&self) -> Vec<IpAddr> {
        let own = (!self.address.is_loopback()).then_some(self.address);
        let across = across(&self.named, self.address).map(|one| site_of(one.ip()).network());
        own.into_iter().chain(across).collect()
    }
}

/// The peers that say that others can connect to them, and their tests.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    /// One per such peer with a session.
    claims: Table<PeerId, Claim>,
    /// In order; each claim is there once at most, and some that are gone until their turn comes.
    waiting: VecDeque<(PeerId, SessionId)>,
    /// [`MAX_UNDER_WAY`] at most.
    under_way: BTreeMap<SessionId, PeerId>,
    due: Wheel<(PeerId, SessionId)>,
    /// Tests begun by address, and by network across families, in the minute that began then.
    begun: BTreeMap<IpAddr, u8>,
    minute: Option<Timestamp>,
}

impl Probing {
    /// A peer says that others can connect to it, there. What it named before in this session counts no longer.
    pub(crate) fn note(
        &mut self,
        peer: PeerId,
        session: SessionId,
        address: IpAddr,
        named: Box<[SocketAddr]>,
    ) {
        if let Some(claim) = self.claims.get_mut(&peer)
            && claim.session == session
        {
            claim.named = named;
            claim.doubted = false;
            if claim.state == State::UnderWay {
                claim.state = State::Outdated;
            }
            return;
        }
        let claim = Claim {
            session,
            address,
            named,
            state: State::Idle,
            tested: None,
            doubted: false,
            out: WayOut::Failed(0),
        };
        self.claims.insert(peer, claim);
    }

    /// The peer's session has ended.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        if let Some(claim) = self.claims.swap_remove(&peer) {
            self.under_way.remove(&claim.session);
        }
    }

    /// What a peer named, and where it comes from.
    pub(crate) fn named(&self, peer: PeerId) -> Option<(&[SocketAddr], IpAddr)> {
        let claim = self.claims.get(&peer)?;
        Some((&claim.named, claim.address))
    }

    /// Has a peer tested when it is its turn.
    pub(crate) fn ask(&mut self, peer: PeerId) {
        if let Some(claim) = self.claims.get_mut(&peer)
            && claim.state == State::Idle
        {
            claim.state = State::Waiting;
            self.waiting.push_back((peer, claim.session));
        }
    }

    /// Others say that they cannot connect to it.
    pub(crate) fn on_complaint(&mut self, peer: PeerId, now: Timestamp) {
        let tested = self.claims.get(&peer).and_then(|claim| claim.tested);
        if tested.is_none_or(|at| now.since(at) >= COMPLAINTS_APART) {
            self.ask(peer);
        }
    }

    /// It has connected to somebody: `true` the first time. Some routers let others in at the port from
    /// which something went out.
    pub(crate) fn on_way_out(&mut self, peer: PeerId) -> bool {
        let claim = self.claims.get_mut(&peer);
        claim
            .is_some_and(|claim| core::mem::replace(&mut claim.out, WayOut::Works) != WayOut::Works)
    }

    /// It could not connect to somebody whom others get to.
    pub(crate) fn on_no_way_out(&mut self, peer: PeerId) {
        if let Some(claim) = self.claims.get_mut(&peer)
            && let WayOut::Failed(count) = &mut claim.out
        {
            *count = count.saturating_add(1);
        }
    }

    /// Whether nothing that it sends over UDP seems to arrive anywhere.
    pub(crate) fn has_no_way_out(&self, peer: PeerId) -> bool {
        let out = self.claims.get(&peer).map(|claim| claim.out);
        matches!(out, Some(WayOut::Failed(count)) if count >= FAILED_WAYS_OUT)
    }

    /// Asks for the tests that have come due.
    pub(crate) fn on_tick(&mut self, now: Timestamp) {
        for (peer, session) in self.due.take_due(DUE_PER_TICK, now) {
            if self.is_of(peer, session) {
                self.ask(peer);
            }
        }
    }

    /// Whose turn it is; what becomes of it is told with [`Self::on_verdict`].
    pub(crate) fn next(&mut self, random: &mut Random, now: Timestamp) -> Option<PeerId> {
        while self.under_way.len() < MAX_UNDER_WAY {
            let (peer, session) = self.waiting.pop_front()?;
            if !self.is_of(peer, session) {
                continue;
            }
            let claim = self.claims.get_mut(&peer)?;
            let minute = self.minute.filter(|minute| now.since(*minute) < MINUTE);
            if minute.is_none() {
                self.begun.clear();
            }
            let minute = *self.minute.insert(minute.unwrap_or(now));
            let networks = claim.networks();
            let count = |network| self.begun.get(network).copied().unwrap_or_default();
            if networks.iter().any(|one| count(one) >= MAX_PER_ADDRESS) {
                claim.state = State::Idle;
                let later = minute + MINUTE + spread(MINUTE, random);
                self.due.insert(later, (peer, session));
                continue;
            }
            for network in networks {
                let begun = self.begun.entry(network).or_default();
                *begun = begun.saturating_add(1);
            }
            claim.state = State::UnderWay;
            claim.tested = Some(now);
            self.under_way.insert(session, peer);
            return Some(peer);
        }
        None
    }

    /// A test has ended: whose it was, `None` where it was none of the present session's or of what it names now;
    /// and whether the outcome counts.
    pub(crate) fn on_verdict(
        &mut self,
        session: SessionId,
        reached: bool,
        is_believed: impl FnOnce(PeerId) -> bool,
        random: &mut Random,
        now: Timestamp,
    ) -> Option<(PeerId, bool)> {
        let peer = self.under_way.remove(&session)?;
        let claim = self.claims.get_mut(&peer)?;
        if core::mem::replace(&mut claim.state, State::Idle) == State::Outdated {
            self.ask(peer);
            return None;
        }
        let counts = reached || claim.doubted || !is_believed(peer);
        claim.doubted = !counts;
        let pause = if counts {
            AGAIN * 3 / 4 + spread(AGAIN / 2, random)
        } else {
            DOUBT
        };
        self.due.insert(now + pause, (peer, session));
        Some((peer, counts))
    }

    fn is_of(&self, peer: PeerId, session: SessionId) -> bool {
        let claim = self.claims.get(&peer);
        claim.is_some_and(|claim| claim.session == session)
    }
}

/// Up to so long.
fn spread(most: Duration, random: &mut Random) -> Duration {
    let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random.below(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn peer(number: u16) -> PeerId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        PeerId(id)
    }

    /// Peers that all come from one address, or each from its own.
    fn crowd(count: u16, together: bool) -> Probing {
        let mut probing = Probing::default();
        for number in 0..count {
            let [high, low] = number.to_be_bytes();
            let address = if together {
                [192, 0, 2, 1]
            } else {
                [10, 0, high, low]
            };
            let session = SessionId(u64::from(number));
            probing.note(peer(number), session, address.into(), Box::new([]));
            probing.ask(peer(number));
            probing.ask(peer(number));
        }
        probing
    }

    fn begin(probing: &mut Probing, now: Timestamp) -> Vec<PeerId> {
        let mut random = Random::new([1; 32]);
        core::iter::from_fn(|| probing.next(&mut random, now)).collect()
    }

    fn end(probing: &mut Probing, session: u64, reached: bool, believed: bool) -> Option<bool> {
        let mut random = Random::new([1; 32]);
        let session = SessionId(session);
        let verdict = probing.on_verdict(session, reached, |_| believed, &mut random, START);
        verdict.map(|(_, counts)| counts)
    }

    #[test]
    fn a_crowd_is_tested_in_order_and_never_more_than_so_many_at_a_time() {
        let mut probing = crowd(1000, false);
        let first: Vec<PeerId> = (0..256).map(peer).collect();
        assert_eq!(begin(&mut probing, START), first);
        assert_eq!(end(&mut probing, 7, true, false), Some(true));
        assert_eq!(
            end(&mut probing, 7, true, false),
            None,
            "an answer counts once"
        );
        assert_eq!(begin(&mut probing, START), [peer(256)]);
        probing.forget(peer(8));
        probing.forget(peer(257));
        assert_eq!(begin(&mut probing, START), [peer(258)]);
    }

    #[test]
    fn a_test_of_addresses_that_are_named_no_longer_says_nothing_and_is_made_anew() {
        let mut probing = crowd(1, false);
        assert_eq!(begin(&mut probing, START), [peer(0)]);
        let elsewhere = Box::new([([10, 0, 0, 0], 2).into()]);
        probing.note(peer(0), SessionId(0), [10, 0, 0, 0].into(), elsewhere);
        probing.ask(peer(0));
        assert_eq!(begin(&mut probing, START), [], "one at a time");
        assert_eq!(end(&mut probing, 0, true, false), None);
        assert_eq!(begin(&mut probing, START), [peer(0)]);
        assert_eq!(end(&mut probing, 0, true, false), Some(true));
    }

    #[test]
    fn one_address_has_no_more_than_so_many_tests_a_minute() {
        let mut probing = crowd(100, true);
        assert_eq!(begin(&mut probing, START).len(), 30);
        (0..30).for_each(|session| {
            end(&mut probing, session, true, false);
        });
        probing.on_tick(START + MINUTE / 2);
        assert_eq!(begin(&mut probing, START + MINUTE / 2), []);
        let later = START + MINUTE * 2;
        probing.on_tick(later);
        assert_eq!(
            begin(&mut probing, later).len(),
            30,
            "the others' turn comes"
        );
    }

    #[test]
    fn no_network_across_families_has_more_than_so_many_tests_a_minute_whoever_names_it() {
        let mut probing = Probing::default();
        for number in 0..100 {
            let [high, low] = u16::to_be_bytes(number);
            let victim = [0x2001, 0xdb8, 7, number, 0, 0, 0, 1];
            let named = SocketAddr::new(victim.into(), 53);
            let session = SessionId(u64::from(number));
            let from = [198, 51, high, low].into();
            probing.note(peer(number), session, from, Box::new([named]));
            probing.ask(peer(number));
        }
        assert_eq!(begin(&mut probing, START).len(), 30);
    }

    #[test]
    fn what_was_regular_is_given_a_second_chance_soon() {
        let mut probing = crowd(1, false);
        begin(&mut probing, START);
        assert_eq!(end(&mut probing, 0, false, true), Some(false));
        probing.on_tick(START + DOUBT);
        assert_eq!(begin(&mut probing, START + DOUBT), [peer(0)]);
        assert_eq!(end(&mut probing, 0, false, true), Some(true));
        probing.on_tick(START + AGAIN / 2);
        assert_eq!(begin(&mut probing, START + AGAIN / 2), []);
        probing.on_tick(START + AGAIN * 5 / 4);
        assert_eq!(begin(&mut probing, START + AGAIN * 5 / 4), [peer(0)]);
    }
}
