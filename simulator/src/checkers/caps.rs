//! I6: nobody sends more than it allowed, over any window.

use std::collections::BTreeMap;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use super::Verdict;
use crate::node::At;

/// What a peer may send at once: a tenth of a second, at least two chunks.
const BURST_MS: u64 = 100;
const LEAST: u64 = 128 * 1024;
/// Chunks may be under way in the shell when the offer shrinks.
const SLACK: u64 = 64 * 1024;

/// A leaky bucket that never may run over.
#[derive(Debug, Clone, Copy)]
struct Account {
    rate: BitsPerSecond,
    level: u64,
    at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Caps {
    pub(crate) verdict: Verdict,
    accounts: BTreeMap<At, Account>,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("I6 upload caps hold over any window"),
            accounts: BTreeMap::new(),
        }
    }
}

impl Caps {
    pub(crate) fn offers(&mut self, at: At, rate: BitsPerSecond, now: Timestamp) {
        let account = Account {
            rate,
            level: 0,
            at: now,
        };
        self.accounts.insert(at, account);
    }

    pub(crate) fn sent(&mut self, at: At, bytes: u64, now: Timestamp) {
        let Some(account) = self.accounts.get_mut(&at) else {
            return;
        };
        let drained = account.rate.bytes_in(now.since(account.at));
        account.level = account.level.saturating_sub(drained) + bytes;
        account.at = now;
        let burst = (account.rate.0 / 8 * BURST_MS / 1000).max(LEAST) + SLACK;
        let level = account.level;
        self.verdict.expect(level <= burst, || {
            format!(
                "peer {} is {level} bytes ahead of what it offers ({burst} allowed)",
                at.0
            )
        });
    }
}
