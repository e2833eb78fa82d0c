//! Whatever happens, in whatever order: what must hold holds after every step.

use core::time::Duration;

use crate::stage::{RATE, Stage, live};
use proptest::prelude::*;
use runnel_protocol::control::{LinkResult, Offence, Strike, ToCoordinator};

pub(crate) const NAMES: [&str; 14] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
];

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Agent { uplink: u64, opens: bool },
    Waypoint { uplink: u64 },
    Viewer { uplink: u64 },
    Kill(usize),
    Freeze(usize, bool),
    Report(usize, usize, LinkResult),
    Strike(usize, usize),
    Uplink(usize, u64),
    PlaysAt(usize, u64),
    Wait(u64),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let who = 0..NAMES.len();
    let uplink = 0..6 * RATE;
    let result = prop_oneof![
        Just(LinkResult::Connected { after_ms: 9 }),
        Just(LinkResult::Failed),
        Just(LinkResult::Lost),
        Just(LinkResult::Stalled),
        Just(LinkResult::Full),
    ];
    prop_oneof![
        3 => (uplink.clone(), any::<bool>()).prop_map(|(uplink, opens)| Step::Agent { uplink, opens }),
        1 => uplink.clone().prop_map(|uplink| Step::Waypoint { uplink }),
        4 => uplink.clone().prop_map(|uplink| Step::Viewer { uplink }),
        2 => who.clone().prop_map(Step::Kill),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, frozen)| Step::Freeze(who, frozen)),
        3 => (who.clone(), who.clone(), result).prop_map(|(a, b, result)| Step::Report(a, b, result)),
        1 => (who.clone(), who.clone()).prop_map(|(a, b)| Step::Strike(a, b)),
        2 => (who.clone(), uplink).prop_map(|(who, uplink)| Step::Uplink(who, uplink)),
        2 => (who, 100..3 * RATE).prop_map(|(who, rate)| Step::PlaysAt(who, rate)),
        4 => (10u64..8000).prop_map(Step::Wait),
    ]
}

fn free_name(stage: &Stage) -> Option<&'static str> {
    let taken = |name: &str| stage.actors.get(name).is_some_and(|actor| !actor.closed);
    NAMES.into_iter().find(|name| !taken(name))
}

fn present(stage: &Stage, who: usize) -> Option<&'static str> {
    let name = NAMES[who];
    stage
        .actors
        .get(name)
        .filter(|actor| !actor.closed)
        .map(|_| name)
}

/// Makes a step, where whoever comes sits at the address that goes with the name.
pub(crate) fn perform(
    stage: &mut Stage,
    step: Step,
    address: fn(&str) -> &'static str,
) -> Option<()> {
    match step {
        Step::Agent { uplink, opens } => {
            let name = free_name(stage)?;
            stage.agent_at(name, uplink, address(name));
            if opens {
                stage.open(name, "live", false);
            }
        }
        Step::Waypoint { uplink } => {
            let name = free_name(stage)?;
            stage.waypoint_at(name, uplink, address(name));
        }
        Step::Viewer { uplink } => {
            let name = free_name(stage)?;
            stage.uploading_viewer_at(name, uplink, address(name));
        }
        Step::Kill(who) => stage.kill(present(stage, who)?),
        Step::Freeze(who, frozen) => stage.freeze(present(stage, who)?, frozen),
        Step::Report(who, other, result) => {
            let (who, other) = (present(stage, who)?, present(stage, other)?);
            stage.report(who, other, result);
        }
        Step::Strike(who, other) => {
            let (who, other) = (present(stage, who)?, present(stage, other)?);
            let strike = Strike {
                content: live(),
                peer: stage.peer(other),
                offence: Offence::BadChunk,
                segment: None,
            };
            stage.say(who, ToCoordinator::Strike(strike));
        }
        Step::Uplink(who, uplink) => {
            stage.offers(present(stage, who)?, uplink);
        }
        Step::PlaysAt(who, rate) => stage.plays_at(present(stage, who)?, rate),
        Step::Wait(millis) => stage.run(Duration::from_millis(millis)),
    }
    Some(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// No pair of two lightweight peers, no cycle, and reservations that match the feeds, after
    /// every step; what was given away fits what is offered once things have settled, and
    /// nothing is left when everybody has gone.
    #[test]
    fn the_graph_stays_sound_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let mut stage = Stage::new(3);
        for step in steps {
            if perform(&mut stage, step, |_| "127.0.0.1").is_some() {
                stage.check();
                stage.settle();
                stage.check();
            }
        }
        stage.run(Duration::from_secs(10));
        for peer in stage.center.peers() {
            prop_assert!(peer.reserved <= peer.uplink, "{peer:?}");
        }
        for name in NAMES {
            if stage.actors.get(name).is_some_and(|actor| !actor.closed) {
                stage.kill(name);
                stage.check();
            }
        }
        prop_assert_eq!(stage.center.peer_count(), 0);
    }
}
