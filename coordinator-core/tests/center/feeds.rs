//! Stories of operators' files that change while everybody watches: places, countries, sites.

use std::sync::Arc;

use ipnet::IpNet;
use runnel_coordinator_core::{Cost, Country, Feeds, Input, Sharing, SiteEntry, Source, Tie};
use runnel_protocol::control::{FromCoordinator, PeerType};

use crate::stage::{RATE, SECOND, Stage, kilobits};

const OFFICE: &str = "198.51.100.0/24";

fn range(cidr: &str) -> IpNet {
    cidr.parse().unwrap()
}

/// An office whose machines may do this much.
fn office(sharing: Sharing) -> Feeds {
    let name = "office".into();
    let site = Arc::new(SiteEntry { name, sharing });
    Feeds {
        sites: [(range(OFFICE), site)].into_iter().collect(),
        ..Feeds::default()
    }
}

/// Two agents and a viewer in the office, and a viewer elsewhere.
fn evening() -> Stage {
    let mut stage = Stage::new(1);
    stage.waypoint_at("waypoint", 4 * RATE, "192.0.2.1");
    stage.agent_at("ann", 10 * RATE, "198.51.100.8");
    stage.agent_at("bob", 10 * RATE, "203.0.113.8");
    stage.viewer_at("clerk", "198.51.100.9");
    stage.viewer_at("guest", "203.0.113.9");
    stage.run(SECOND * 5);
    stage
}

fn feeds(stage: &Stage, parent: &'static str) -> bool {
    let fed = |name| stage.parents(name).contains_key(parent);
    fed("clerk") || fed("guest")
}

/// What a peer was told last of its type.
fn told(stage: &Stage, name: &'static str) -> Option<(PeerType, String)> {
    let inbox = stage.actors[name].inbox.iter().rev();
    inbox.into_iter().find_map(|message| match message {
        FromCoordinator::Type { kind, why, .. } => Some((*kind, why.clone())),
        _ => None,
    })
}

#[test]
fn a_site_that_switches_peers_off_is_left_to_the_cdn_within_two_seconds_and_comes_back() {
    let mut stage = evening();
    assert!(feeds(&stage, "ann") && !stage.parents("clerk").is_empty());
    stage.input(Input::Feeds(office(Sharing::Off)));
    stage.run(SECOND * 2);
    let assign = stage.assign("clerk");
    assert!(assign.parents.is_empty());
    assert!(
        assign
            .why
            .contains("your site has peer-to-peer delivery switched off"),
        "{}",
        assign.why
    );
    let excluded = &stage.explanation("clerk").contents[0].excluded;
    assert!(
        excluded.iter().all(|one| one.rule == "site"),
        "{excluded:?}"
    );
    assert!(!feeds(&stage, "ann"));
    assert!(
        stage.parents("guest").contains_key("bob"),
        "elsewhere nothing changes"
    );
    let revoked = |message: &FromCoordinator| matches!(message, FromCoordinator::Revoke(_));
    assert!(stage.actors["clerk"].inbox.iter().any(revoked));
    stage.check();

    stage.input(Input::Feeds(Feeds::default()));
    stage.run(SECOND * 8);
    assert_eq!(stage.summary("ann").kind, PeerType::Regular);
    assert!(!stage.parents("clerk").is_empty() && feeds(&stage, "ann"));
    stage.check();
}

#[test]
fn who_may_only_download_is_lightweight_and_feeds_nobody() {
    let mut stage = evening();
    stage.input(Input::Feeds(office(Sharing::DownloadOnly)));
    stage.run(SECOND * 2);
    assert!(!feeds(&stage, "ann"));
    assert!(!stage.parents("clerk").is_empty(), "it still receives");
    assert_eq!(stage.summary("ann").kind, PeerType::Lightweight);
    let (kind, why) = told(&stage, "ann").unwrap();
    assert_eq!(kind, PeerType::Lightweight);
    assert!(why.contains("not feed them"), "{why}");
    // Who comes later is treated like those who were there, whatever uplink it offers.
    stage.agent_at("ned", 50 * RATE, "198.51.100.77");
    stage.uploading_viewer_at("eve", 50 * RATE, "198.51.100.78");
    stage.run(SECOND * 5);
    assert_eq!(stage.summary("ned").kind, PeerType::Lightweight);
    assert!(!feeds(&stage, "ned"));
    assert!(!stage.parents("bob").contains_key("eve"));
    stage.check();
}

#[test]
fn a_waypoint_is_no_machine_of_the_site_that_it_stands_in() {
    let mut stage = evening();
    let name = "machines".into();
    let sharing = Sharing::Off;
    let site = Arc::new(SiteEntry { name, sharing });
    stage.input(Input::Feeds(Feeds {
        sites: [(range("192.0.2.0/24"), site)].into_iter().collect(),
        ..Feeds::default()
    }));
    stage.run(SECOND * 2);
    assert_eq!(stage.summary("waypoint").kind, PeerType::Regular);
    assert!(feeds(&stage, "waypoint"));
}

#[test]
fn running_pairs_are_judged_by_the_countries_and_numbers_that_a_new_file_tells() {
    let mut stage = evening();
    let germany = "name = \"germany\"\nkind = \"provider\"\n[[deny]]\nwhat = \"peers\"\n\
                   when = 'viewer.country == \"DE\" || viewer.asn == 64501'\n\
                   say = \"not licensed in DE\"";
    stage.policies(&[germany]);
    let nobody_else = |country: &str, system| Feeds {
        countries: [(range("0.0.0.0/0"), Country::parse(country).unwrap())]
            .into_iter()
            .collect(),
        systems: [(range("0.0.0.0/0"), 64500), (range(OFFICE), system)]
            .into_iter()
            .collect(),
        ..Feeds::default()
    };
    stage.input(Input::Feeds(nobody_else("FR", 64500)));
    stage.run(SECOND * 8);
    assert!(!stage.parents("clerk").is_empty());
    stage.input(Input::Feeds(nobody_else("FR", 64501)));
    stage.run(SECOND * 2);
    assert!(stage.parents("clerk").is_empty());
    assert!(stage.assign("clerk").why.contains("not licensed in DE"));
    assert!(!stage.parents("guest").is_empty());
    stage.input(Input::Feeds(nobody_else("DE", 64500)));
    stage.run(SECOND * 2);
    assert!(stage.parents("guest").is_empty());
    stage.check();
}

#[test]
fn what_comes_from_another_system_is_off_net_as_soon_as_the_feed_says_so() {
    let mut stage = evening();
    assert!(stage.parents("guest").contains_key("bob"));
    let systems = |guest| Feeds {
        systems: [
            (range("203.0.113.9/32"), guest),
            (range("203.0.113.8/32"), 64500),
        ]
        .into_iter()
        .collect(),
        ..Feeds::default()
    };
    stage.input(Input::Feeds(systems(64500)));
    stage.run(SECOND);
    stage.plays_at("guest", RATE);
    stage.receives("guest", "bob", RATE / 2, false);
    stage.run(SECOND * 4);
    stage.input(Input::Feeds(systems(64501)));
    stage.run(SECOND * 4);
    stage.kill("guest");
    let guest = stage.peer("guest");
    let transfer = stage.transfers.iter().find(|one| one.peer == guest);
    let seconds = transfer.unwrap().off_net / kilobits(RATE / 2).bytes_in(SECOND);
    assert!((3..=5).contains(&seconds), "{seconds} of 8 s");
}

/// Who the viewer's assignment names first: the one that was ranked first.
fn first_parent(stage: &Stage) -> &'static str {
    let first = stage.assign("viewer").parents.first().unwrap().contact.peer;
    ["linked", "foreign", "waypoint"]
        .into_iter()
        .find(|name| stage.peer(name) == first)
        .unwrap()
}

/// Three systems, of which 64500 peers with one.
fn three_systems(friend: u32, hints: &[(&str, Source, u8)]) -> Feeds {
    let systems = [
        ("203.0.113.0/24", 64500),
        ("198.51.100.0/24", 64501),
        ("100.64.0.0/16", 64502),
    ];
    let systems = systems.map(|(cidr, number)| (range(cidr), number));
    let hints = hints.iter();
    let hints = hints.map(|(viewers, source, cost)| (range(viewers), *source, Cost(*cost)));
    Feeds {
        systems: systems.into_iter().collect(),
        relations: [(64500, friend, Tie::Peers)].into_iter().collect(),
        hints: hints.collect(),
        ..Feeds::default()
    }
}

/// A viewer of 64500, which peers with 64501, and an agent in each of the two other systems.
fn between_systems(hints: &[(&str, Source, u8)]) -> Stage {
    let mut stage = Stage::new(1);
    stage.input(Input::Feeds(three_systems(64501, hints)));
    stage.waypoint_at("waypoint", 4 * RATE, "192.0.2.1");
    stage.agent_at("linked", 10 * RATE, "198.51.100.8");
    stage.agent_at("foreign", 12 * RATE, "100.64.0.8");
    stage.run(SECOND * 5);
    stage
}

#[test]
fn a_policy_about_ways_follows_the_feed_that_tells_of_them() {
    let mut stage = between_systems(&[]);
    let policy = "name = \"peering-only\"\nkind = \"network\"\n[[deny]]\nwhat = \"pair\"\n\
                  when = 'peer.type != \"waypoint\" && !link.peering'\nsay = \"over transit\"";
    stage.policies(&[policy]);
    stage.viewer_at("viewer", "203.0.113.9");
    stage.run(SECOND * 5);
    let feeds = |stage: &Stage, name| stage.parents("viewer").contains_key(name);
    assert!(feeds(&stage, "linked") && !feeds(&stage, "foreign"));
    let excluded = &stage.explanation("viewer").contents[0].excluded;
    assert!(
        excluded.iter().any(|one| one.why.contains("over transit")),
        "{excluded:?}"
    );
    stage.input(Input::Feeds(three_systems(64502, &[])));
    stage.run(SECOND * 2);
    assert!(!feeds(&stage, "linked"));
    stage.run(SECOND * 6);
    assert!(feeds(&stage, "foreign"));
    stage.check();
}

#[test]
fn who_is_in_a_linked_system_feeds_before_who_is_in_another_one() {
    let mut stage = between_systems(&[]);
    stage.viewer_at("viewer", "203.0.113.9");
    stage.run(SECOND * 5);
    let words = stage.words("viewer");
    assert!(
        words.contains("an agent in a network that is linked with yours"),
        "{words}"
    );
    assert!(first_parent(&stage) == "linked", "{words}");
}

#[test]
fn whom_a_provider_prefers_feeds_before_who_is_linked_with_it() {
    let mut stage = between_systems(&[("203.0.113.0/24", Source::System(64502), 10)]);
    stage.viewer_at("viewer", "203.0.113.9");
    stage.run(SECOND * 5);
    let words = stage.words("viewer");
    assert!(
        words.contains("in a network that your provider prefers"),
        "{words}"
    );
    assert!(first_parent(&stage) == "foreign", "{words}");
}
