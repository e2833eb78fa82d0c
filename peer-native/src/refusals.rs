//! What was refused, at the door and behind it: counted by reason, and said in the log.

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runnel_peer_core::Event;
use runnel_protocol::control::Offence;
use runnel_protocol::peer::CloseReason;
use tracing::info;

/// Time between two lines in the log, however much is refused.
const EVERY: Duration = Duration::from_secs(10);

/// Why somebody or something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No room for another connection or handshake.
    Full,
    /// The handshake below ours failed or took too long.
    Handshake,
    /// No ticket that is good for it, or a key that was not proven.
    Unauthorised,
    /// What is no message, or is out of its bounds.
    Malformed,
    /// Media or an entry that does not verify.
    False,
}

/// Every reason, in the order in which they are told.
const ALL: [(Refusal, &str); 5] = [
    (Refusal::Full, "full"),
    (Refusal::Handshake, "handshake"),
    (Refusal::Unauthorised, "unauthorised"),
    (Refusal::Malformed, "malformed"),
    (Refusal::False, "false"),
];

/// Counters since the start, shared by whoever refuses.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: [AtomicU64; ALL.len()],
}

impl Refusals {
    pub(crate) fn count(&self, refusal: Refusal) {
        self.counts[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what the peer says that it refused.
    pub(crate) fn note(&self, event: &Event) {
        if let Event::Struck(strike) = event {
            self.count(struck(strike.offence));
        } else if let Event::TurnedAway(_, reason) = event
            && let Some(refusal) = turned_away(*reason)
        {
            self.count(refusal);
        }
    }

    /// Tells the log what has changed, for as long as the agent runs.
    pub(crate) async fn tell(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(EVERY);
        let mut told = self.to_string();
        loop {
            ticks.tick().await;
            let counts = self.to_string();
            if counts != told {
                info!("refused so far: {counts}");
                told = counts;
            }
        }
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for ((_, name), count) in ALL.iter().zip(&self.counts) {
            write!(f, "{separator}{name} {}", count.load(Ordering::Relaxed))?;
            separator = ", ";
        }
        Ok(())
    }
}

/// `None` for links that ended in good order.
fn turned_away(reason: CloseReason) -> Option<Refusal> {
    match reason {
        CloseReason::Unauthorised | CloseReason::Revoked => Some(Refusal::Unauthorised),
        CloseReason::Malformed => Some(Refusal::Malformed),
        CloseReason::Polluted => Some(Refusal::False),
        CloseReason::Full => Some(Refusal::Full),
        CloseReason::Done | CloseReason::Duplicate | CloseReason::Draining | CloseReason::Idle => {
            None
        }
    }
}

fn struck(offence: Offence) -> Refusal {
    match offence {
        Offence::Malformed => Refusal::Malformed,
        Offence::BadChunk | Offence::BadEntry | Offence::Fork => Refusal::False,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runnel_peer_core::LinkId;

    #[test]
    fn each_reason_has_its_own_count() {
        for (place, (refusal, _)) in ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, place);
        }
        let refusals = Refusals::default();
        let link = LinkId::accepted(1);
        for reason in [
            CloseReason::Unauthorised,
            CloseReason::Full,
            CloseReason::Draining,
        ] {
            refusals.note(&Event::TurnedAway(link, reason));
        }
        refusals.count(Refusal::Full);
        let told = refusals.to_string();
        assert_eq!(
            told,
            "full 2, handshake 0, unauthorised 1, malformed 0, false 0"
        );
    }
}
