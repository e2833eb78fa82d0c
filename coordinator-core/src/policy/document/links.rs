//! `[[link]]`: what a policy says of a link, and what is wrong with it.

use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::units::BitsPerSecond;
use toml::Spanned;

use super::Reader;
use super::text::LinkText;
use crate::policy::link::{Limits, Link, Span};
use crate::policy::set::{Policy, Ruling};
use crate::policy::value::Kind as Type;

/// Most of any limit: an exabyte, an exabit a second.
const MOST: u64 = 1_000_000_000;
const BITS_A_MEGABIT: u64 = 1_000_000;
const BYTES_A_GIGABYTE: u64 = 1_000_000_000;
/// The longest time over which a mean is taken that is not a month's: what ran over a link is
/// remembered for longer than that.
const MAX_HOURS: u64 = 31 * 24;
const HOUR: Duration = Duration::from_secs(3600);

impl Reader<'_> {
    pub(super) fn link(&mut self, start: usize, policy: &Policy, text: LinkText) -> Option<Link> {
        self.name(&text.name);
        let own_name = text.name.get_ref();
        if policy.links.iter().any(|link| link.own_name() == own_name) {
            let words = format!("there are two links called {own_name:?}: rename one of them");
            self.complain(text.name.span().start, words);
        }
        let limits = self.limits(start, &text);
        let has_zone = policy.zone.is_some();
        if limits.are_monthly() && !has_zone {
            let words = "whose months? Add a line like zone = \"Europe/Berlin\"";
            self.complain(start, words);
        }
        let when = self.condition(&text.when, Type::Truth, has_zone)?;
        let ruling = Ruling {
            policy: Arc::clone(&policy.name),
            say: format!("no room on link “{own_name}”"),
            rank: policy.rank,
            strictness: policy.strictness,
            unsure: false,
        };
        Some(Link {
            name: format!("{}/{own_name}", policy.name).into(),
            when,
            limits,
            zone: policy.zone.clone(),
            ruling: Arc::new(ruling),
            place: 0,
        })
    }

    fn limits(&mut self, start: usize, text: &LinkText) -> Limits {
        let peak = self.limit(text.max_mbps.as_ref(), BITS_A_MEGABIT);
        let mean = self.limit(text.max_mean_mbps.as_ref(), BITS_A_MEGABIT);
        let month = self.limit(text.max_gb_per_month.as_ref(), BYTES_A_GIGABYTE);
        let span = self.span(text);
        if peak.is_none() && mean.is_none() && month.is_none() {
            let words = "nothing limits this link: add max_mbps, max_mean_mbps or max_gb_per_month";
            self.complain(start, words);
        }
        Limits {
            peak: peak.map(BitsPerSecond),
            mean: mean.map(|rate| (BitsPerSecond(rate), span)),
            month,
        }
    }

    /// A limit in its smallest unit. Zero is one: nothing may run there.
    fn limit(&mut self, said: Option<&Spanned<u64>>, unit: u64) -> Option<u64> {
        let said = said?;
        if *said.get_ref() > MOST {
            self.complain(said.span().start, format!("at most {MOST}"));
        }
        Some(said.get_ref().saturating_mul(unit))
    }

    fn span(&mut self, text: &LinkText) -> Span {
        let Some(hours) = &text.mean_hours else {
            return Span::Month;
        };
        let at = hours.span().start;
        if !(1..=MAX_HOURS).contains(hours.get_ref()) {
            let words = format!("1 to {MAX_HOURS} hours; leave it out to mean each month");
            self.complain(at, words);
        } else if text.max_mean_mbps.is_none() {
            self.complain(at, "hours of what? Add max_mean_mbps");
        }
        Span::Last(HOUR * u32::try_from(*hours.get_ref()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::read;

    const TRANSIT: &str = r#"
name = "transit"
kind = "network"
zone = "Europe/Berlin"

[[link]]
name = "line"
when = 'viewer.asn != peer.asn'
max_mbps = 20
max_mean_mbps = 10
mean_hours = 24
max_gb_per_month = 1000

[[test]]
name = "within the network"
viewer.asn = 1
peer.asn = 1

[[test]]
name = "out of it"
viewer.asn = 1
peer.asn = 2
links = ["line"]

[[test]]
name = "who knows"
viewer.asn = 1
links = ["line"]
"#;

    #[test]
    fn a_case_says_which_links_its_transfers_run_over() {
        let policy = read(TRANSIT).unwrap();
        assert_eq!(policy.failures().unwrap(), []);
        let wrong = TRANSIT.replace("!= peer", "== peer");
        let failures = read(&wrong).unwrap().failures().unwrap();
        assert_eq!(failures.len(), 2, "{failures:?}");
        assert!(failures[0].words.contains("line"), "{failures:?}");
    }

    #[test]
    fn a_mistake_in_a_link_is_refused_with_its_line_and_column() {
        for (from, to, line, column, word) in [
            ("\"line\"\nwhen", "\"a/b\"\nwhen", 7, 8, "a to z"),
            ("viewer.asn !=", "viewer.as !=", 8, 9, "asn"),
            ("mean_hours = 24", "mean_hours = 0", 11, 14, "744"),
            ("max_mean_mbps = 10\n", "", 10, 14, "max_mean_mbps"),
            ("zone = \"Europe/Berlin\"\n", "", 5, 1, "whose months"),
            ("max_mbps = 20", "max_mbps = 2000000000", 9, 12, "at most"),
            ("max_mbps = 20", "max_mbits = 20", 9, 1, "max_mbits"),
            (
                "max_mbps = 20\nmax_mean_mbps = 10\nmean_hours = 24\nmax_gb_per_month = 1000\n",
                "",
                6,
                1,
                "nothing limits",
            ),
            (
                "[[test]]",
                "[[link]]\nname = \"line\"\nwhen = 'true'\nmax_mbps = 1\n[[test]]",
                15,
                8,
                "two links",
            ),
        ] {
            let text = TRANSIT.replacen(from, to, 1);
            let found = read(&text).unwrap_err();
            let place = (found[0].line, found[0].column);
            assert_eq!(place, (line, column), "{to}: {found:?}");
            assert!(found[0].words.contains(word), "{to}: {found:?}");
        }
    }
}
