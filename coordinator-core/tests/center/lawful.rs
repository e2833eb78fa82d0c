//! Whatever happens while policies come and go: nobody is fed, or could be by what was granted, whom
//! a policy in force forbids (I5).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use runnel_coordinator_core::{NetworkEntry, NetworkTable, Tags};
use runnel_protocol::control::FromCoordinator;
use runnel_protocol::ids::{PeerId, TicketId};

use crate::properties::{NAMES, Step, perform, step};
use crate::stage::Stage;

/// What may be in force, and what it forbids, by the countries of the ends and whether the parent
/// is a waypoint.
type Law = (&'static str, fn(&str, &str, bool) -> bool);

const LAWS: [Law; 4] = [
    ("", |_, _, _| false),
    (
        "[[deny]]\nwhat = 'peers'\nwhen = 'viewer.country == \"DE\"'\nsay = 'no'",
        |child, parent, waypoint| child == "DE" || (parent == "DE" && !waypoint),
    ),
    (
        "[[deny]]\nwhat = 'pair'\nwhen = 'viewer.country != peer.country'\nsay = 'no'",
        |child, parent, _| child != parent,
    ),
    (
        "strictness = 'soft'\n[[deny]]\nwhat = 'pair'\nwhen = 'viewer.country != peer.country'\nsay = 'no'",
        |_, _, _| false,
    ),
];

/// Half of them sit in another country.
fn address(name: &str) -> &'static str {
    if NAMES[..7].contains(&name) {
        "127.0.0.1"
    } else {
        "127.0.1.1"
    }
}

fn country(name: &str) -> &'static str {
    if NAMES[..7].contains(&name) {
        "DE"
    } else {
        "FR"
    }
}

fn countries() -> NetworkTable {
    let line = |(cidr, country): (&str, &str)| NetworkEntry {
        cidr: cidr.parse().unwrap(),
        region: "here".to_owned(),
        name: String::new(),
        tags: Tags {
            country: Some(country.to_owned()),
            ..Tags::default()
        },
    };
    NetworkTable::new([("127.0.0.0/24", "DE"), ("127.0.1.0/24", "FR")].map(line))
}

fn enact(stage: &mut Stage, law: Law) {
    let text = format!("name = 'law'\nkind = 'network'\n{}", law.0);
    let texts = [text.as_str()];
    stage.policies(if law.0.is_empty() { &[] } else { &texts });
}

/// Who may feed whom by what the stage's actors were granted, and not told to forget.
pub(crate) fn granted(stage: &Stage) -> BTreeSet<(PeerId, PeerId)> {
    let mut granted = BTreeSet::new();
    for actor in stage.actors.values().filter(|actor| !actor.closed) {
        let mut held = BTreeMap::<TicketId, (PeerId, PeerId)>::new();
        for message in &actor.inbox {
            match message {
                FromCoordinator::Assign(assign) => {
                    let parents = assign.parents.iter().map(|parent| &parent.contact.ticket);
                    let children = assign.children.iter().map(|child| &child.contact.ticket);
                    held.extend(parents.chain(children).map(|ticket| {
                        let ends = (ticket.body.server_id(), ticket.body.client_id());
                        (ticket.body.id, ends)
                    }));
                }
                FromCoordinator::Revoke(tickets) => held.retain(|id, _| !tickets.contains(id)),
                _ => {}
            }
        }
        granted.extend(held.into_values());
    }
    granted
}

fn check(stage: &Stage, law: Law) -> Result<(), TestCaseError> {
    let open = stage.actors.iter().filter(|(_, actor)| !actor.closed);
    let names: BTreeMap<PeerId, &str> = open.map(|(name, actor)| (actor.peer, *name)).collect();
    for (server, client) in granted(stage) {
        // Of who is gone nothing is known.
        let Some((parent, child)) = names.get(&server).zip(names.get(&client)) else {
            continue;
        };
        let waypoint = stage.summary(parent).waypoint;
        let forbidden = law.1(country(child), country(parent), waypoint);
        prop_assert!(!forbidden, "{parent} may feed {child}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_fed_or_could_be_against_the_policies_in_force(
        steps in prop::collection::vec(
            prop_oneof![
                5 => step().prop_map(Ok),
                1 => select(LAWS.to_vec()).prop_map(Err),
            ],
            1..60,
        )
    ) {
        let mut stage = Stage::with(3, |config| config.networks = countries());
        let mut law = LAWS[0];
        for step in steps {
            let step: Result<Step, Law> = step;
            match step {
                Ok(step) => {
                    perform(&mut stage, step, address);
                }
                Err(next) => {
                    law = next;
                    enact(&mut stage, law);
                }
            }
            stage.settle();
            stage.check();
            check(&stage, law)?;
        }
    }
}
