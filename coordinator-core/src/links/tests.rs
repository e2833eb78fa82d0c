//! Links by themselves: months that turn, places that are kept, leases that end.

use super::*;
use crate::policy::read;

const SECOND: Duration = Duration::from_secs(1);
const MEGABYTE: u64 = 1_000_000;

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(u64::try_from(moment.as_microsecond()).unwrap())
}

fn policy(name: &str, limits: &str) -> String {
    format!(
        "name = \"{name}\"\nkind = \"network\"\nzone = \"Europe/Berlin\"\n[[link]]\n\
         name = \"line\"\nwhen = 'true'\n{limits}\n"
    )
}

fn replace(links: &mut Links, texts: &[String], now: Timestamp) -> Vec<u8> {
    let policies = texts.iter().map(|text| read(text).unwrap());
    let mut set = PolicySet::new(policies.collect()).unwrap();
    links.replace(&mut set, now);
    set.links().map(|(place, _)| place).collect()
}

/// One link, of which a delivery coordinator uses a megabyte a second.
struct Line {
    links: Links,
    place: u8,
    now: Timestamp,
}

impl Line {
    fn new(limits: &str, now: Timestamp) -> Self {
        let mut links = Links::default();
        let place = replace(&mut links, &[policy("p", limits)], now)[0];
        Self { links, place, now }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now + SECOND;
            let open = self.links.places[&self.place].limit > 0;
            let rate = if open { 8 * MEGABYTE } else { 0 };
            let whose = (self.place, ContentId::of("live"));
            self.links.refresh(whose, (rate, rate), rate / 8, self.now);
            self.links.on_tick(self.now);
        }
    }

    fn limit(&self) -> u64 {
        self.links.places[&self.place].limit
    }
}

#[test]
fn a_month_that_begins_opens_a_link_at_midnight_there() {
    // Clocks in Berlin are two hours ahead in October until the 25th, then one.
    let mut line = Line::new("max_gb_per_month = 1", at("2026-10-31T22:30:00Z"));
    line.run(1799);
    assert_eq!(line.limit(), 0, "{:?}", line.links.summaries());
    assert_eq!(line.links.summaries()[0].this_month, Some(1000 * MEGABYTE));
    line.run(1);
    assert_eq!(line.now, at("2026-10-31T23:00:00Z"));
    assert!(line.limit() > 0);
    assert_eq!(line.links.summaries()[0].this_month, Some(0));
}

#[test]
fn a_mean_of_a_month_is_as_much_as_the_month_is_long() {
    let begin = at("2026-02-28T23:00:00Z");
    let mut line = Line::new("max_mean_mbps = 1", begin);
    let march = Duration::from_secs((31 * 24 - 1) * 3600);
    let all = BitsPerSecond(1_000_000).bytes_in(march);
    let left = line.limit() / 8 * (march.as_secs() / 8);
    assert!(left.abs_diff(all) < all / 1000, "{left} of {all}");
    line.run(600);
    let less = line.limit() / 8 * (march.as_secs() / 8);
    assert!(
        (all - less).abs_diff(600 * MEGABYTE) < MEGABYTE,
        "{less} of {all}"
    );
}

#[test]
fn a_link_keeps_its_place_and_its_use_while_policies_change() {
    let now = at("2026-01-01T00:00:00Z");
    let mut line = Line::new("max_gb_per_month = 1", now);
    line.run(10);
    let [first, second] = replace(
        &mut line.links,
        &[
            policy("a", "max_mbps = 1"),
            policy("p", "max_gb_per_month = 2"),
        ],
        line.now,
    )[..] else {
        panic!("two links");
    };
    assert!(second == line.place && first != second);
    let summary = &line.links.summaries()[1];
    assert_eq!(summary.this_month, Some(10 * MEGABYTE));
    assert_eq!(summary.used, BitsPerSecond(8 * MEGABYTE));
    // It is taken out and comes back.
    replace(&mut line.links, &[], line.now);
    line.run(1);
    assert!(line.links.summaries().is_empty());
    replace(
        &mut line.links,
        &[policy("p", "max_gb_per_month = 2")],
        line.now,
    );
    assert!(line.links.summaries()[0].this_month >= Some(10 * MEGABYTE));
}

#[test]
fn however_often_links_are_renamed_there_is_a_place() {
    let mut links = Links::default();
    let now = at("2026-01-01T00:00:00Z");
    for round in 0..5 {
        let names = (0..32).map(|one| policy(&format!("p{round}-{one}"), "max_mbps = 1"));
        let places = replace(&mut links, &names.collect::<Vec<_>>(), now);
        let different: std::collections::BTreeSet<u8> = places.iter().copied().collect();
        assert_eq!(different.len(), 32);
        for place in places {
            links.refresh((place, ContentId::of("live")), (1, 1), 0, now);
        }
    }
    links.on_tick(now + LEASE * 2);
    links.on_tick(now + LEASE * 4);
    assert_eq!(links.places.len(), 32, "old ones end");
}

#[test]
fn a_lease_that_nobody_refreshes_ends() {
    let now = at("2026-01-01T00:00:00Z");
    let mut line = Line::new("max_mbps = 100", now);
    line.run(5);
    let (place, whose) = (line.place, ContentId::of("other"));
    line.links.extend(place, whose, 30 * MEGABYTE);
    let with = line.links.pool(place);
    line.run(2);
    assert!(line.links.pool(place) <= with);
    line.run(5);
    assert!(line.links.pool(place) >= with + 30 * MEGABYTE);
}

#[test]
fn leases_never_exceed_what_is_given_away() {
    let now = at("2026-01-01T00:00:00Z");
    let mut line = Line::new("max_mbps = 100", now);
    for content in ["a", "b", "c", "d", "e"] {
        let whose = (line.place, ContentId::of(content));
        let granted = line
            .links
            .refresh(whose, (15 * MEGABYTE, 15 * MEGABYTE), 0, now);
        assert!(granted >= 15 * MEGABYTE);
        let leased = line.links.summaries()[0].leased;
        assert!(leased <= BitsPerSecond(90 * MEGABYTE), "{leased:?}");
    }
    assert!(
        line.links.pool(line.place) > 0,
        "some of it is left for who comes"
    );
}
