//! What `runnel-agent doctor` says in each network, and with which exit code.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use runnel_tests::lab::pipe::Line;
use runnel_tests::lab::{Plan, within};

use crate::access::Access;
use crate::town::{self, FIRST_SITE, Show, Town};

/// Longer than the doctor waits for anything.
const PATIENCE: Duration = Duration::from_secs(150);

/// A patient, and what is to be said.
struct Case {
    access: Access,
    forwarded: bool,
    code: i32,
    /// Each begins one of the lines.
    lines: &'static [&'static str],
    /// What the owner is told to do, somewhere.
    advice: &'static str,
}

const fn case(
    (access, forwarded): (Access, bool),
    code: i32,
    lines: &'static [&'static str],
    advice: &'static str,
) -> Case {
    Case {
        access,
        forwarded,
        code,
        lines,
        advice,
    }
}

const OUT: &str = "good UDP out: connected to";
const IN: &str = "good UDP in: at ";

static CASES: [Case; 8] = [
    case((Access::Open, false), 0, &[IN, OUT], "IPv4"),
    case((Access::Both, false), 0, &[IN, OUT], "and IPv6"),
    case((Access::FullCone, false), 0, &[IN, OUT], "behind a router"),
    case(
        (Access::PortRestricted, true),
        0,
        &[IN, OUT],
        "behind a router",
    ),
    case(
        (Access::PortRestricted, false),
        1,
        &["poor UDP in: ", OUT],
        "forward that port to it on the router",
    ),
    case(
        (Access::Firewall, false),
        2,
        &["BAD  UDP in: ", OUT],
        "open that port in the firewall",
    ),
    case(
        (Access::NoUdp, false),
        2,
        &["BAD  UDP in: no UDP gets out", "BAD  UDP out: "],
        "let UDP out of this network",
    ),
    case(
        (Access::Six, false),
        1,
        &["poor addresses: IPv6", IN, OUT],
        "no IPv4",
    ),
];

async fn examine() -> Result<()> {
    let mut plan = Plan::with_seed(21);
    town::found(&mut plan)?;
    for (site, case) in (FIRST_SITE..).zip(&CASES) {
        let id = plan.site(case.access.gate(site, case.forwarded), Line::IDEAL);
        plan.host(
            id,
            &format!("patient-{site}"),
            &case.access.addresses(site, 1),
        )?;
    }
    let contents = ["live".to_owned()];
    let town = Town::start("doctor", plan.connect()?, Show::Noise, &contents, "").await?;
    let mut patients = Vec::new();
    for (site, case) in (FIRST_SITE..).zip(&CASES) {
        let doctor = town
            .start_doctor(&format!("patient-{site}"), &contents, &[])
            .await?;
        patients.push((case, doctor));
    }
    let mut wrong = String::new();
    for (case, doctor) in patients {
        let (status, said) = doctor.finish(PATIENCE).await?;
        let code = status.code().context("ended by a signal")?;
        println!(
            "{}, port {}: exit code {code}\n{said}",
            case.access, case.forwarded
        );
        let missing = |line: &&&str| !said.lines().any(|one| one.starts_with(**line));
        let missing: Vec<_> = case.lines.iter().filter(missing).collect();
        if code != case.code || !missing.is_empty() || !said.contains(case.advice) {
            writeln!(wrong, "{}: {code}, without {missing:?}", case.access)?;
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    println!("{:?}", town.lab.end()?);
    Ok(())
}

#[test]
fn the_doctor_says_what_is_wrong_with_each_network_and_what_to_do() -> Result<()> {
    within(
        "doctor::the_doctor_says_what_is_wrong_with_each_network_and_what_to_do",
        examine(),
    )
}
