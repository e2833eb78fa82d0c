//! How viewers are treated: random delays, renditions, priorities and refusals, against the crate
//! `cel` and a plain loop.

use core::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use runnel_coordinator_core::policy::schema::ContentField;
use runnel_coordinator_core::policy::{Judge, PolicySet, Value, read};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::oracle::{
    Actor, Known, Said, Worth, ZONES, cases, evaluate, known, local, number, said, truth,
};

/// A number with its condition.
type When = (u64, String);

#[derive(Debug, Clone)]
struct Written {
    rank: u16,
    soft: bool,
    zone: &'static str,
    only_live: bool,
    delays: Vec<When>,
    rates: Vec<When>,
    refusals: Vec<String>,
    scores: Vec<String>,
}

fn written() -> impl Strategy<Value = Written> {
    let when = || truth(&["viewer"]);
    let score =
        (when(), number(&["viewer"])).prop_map(|(when, number)| format!("({when}) ? {number} : 7"));
    let head = (
        1..4u16,
        any::<bool>(),
        select(ZONES.to_vec()),
        any::<bool>(),
    );
    (
        head,
        vec((1..60u64, when()), 0..3),
        vec((100..900u64, when()), 0..3),
        vec(when(), 0..2),
        vec(score, 1..3),
    )
        .prop_map(|(head, delays, rates, refusals, scores)| {
            let (rank, soft, zone, only_live) = head;
            Written {
                rank,
                soft,
                zone,
                only_live,
                delays,
                rates,
                refusals,
                scores,
            }
        })
}

impl Written {
    fn document(&self, name: &str) -> String {
        let Self { rank, zone, .. } = self;
        let strictness = if self.soft { "soft" } else { "hard" };
        let mut text = format!(
            "name = \"{name}\"\nkind = \"provider\"\nrank = {rank}\nzone = \"{zone}\"\n\
             strictness = \"{strictness}\"\n"
        );
        if self.only_live {
            text += "contents = [\"live\"]\n";
        }
        for (place, (behind, when)) in self.delays.iter().enumerate() {
            text +=
                &format!("[[delay]]\nbehind_s = {behind}\nsay = \"{place}\"\nwhen = '{when}'\n");
        }
        for (place, (most, when)) in self.rates.iter().enumerate() {
            text +=
                &format!("[[rendition]]\nmax_kbps = {most}\nsay = \"{place}\"\nwhen = '{when}'\n");
        }
        for (place, when) in self.refusals.iter().enumerate() {
            text += &format!("[[deny]]\nwhat = \"playback\"\nsay = \"{place}\"\nwhen = '{when}'\n");
        }
        for score in &self.scores {
            text += &format!("[[priority]]\nscore = '{score}'\n");
        }
        text
    }
}

#[derive(Debug, Default, PartialEq)]
struct Expected {
    priority: u8,
    behind: Option<(u64, Said)>,
    most: Option<(u64, Said)>,
    refused: Option<Said>,
}

/// A plain reading of what policies are, one condition after the other.
fn expected(policies: &[Written], viewer: &Known, live: bool, now: u64) -> Expected {
    let name = if live { "live" } else { "vod" };
    let content = Known::from([("name", Worth::Text(name)), ("provider", Worth::Text("DE"))]);
    let nobody = Known::new();
    let mut order: Vec<usize> = (0..policies.len()).collect();
    order.sort_by_key(|one| (policies[*one].rank, *one));
    let (mut found, mut priority) = (Expected::default(), 100);
    for place in order {
        let policy = &policies[place];
        if policy.only_live && !live {
            continue;
        }
        let time = local(policy.zone, now);
        let ask = |text: &str| evaluate(text, [viewer, &nobody, &content, &time]);
        let says = |rule: usize, when: &str| match ask(when) {
            Some(cel::Value::Bool(false)) => None,
            Some(cel::Value::Bool(true)) => Some((format!("p{place}"), rule.to_string(), false)),
            None => Some((format!("p{place}"), rule.to_string(), true)),
            Some(other) => panic!("{when}: {other:?}"),
        };
        for (rule, (behind, when)) in policy.delays.iter().enumerate() {
            let longest = found.behind.as_ref().map_or(0, |(longest, _)| *longest);
            if let Some(said) = says(rule, when).filter(|_| *behind > longest) {
                found.behind = Some((*behind, said));
            }
        }
        for (rule, (most, when)) in policy.rates.iter().enumerate() {
            let least = found.most.as_ref().map_or(u64::MAX, |(least, _)| *least);
            if let Some(said) = says(rule, when).filter(|_| *most < least) {
                found.most = Some((*most, said));
            }
        }
        for (rule, when) in policy.refusals.iter().enumerate() {
            if !policy.soft && found.refused.is_none() {
                found.refused = says(rule, when);
            }
        }
        for score in &policy.scores {
            if let Some(cel::Value::Int(number)) = ask(score) {
                priority += number.clamp(-100, 100);
            }
        }
    }
    found.priority = u8::try_from(priority.clamp(0, 255)).unwrap();
    found
}

fn load(policies: &[Written]) -> PolicySet {
    let read = |(place, policy): (usize, &Written)| {
        let text = policy.document(&format!("p{place}"));
        read(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"))
    };
    PolicySet::new(policies.iter().enumerate().map(read).collect()).unwrap()
}

fn compare(
    policies: &[Written],
    viewers: Vec<Known>,
    moments: &[u64],
) -> Result<(), TestCaseError> {
    let mut judge = Judge::default();
    for name in ["live", "vod"] {
        let mut facts = ContentField::unknown();
        ContentField::Name.set(&mut facts, Value::text(name));
        ContentField::Provider.set(&mut facts, Value::text("DE"));
        judge.note_content(ContentId::of(name), Some(facts));
    }
    judge.replace(load(policies));
    let actor = |(place, known)| Actor {
        id: PeerId([place; 16]),
        known,
    };
    let viewers: Vec<Actor> = (0..).zip(viewers).map(actor).collect();
    let mut now = 1_774_700_000;
    for passed in moments {
        now += passed;
        for (viewer, live) in viewers.iter().flat_map(|one| [(one, true), (one, false)]) {
            let content = ContentId::of(if live { "live" } else { "vod" });
            let moment = Timestamp::from_micros(now * 1_000_000);
            let treatment = judge.treatment(viewer, content, moment);
            let expected = expected(policies, &viewer.known, live, now);
            prop_assert_eq!(treatment.priority, expected.priority);
            let behind = treatment
                .behind
                .map(|(delay, ruling)| (delay, said(Some(&ruling))));
            let due = expected.behind;
            prop_assert_eq!(
                behind,
                due.map(|(delay, said)| (Duration::from_secs(delay), Some(said)))
            );
            let most = treatment
                .max_rate
                .map(|(rate, ruling)| (rate, said(Some(&ruling))));
            let due = expected.most;
            let due = due.map(|(rate, said)| (BitsPerSecond::from_kilobits(rate), Some(said)));
            prop_assert_eq!(most, due);
            prop_assert_eq!(said(treatment.refused.as_ref()), expected.refused);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn treatments_agree_with_another_implementation_of_cel(
        policies in vec(written(), 1..5),
        viewers in vec(known(), 6),
        moments in vec(select(vec![0, 30, 60, 3600, 40_000, 90_000]), 4),
    ) {
        compare(&policies, viewers, &moments)?;
    }
}
