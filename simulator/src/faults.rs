//! Which faults a run has: those of the file, and those that chance adds.

use core::time::Duration;

use crate::dice::Dice;
use crate::scenario::{Fault, Kind, Scenario, Target};

/// The menu that chance chooses from.
const MENU: [(Kind, Target); 14] = [
    (Kind::Crash, Target::Agents),
    (Kind::Crash, Target::BusiestAgents),
    (Kind::Hang, Target::BusiestAgents),
    (Kind::Leave, Target::BusiestAgents),
    (Kind::Lie, Target::BusiestAgents),
    (Kind::Drip, Target::BusiestAgents),
    (Kind::Loss, Target::Viewers),
    (Kind::Latency, Target::BusiestAgents),
    (Kind::OneWay, Target::BusiestAgents),
    (Kind::RateCollapse, Target::BusiestAgents),
    (Kind::Shrink, Target::BusiestAgents),
    (Kind::CoordinatorDown, Target::Agents),
    (Kind::DuplicateAndLate, Target::Agents),
    (Kind::Crash, Target::Waypoints),
];

/// All faults of a run, in order of time.
pub(crate) fn all(scenario: &Scenario, seed: u64) -> Vec<Fault> {
    let mut faults = scenario.fault.clone();
    if let Some(chaos) = &scenario.chaos {
        let mut dice = Dice::of(seed, "chaos", 0);
        let by_chance = |_| draw(&mut dice, chaos.from_s, chaos.until_s);
        faults.extend((0..chaos.faults).map(by_chance));
    }
    faults.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    faults
}

fn draw(dice: &mut Dice, from_s: u64, until_s: u64) -> Fault {
    let begins = dice.millis(from_s * 1000, until_s * 1000);
    let (kind, who) = MENU[usize::try_from(dice.below(MENU.len() as u64)).unwrap_or_default()];
    let longest = Duration::from_secs(until_s)
        .saturating_sub(begins)
        .as_secs()
        .clamp(1, 40);
    let lasts = dice.millis(500, longest * 1000);
    Fault {
        at_s: begins.as_secs_f64(),
        for_s: Some(lasts.as_secs_f64()),
        kind,
        who,
        count: u32::try_from(dice.between(1, 4)).unwrap_or(1),
        share: None,
        strength: None,
    }
}

/// When the last fault is over, and everybody should play again; zero where nothing goes wrong.
/// What has no end counts from its beginning.
pub(crate) fn all_over(faults: &[Fault]) -> Duration {
    let ends = faults
        .iter()
        .map(|fault| fault.over().unwrap_or_else(|| fault.at()));
    ends.max().unwrap_or_default()
}
