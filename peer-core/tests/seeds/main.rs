//! Seeded worlds: a waypoint, agents and viewers on a network where everything goes wrong that
//! may. Whatever happens, the invariants hold.
//!
//! A seed that fails prints the line that plays it again.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

mod checks;
mod dice;
mod plan;
mod player;
mod run;
#[path = "../pair/world.rs"]
mod world;

use plan::Plan;
use run::Run;

/// Enough to meet every fault several times over, in a few seconds.
const SEEDS: core::ops::Range<u64> = 0..24;

fn seeds() -> Vec<u64> {
    let one = std::env::var("RUNNEL_SEED").ok();
    let one = one.map(|text| text.parse().expect("RUNNEL_SEED is a number"));
    one.map_or_else(|| SEEDS.collect(), |seed| vec![seed])
}

#[test]
fn whatever_happens_the_invariants_hold() {
    let mut broken = Vec::new();
    for seed in seeds() {
        let plan = Plan::of(seed);
        let run = Run::of(&plan);
        for (name, check) in checks::ALL {
            if let Err(why) = check(&run) {
                broken.push(format!(
                    "{name}: {why}\n  RUNNEL_SEED={seed} cargo test -p runnel-peer-core --test seeds\n  {plan:?}"
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_digest() {
    for seed in seeds().into_iter().take(3) {
        let plan = Plan::of(seed);
        assert_eq!(Run::of(&plan).digest(), Run::of(&plan).digest(), "{seed}");
    }
}

#[test]
fn peers_bring_most_of_it_where_nothing_goes_wrong() {
    let mut plan = Plan::of(1);
    plan.faults.clear();
    plan.lines.clear();
    let run = Run::of(&plan);
    let (peers, all) = run.offload();
    assert!(peers * 100 >= all * 70, "{peers} of {all} bytes");
}
