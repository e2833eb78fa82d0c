//! The table of what is expected, and how what is seen is set beside it.

use std::fmt::{self, Write as _};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::access::Access;
use crate::watcher::Seen;

/// The ways in which viewers are connected, in the order of the columns.
pub(crate) const VIEWERS: [Access; 8] = [
    Access::Open,
    Access::FullCone,
    Access::AddressRestricted,
    Access::PortRestricted,
    Access::Symmetric,
    Access::NoUdp,
    Access::Six,
    Access::Both,
];

/// How a viewer gets a content that one agent could bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The agent feeds it.
    Peer,
    /// It plays from the operator's servers: waypoint or CDN.
    Cdn,
}

use Outcome::{Cdn as C, Peer as P};

/// What the coordinator finds out about an agent that says that it accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Regular,
    /// Regular for those behind the same address, and told which port to forward for the others.
    InItsNetwork,
    Lightweight,
    /// The same, once two of its own attempts to get out have failed as well.
    NoUdp,
}

impl Verdict {
    /// How the agent is told.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Regular => "connections to it were tested and accepted",
            Self::InItsNetwork => "it can feed others in its own network only: nobody outside",
            Self::Lightweight => "nobody could connect to",
            Self::NoUdp => "no UDP gets out of its network",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::InItsNetwork => "in its network",
            Self::Lightweight => "lightweight",
            Self::NoUdp => "no UDP",
        }
    }
}

/// An agent, and what is expected of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) access: Access,
    /// Whether its port is forwarded by the router, or opened in the firewall.
    pub(crate) forwarded: bool,
    pub(crate) verdict: Verdict,
    /// Whether it feeds lightweight peers, by [`VIEWERS`].
    light: [Outcome; VIEWERS.len()],
    /// Whether it feeds a lightweight peer at the same site.
    neighbour: Outcome,
    /// Whether it feeds agents that are connected as [`VIEWERS`] are.
    regular: [Outcome; VIEWERS.len()],
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.access,
            if self.forwarded { " +port" } else { "" }
        )
    }
}

const fn row(
    (access, forwarded): (Access, bool),
    verdict: Verdict,
    light: [Outcome; VIEWERS.len()],
    neighbour: Outcome,
    regular: [Outcome; VIEWERS.len()],
) -> Row {
    Row {
        access,
        forwarded,
        verdict,
        light,
        neighbour,
        regular,
    }
}

/// Whoever can be dialled over IPv4 feeds everybody who has IPv4 and UDP, and the same for IPv6; whoever
/// has both comes over IPv4 here, so that nothing tells but an attempt.
const FOUR: [Outcome; VIEWERS.len()] = [P, P, P, P, P, C, C, P];
const SIX: [Outcome; VIEWERS.len()] = [C, C, C, C, C, C, P, P];
const EITHER: [Outcome; VIEWERS.len()] = [P, P, P, P, P, C, P, P];
const NOBODY: [Outcome; VIEWERS.len()] = [C; VIEWERS.len()];
/// Whoever cannot be dialled dials those agents that can: a full cone lets in everybody.
const DIALS: [Outcome; VIEWERS.len()] = [P, P, C, C, C, C, C, P];

/// What is expected of each agent.
pub(crate) static ROWS: [Row; 14] = [
    row((Access::Open, false), Verdict::Regular, FOUR, P, FOUR),
    row((Access::Both, false), Verdict::Regular, EITHER, P, EITHER),
    // Once it has sent anything, to the waypoint say, everybody gets in at the port that it kept.
    row((Access::FullCone, false), Verdict::Regular, FOUR, P, FOUR),
    row((Access::FullCone, true), Verdict::Regular, FOUR, P, FOUR),
    row(
        (Access::AddressRestricted, false),
        Verdict::InItsNetwork,
        NOBODY,
        P,
        DIALS,
    ),
    row(
        (Access::AddressRestricted, true),
        Verdict::Regular,
        FOUR,
        P,
        FOUR,
    ),
    row(
        (Access::PortRestricted, false),
        Verdict::InItsNetwork,
        NOBODY,
        P,
        DIALS,
    ),
    row(
        (Access::PortRestricted, true),
        Verdict::Regular,
        FOUR,
        P,
        FOUR,
    ),
    row(
        (Access::Symmetric, false),
        Verdict::InItsNetwork,
        NOBODY,
        P,
        DIALS,
    ),
    row((Access::Symmetric, true), Verdict::Regular, FOUR, P, FOUR),
    row(
        (Access::Firewall, false),
        Verdict::Lightweight,
        NOBODY,
        C,
        NOBODY,
    ),
    row((Access::Firewall, true), Verdict::Regular, FOUR, P, FOUR),
    row((Access::NoUdp, false), Verdict::NoUdp, NOBODY, C, NOBODY),
    row((Access::Six, false), Verdict::Regular, SIX, P, SIX),
];

/// The same at the end of lines like homes have, for one agent of each sort.
pub(crate) static FAR: [Row; 5] = [
    row((Access::Open, false), Verdict::Regular, FOUR, P, FOUR),
    row(
        (Access::PortRestricted, false),
        Verdict::InItsNetwork,
        NOBODY,
        P,
        DIALS,
    ),
    row(
        (Access::PortRestricted, true),
        Verdict::Regular,
        FOUR,
        P,
        FOUR,
    ),
    row(
        (Access::Firewall, false),
        Verdict::Lightweight,
        NOBODY,
        C,
        NOBODY,
    ),
    row((Access::Six, false), Verdict::Regular, SIX, P, SIX),
];

/// What was seen in one place of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    outcome: Outcome,
    first_byte: Option<Duration>,
    by_waypoint: bool,
}

impl Cell {
    /// Of a lightweight peer.
    pub(crate) fn of(seen: Option<&Seen>) -> Self {
        let first_byte = seen.and_then(|seen| seen.from_peer);
        Self {
            outcome: if first_byte.is_some() { P } else { C },
            first_byte,
            by_waypoint: seen.is_some_and(|seen| seen.bytes_from_waypoint > 0),
        }
    }

    /// Of an agent that was fed, or not, and of the viewer beside it, which only it can feed.
    pub(crate) fn through_an_agent(seen: Option<&Seen>, fed: bool) -> Self {
        Self {
            outcome: if fed { P } else { C },
            ..Self::of(seen)
        }
    }

    fn words(self, expected: Outcome) -> String {
        let wrong = if self.outcome == expected { "" } else { "!" };
        match (self.outcome, self.first_byte, self.by_waypoint) {
            (P, Some(time), _) => format!("{:.2} s{wrong}", time.as_secs_f64()),
            (P, None, _) => format!("late{wrong}"),
            (C, _, true) => format!("wayp.{wrong}"),
            (C, _, false) => format!("CDN{wrong}"),
        }
    }
}

const WIDTH: usize = 10;

/// The table, expected and seen: a time is that to the first byte from the agent, and `!` marks what
/// is not as expected.
pub(crate) fn render(
    name: &str,
    rows: &[Row],
    judged: &[Duration],
    lights: &[Vec<Cell>],
    regulars: &[Vec<Cell>],
) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "{name}: what viewers of an agent's content get, by QUIC"
    )?;
    let head = |text: &mut String| {
        write!(text, "{:<16} {:<23}", "agent", "judged as, after")?;
        VIEWERS
            .iter()
            .try_for_each(|viewer| write!(text, "{viewer:>WIDTH$}"))
    };
    writeln!(text, "Lightweight peers, and one at the agent's own site:")?;
    head(&mut text)?;
    writeln!(text, "{:>WIDTH$}", "neighbour")?;
    for (index, row) in rows.iter().enumerate() {
        let expected = row.light.iter().chain([&row.neighbour]);
        line(&mut text, row, judged[index], &lights[index], expected)?;
    }
    writeln!(
        text,
        "Agents, each feeding a viewer beside it (time to that one's first byte):"
    )?;
    head(&mut text)?;
    writeln!(text)?;
    for (index, row) in rows.iter().enumerate() {
        line(
            &mut text,
            row,
            judged[index],
            &regulars[index],
            row.regular.iter(),
        )?;
    }
    Ok(text)
}

fn line<'a>(
    text: &mut String,
    row: &Row,
    judged: Duration,
    cells: &[Cell],
    expected: impl Iterator<Item = &'a Outcome>,
) -> fmt::Result {
    let verdict = format!("{} {:.1} s", row.verdict.name(), judged.as_secs_f64());
    write!(text, "{:<16} {verdict:<23}", row.to_string())?;
    for (cell, expected) in cells.iter().zip(expected) {
        write!(text, "{:>WIDTH$}", cell.words(*expected))?;
    }
    writeln!(text)
}

/// Whether everything is as expected.
pub(crate) fn holds(rows: &[Row], lights: &[Vec<Cell>], regulars: &[Vec<Cell>]) -> Result<()> {
    let mut wrong = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let columns = VIEWERS.iter().map(ToString::to_string);
        let columns = columns.chain(["neighbour".to_owned()]);
        let expected = row.light.iter().chain([&row.neighbour]);
        for ((cell, expected), viewer) in lights[index].iter().zip(expected).zip(columns) {
            if cell.outcome != *expected {
                wrong.push(format!("{viewer} from {row}: {:?}", cell.outcome));
            }
        }
        for ((cell, expected), agent) in regulars[index].iter().zip(&row.regular).zip(VIEWERS) {
            if cell.outcome != *expected {
                wrong.push(format!("agent, {agent}, from {row}: {:?}", cell.outcome));
            }
        }
    }
    ensure!(wrong.is_empty(), "not as expected: {wrong:#?}");
    Ok(())
}
