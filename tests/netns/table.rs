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

impl Row {
    /// Whether it feeds pages in a browser that has nothing but WebTransport: as it feeds native peers.
    pub(crate) fn by_webtransport(&self) -> [Outcome; VIEWERS.len()] {
        self.light
    }

    /// The same with nothing but WebRTC, for which Chromium 156 finds itself no address on a machine that has
    /// none of IPv4: it gathers no candidate, ever.
    pub(crate) fn by_webrtc(&self) -> [Outcome; VIEWERS.len()] {
        std::array::from_fn(|column| match VIEWERS[column] {
            Access::Six => C,
            _ => self.light[column],
        })
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

/// One agent of each sort: for what takes more than an ideal line and a native viewer.
pub(crate) static FEW: [Row; 5] = [
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
const NEIGHBOUR: &str = "neighbour";

/// A part of the table: what a kind of peers got, by row and column, and what they are expected to.
pub(crate) struct Part {
    title: String,
    expected: fn(&Row) -> Vec<Outcome>,
    cells: Vec<Vec<Cell>>,
}

impl Part {
    /// Lightweight peers, the last of which is at the agent's own site.
    pub(crate) fn light(cells: Vec<Vec<Cell>>) -> Self {
        let title = "Lightweight peers by QUIC, and one at the agent's own site:";
        Self {
            title: title.to_owned(),
            expected: |row| [&row.light[..], &[row.neighbour]].concat(),
            cells,
        }
    }

    /// Agents, each with a viewer beside it.
    pub(crate) fn regular(cells: Vec<Vec<Cell>>) -> Self {
        let title =
            "Agents by QUIC, each feeding a viewer beside it (time to that one's first byte):";
        Self {
            title: title.to_owned(),
            expected: |row| row.regular.to_vec(),
            cells,
        }
    }

    /// Pages in a browser that has nothing but this transport.
    pub(crate) fn pages(
        transport: &str,
        expected: fn(&Row) -> Vec<Outcome>,
        cells: Vec<Vec<Cell>>,
    ) -> Self {
        Self {
            title: format!("Chromium by {transport} (time from the page's opening):"),
            expected,
            cells,
        }
    }

    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = VIEWERS.iter().map(ToString::to_string).collect();
        if self.cells.iter().any(|row| row.len() > columns.len()) {
            columns.push(NEIGHBOUR.to_owned());
        }
        columns
    }

    fn render(&self, text: &mut String, rows: &[Row], judged: &[Duration]) -> fmt::Result {
        writeln!(text, "{}", self.title)?;
        write!(text, "{:<16} {:<23}", "agent", "judged as, after")?;
        for column in self.columns() {
            write!(text, "{column:>WIDTH$}")?;
        }
        writeln!(text)?;
        for ((row, judged), cells) in rows.iter().zip(judged).zip(&self.cells) {
            let verdict = format!("{} {:.1} s", row.verdict.name(), judged.as_secs_f64());
            write!(text, "{:<16} {verdict:<23}", row.to_string())?;
            for (cell, expected) in cells.iter().zip((self.expected)(row)) {
                write!(text, "{:>WIDTH$}", cell.words(expected))?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    /// What is not as expected, in words.
    fn wrong(&self, rows: &[Row]) -> Vec<String> {
        let mut wrong = Vec::new();
        let columns = self.columns();
        for (row, cells) in rows.iter().zip(&self.cells) {
            let expected = (self.expected)(row);
            for ((cell, expected), column) in cells.iter().zip(expected).zip(&columns) {
                if cell.outcome != expected {
                    let Self { title, .. } = self;
                    wrong.push(format!("{title} {column} from {row}: {:?}", cell.outcome));
                }
            }
        }
        wrong
    }
}

/// The table, expected and seen: a time is that to the first byte from the agent, and `!` marks what
/// is not as expected.
pub(crate) fn render(
    name: &str,
    rows: &[Row],
    judged: &[Duration],
    parts: &[Part],
) -> Result<String> {
    let mut text = format!("{name}: what viewers of an agent's content get\n");
    for part in parts {
        part.render(&mut text, rows, judged)?;
    }
    Ok(text)
}

/// Whether everything is as expected.
pub(crate) fn holds(rows: &[Row], parts: &[Part]) -> Result<()> {
    let wrong: Vec<String> = parts.iter().flat_map(|part| part.wrong(rows)).collect();
    ensure!(wrong.is_empty(), "not as expected: {wrong:#?}");
    Ok(())
}
