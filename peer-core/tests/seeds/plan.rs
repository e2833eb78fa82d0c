//! What is to happen in a world, all of it settled by the seed before anything starts.

use std::time::Duration;

use crate::dice::Dice;
use crate::world::At;

/// How long players play.
pub const PLAY: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Silence, for this long.
    Freeze(At, Duration),
    Kill(At),
    /// One link breaks.
    Cut(At, usize),
    /// From here on every so manieth chunk that it sends is wrong.
    Lie(At, u32),
    /// From here on only every so manieth chunk that it sends arrives.
    Drip(At, u32),
    /// Other parents for a viewer.
    Reassign(At),
    /// The viewer's player changes the rendition.
    Switch(At),
    /// It jumps.
    Seek(At),
    /// The CDN fails, for this long.
    Outage(Duration),
    /// The coordinator is gone for a while.
    LoseCoordinator(At),
    Withdraw(At),
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub live: bool,
    pub agents: Vec<At>,
    pub viewers: Vec<At>,
    /// Whether viewers upload to agents that ask them as a last resort.
    pub uploads: bool,
    pub origin_delay: Duration,
    /// Bytes per second of the lines of waypoint and agents.
    pub lines: Vec<(At, u64)>,
    pub faults: Vec<(Duration, Fault)>,
}

pub const WAYPOINT: At = At(0);

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        let agents: Vec<_> = (1..=dice.between(2, 4)).map(|at| At(at as usize)).collect();
        let first = agents.len() + 1;
        let viewers: Vec<_> = (0..dice.between(3, 8) as usize)
            .map(|count| At(first + count))
            .collect();
        let lines = agents.iter().chain([&WAYPOINT]);
        let mut plan = Self {
            seed,
            live: !dice.one_in(3),
            uploads: dice.one_in(2),
            origin_delay: dice.millis(50, 600),
            lines: lines
                .map(|at| (*at, dice.between(300, 8_000) * 1000))
                .collect(),
            faults: Vec::new(),
            agents,
            viewers,
        };
        plan.faults = (0..dice.between(2, 14))
            .map(|_| (dice.millis(3_000, 50_000), plan.fault(&mut dice)))
            .collect();
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }

    fn fault(&self, dice: &mut Dice) -> Fault {
        let agent = self.agents[dice.below(self.agents.len() as u64) as usize];
        let viewer = self.viewers[dice.below(self.viewers.len() as u64) as usize];
        let feeder = if dice.one_in(6) { WAYPOINT } else { agent };
        match dice.below(11) {
            0 => Fault::Freeze(feeder, dice.millis(500, 20_000)),
            1 => Fault::Kill(feeder),
            2 => Fault::Cut(agent, dice.below(8) as usize),
            3 => Fault::Lie(agent, dice.between(1, 20) as u32),
            4 => Fault::Drip(agent, dice.between(2, 5) as u32),
            5 => Fault::Reassign(viewer),
            6 => Fault::Switch(viewer),
            7 => Fault::Seek(viewer),
            8 => Fault::Outage(dice.millis(500, 8_000)),
            9 => Fault::LoseCoordinator(viewer),
            _ => Fault::Withdraw(viewer),
        }
    }
}
