//! What many policies cost a decision: 50 of them, and 1,000 candidates for one viewer.
//!
//! `cargo bench -p runnel-coordinator-core --bench policy` prints, for a number of classes that the
//! candidates fall into, the time until all of them are judged: the first time, and once what the
//! policies say about these classes is remembered.

#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

use core::fmt::Write as _;
use core::hint::black_box;
use core::time::Duration;

use anyhow::{Context, Result, anyhow};
use runnel_coordinator_core::policy::schema::PeerField;
use runnel_coordinator_core::policy::{Described, Facts, Judge, PolicySet, Value, read};
use runnel_protocol::ids::{ContentId, PeerId};
use runnel_protocol::time::Timestamp;

const POLICIES: u32 = 50;
const CANDIDATES: u32 = 1000;
const ROUNDS: usize = 2000;
const CLASSES: [u32; 4] = [3, 30, 300, 1000];

struct Somebody {
    id: PeerId,
    class: u32,
}

impl Described for Somebody {
    fn facts(&self) -> Facts {
        let mut facts = PeerField::unknown();
        let country = ["DE", "FR", "AT"][self.class as usize % 3];
        PeerField::Type.set(&mut facts, Value::text("regular"));
        PeerField::Country.set(&mut facts, Value::text(country));
        PeerField::Asn.set(&mut facts, Value::Number((64_500 + self.class).into()));
        PeerField::Groups.set(&mut facts, Value::texts(["office"]));
        facts
    }

    fn id(&self) -> PeerId {
        self.id
    }
}

fn somebody(number: u32, class: u32) -> Somebody {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    Somebody {
        id: PeerId(id),
        class,
    }
}

/// Of every kind that the manual shows, with other numbers in each.
fn policies() -> Result<PolicySet> {
    let document = |number: u32| {
        let mut text = format!(
            "name = \"p{number}\"\nkind = \"network\"\nrank = {}\nzone = \"Europe/Berlin\"\n",
            number + 1
        );
        let asn = 63_000 + number;
        let when = match number % 4 {
            0 => format!("viewer.country == \"XX\" && peer.asn == {asn}"),
            1 => format!("peer.type != \"waypoint\" && viewer.asn == {asn}"),
            2 => format!("\"g{number}\" in peer.groups && !(\"g{number}\" in viewer.groups)"),
            _ => format!("peer.asn in [{asn}, 1, 2] && time.hour >= 8 && time.hour < 17"),
        };
        let score = format!("viewer.asn == peer.asn ? 20 : peer.asn == {asn} ? 10 : 0");
        write!(
            text,
            "[[deny]]\nwhat = \"pair\"\nsay = \"no\"\nwhen = '{when}'\n[[prefer]]\nscore = '{score}'\n"
        )?;
        read(&text).map_err(|complaints| anyhow!("{complaints:?}"))
    };
    let policies = (0..POLICIES).map(document).collect::<Result<_>>()?;
    Ok(PolicySet::new(policies)?)
}

/// How long it takes to judge all candidates.
fn judge_all(judge: &Judge, viewer: &Somebody, candidates: &[Somebody]) -> Duration {
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let content = ContentId::of("live");
    let began = processor_time();
    for candidate in candidates {
        black_box(judge.verdict(viewer, candidate, content, now));
    }
    processor_time().saturating_sub(began)
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

fn main() -> Result<()> {
    println!("{POLICIES} policies, {CANDIDATES} candidates, microseconds for all of them");
    println!("classes  evaluations  cold   warm p50   warm p99   none in force");
    for classes in CLASSES {
        let viewer = somebody(CANDIDATES, 0);
        let candidates: Vec<_> = (0..CANDIDATES)
            .map(|one| somebody(one, one % classes))
            .collect();
        let mut judge = Judge::default();
        let none = judge_all(&judge, &viewer, &candidates);
        judge.replace(policies()?);
        let cold = judge_all(&judge, &viewer, &candidates);
        let evaluations = judge.evaluations();
        let mut warm: Vec<Duration> = (0..ROUNDS)
            .map(|_| judge_all(&judge, &viewer, &candidates))
            .collect();
        warm.sort_unstable();
        let at = |share: usize| warm.get(ROUNDS * share / 100).context("no rounds");
        println!(
            "{classes:>7} {evaluations:>12} {:>5} {:>10} {:>10} {:>15}",
            cold.as_micros(),
            at(50)?.as_micros(),
            at(99)?.as_micros(),
            none.as_micros()
        );
    }
    Ok(())
}
