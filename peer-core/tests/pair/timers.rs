//! The alarm never rings in vain: whatever has happened, a timeout makes progress.

use std::time::Duration;

use proptest::prelude::*;
use runnel_peer_core::{Census, Input};
use runnel_protocol::control::Source;
use runnel_protocol::units::BitsPerSecond;

use crate::world::{At, World};

const SECOND: Duration = Duration::from_secs(1);
/// Timeouts that one peer may need in a second: an uplink that paces chunks, and some needs.
const MOST: usize = 200;

/// What may happen to the world.
#[derive(Debug, Clone)]
enum Happening {
    Publish(u64),
    Want {
        who: usize,
        sequence: u64,
        due: u64,
        urgent: bool,
        live: bool,
    },
    Freeze(usize),
    Thaw(usize),
    Cut(usize),
    Uplink(usize, u64),
    Origin(bool),
    LoseCoordinator(usize),
    Wait(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..12_u64).prop_map(Happening::Publish),
        (
            0..5_usize,
            0..12_u64,
            0..30_000_u64,
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(who, sequence, due, urgent, live)| Happening::Want {
                who,
                sequence,
                due,
                urgent,
                live,
            }),
        (0..5_usize).prop_map(Happening::Freeze),
        (0..5_usize).prop_map(Happening::Thaw),
        (0..5_usize).prop_map(Happening::Cut),
        (0..5_usize, 0..20_000_u64).prop_map(|(who, rate)| Happening::Uplink(who, rate)),
        any::<bool>().prop_map(Happening::Origin),
        (0..5_usize).prop_map(Happening::LoseCoordinator),
        (1..5_000_u64).prop_map(Happening::Wait),
    ]
}

/// A waypoint, two agents that stand by for each other, and two viewers of both.
fn world() -> World {
    let mut world = World::new();
    let waypoint = world.waypoint();
    let agents = [world.agent(), world.agent()];
    let viewers = [world.viewer(), world.viewer()];
    world.assign(waypoint, vec![]);
    for (own, other) in [(0, 1), (1, 0)] {
        let feed = world.parent(waypoint, agents[own], Source::Waypoint, 0b1111);
        let standby = world.parent(agents[other], agents[own], Source::Peer, 0);
        world.assign(agents[own], vec![feed, standby]);
    }
    for viewer in viewers {
        let both = vec![
            world.parent(agents[0], viewer, Source::Peer, 0b0101),
            world.parent(agents[1], viewer, Source::Peer, 0b1010),
        ];
        world.assign(viewer, both);
    }
    world.run_for(SECOND);
    world
}

fn happen(world: &mut World, what: &Happening) {
    match *what {
        Happening::Publish(sequence) => world.publish(At(0), sequence),
        Happening::Want {
            who,
            sequence,
            due,
            urgent,
            live,
        } => {
            let due = Duration::from_millis(due);
            world.want_as(At(who), sequence, due, urgent, live);
        }
        Happening::Freeze(who) => world.freeze(At(who), true),
        Happening::Thaw(who) => world.freeze(At(who), false),
        Happening::Cut(who) => world.cut(At(who), 0),
        Happening::Uplink(who, rate) => world.give(
            At(who),
            Input::Consent {
                peers: true,
                uplink: BitsPerSecond(rate * rate),
            },
        ),
        Happening::Origin(up) => world.origin_up = up,
        Happening::LoseCoordinator(who) => world.give(At(who), Input::CoordinatorLost),
        Happening::Wait(millis) => world.run_for(Duration::from_millis(millis)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_peer_is_woken_a_bounded_number_of_times_and_forgets_what_is_over(
        story in prop::collection::vec(happening(), 1..40)
    ) {
        let mut world = world();
        for what in &story {
            let (before, start) = (world.wakes.clone(), world.now);
            happen(&mut world, what);
            let seconds = world.now.since(start).as_secs() as usize + 1;
            for (host, before) in before.iter().enumerate() {
                let wakes = world.wakes[host] - before;
                prop_assert!(wakes <= MOST * seconds, "{} wakes of {host} in {what:?}", wakes);
            }
        }
        (0..5).for_each(|who| world.freeze(At(who), false));
        world.run_for(SECOND * 120);
        for host in &world.hosts {
            let census = Census { links: 0, children: 0, banned: 0, ..host.peer.census() };
            prop_assert_eq!(census, Census::default());
            let ended = host.delivered.len() + host.failed.len();
            prop_assert_eq!(ended, host.wanted());
        }
    }
}
