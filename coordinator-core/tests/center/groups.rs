//! Affinity groups: members come first, strangers by the group's rule, and a change reaches everybody in time.

use std::collections::BTreeMap;

use proptest::prelude::*;
use runnel_coordinator_core::{Admits, GroupEdit, GroupTerms, Input};
use runnel_protocol::control::{FromCoordinator, ToCoordinator};
use runnel_protocol::group::{GroupNews, GroupRequest, Invitation, Strangers};
use runnel_protocol::ids::GroupId;

use crate::policies::tried;
use crate::stage::{RATE, SECOND, Stage, live};

/// The viewers of one town and, of another one, agents who are nobody's first choice there.
const TOWN: &str = "198.51.100.7";
const AGENTS: [&str; 3] = ["198.51.100.1", "198.51.100.2", "203.0.113.9"];

fn news(stage: &Stage, name: &'static str) -> Vec<GroupNews> {
    let inbox = stage.actors[name].inbox.iter();
    let news = inbox.filter_map(|message| match message {
        FromCoordinator::Group(news) => Some(news.clone()),
        _ => None,
    });
    news.collect()
}

fn ask(stage: &mut Stage, name: &'static str, request: GroupRequest) -> GroupNews {
    stage.say(name, ToCoordinator::Group(request));
    news(stage, name).pop().unwrap()
}

fn found(stage: &mut Stage, name: &'static str, strangers: Strangers) -> Invitation {
    let request = GroupRequest::Found {
        name: "friday film".to_owned(),
        strangers,
    };
    match ask(stage, name, request) {
        GroupNews::Joined {
            invitation: Some(invitation),
            ..
        } => invitation,
        other => panic!("{other:?}"),
    }
}

fn join(stage: &mut Stage, name: &'static str, invitation: Invitation) -> GroupNews {
    ask(stage, name, GroupRequest::Join(invitation))
}

fn parents(stage: &Stage, name: &'static str) -> Vec<&'static str> {
    let pushing = stage.parents(name).into_iter();
    pushing
        .filter(|(_, stripes)| *stripes > 0)
        .map(|(name, _)| name)
        .collect()
}

/// A waypoint, two agents next door to the viewers and a friend's agent far away.
fn evening() -> Stage {
    evening_with(4)
}

/// The same with a waypoint that carries so many copies: one is what the agents take.
fn evening_with(copies: u64) -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", copies * RATE, "192.0.2.1");
    for (name, address) in ["ann", "bob", "friend"].into_iter().zip(AGENTS) {
        stage.agent_at(name, 10 * RATE, address);
        stage.open(name, "live", false);
    }
    stage
}

#[test]
fn a_member_is_fed_by_a_member_however_near_strangers_are() {
    let mut stage = evening();
    let invitation = found(&mut stage, "friend", Strangers::Yes);
    stage.viewer_at("guest", TOWN);
    stage.run(SECOND * 3);
    assert!(!parents(&stage, "guest").contains(&"friend"));
    stage.viewer_at("member", TOWN);
    join(&mut stage, "member", invitation);
    stage.run(SECOND * 3);
    assert!(parents(&stage, "member").contains(&"friend"));
    let assign = stage.assign("member");
    let friend = stage.peer("friend");
    let parent = assign.parents.iter().find(|one| one.contact.peer == friend);
    let why = &parent.unwrap().why;
    assert!(why.contains("of a group that you belong to"), "{why}");
    stage.check();
}

#[test]
fn a_group_that_keeps_to_itself_has_nothing_to_do_with_strangers_and_says_so() {
    let mut stage = evening();
    let invitation = found(&mut stage, "friend", Strangers::No);
    for name in ["guest", "member"] {
        stage.viewer_at(name, TOWN);
    }
    join(&mut stage, "member", invitation);
    stage.run(SECOND * 3);
    let fed = stage.parents("member").into_keys().collect::<Vec<_>>();
    assert!(
        fed.iter().all(|name| ["friend", "waypoint"].contains(name)),
        "{fed:?}"
    );
    assert!(!stage.parents("guest").contains_key("friend"));
    stage.kill("friend");
    stage.kill("waypoint");
    stage.run(SECOND * 3);
    let assign = stage.assign("member");
    assert!(assign.parents.is_empty(), "{:?}", stage.parents("member"));
    assert!(
        assign.why.starts_with("the CDN feeds you: ") && assign.why.contains("strangers"),
        "{}",
        assign.why
    );
    stage.check();
}

/// Whether an agent that did not open it is to carry the live content.
fn carries_live(stage: &Stage, name: &'static str) -> bool {
    let assign = stage.actors[name].assigns.get(&live());
    assign.is_some_and(|assign| !assign.carries.is_empty())
}

#[test]
fn an_idle_agent_is_called_in_by_a_friend_who_lacks_parents_and_by_no_stranger() {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", RATE, "192.0.2.1");
    stage.agent_at("friend", 10 * RATE, AGENTS[2]);
    let invitation = found(&mut stage, "friend", Strangers::No);
    for name in ["guest", "other"] {
        stage.viewer_at(name, TOWN);
    }
    stage.run(SECOND * 5);
    assert!(
        !carries_live(&stage, "friend"),
        "it could feed none of those who watch"
    );
    stage.viewer_at("member", TOWN);
    stage.run(SECOND * 2);
    join(&mut stage, "member", invitation);
    stage.run(SECOND * 5);
    assert_eq!(parents(&stage, "member"), ["friend"]);
    stage.kill("member");
    stage.run(SECOND * 90);
    let last = stage.assign("friend");
    assert!(last.parents.is_empty() && last.carries.is_empty());
    assert!(last.why.contains("nobody of your group"), "{}", last.why);
    stage.check();
}

#[test]
fn an_agent_that_joins_a_group_is_found_by_those_who_wait_for_one() {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", RATE, "192.0.2.1");
    for name in ["guest", "member"] {
        stage.viewer_at(name, TOWN);
    }
    let invitation = found(&mut stage, "member", Strangers::No);
    stage.run(SECOND * 5);
    stage.agent_at("stranger", 10 * RATE, AGENTS[0]);
    stage.agent_at("friend", 10 * RATE, AGENTS[2]);
    stage.run(SECOND * 5);
    assert!(!stage.parents("member").contains_key("friend"));
    join(&mut stage, "friend", invitation);
    stage.run(SECOND * 5);
    assert!(parents(&stage, "member").contains(&"friend"));
    stage.check();
}

#[test]
fn who_turns_to_strangers_last_is_fed_by_them_until_a_friend_comes() {
    let mut stage = evening_with(1);
    let invitation = found(&mut stage, "friend", Strangers::Last);
    stage.kill("friend");
    stage.run(SECOND * 3);
    stage.viewer_at("member", TOWN);
    join(&mut stage, "member", invitation);
    stage.run(SECOND * 5);
    let fed = parents(&stage, "member");
    assert!(
        fed.contains(&"ann") || fed.contains(&"bob"),
        "strangers, since the waypoint has no room: {fed:?}"
    );
    stage.agent_at("again", 10 * RATE, AGENTS[2]);
    join(&mut stage, "again", invitation);
    stage.open("again", "live", false);
    stage.run(SECOND * 5);
    assert_eq!(parents(&stage, "member"), ["again"]);
    stage.check();
}

#[test]
fn leaving_and_a_withdrawn_invitation_part_pairs_within_two_seconds() {
    for leaves in [true, false] {
        let mut stage = evening();
        let invitation = found(&mut stage, "friend", Strangers::No);
        stage.viewer_at("member", TOWN);
        join(&mut stage, "member", invitation);
        stage.run(SECOND * 3);
        assert!(stage.parents("member").contains_key("friend"));
        let peer = stage.peer("friend");
        let parents = stage.assign("member").parents.clone();
        let parent = parents.iter().find(|one| one.contact.peer == peer);
        let ticket = parent.unwrap().contact.ticket.body.id;
        if leaves {
            ask(&mut stage, "member", GroupRequest::Leave(invitation));
        } else {
            let rotated = ask(&mut stage, "friend", GroupRequest::Withdraw(invitation));
            let GroupNews::Joined {
                invitation: Some(new),
                ..
            } = rotated
            else {
                panic!("{rotated:?}");
            };
            assert_ne!(new, invitation);
        }
        stage.run(SECOND * 2);
        assert!(
            !stage.parents("member").contains_key("friend"),
            "leaves: {leaves}"
        );
        for end in ["member", "friend"] {
            let inbox = stage.actors[end].inbox.iter();
            let mut void = inbox.filter_map(|message| match message {
                FromCoordinator::Revoke(tickets) => Some(tickets),
                _ => None,
            });
            assert!(
                void.any(|tickets| tickets.contains(&ticket)),
                "{end}, leaves: {leaves}"
            );
        }
        assert!(matches!(
            news(&stage, "member").last(),
            Some(GroupNews::Left { .. })
        ));
        stage.check();
    }
}

#[test]
fn guesses_and_what_is_no_longer_good_are_refused_alike_and_only_the_founder_withdraws() {
    let mut stage = evening();
    let invitation = found(&mut stage, "friend", Strangers::Yes);
    stage.viewer_at("member", TOWN);
    stage.viewer_at("thief", TOWN);
    join(&mut stage, "member", invitation);
    let denied = ask(&mut stage, "member", GroupRequest::Withdraw(invitation));
    assert!(matches!(denied, GroupNews::Refused(_)), "{denied:?}");
    ask(&mut stage, "friend", GroupRequest::Withdraw(invitation));
    let replayed = join(&mut stage, "thief", invitation);
    let guessed = join(&mut stage, "thief", Invitation([1; 16]));
    assert_eq!(replayed, guessed, "nobody learns that it was good once");
    assert!(matches!(replayed, GroupNews::Refused(_)));
    for _ in 0..64 {
        join(&mut stage, "thief", Invitation([1; 16]));
    }
    let GroupNews::Refused(why) = join(&mut stage, "thief", Invitation([1; 16])) else {
        panic!("let in");
    };
    assert!(why.contains("too many requests"), "{why}");
}

#[test]
fn an_operators_group_is_in_force_at_once_for_those_who_are_there() {
    let mut stage = evening();
    stage.viewer_at("guest", TOWN);
    stage.run(SECOND * 3);
    assert!(parents(&stage, "guest").contains(&"ann"));
    let terms = |range: &str| GroupTerms {
        id: "hotel".to_owned(),
        name: "Hotel".to_owned(),
        strangers: Strangers::No,
        founder: None,
        admits: vec![Admits::Range(range.parse().unwrap())],
        invites: Vec::new(),
    };
    let members = terms("198.51.100.7/32");
    stage.input(Input::Group(GroupEdit::Put(members)));
    assert!(matches!(
        news(&stage, "guest").last(),
        Some(GroupNews::Joined { .. })
    ));
    stage.run(SECOND * 2);
    let fed = stage.parents("guest").into_keys().collect::<Vec<_>>();
    assert!(fed.iter().all(|name| *name == "waypoint"), "{fed:?}");
    stage.input(Input::Group(GroupEdit::Put(terms("198.51.100.0/24"))));
    stage.run(SECOND * 8);
    assert!(
        parents(&stage, "guest").contains(&"ann"),
        "she is in it now"
    );
    stage.input(Input::Group(GroupEdit::Remove(GroupId::of("hotel"))));
    assert!(matches!(
        news(&stage, "guest").last(),
        Some(GroupNews::Left { .. })
    ));
    assert!(stage.groups.is_empty());
    stage.check();
}

#[test]
fn what_is_kept_of_a_group_lets_the_same_people_in_after_a_restart() {
    let mut stage = evening();
    let invitation = found(&mut stage, "friend", Strangers::Yes);
    let kept: Vec<GroupTerms> = stage.groups.values().cloned().collect();
    let text = format!("{kept:?}");
    assert!(!text.contains(&invitation.text()), "only its hash is kept");
    let mut after = Stage::new(2);
    for terms in kept {
        after.input(Input::Group(GroupEdit::Restore(terms)));
    }
    after.viewer_at("member", TOWN);
    let joined = join(&mut after, "member", invitation);
    assert!(matches!(joined, GroupNews::Joined { .. }), "{joined:?}");
}

#[test]
fn policies_ask_for_friends_and_for_groups_of_the_operators_alone() {
    let mut stage = evening();
    let invitation = found(&mut stage, "friend", Strangers::Yes);
    stage.viewer_at("member", TOWN);
    join(&mut stage, "member", invitation);
    stage.policies(&["name = \"friends\"\nkind = \"client\"\n[[deny]]\nwhat = \"pair\"\n\
         when = 'peer.type != \"waypoint\" && !link.friends && !(\"@hotel\" in peer.groups)'\nsay = \"no friend\""]);
    stage.run(SECOND * 3);
    let fed = |stage: &Stage| stage.parents("member").into_keys().collect::<Vec<_>>();
    assert!(!fed(&stage).contains(&"ann") && fed(&stage).contains(&"friend"));
    let hotel = GroupTerms {
        id: "hotel".to_owned(),
        name: "Hotel".to_owned(),
        strangers: Strangers::Yes,
        founder: None,
        admits: vec![Admits::Range("198.51.100.1/32".parse().unwrap())],
        invites: Vec::new(),
    };
    stage.input(Input::Group(GroupEdit::Put(hotel)));
    stage.kill("friend");
    stage.run(SECOND * 8);
    assert!(fed(&stage).contains(&"ann") && !fed(&stage).contains(&"bob"));
}

#[test]
fn a_trial_of_policies_promises_no_stranger_to_a_group_that_keeps_to_itself() {
    let mut stage = evening();
    let invitation = found(&mut stage, "friend", Strangers::No);
    stage.viewer_at("member", TOWN);
    join(&mut stage, "member", invitation);
    stage.run(SECOND * 3);
    stage.kill("friend");
    stage.kill("waypoint");
    stage.run(SECOND * 3);
    assert!(stage.assign("member").why.contains("strangers"));
    assert_eq!(tried(&mut stage, &[]).gain, 0);
}

/// Who belongs to which of three groups, and what their rules are.
#[derive(Debug, Clone)]
struct World {
    rules: [Strangers; 3],
    members: Vec<[bool; 3]>,
}

fn worlds() -> impl Strategy<Value = World> {
    let rule = prop_oneof![
        Just(Strangers::Yes),
        Just(Strangers::Last),
        Just(Strangers::No)
    ];
    let rules = prop::array::uniform3(rule);
    let members = prop::collection::vec(prop::array::uniform3(any::<bool>()), 8);
    (rules, members).prop_map(|(rules, members)| World { rules, members })
}

const AGENT_NAMES: [&str; 4] = ["a", "b", "c", "d"];
const VIEWER_NAMES: [&str; 4] = ["e", "f", "g", "h"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the rules and whoever joins and leaves, no assignment names a stranger of a group that keeps to
    /// itself, two seconds after the last change.
    #[test]
    fn nobody_is_assigned_to_a_stranger_of_a_closed_group(
        world in worlds(),
        leavers in prop::collection::vec((0usize..8, 0usize..3), 0..6),
    ) {
        let mut stage = Stage::new(3);
        stage.waypoint_at("waypoint", 2 * RATE, "192.0.2.1");
        let names: Vec<&'static str> = AGENT_NAMES.into_iter().chain(VIEWER_NAMES).collect();
        let mut invitations = Vec::new();
        for (number, rule) in world.rules.into_iter().enumerate() {
            let keeper = ["x", "y", "z"][number];
            stage.agent_at(keeper, 0, "203.0.113.50");
            invitations.push(found(&mut stage, keeper, rule));
        }
        for (number, name) in names.iter().enumerate() {
            if number < 4 {
                stage.agent_at(name, 5 * RATE, AGENTS[number % 3]);
                stage.open(name, "live", false);
            } else {
                stage.uploading_viewer_at(name, RATE, TOWN);
            }
        }
        stage.run(SECOND * 2);
        let mut belongs: BTreeMap<&str, [bool; 3]> = BTreeMap::new();
        for (name, groups) in names.iter().zip(&world.members) {
            for (number, member) in groups.iter().enumerate() {
                if *member {
                    join(&mut stage, name, invitations[number]);
                    belongs.entry(name).or_default()[number] = true;
                }
            }
        }
        stage.run(SECOND * 2);
        for (who, number) in leavers {
            let name = names[who];
            if core::mem::take(&mut belongs.entry(name).or_default()[number]) {
                ask(&mut stage, name, GroupRequest::Leave(invitations[number]));
            }
        }
        stage.run(SECOND * 2);
        for child in &names {
            let Some(assign) = stage.actors[child].assigns.get(&live()) else { continue };
            for parent in &assign.parents {
                let Some(parent) = names.iter().find(|name| stage.peer(name) == parent.contact.peer) else {
                    continue;
                };
                for (number, rule) in world.rules.iter().enumerate() {
                    let of = |name: &str| belongs.get(name).is_some_and(|groups| groups[number]);
                    let apart = of(child) != of(parent);
                    prop_assert!(
                        !(apart && *rule == Strangers::No),
                        "{parent} feeds {child} in spite of group {number}"
                    );
                }
            }
        }
        stage.check();
    }
}
