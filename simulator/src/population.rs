//! Who will be there, all of it settled by the seed before anything starts: the twin of a run has
//! the very same guests.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::units::BitsPerSecond;

use crate::dice::Dice;
use crate::node::Vice;
use crate::scenario::{Kind, Region, Scenario, Session, Spread};
use crate::title::Title;

/// What somebody does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Attests and feeds the first.
    Waypoint,
    /// Helps.
    Agent,
    /// Watches.
    Viewer,
}

/// Somebody who comes, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    /// What they do.
    pub(crate) role: Role,
    /// Which region, by its place in the scenario.
    pub(crate) region: u16,
    /// Which network of it.
    pub(crate) network: u16,
    /// Where they come from, as a socket sees it.
    pub(crate) address: IpAddr,
    /// Where they can be dialled.
    pub(crate) endpoint: Option<SocketAddr>,
    /// Whether a dial gets through.
    pub(crate) reachable: bool,
    /// What the line carries away from them.
    pub(crate) up: BitsPerSecond,
    /// What they let others have of it.
    pub(crate) offers: BitsPerSecond,
    /// What the line carries to them.
    pub(crate) down: BitsPerSecond,
    /// Share of packets that their line loses.
    pub(crate) loss: f64,
    /// One way from their home to the nearest exchange.
    pub(crate) access: Duration,
    /// When they come.
    pub(crate) arrives: Duration,
    /// When they go, in order.
    pub(crate) leaves: Option<Duration>,
    /// What a viewer watches, by its place among the titles.
    pub(crate) title: u32,
    /// What they paid for.
    pub(crate) plan: Option<Arc<str>>,
    /// Whose they are, and how old that is in years.
    pub(crate) account: Option<Arc<str>>,
    pub(crate) age: Option<u8>,
    /// The affinity groups that they have invitations of.
    pub(crate) groups: Vec<Arc<str>>,
    /// Somebody watches: in a page, or through an agent.
    pub(crate) watches: bool,
    /// An agent that asks for its title itself, and does not wait until it is called in.
    pub(crate) asks: bool,
    /// What they do from their first moment on that they should not.
    pub(crate) vice: Vice,
    /// Their clock minus the true one, in seconds.
    pub(crate) skew_s: i64,
}

/// Everybody, and everything there is to watch.
#[derive(Debug, Clone)]
pub(crate) struct Population {
    /// What there is.
    pub(crate) titles: Vec<Title>,
    /// Waypoints, then agents, then viewers.
    pub(crate) guests: Vec<Guest>,
}

impl Population {
    /// Everybody of this seed.
    pub(crate) fn of(scenario: &Scenario, seed: u64) -> Self {
        let titles = Title::all(scenario, seed);
        let mut casting = Casting {
            scenario,
            seed,
            titles: &titles,
            guests: Vec::new(),
        };
        casting.waypoints();
        casting.agents();
        casting.attackers();
        casting.better_nodes();
        casting.viewers();
        let guests = casting.guests;
        Self { titles, guests }
    }

    /// How many of a kind come in all.
    pub(crate) fn count(&self, role: Role) -> usize {
        self.guests
            .iter()
            .filter(|guest| guest.role == role)
            .count()
    }
}

struct Casting<'a> {
    scenario: &'a Scenario,
    seed: u64,
    titles: &'a [Title],
    guests: Vec<Guest>,
}

/// A data centre's line.
const WIDE: BitsPerSecond = BitsPerSecond::from_kilobits(10_000_000);

impl Casting<'_> {
    fn waypoints(&mut self) {
        let offers = BitsPerSecond::from_kilobits(self.scenario.waypoints.uplink_mbps * 1000);
        for (place, region) in self.scenario.region.iter().enumerate() {
            let usual = self.scenario.waypoints.per_region;
            for _ in 0..region.waypoints.unwrap_or(usual) {
                let mut dice = self.dice();
                let mut guest = self.guest(Role::Waypoint, place, &mut dice);
                (guest.up, guest.offers, guest.down) = (line_for(offers), offers, WIDE);
                guest.access = Duration::from_micros(200);
                self.guests.push(guest);
            }
        }
    }

    fn agents(&mut self) {
        let scenario = self.scenario;
        let viewers = f64::from(scenario.audience.viewers);
        let shares: f64 = scenario.region.iter().map(|region| region.share).sum();
        for (place, region) in scenario.region.iter().enumerate() {
            let each = region
                .agents_per_viewer
                .unwrap_or(scenario.agents.per_viewer);
            let count = whole(viewers * region.share / shares * each);
            let count = region.agents.unwrap_or(count);
            let count = self.with_successors(count, &scenario.agents.session);
            for (_, first) in count {
                let mut dice = self.dice();
                let mut guest = self.agent(place, &scenario.agents.up_kbps, &mut dice);
                guest.arrives = self.arrival(first, &mut dice, |dice| dice.millis(0, 2000));
                guest.leaves = self.leaving(&guest, &scenario.agents.session, &mut dice);
                guest.reachable = !dice.happens(scenario.agents.unreachable_share);
                guest.watches = dice.happens(scenario.agents.watching_share);
                if guest.watches {
                    guest.title = self.title(&mut dice);
                }
                self.person(&mut guest, &mut dice);
                self.guests.push(guest);
            }
        }
    }

    fn better_nodes(&mut self) {
        let faults = self.scenario.fault.iter();
        for fault in faults.filter(|fault| fault.kind == Kind::BetterNode) {
            let mut dice = self.dice();
            let offered = whole(
                fault
                    .strength
                    .unwrap_or(Kind::BetterNode.default_strength()),
            );
            let offered = Spread(vec![(1.0, offered)]);
            let mut guest = self.agent(0, &offered, &mut dice);
            (guest.arrives, guest.asks) = (fault.at(), true);
            self.guests.push(guest);
        }
    }

    fn attackers(&mut self) {
        for attacker in &self.scenario.attacker {
            let strength = attacker
                .strength
                .unwrap_or(attacker.kind.default_strength());
            for _ in 0..attacker.count {
                let mut dice = self.dice();
                let place = self.somewhere(&mut dice);
                let mut guest = self.agent(place, &attacker.up_kbps, &mut dice);
                guest.vice = Vice::of(attacker.kind, strength).unwrap_or_default();
                (guest.title, guest.asks) = (self.title(&mut dice), true);
                guest.arrives = attacker.arrival.draw(&mut dice);
                guest.leaves = self.leaving(&guest, &attacker.session, &mut dice);
                self.person(&mut guest, &mut dice);
                self.guests.push(guest);
            }
        }
    }

    /// A region by its share of the audience.
    fn somewhere(&self, dice: &mut Dice) -> usize {
        let regions = self.scenario.region.iter().enumerate();
        let regions = regions.map(|(place, region)| (region.share, place));
        dice.weighted(regions).unwrap_or_default()
    }

    fn agent(&self, place: usize, up: &Spread, dice: &mut Dice) -> Guest {
        let mut guest = self.guest(Role::Agent, place, dice);
        guest.offers = BitsPerSecond::from_kilobits(up.draw(dice));
        guest.up = line_for(guest.offers);
        guest.down = guest.up.max(BitsPerSecond::from_kilobits(50_000));
        guest.loss = self.scenario.agents.loss;
        guest
    }

    fn viewers(&mut self) {
        let audience = &self.scenario.audience;
        for (_, first) in self.with_successors(u64::from(audience.viewers), &audience.session) {
            let mut dice = self.dice();
            let place = self.somewhere(&mut dice);
            let mut guest = self.guest(Role::Viewer, place, &mut dice);
            guest.up = BitsPerSecond::from_kilobits(audience.up_kbps.draw(&mut dice));
            guest.down = BitsPerSecond::from_kilobits(audience.down_kbps.draw(&mut dice));
            if dice.happens(audience.uploads_share) {
                guest.offers = BitsPerSecond(guest.up.0 / 2);
            }
            guest.loss = audience.loss;
            guest.arrives = self.arrival(first, &mut dice, |dice| audience.arrival.draw(dice));
            guest.leaves = self.leaving(&guest, &audience.session, &mut dice);
            guest.title = self.title(&mut dice);
            let plans = audience.plans.iter();
            let plan = dice.weighted(plans.map(|(weight, plan)| (*weight, plan.as_str())));
            guest.plan = plan.map(Arc::from);
            self.person(&mut guest, &mut dice);
            self.guests.push(guest);
        }
    }

    fn title(&self, dice: &mut Dice) -> u32 {
        let titles = self.titles.iter().zip(0u32..);
        let title = dice.weighted(titles.map(|(title, place)| (title.share, place)));
        title.unwrap_or_default()
    }

    /// Whose machine it is.
    fn person(&self, guest: &mut Guest, dice: &mut Dice) {
        let region = &self.scenario.region[usize::from(guest.region)];
        guest.account = region.account.as_deref().map(Arc::from);
        guest.age = dice.weighted(self.scenario.audience.ages.iter().copied());
        let groups = self.scenario.group.iter();
        let joined = groups.filter(|group| dice.happens(group.share));
        guest.groups = joined.map(|group| group.name.as_str().into()).collect();
    }

    /// The first ones, and those who take their place: who, and whether they are among the first.
    fn with_successors(&self, count: u64, session: &Session) -> Vec<(u64, bool)> {
        let later = match session {
            Session::Stay => 0,
            Session::Exponential { mean_s } => {
                count.saturating_mul(self.scenario.duration_s) / (*mean_s).max(1)
            }
        };
        (0..count + later)
            .map(|number| (number, number < count))
            .collect()
    }

    fn arrival(
        &self,
        first: bool,
        dice: &mut Dice,
        draw: impl FnOnce(&mut Dice) -> Duration,
    ) -> Duration {
        if first {
            draw(dice)
        } else {
            self.scenario.duration().mul_f64(dice.share())
        }
    }

    fn leaving(&self, guest: &Guest, session: &Session, dice: &mut Dice) -> Option<Duration> {
        session.draw(dice).map(|stay| guest.arrives + stay)
    }

    fn dice(&self) -> Dice {
        Dice::of(self.seed, "guest", self.guests.len() as u64)
    }

    fn guest(&self, role: Role, place: usize, dice: &mut Dice) -> Guest {
        let region = &self.scenario.region[place];
        let network = dice.below(u64::from(region.networks.clamp(1, 200)));
        let network = u8::try_from(network).unwrap_or_default();
        let (address, endpoint) = self.address(role, place, region, network, dice);
        let skew = self.scenario.clock_skew_s;
        let skew_s = i64::try_from(dice.below(2 * skew + 1)).unwrap_or_default()
            - i64::try_from(skew).unwrap_or_default();
        Guest {
            role,
            region: u16::try_from(place).unwrap_or_default(),
            network: u16::from(network),
            address,
            endpoint,
            reachable: true,
            up: WIDE,
            offers: BitsPerSecond(0),
            down: WIDE,
            loss: 0.0,
            access: dice.millis(1, 12),
            arrives: Duration::ZERO,
            leaves: None,
            title: 0,
            plan: None,
            account: None,
            age: None,
            groups: Vec::new(),
            watches: role == Role::Viewer,
            asks: false,
            vice: Vice::default(),
            skew_s: if role == Role::Waypoint { 0 } else { skew_s },
        }
    }

    /// A region has a first byte, a network a second one. A site of its own is a private network
    /// in which the coordinator can be reached.
    fn address(
        &self,
        role: Role,
        place: usize,
        region: &Region,
        network: u8,
        dice: &mut Dice,
    ) -> (IpAddr, Option<SocketAddr>) {
        let region_byte = u8::try_from(place).unwrap_or_default();
        let private = region.one_site && role != Role::Waypoint;
        let (first, second) = if private {
            (10, region_byte)
        } else {
            (20 + region_byte, network + 1)
        };
        let (host, endpoint_port) = match role {
            Role::Viewer => (dice.below(1 << 16), None),
            // In order, so that no two share an address and a port.
            Role::Waypoint | Role::Agent => {
                let number = self.guests.len() as u64;
                (number % (1 << 16), Some(4433 + number / (1 << 16)))
            }
        };
        let [third, fourth] = u16::try_from(host).unwrap_or_default().to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(first, second, third, fourth));
        let port = endpoint_port.and_then(|port| u16::try_from(port).ok());
        (address, port.map(|port| SocketAddr::new(address, port)))
    }
}

/// Whoever offers so much has a little more.
const fn line_for(offers: BitsPerSecond) -> BitsPerSecond {
    BitsPerSecond(offers.0 / 10 * 11)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and rates of people's files; a negative one becomes 0"
)]
const fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_headers_beside_what_is_offered() {
        let text = include_str!("../scenarios/kick-off.toml").replace("1000000", "100");
        let scenario = Scenario::parse(&text).unwrap();
        let guests = Population::of(&scenario, 1).guests;
        let offers = |guest: &&Guest| guest.role != Role::Viewer;
        assert!(guests.iter().filter(offers).count() > 6);
        for guest in guests.iter().filter(offers) {
            assert!(guest.up.0 * 100 >= guest.offers.0 * 106, "{guest:?}");
        }
    }
}
