//! `[[start]]`, `[[delay]]`, `[[rendition]]` and `[[priority]]`: what a policy says of a viewer,
//! whoever feeds it.

use core::time::Duration;
use std::collections::BTreeSet;

use runnel_protocol::units::BitsPerSecond;
use toml::Spanned;

use super::text::{DelayRule, RenditionRule, StartRule};
use super::{Reader, said};
use crate::policy::expression::Expression;
use crate::policy::set::Policy;
use crate::policy::treatment::{Most, Restriction, Start};
use crate::policy::value::Kind as Type;

/// Longest that a first picture may wait for peers, in milliseconds.
const MAX_WAIT_MS: u16 = 10_000;
/// Longest delay, in seconds: what others play already is pushed to whoever plays later as well,
/// and a page has room for 48 MiB: a minute of 6 Mbit/s.
const MAX_BEHIND_S: u64 = 60;
/// Highest bitrate, in kbit/s.
const MAX_KBPS: u64 = 1_000_000;

impl Reader<'_> {
    pub(super) fn start(&mut self, rule: &StartRule, has_zone: bool) -> Option<Start> {
        let wait = *rule.wait_ms.get_ref();
        if !(1..=MAX_WAIT_MS).contains(&wait) {
            let words = format!("a first picture waits 1 to {MAX_WAIT_MS} milliseconds for peers");
            self.complain(rule.wait_ms.span().start, words);
        }
        Some(Start {
            wait: Duration::from_millis(wait.into()),
            when: self.about_viewers(&rule.when, Type::Truth, has_zone)?,
        })
    }

    pub(super) fn delay(&mut self, policy: &Policy, rule: &DelayRule) -> Option<Restriction> {
        let behind = *rule.behind_s.get_ref();
        if !(1..=MAX_BEHIND_S).contains(&behind) {
            let words = format!("a live picture comes 1 to {MAX_BEHIND_S} seconds later");
            self.complain(rule.behind_s.span().start, words);
        }
        let most = Most::Behind(Duration::from_secs(behind));
        self.restriction(policy, most, (&rule.when, &rule.say))
    }

    pub(super) fn rendition(
        &mut self,
        policy: &Policy,
        rule: &RenditionRule,
    ) -> Option<Restriction> {
        let kilobits = *rule.max_kbps.get_ref();
        if !(1..=MAX_KBPS).contains(&kilobits) {
            let words = format!("a rendition has 1 to {MAX_KBPS} kbit/s");
            self.complain(rule.max_kbps.span().start, words);
        }
        let most = Most::Rate(BitsPerSecond(kilobits.saturating_mul(1000)));
        self.restriction(policy, most, (&rule.when, &rule.say))
    }

    fn restriction(
        &mut self,
        policy: &Policy,
        most: Most,
        (when, say): (&Spanned<String>, &Spanned<String>),
    ) -> Option<Restriction> {
        self.words(say);
        let when = self.about_viewers(when, Type::Truth, policy.zone.is_some())?;
        let said = said(policy, when, say.get_ref());
        Some(Restriction { most, said })
    }

    /// A condition or score that holds whoever feeds the viewer.
    pub(super) fn about_viewers(
        &mut self,
        text: &Spanned<String>,
        kind: Type,
        has_zone: bool,
    ) -> Option<Expression> {
        let expression = self.condition(text, kind, has_zone)?;
        let mut asked = BTreeSet::new();
        expression.mentions(&mut asked);
        if let Some(peer) = asked.iter().find(|one| one.is_of_pair()) {
            let words = format!("this is about a viewer, whoever feeds it: no {peer}");
            self.complain(text.span().start, words);
        }
        Some(expression)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::read;

    const PAYING: &str = r#"
name = "paying"
kind = "provider"

[[delay]]
behind_s = 20
when = 'viewer.plan != "premium"'
say = "live for subscribers"

[[rendition]]
max_kbps = 800
when = 'viewer.plan == "free"'
say = "the best picture is for subscribers"

[[priority]]
score = 'viewer.plan == "premium" ? 20 : 0'

[[test]]
name = "a subscriber"
viewer.plan = "premium"
priority = 20

[[test]]
name = "free"
viewer.plan = "free"
behind_s = 20
max_kbps = 800

[[test]]
name = "who knows: what is not known restricts"
behind_s = 20
max_kbps = 800
"#;

    #[test]
    fn a_case_says_how_a_viewer_is_treated() {
        assert_eq!(read(PAYING).unwrap().failures().unwrap(), []);
        for (from, to, word) in [
            ("priority = 20", "priority = 10", "a priority of 10"),
            ("behind_s = 20\nmax", "behind_s = 10\nmax", "10 s later"),
            (
                "max_kbps = 800\n\n[[test]]",
                "max_kbps = 900\n\n[[test]]",
                "900 kbit/s",
            ),
        ] {
            let failures = read(&PAYING.replacen(from, to, 1)).unwrap().failures();
            let failures = failures.unwrap();
            assert_eq!(failures.len(), 1, "{to}: {failures:?}");
            assert!(failures[0].words.contains(word), "{failures:?}");
        }
    }

    #[test]
    fn the_strictest_of_several_policies_counts_and_priorities_add_up() {
        use crate::policy::schema::{ContentField, PeerField};
        use crate::policy::{PolicySet, Value};
        let other = PAYING
            .replace("\"paying\"", "\"later\"")
            .replace("behind_s = 20\nwhen", "behind_s = 30\nwhen")
            .replace("max_kbps = 800\nwhen", "max_kbps = 900\nwhen");
        let policies = [PAYING, &other].map(|text| read(text).unwrap());
        let set = PolicySet::new(policies.to_vec()).unwrap();
        let mut viewer = PeerField::unknown();
        PeerField::Plan.set(&mut viewer, Value::text("free"));
        let told = set.treatment(&viewer, &ContentField::unknown(), &[]).told();
        assert_eq!(told.behind_ms, 30_000);
        assert_eq!(told.max_bitrate.unwrap().0, 800_000);
        assert_eq!(
            told.why,
            "live for subscribers (policy “later”); the best picture is for subscribers (policy \
             “paying”)"
        );
        PeerField::Plan.set(&mut viewer, Value::text("premium"));
        let treatment = set.treatment(&viewer, &ContentField::unknown(), &[]);
        assert_eq!(treatment.priority, 140);
        assert_eq!(treatment.told().why, "");
    }

    #[test]
    fn a_mistake_is_refused_with_its_line_and_column() {
        for (from, to, line, column, word) in [
            ("behind_s = 20", "behind_s = 61", 6, 12, "1 to 60"),
            ("max_kbps = 800", "max_kbps = 0", 11, 12, "kbit/s"),
            ("viewer.plan != ", "peer.plan != ", 7, 8, "whoever feeds it"),
            ("\"live for subscribers\"", "\"\"", 8, 7, "viewers read it"),
            (" ? 20 : 0", "", 16, 22, "a number"),
            ("score =", "level =", 16, 1, "level"),
        ] {
            let found = read(&PAYING.replacen(from, to, 1)).unwrap_err();
            let place = (found[0].line, found[0].column);
            assert_eq!(place, (line, column), "{to}: {found:?}");
            assert!(found[0].words.contains(word), "{to}: {found:?}");
        }
    }
}
