//! Random policies, peers and changes: what the judge says, with its own parser, evaluator, classes
//! and memory, against the crate `cel`, a plain loop and a hand-made calendar, which remember
//! nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use runnel_coordinator_core::policy::schema::{ContentField, PeerField};
use runnel_coordinator_core::policy::{
    Described, Facts, Judge, PolicySet, Ruling, Strictness, Value, read,
};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;
use serde::Serialize;

/// What is known of something, by the names of its attributes.
pub(crate) type Known = BTreeMap<&'static str, Worth>;

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Worth {
    Number(i64),
    Text(&'static str),
    Said(String),
    Texts(Vec<&'static str>),
}

#[derive(Debug, Clone)]
struct Rule {
    pair: bool,
    when: String,
}

#[derive(Debug, Clone)]
struct Written {
    rank: u16,
    soft: bool,
    zone: &'static str,
    only_live: bool,
    rules: Vec<Rule>,
    scores: Vec<String>,
}

#[derive(Debug, Clone)]
enum Step {
    Policies(Vec<Written>),
    /// One of the peers becomes another.
    Change(usize, Known),
    Wait(u64),
    /// Whether one may feed another with one of two contents.
    Ask(usize, usize, bool),
}

const PEERS: usize = 6;
const COUNTRIES: [&str; 3] = ["DE", "FR", "AT"];
const PLANS: [&str; 3] = ["premium", "free", "DE"];
const TYPES: [&str; 3] = ["regular", "lightweight", "waypoint"];
const GROUPS: [&str; 3] = ["office", "choir", "DE"];
pub(crate) const ZONES: [&str; 3] = ["UTC", "Asia/Kolkata", "Europe/Berlin"];

pub(crate) fn known() -> impl Strategy<Value = Known> {
    let maybe = |name, values: &'static [&'static str]| {
        proptest::option::of(select(values).prop_map(move |text| (name, Worth::Text(text))))
    };
    let number = |name| {
        proptest::option::of(select(vec![0, 17, 18, 64500]))
            .prop_map(move |number| number.map(|number| (name, Worth::Number(number))))
    };
    let groups = proptest::option::of(proptest::sample::subsequence(GROUPS.to_vec(), 0..=3))
        .prop_map(|groups| groups.map(|groups| ("groups", Worth::Texts(groups))));
    (
        maybe("type", &TYPES),
        maybe("country", &COUNTRIES),
        maybe("plan", &PLANS),
        number("age"),
        number("asn"),
        groups,
    )
        .prop_map(|(kind, country, plan, age, asn, groups)| {
            [kind, country, plan, age, asn, groups]
                .into_iter()
                .flatten()
                .collect()
        })
}

/// An attribute of either end that is text, or a number.
fn text(things: &'static [&'static str]) -> BoxedStrategy<String> {
    let attribute = (select(things), select(vec!["type", "country", "plan"]))
        .prop_map(|(thing, name)| format!("{thing}.{name}"));
    let content = select(vec!["content.name", "content.provider"]).prop_map(str::to_owned);
    let time = select(vec!["time.weekday", "time.clock", "time.date"]).prop_map(str::to_owned);
    let literal = select(vec![
        "DE",
        "regular",
        "live",
        "monday",
        "09:30",
        "2026-03-29",
        "D",
    ])
    .prop_map(|text| format!("\"{text}\""));
    prop_oneof![5 => attribute, 1 => content, 1 => time, 3 => literal].boxed()
}

pub(crate) fn number(things: &'static [&'static str]) -> BoxedStrategy<String> {
    let attribute = (select(things), select(vec!["age", "asn"]))
        .prop_map(|(thing, name)| format!("{thing}.{name}"));
    let time = select(vec!["time.hour", "time.day", "time.month"]).prop_map(str::to_owned);
    let literal = select(vec!["0", "17", "18", "3", "64500", "9223372036854775807"]);
    let leaf = prop_oneof![4 => attribute, 1 => time, 2 => literal.prop_map(str::to_owned)];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let sign = select(vec!["+", "-", "*"]);
        prop_oneof![
            (inner.clone(), sign, inner.clone())
                .prop_map(|(one, sign, other)| format!("({one} {sign} {other})")),
            inner.prop_map(|one| format!("-({one})")),
        ]
    })
    .boxed()
}

pub(crate) fn truth(things: &'static [&'static str]) -> BoxedStrategy<String> {
    let sign = || select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let compared = |(one, sign, other): (String, &str, String)| format!("{one} {sign} {other}");
    let names = select(vec!["age", "country", "groups", "plan"]);
    let has = (select(things), names).prop_map(|(thing, name)| format!("has({thing}.{name})"));
    let group = (select(GROUPS.to_vec()), select(things))
        .prop_map(|(group, thing)| format!("\"{group}\" in {thing}.groups"));
    let listed = text(things).prop_map(|one| format!("{one} in [\"DE\", \"free\", \"live\"]"));
    let found = (
        text(things),
        select(vec!["startsWith", "endsWith", "contains"]),
        text(things),
    )
        .prop_map(|(one, search, other)| format!("{one}.{search}({other})"));
    let leaf = prop_oneof![
        3 => (text(things), sign(), text(things)).prop_map(compared),
        3 => (number(things), sign(), number(things)).prop_map(compared),
        1 => has,
        2 => group,
        1 => listed,
        1 => found,
        1 => select(vec!["true", "false"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let both = select(vec!["&&", "||", "==", "!="]);
        let bare = select(vec!["&&", "||"]);
        prop_oneof![
            4 => (inner.clone(), both, inner.clone())
                .prop_map(|(one, sign, other)| format!("(({one}) {sign} ({other}))")),
            // Which of them binds more tightly is for the two parsers to know.
            4 => (inner.clone(), bare, inner.clone())
                .prop_map(|(one, sign, other)| format!("{one} {sign} {other}")),
            1 => inner.clone().prop_map(|one| format!("!({one})")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(one, two, three)| format!("(({one}) ? ({two}) : ({three}))")),
        ]
    })
    .boxed()
}

fn written() -> impl Strategy<Value = Written> {
    let peers = truth(&["viewer"]).prop_map(|when| Rule { pair: false, when });
    let pair = truth(&["viewer", "peer"]).prop_map(|when| Rule { pair: true, when });
    let score = (truth(&["viewer", "peer"]), number(&["viewer", "peer"]))
        .prop_map(|(when, number)| format!("({when}) ? {number} : 7"));
    (
        1..4u16,
        any::<bool>(),
        select(ZONES.to_vec()),
        any::<bool>(),
        vec(prop_oneof![peers, pair], 1..3),
        vec(score, 0..2),
    )
        .prop_map(|(rank, soft, zone, only_live, rules, scores)| Written {
            rank,
            soft,
            zone,
            only_live,
            rules,
            scores,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => vec(written(), 0..4).prop_map(Step::Policies),
        3 => (0..PEERS, known()).prop_map(|(peer, known)| Step::Change(peer, known)),
        2 => select(vec![30, 59, 60, 3600, 40_000, 90_000, 8_000_000]).prop_map(Step::Wait),
        40 => (0..PEERS, 0..PEERS, any::<bool>())
            .prop_map(|(viewer, peer, live)| Step::Ask(viewer, peer, live)),
    ]
}

impl Written {
    fn document(&self, name: &str) -> String {
        let Self { rank, zone, .. } = self;
        let strictness = if self.soft { "soft" } else { "hard" };
        let mut text = format!(
            "name = \"{name}\"\nkind = \"network\"\nrank = {rank}\nzone = \"{zone}\"\n\
             strictness = \"{strictness}\"\n"
        );
        if self.only_live {
            text += "contents = [\"live\"]\n";
        }
        for (number, rule) in self.rules.iter().enumerate() {
            let what = if rule.pair { "pair" } else { "peers" };
            let when = &rule.when;
            text += &format!("[[deny]]\nwhat = \"{what}\"\nsay = \"{number}\"\nwhen = '{when}'\n");
        }
        for score in &self.scores {
            text += &format!("[[prefer]]\nscore = '{score}'\n");
        }
        text
    }
}

/// Policy, rule, and whether it is said for want of evidence.
pub(crate) type Said = (String, String, bool);

/// A plain reading of what policies are, one condition after the other.
fn expected(
    policies: &[Written],
    viewer: &Known,
    peer: &Known,
    live: bool,
    now: u64,
) -> (Option<Said>, Option<Said>, i64) {
    let name = if live { "live" } else { "vod" };
    let content = Known::from([("name", Worth::Text(name)), ("provider", Worth::Text("DE"))]);
    let mut order: Vec<usize> = (0..policies.len()).collect();
    order.sort_by_key(|one| (policies[*one].rank, *one));
    let (mut hard, mut soft, mut score) = (None, None, 0);
    for number in order {
        let policy = &policies[number];
        if policy.only_live && !live {
            continue;
        }
        let time = local(policy.zone, now);
        let ask = |text: &str, viewer: &Known| evaluate(text, [viewer, peer, &content, &time]);
        let waypoint = matches!(peer.get("type"), Some(Worth::Text("waypoint")));
        let mut denial = None;
        for (rule, Rule { pair, when }) in policy.rules.iter().enumerate() {
            let mut ends = vec![viewer];
            if !pair && !waypoint {
                ends.push(peer);
            }
            for end in ends {
                let unsure = match ask(when, end) {
                    Some(cel::Value::Bool(false)) => continue,
                    Some(cel::Value::Bool(true)) => false,
                    None => true,
                    Some(other) => panic!("{when}: {other:?}"),
                };
                denial = denial.or(Some((format!("p{number}"), rule.to_string(), unsure)));
            }
        }
        let slot = if policy.soft { &mut soft } else { &mut hard };
        *slot = slot.take().or(denial);
        for text in &policy.scores {
            if let Some(cel::Value::Int(number)) = ask(text, viewer) {
                score += number.clamp(-1000, 1000);
            }
        }
    }
    (hard, soft, score)
}

thread_local! {
    /// Compiling with `cel` takes a hundred times as long as evaluating.
    static PROGRAMS: RefCell<BTreeMap<String, cel::Program>> = RefCell::default();
}

/// What `cel` makes of a condition; `None` where it errs for want of something.
pub(crate) fn evaluate(text: &str, known: [&Known; 4]) -> Option<cel::Value> {
    PROGRAMS.with_borrow_mut(|programs| {
        if programs.len() > 1000 {
            programs.clear();
        }
        let program = programs
            .entry(text.to_owned())
            .or_insert_with(|| cel::Program::compile(text).unwrap());
        let mut context = cel::Context::default();
        for (name, known) in ["viewer", "peer", "content", "time"].into_iter().zip(known) {
            context.add_variable(name, known).unwrap();
        }
        program.execute(&context).ok()
    })
}

/// Local time by arithmetic: India is ahead by five and a half hours, Berlin by one, and by two
/// from the last Sunday in March to the last one in October, both at one o'clock in Greenwich.
pub(crate) fn local(zone: &str, now: u64) -> Known {
    let berlin_offset = || {
        let (year, _, _) = date(now / 86_400);
        let start = last_sunday(year, 3) * 86_400 + 3600;
        let end = last_sunday(year, 10) * 86_400 + 3600;
        if (start..end).contains(&now) {
            7200
        } else {
            3600
        }
    };
    let ahead = match zone {
        "UTC" => 0,
        "Asia/Kolkata" => 19_800,
        _ => berlin_offset(),
    };
    let there = now + ahead;
    let (days, seconds) = (there / 86_400, there % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
    let names = [
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
    ];
    let weekday = names[usize::try_from(days % 7).unwrap()];
    let number = |number: u64| Worth::Number(i64::try_from(number).unwrap());
    Known::from([
        ("hour", number(hour)),
        ("clock", Worth::Said(format!("{hour:02}:{minute:02}"))),
        ("weekday", Worth::Text(weekday)),
        ("day", number(day)),
        ("month", number(month)),
        (
            "date",
            Worth::Said(format!("{year:04}-{month:02}-{day:02}")),
        ),
    ])
}

/// Days since 1970 as year, month and day, counted one by one.
fn date(mut days: u64) -> (u64, u64, u64) {
    for year in 1970.. {
        for month in 1..=12 {
            let length = days_of(year, month);
            if days < length {
                return (year, month, days + 1);
            }
            days -= length;
        }
    }
    unreachable!("time ends")
}

fn days_of(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The last Sunday of a month, in days since 1970: a Thursday.
fn last_sunday(year: u64, month: u64) -> u64 {
    let years: u64 = (1970..year)
        .flat_map(|year| (1..=12).map(move |month| days_of(year, month)))
        .sum();
    let end = years + (1..=month).map(|month| days_of(year, month)).sum::<u64>() - 1;
    end - (end + 4) % 7
}

pub(crate) struct Actor {
    pub(crate) id: PeerId,
    pub(crate) known: Known,
}

impl Described for Actor {
    fn facts(&self) -> Facts {
        let mut facts = PeerField::unknown();
        for (name, worth) in &self.known {
            let field = match *name {
                "type" => PeerField::Type,
                "country" => PeerField::Country,
                "plan" => PeerField::Plan,
                "age" => PeerField::Age,
                "asn" => PeerField::Asn,
                _ => PeerField::Groups,
            };
            let value = match worth {
                Worth::Number(number) => Value::Number(*number),
                Worth::Text(text) => Value::text(text),
                Worth::Said(text) => Value::text(text),
                Worth::Texts(texts) => Value::texts(texts),
            };
            field.set(&mut facts, value);
        }
        facts
    }

    fn id(&self) -> PeerId {
        self.id
    }
}

pub(crate) fn said(ruling: Option<&std::sync::Arc<Ruling>>) -> Option<Said> {
    ruling.map(|ruling| (ruling.policy.to_string(), ruling.say.clone(), ruling.unsure))
}

fn load(policies: &[Written]) -> PolicySet {
    let read = |(number, policy): (usize, &Written)| {
        let text = policy.document(&format!("p{number}"));
        read(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"))
    };
    PolicySet::new(policies.iter().enumerate().map(read).collect()).unwrap()
}

/// Asks both; how often.
fn play(peers: Vec<Known>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let actor = |(number, known)| Actor {
        id: PeerId([number; 16]),
        known,
    };
    let mut actors: Vec<Actor> = (0..).zip(peers).map(actor).collect();
    let mut judge = Judge::default();
    for name in ["live", "vod"] {
        let mut facts = ContentField::unknown();
        ContentField::Name.set(&mut facts, Value::text(name));
        ContentField::Provider.set(&mut facts, Value::text("DE"));
        judge.note_content(ContentId::of(name), Some(facts));
    }
    let mut policies = Vec::new();
    let mut now = 1_774_700_000;
    for step in steps {
        match step {
            Step::Policies(written) => {
                judge.replace(load(&written));
                policies = written;
            }
            Step::Change(peer, known) => {
                actors[peer].known = known;
                judge.forget(actors[peer].id);
            }
            Step::Wait(seconds) => now += seconds,
            Step::Ask(viewer, peer, live) => {
                let (viewer, peer) = (&actors[viewer], &actors[peer]);
                let content = ContentId::of(if live { "live" } else { "vod" });
                let moment = Timestamp::from_micros(now * 1_000_000);
                let verdict = judge.verdict(viewer, peer, content, moment);
                let (hard, soft, score) =
                    expected(&policies, &viewer.known, &peer.known, live, now);
                prop_assert_eq!(said(verdict.hard.as_ref()), hard);
                prop_assert_eq!(said(verdict.soft.as_ref()), soft);
                prop_assert_eq!(verdict.score, score);
                let soft = verdict.soft.iter();
                prop_assert!(soft.clone().all(|one| one.strictness == Strictness::Soft));
            }
        }
    }
    Ok(())
}

proptest! {
    // `PROPTEST_CASES=2000` asks for more than 100,000 verdicts.
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_judge_agrees_with_another_implementation_of_cel(
        policies in vec(written(), 1..5),
        peers in vec(known(), PEERS),
        steps in vec(step(), 70),
    ) {
        let steps = core::iter::once(Step::Policies(policies)).chain(steps).collect();
        play(peers, steps)?;
    }
}

/// As many as the environment asks for, or what a gate has time for.
pub(crate) fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(150)
}
