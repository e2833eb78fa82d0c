//! Who gets in, by what right, and what is left when it ends.

use core::net::IpAddr;

use runnel_protocol::group::Invitation;
use runnel_protocol::units::UnixSeconds;

use super::*;
use crate::token::Attributes;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn peer(number: u8) -> PeerId {
    PeerId([number; 16])
}

fn terms(id: &str, strangers: Strangers, admits: Vec<Admits>) -> GroupTerms {
    GroupTerms {
        id: id.to_owned(),
        name: id.to_owned(),
        strangers,
        founder: None,
        admits,
        invites: Vec::new(),
    }
}

fn invite(uses: Option<u16>, expires: Option<u64>) -> (InvitationHash, Invite) {
    let hash = InvitationHash::from(&Invitation([9; 16]));
    let invite = Invite {
        hash,
        expires: expires.map(UnixSeconds),
        uses,
        used_by: Vec::new(),
    };
    (hash, invite)
}

/// A group with one invitation.
fn invited(uses: Option<u16>, expires: Option<u64>) -> (Groups, InvitationHash) {
    let mut groups = Groups::default();
    groups
        .put(terms("film", Strangers::Yes, Vec::new()), NOW)
        .unwrap();
    let (hash, invite) = invite(uses, expires);
    groups.invite(GroupId::of("film"), invite).unwrap();
    (groups, hash)
}

fn at(address: &str) -> Bearer<'static> {
    let address: IpAddr = address.parse().unwrap();
    Bearer {
        address,
        token: None,
    }
}

#[test]
fn an_invitation_that_is_counted_lets_so_many_in_and_the_same_ones_again() {
    let (mut groups, hash) = invited(Some(2), None);
    let film = GroupId::of("film");
    assert_eq!(groups.join(peer(1), hash, NOW), Ok((film, true)));
    assert_eq!(groups.join(peer(2), hash, NOW), Ok((film, true)));
    assert_eq!(groups.join(peer(3), hash, NOW), Err(Refusal::Invalid));
    groups.on_gone(peer(1), NOW);
    groups.on_come(peer(1), NOW);
    assert_eq!(groups.groups_of(peer(1)), []);
    assert_eq!(groups.join(peer(1), hash, NOW), Ok((film, false)));
}

#[test]
fn an_invitation_that_has_expired_lets_nobody_in() {
    let end = NOW.unix_seconds().0;
    let (mut groups, hash) = invited(None, Some(end + 1));
    assert!(groups.join(peer(1), hash, NOW).is_ok());
    let later = NOW + Duration::from_secs(1);
    assert_eq!(groups.join(peer(2), hash, later), Err(Refusal::Invalid));
    assert_eq!(groups.groups_of(peer(1)), [GroupId::of("film")]);
}

#[test]
fn whoever_came_by_an_invitation_is_out_when_it_is_withdrawn_and_nobody_else() {
    let (mut groups, hash) = invited(None, None);
    let film = GroupId::of("film");
    groups.join(peer(1), hash, NOW).unwrap();
    groups.enter(peer(2), film, Right::Admitted);
    assert_eq!(groups.withdraw(hash, NOW), Some((film, vec![peer(1)])));
    assert_eq!(groups.groups_of(peer(1)), []);
    assert_eq!(groups.groups_of(peer(2)), [film]);
    assert_eq!(groups.join(peer(1), hash, NOW), Err(Refusal::Invalid));
    assert_eq!(groups.withdraw(hash, NOW), None);
}

#[test]
fn a_token_or_an_address_lets_in_those_of_whom_it_says_so() {
    let provider = || "demo".to_owned();
    let admits = vec![
        Admits::Account {
            provider: provider(),
            account: "ann".to_owned(),
        },
        Admits::Contact {
            provider: provider(),
            hash: *blake3::hash(b"bob").as_bytes(),
        },
        Admits::Claim {
            provider: provider(),
            group: "choir".to_owned(),
        },
        Admits::Range("192.0.2.0/24".parse().unwrap()),
    ];
    let mut groups = Groups::default();
    groups
        .put(terms("all", Strangers::Yes, admits), NOW)
        .unwrap();
    let said = |account: &str, group: &str| Attributes {
        account: Some(account.to_owned()),
        groups: vec![group.to_owned()],
        ..Attributes::default()
    };
    for (provider, account, group, address, belongs) in [
        ("demo", "ann", "", "198.51.100.1", true),
        ("other", "ann", "", "198.51.100.1", false),
        ("demo", "bob", "", "198.51.100.1", true),
        ("other", "bob", "", "198.51.100.1", false),
        ("demo", "carl", "choir", "198.51.100.1", true),
        ("demo", "carl", "", "192.0.2.77", true),
        ("demo", "carl", "", "::ffff:192.0.2.77", true),
        ("demo", "carl", "", "192.0.3.1", false),
    ] {
        let said = said(account, group);
        let bearer = Bearer {
            token: Some((provider, &said)),
            ..at(address)
        };
        groups.on_come(peer(1), NOW);
        let (since, _) = groups.admit(peer(1), &bearer, NOW);
        assert_eq!(
            !since.is_empty(),
            belongs,
            "{provider} {account} {group} {address}"
        );
    }
}

#[test]
fn a_list_that_changes_lets_in_and_out() {
    let range = |text: &str| vec![Admits::Range(text.parse().unwrap())];
    let office = GroupId::of("office");
    let mut groups = Groups::default();
    let first = terms("office", Strangers::No, range("192.0.2.0/24"));
    groups.put(first, NOW).unwrap();
    assert_eq!(groups.admit(peer(1), &at("192.0.2.1"), NOW).0, [office]);
    let second = terms("office", Strangers::No, range("198.51.100.0/24"));
    groups.put(second, NOW).unwrap();
    assert_eq!(groups.admit(peer(1), &at("192.0.2.1"), NOW).1, [office]);
    assert!(!groups.bond(peer(1), peer(2)).restricts());
}

#[test]
fn the_strictest_rule_of_those_that_the_other_is_not_in_counts() {
    let mut groups = Groups::default();
    for (id, rule) in [
        ("open", Strangers::Yes),
        ("shy", Strangers::Last),
        ("closed", Strangers::No),
    ] {
        groups.put(terms(id, rule, Vec::new()), NOW).unwrap();
    }
    let mut enter = |number, id| groups.enter(peer(number), GroupId::of(id), Right::Admitted);
    for (number, id) in [
        (1, "open"),
        (1, "shy"),
        (2, "open"),
        (3, "closed"),
        (3, "shy"),
    ] {
        enter(number, id);
    }
    let bond = |one, other| {
        let (there, back) = (
            groups.bond(peer(one), peer(other)),
            groups.bond(peer(other), peer(one)),
        );
        assert_eq!(there, back);
        (there.friends, there.strangers)
    };
    assert_eq!(bond(1, 2), (true, Strangers::Last), "the shy do not know 2");
    assert_eq!(
        bond(1, 3),
        (true, Strangers::No),
        "1 is not in the closed one"
    );
    assert_eq!(bond(2, 4), (false, Strangers::Yes));
    assert_eq!(bond(4, 5), (false, Strangers::Yes));
}

#[test]
fn who_went_is_known_for_as_long_as_its_tickets_may_be_good() {
    let (mut groups, hash) = invited(None, None);
    groups.join(peer(1), hash, NOW).unwrap();
    groups.on_gone(peer(1), NOW);
    groups.forget_gone(NOW + LINGER - Duration::from_secs(1));
    assert_eq!(groups.groups_of(peer(1)).len(), 1);
    groups.forget_gone(NOW + LINGER);
    assert_eq!(groups.groups_of(peer(1)), []);
}

#[test]
fn a_group_that_a_viewer_made_ends_when_nobody_has_been_in_it_for_long() {
    let mut groups = Groups::default();
    let founder = Some(peer(1));
    let made = GroupTerms {
        founder,
        ..terms("made", Strangers::Yes, Vec::new())
    };
    groups.put(made, NOW).unwrap();
    groups
        .put(terms("listed", Strangers::Yes, Vec::new()), NOW)
        .unwrap();
    assert_eq!(groups.forlorn(NOW), []);
    assert_eq!(groups.forlorn(NOW + EMPTY), [GroupId::of("made")]);
    groups.enter(peer(1), GroupId::of("made"), Right::Founder);
    assert_eq!(groups.forlorn(NOW + EMPTY), []);
}

#[test]
fn everything_has_an_end() {
    let mut groups = Groups::default();
    for number in 0..MAX_GROUPS {
        let more = terms(&format!("g{number}"), Strangers::Yes, Vec::new());
        groups.put(more, NOW).unwrap();
    }
    let more = terms("one-more", Strangers::Yes, Vec::new());
    assert_eq!(groups.put(more, NOW), Err(Refusal::NoRoom));
    for number in 0..MAX_GROUPS_PER_PEER {
        groups.enter(peer(1), GroupId::of(&format!("g{number}")), Right::Admitted);
    }
    let (hash, invite) = invite(None, None);
    groups.invite(GroupId::of("g99"), invite.clone()).unwrap();
    assert_eq!(groups.join(peer(1), hash, NOW), Err(Refusal::TooManyGroups));
    for _ in 1..terms::MAX_INVITES {
        groups.invite(GroupId::of("g99"), invite.clone()).unwrap();
    }
    assert_eq!(
        groups.invite(GroupId::of("g99"), invite),
        Err(Refusal::NoRoom)
    );
}

#[test]
fn one_household_leaves_room_for_the_groups_of_others() {
    let mut groups = Groups::default();
    let home = |text: &str| Household::of(text.parse().unwrap());
    let made_by = |founder, number: usize| GroupTerms {
        founder: Some(founder),
        ..terms(&format!("made-{number}"), Strangers::Yes, Vec::new())
    };
    let founder = |number: usize| PeerId([u8::try_from(number).unwrap(); 16]);
    for number in 0..MAX_FOUNDED_AT_HOME {
        let who = (founder(number), home("198.51.100.7"));
        assert_eq!(groups.found(who, made_by(who.0, number), NOW), Ok(()));
    }
    let found = |groups: &mut Groups, address: &str| {
        let who = (founder(200), home(address));
        groups.found(who, made_by(who.0, 200), NOW)
    };
    assert_eq!(
        found(&mut groups, "198.51.100.7"),
        Err(Refusal::NoRoomAtHome)
    );
    assert_eq!(found(&mut groups, "198.51.100.8"), Ok(()));
    groups.remove(GroupId::of("made-200"), NOW);
    groups.remove(GroupId::of("made-3"), NOW);
    assert_eq!(found(&mut groups, "198.51.100.7"), Ok(()));
}
