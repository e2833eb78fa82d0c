//! I12: nobody is credited with more than was delivered: what a heartbeat says was received from
//! a parent has come from it unchanged, what it says was sent to a child was handed to the line.

use std::collections::BTreeMap;

use runnel_protocol::control::{ContentReport, Heartbeat, ToCoordinator};
use runnel_protocol::ids::PeerId;

use super::Verdict;

/// Bytes since the beginning: those that there were, and those that were reported.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    there: u64,
    reported: u64,
}

impl Account {
    const fn is_covered(self) -> bool {
        self.reported <= self.there
    }
}

#[derive(Debug)]
pub(crate) struct Credits {
    pub(crate) verdict: Verdict,
    /// What each peer handed to its line, for whomever: who was meant may be gone by then.
    sent: BTreeMap<PeerId, Account>,
    /// What went from one to another as it should be.
    received: BTreeMap<(PeerId, PeerId), Account>,
    /// What came to each from all others, and is reported by content.
    contents: BTreeMap<PeerId, Account>,
}

impl Default for Credits {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("I12 credited is delivered"),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            contents: BTreeMap::new(),
        }
    }
}

impl Credits {
    /// A chunk goes out; nobody is named where nobody can get it as it should be.
    pub(crate) fn handed(&mut self, from: PeerId, to: Option<PeerId>, bytes: u64) {
        self.sent.entry(from).or_default().there += bytes;
        if let Some(to) = to {
            self.received.entry((from, to)).or_default().there += bytes;
            self.contents.entry(to).or_default().there += bytes;
        }
    }

    pub(crate) fn heard(&mut self, from: PeerId, message: &ToCoordinator) {
        if let ToCoordinator::Heartbeat(heartbeat) = message {
            self.reported(from, heartbeat);
        }
    }

    fn reported(&mut self, reporter: PeerId, heartbeat: &Heartbeat) {
        for parent in &heartbeat.parents {
            let way = (parent.peer, reporter);
            let account = self.received.entry(way).or_default();
            account.reported += parent.received;
            let account = *account;
            self.verdict.expect(account.is_covered(), || {
                format!("{reporter} credits {} with {account:?}", parent.peer)
            });
        }
        let sent = self.sent.entry(reporter).or_default();
        sent.reported += heartbeat
            .children
            .iter()
            .map(|child| child.sent)
            .sum::<u64>();
        let from_others = |report: &ContentReport| report.from_peers + report.from_waypoints;
        let contents = self.contents.entry(reporter).or_default();
        contents.reported += heartbeat.contents.iter().map(from_others).sum::<u64>();
        let (sent, contents) = (*sent, *contents);
        self.verdict.expect(sent.is_covered(), || {
            format!("{reporter} says that it sent {sent:?}")
        });
        self.verdict.expect(contents.is_covered(), || {
            format!("{reporter} says that others brought {contents:?}")
        });
    }
}

#[cfg(test)]
mod tests {
    use runnel_protocol::control::{ChildReport, ParentReport};
    use runnel_protocol::ids::ContentId;
    use runnel_protocol::units::BitsPerSecond;

    use super::*;

    const PARENT: PeerId = PeerId([1; 16]);
    const CHILD: PeerId = PeerId([2; 16]);

    fn received(bytes: u64) -> Heartbeat {
        Heartbeat {
            parents: vec![ParentReport {
                peer: PARENT,
                content: ContentId([3; 16]),
                received: bytes,
                wasted: 0,
                sequence_numbers: Vec::new(),
                late: false,
            }],
            ..Heartbeat::default()
        }
    }

    fn sent(bytes: u64) -> Heartbeat {
        Heartbeat {
            children: vec![ChildReport {
                peer: CHILD,
                content: ContentId([3; 16]),
                sent: bytes,
                sequence_numbers: Vec::new(),
            }],
            ..Heartbeat::default()
        }
    }

    fn played(bytes: u64) -> Heartbeat {
        Heartbeat {
            contents: vec![ContentReport {
                content: ContentId([3; 16]),
                live: true,
                tracks: Vec::new(),
                rate: BitsPerSecond(0),
                from_peers: bytes,
                from_waypoints: 0,
                from_cdn: 0,
                buffer_ms: None,
                stalls: 0,
                ladder: Vec::new(),
            }],
            ..Heartbeat::default()
        }
    }

    #[test]
    fn a_chunk_that_was_sent_is_credited_once_at_both_ends_and_no_more() {
        let mut credits = Credits::default();
        credits.handed(PARENT, Some(CHILD), 100);
        credits.reported(CHILD, &received(100));
        credits.reported(PARENT, &sent(100));
        assert_eq!(credits.verdict.violations, 0);
        credits.reported(CHILD, &received(1));
        credits.reported(PARENT, &sent(1));
        assert_eq!(credits.verdict.violations, 2);
    }

    #[test]
    fn a_player_cannot_owe_peers_what_nobody_sent_it() {
        let mut credits = Credits::default();
        credits.handed(PARENT, Some(CHILD), 100);
        credits.reported(CHILD, &played(60));
        assert_eq!(credits.verdict.violations, 0);
        credits.reported(CHILD, &played(60));
        assert_eq!(credits.verdict.violations, 1);
    }

    #[test]
    fn what_was_changed_on_the_way_earns_no_credit() {
        let mut credits = Credits::default();
        credits.handed(PARENT, None, 100);
        credits.reported(PARENT, &sent(100));
        assert_eq!(credits.verdict.violations, 0);
        credits.reported(CHILD, &received(100));
        assert_eq!(credits.verdict.violations, 1);
    }
}
