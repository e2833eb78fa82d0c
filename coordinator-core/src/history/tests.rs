use core::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::blacklist::Apart;
use crate::place::{Place, Site};
use crate::vouching::Vouchers;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros((1_800_000_000 + seconds) * 1_000_000)
}

/// A site, by number.
fn site(number: u8) -> Site {
    Place::of(IpAddr::from([192, 0, number, 7])).site
}

fn begun() -> History {
    History::begin(Estimate::default(), Vouchers::NONE, at(0))
}

#[test]
fn losses_are_sorted_by_powers_of_two() {
    let of = |missing| bucket(missing, 12_800);
    let thresholds = [99, 100, 200, 400, 800, 1600, 3200, 6400, 12_800];
    assert_eq!(thresholds.map(of), [0, 1, 2, 3, 4, 5, 6, 7, 7]);
    assert_eq!(bucket(0, 0), 0);
}

#[test]
fn a_link_says_what_was_missing_only_where_something_was_due() {
    let mut account = LinkAccount::default();
    for _ in 0..3 {
        account.observe(100_000, 0, false);
    }
    assert_eq!(account.bucket(), None, "too early to say");
    account.observe(100_000, 100_000, true);
    assert_eq!(account.bucket(), Some(0), "a pause is no loss");
    for _ in 0..4 {
        account.observe(100_000, 20_000, true);
    }
    assert_eq!(account.bucket(), Some(6), "40 % was missing");
}

/// A link at 800 kbit/s on which so much came in each of these seconds, and whether something was due.
fn vouches(seconds: &[(u64, bool)]) -> usize {
    let mut account = LinkAccount::default();
    let mut beat = |(received, late): &(u64, bool)| {
        account.observe(100_000, *received, *late);
        account.vouches(BitsPerSecond::from_kilobits(800))
    };
    seconds.iter().filter(|second| beat(second)).count()
}

#[test]
fn whoever_got_four_seconds_of_media_in_time_vouches_once() {
    assert_eq!(vouches(&[(100_000, false); 3]), 0);
    assert_eq!(vouches(&[(100_000, false); 5]), 1);
    assert_eq!(vouches(&[(100_000, false); 50]), 1);
    let bursts = [(200_000, false), (0, false)].repeat(20);
    assert_eq!(vouches(&bursts), 1, "segments come at once");
}

#[test]
fn whoever_gets_drops_or_gets_nothing_vouches_for_nobody() {
    assert_eq!(vouches(&[(20_000, true); 100]), 0);
    assert_eq!(vouches(&[(0, false); 100]), 0);
    assert_eq!(vouches(&[(0, true); 100]), 0);
}

#[test]
fn a_site_that_waits_in_vain_takes_back_what_another_one_vouched_for() {
    let mut history = begun();
    for number in 0..12 {
        history.on_vouched(site(number));
    }
    let before = history.vouchers();
    assert!(before.are_enough());
    let mut complaints = 0;
    while history.vouchers().are_enough() {
        let now = at(complaints.into());
        history.on_failed(Apart::Stalled, site(100 + complaints), now);
        history.on_failed(Apart::Stalled, site(100 + complaints), now);
        complaints += 1;
    }
    assert!(complaints > 3, "each site is heard once: {complaints}");
}

#[test]
fn one_site_is_heard_once_in_ten_minutes_however_many_names_it_has() {
    let mut history = begun();
    for second in 0..600 {
        history.on_failed(Apart::Unreachable, site(1), at(second));
    }
    let told = history.tell(at(600)).unwrap();
    assert_eq!((told.tried, told.connected), (1, 0));
    assert_eq!(told.blamed_by.count_ones(), 1);
    history.on_failed(Apart::Unreachable, site(1), at(600));
    assert_eq!(history.tell(at(601)).unwrap().tried, 1);
}

#[test]
fn one_site_alone_never_has_anybody_left_out() {
    let mut history = begun();
    for window in 0..1000 {
        history.on_failed(Apart::Unreachable, site(1), at(window * 600));
        history.on_failed(Apart::Stalled, site(1), at(window * 600));
        assert_eq!(history.blemish(at(window * 600)), None);
    }
}

#[test]
fn whom_three_sites_cannot_reach_is_left_out_for_an_hour_and_says_why() {
    let mut history = begun();
    for number in 0..8u8 {
        let (from, when) = (site(number % 4), at(u64::from(number) * 600));
        assert_eq!(history.blemish(when), None, "{number} attempts");
        history.on_failed(Apart::Unreachable, from, when);
    }
    let last = 7 * 600;
    let why = history.blemish(at(last)).unwrap().to_string();
    assert!(why.starts_with("8 of the last 8 attempts"), "{why}");
    assert!(history.blemish(at(last + 3599)).is_some());
    assert_eq!(history.blemish(at(last + 3600)), None, "another chance");
}

#[test]
fn whoever_is_reached_by_a_third_is_not_left_out() {
    let mut history = begun();
    for number in 0..12 {
        if number % 3 == 0 {
            history.on_connected(site(number), at(0));
        } else {
            history.on_failed(Apart::Unreachable, site(number), at(0));
        }
    }
    assert_eq!(history.blemish(at(1)), None);
    assert_eq!(history.trouble(at(1)).faults, 2, "but comes after others");
}

#[test]
fn whose_links_stall_is_left_out_as_well() {
    let mut history = begun();
    for number in 0..8 {
        history.on_failed(Apart::Stalled, site(number), at(0));
    }
    let why = history.blemish(at(0)).unwrap().to_string();
    assert!(why.starts_with("8 of its last 8 links lost"), "{why}");
}

#[test]
fn what_is_told_adds_up_to_what_was_there() {
    let mut history = begun();
    let mut sum = Figures::default();
    for second in [7, 900, 1800, 1805] {
        sum.add(&history.tell(at(second)).unwrap());
    }
    assert_eq!((sum.stays, sum.uptime_s), (1, 1805));
    assert_eq!(history.tell(at(1805)), None, "nothing is told twice");
}

#[test]
fn who_stayed_long_before_is_preferred_to_who_left_soon() {
    let past = |stays: u16, uptime_s| Past {
        figures: Figures {
            stays,
            uptime_s,
            ..Figures::default()
        },
        seen: at(0).unix_seconds(),
    };
    let (mut steady, mut flighty) = (begun(), begun());
    steady.recall(&past(5, 5 * 7200), false);
    flighty.recall(&past(5, 5 * 60), false);
    assert!(steady.trouble(at(1)) < begun().trouble(at(1)));
    assert!(begun().trouble(at(1)) < flighty.trouble(at(1)));
    assert!(flighty.is_brief(at(1)) && !steady.is_brief(at(1)));
    assert!(!begun().is_brief(at(1)), "a newcomer is given the benefit");
    assert!(!flighty.is_brief(at(3600)), "it has stayed this time");
}

fn kind(network: &str) -> ProfileName {
    ProfileName {
        network: network.to_owned(),
        platform: runnel_protocol::control::Platform::Native,
        uplink: 11,
    }
}

#[test]
fn a_newcomer_is_expected_to_be_like_its_network_or_like_everybody() {
    let mut profiles = Profiles::default();
    let stays = |stays, uptime_s| Figures {
        stays,
        uptime_s,
        ..Figures::default()
    };
    assert_eq!(profiles.estimate(&kind("north")), Estimate::default());
    profiles.add(&kind("north"), &stays(4, 4 * 3000));
    profiles.add(&kind("south"), &stays(4, 4 * 1000));
    assert_eq!(profiles.estimate(&kind("north")).stay_s, 3000);
    assert_eq!(profiles.estimate(&kind("west")).stay_s, 2000);
}

#[test]
fn of_too_many_kinds_the_one_that_was_added_to_longest_ago_is_forgotten() {
    let mut profiles = Profiles::default();
    let one = Figures {
        stays: 4,
        uptime_s: 4,
        ..Figures::default()
    };
    for number in 0..10_000 {
        profiles.add(&kind(&number.to_string()), &one);
        profiles.add(&kind("first"), &one);
        assert!(profiles.len() <= 4096);
    }
    assert_eq!(profiles.estimate(&kind("first")).stay_s, 1);
}

fn figures() -> impl Strategy<Value = Figures> {
    let loss = prop::array::uniform8(any::<u16>());
    let counts = (any::<u16>(), any::<u32>(), any::<u16>(), any::<u16>());
    (counts, loss, any::<u64>(), any::<u64>()).prop_map(|(counts, loss, blamed_by, date)| {
        let (stays, uptime_s, tried, connected) = counts;
        Figures {
            stays,
            uptime_s,
            tried,
            connected,
            loss,
            blamed_by,
            blamed_at: UnixSeconds(date),
        }
    })
}

/// What one of the others, or time, may do.
#[derive(Debug, Clone)]
enum Step {
    Connected(u8),
    Failed(u8, Apart),
    Tell,
    Recall(Figures, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let cause = prop::sample::select(vec![
        Apart::Unreachable,
        Apart::Full,
        Apart::Lost,
        Apart::Stalled,
        Apart::Slow,
        Apart::Misbehaved,
    ]);
    prop_oneof![
        4 => (0u8..6).prop_map(Step::Connected),
        4 => (0u8..6, cause).prop_map(|(site, cause)| Step::Failed(site, cause)),
        2 => Just(Step::Tell),
        1 => (figures(), any::<bool>()).prop_map(|(past, returns)| Step::Recall(past, returns)),
        3 => (0u64..2000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever is added in whatever order: the sums stay within their bounds.
    #[test]
    fn sums_are_bounded(parts in prop::collection::vec(figures(), 1..20)) {
        let mut sums = Figures::default();
        for part in &parts {
            sums.add(part);
            prop_assert!(sums.stays <= STAYS);
            prop_assert!(sums.tried <= ATTEMPTS && sums.connected <= sums.tried);
            prop_assert!(sums.links() <= LINKS);
        }
    }

    /// Nobody is told of more often than there are sites, and whoever has fewer than three against
    /// it is never left out.
    #[test]
    fn words_weigh_no_more_than_their_sites(steps in prop::collection::vec(step(), 1..80)) {
        let mut history = begun();
        let (mut now, mut windows) = (0u64, 1u16);
        let (mut told, mut against) = (Figures::default(), std::collections::BTreeSet::new());
        let mut recalled = false;
        for step in steps {
            match step {
                Step::Connected(from) => history.on_connected(site(from), at(now)),
                Step::Failed(from, cause) => {
                    against.insert(from);
                    history.on_failed(cause, site(from), at(now));
                }
                Step::Tell => {
                    if let Some(more) = history.tell(at(now)) {
                        told.tried += more.tried;
                        told.uptime_s += more.uptime_s;
                    }
                }
                Step::Recall(past, returns) => {
                    recalled = true;
                    history.recall(&Past { figures: past, seen: UnixSeconds(0) }, returns);
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    windows += 1 + u16::try_from(seconds / 600).unwrap();
                }
            }
            prop_assert!(recalled || against.len() >= 3 || history.blemish(at(now)).is_none());
            prop_assert!(history.trouble(at(now)).faults <= 8);
        }
        prop_assert!(told.tried <= 6 * windows);
        prop_assert!(u64::from(told.uptime_s) <= now);
    }
}
