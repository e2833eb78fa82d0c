//! What is known of one peer while it is there.

use core::time::Duration;

use runnel_protocol::time::Timestamp;

use super::voices::{Matter, Voices, bit};
use super::{Blemish, Estimate, Figures, LOSS_BUCKETS, LinkAccount, Past, Trouble};
use crate::blacklist::Apart;
use crate::place::Site;
use crate::vouching::Vouchers;

/// Attempts in a row that failed, each by another peer's word, before nobody is sent there.
const HOPELESS: u16 = 5;
/// How long such a series counts.
const HOPELESS_FOR: Duration = Duration::from_secs(60);

/// Attempts, and links, that the estimate of a newcomer weighs as much as.
const PRIOR: u32 = 4;
/// Stays of a peer's own before it is taken for one that does not stay.
const STAYS_TO_TELL: u16 = 3;
/// Whoever stays for less than this is of little use near the source: everybody below it looks for
/// another parent when it goes.
const BRIEF: Duration = Duration::from_secs(300);

/// A peer's history; only whoever may feed others has one.
#[derive(Debug, Default)]
pub(crate) struct History(Option<Box<Deeds>>);

#[derive(Debug, Default)]
struct Deeds {
    /// Of earlier stays, and of this one what was told.
    past: Figures,
    /// Of this one what was not.
    fresh: Figures,
    /// Until when its uptime is counted in these.
    counted: Option<Timestamp>,
    /// What it is expected to be like where it is not known.
    estimate: Estimate,
    failed_in_a_row: u16,
    last_failure: Option<Timestamp>,
    voices: Voices,
    vouchers: Vouchers,
}

impl History {
    /// Somebody comes who may feed others.
    pub(crate) fn begin(estimate: Estimate, vouchers: Vouchers, now: Timestamp) -> Self {
        let mut deeds = Deeds {
            estimate,
            counted: Some(now),
            vouchers,
            ..Deeds::default()
        };
        deeds.fresh.stays = 1;
        Self(Some(Box::new(deeds)))
    }

    fn deeds(&mut self) -> &mut Deeds {
        self.0.get_or_insert_default()
    }

    /// What is kept of it is found. Whoever `returns` was only away because the control center was.
    pub(crate) fn recall(&mut self, past: &Past, returns: bool) {
        let deeds = self.deeds();
        deeds.past.add(&past.figures);
        if returns {
            deeds.fresh.stays = 0;
        }
    }

    /// What is new since the last call, up to now.
    pub(crate) fn tell(&mut self, now: Timestamp) -> Option<Figures> {
        let deeds = self.0.as_mut()?;
        if let Some(counted) = &mut deeds.counted {
            let more = now.since(*counted).as_secs();
            // What is left of a second counts the next time.
            *counted = *counted + Duration::from_secs(more);
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            deeds.fresh.uptime_s = deeds.fresh.uptime_s.saturating_add(more);
        }
        let fresh = core::mem::take(&mut deeds.fresh);
        deeds.past.add(&fresh);
        (!fresh.is_empty()).then_some(fresh)
    }

    /// Everything that is known of it is forgotten.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        if let Some(deeds) = &mut self.0 {
            (deeds.past, deeds.fresh) = (Figures::default(), Figures::default());
            deeds.counted = Some(now);
        }
    }

    /// A link to it stands, by the word of whom it feeds.
    pub(crate) fn on_connected(&mut self, by: Site, now: Timestamp) {
        let deeds = self.deeds();
        deeds.failed_in_a_row = 0;
        if deeds.voices.hear(by, Matter::Connecting, now) {
            deeds.fresh.tried = deeds.fresh.tried.saturating_add(1);
            deeds.fresh.connected = deeds.fresh.connected.saturating_add(1);
        }
    }

    /// Whoever is too busy for one child may serve the next: only links that could not be made, or
    /// did not last, speak against sending anybody there.
    pub(crate) fn on_failed(&mut self, cause: Apart, by: Site, now: Timestamp) {
        let deeds = self.deeds();
        match cause {
            Apart::Unreachable => {
                deeds.note_failure(now);
                if deeds.voices.hear(by, Matter::Connecting, now) {
                    deeds.fresh.tried = deeds.fresh.tried.saturating_add(1);
                    deeds.blame(by, now);
                }
            }
            Apart::Lost => {
                deeds.note_failure(now);
                deeds.note_loss(LOSS_BUCKETS - 1, by, now);
            }
            Apart::Stalled => deeds.note_loss(LOSS_BUCKETS - 1, by, now),
            Apart::Full | Apart::Slow | Apart::Congested | Apart::Misbehaved => {}
        }
    }

    /// A link of it has ended, or stands for long.
    pub(crate) fn on_link(&mut self, account: LinkAccount, by: Site, now: Timestamp) {
        if let Some(bucket) = account.bucket() {
            self.deeds().note_loss(bucket, by, now);
        }
    }

    /// A site was fed as it should be; true where it is the first time.
    pub(crate) fn on_vouched(&mut self, by: Site) -> bool {
        self.deeds().vouchers.add(bit(by))
    }

    /// The sites that were.
    pub(crate) fn vouchers(&self) -> Vouchers {
        let deeds = self.0.as_ref();
        deeds.map_or(Vouchers::NONE, |deeds| deeds.vouchers)
    }

    /// Whether somebody complained of it since it came, or lately where it has been here for long.
    pub(crate) fn is_blamed(&self) -> bool {
        let deeds = self.0.as_ref();
        deeds.is_some_and(|deeds| deeds.fresh.blamed_by != 0)
    }

    /// A test has reached it: those who could not had reasons of their own.
    pub(crate) fn on_reached(&mut self) {
        if let Some(deeds) = &mut self.0 {
            deeds.failed_in_a_row = 0;
        }
    }

    pub(crate) fn is_hopeless(&self, now: Timestamp) -> bool {
        let lately = |at| now.since(at) < HOPELESS_FOR;
        self.0.as_ref().is_some_and(|deeds| {
            deeds.failed_in_a_row >= HOPELESS && deeds.last_failure.is_some_and(lately)
        })
    }

    /// What it is left out for, if anything: only what is known of itself, no estimate.
    pub(crate) fn blemish(&self, now: Timestamp) -> Option<Blemish> {
        self.0.as_ref()?.whole().blemish(now)
    }

    /// What speaks against it among equals: it breaks ties only.
    pub(crate) fn trouble(&self, now: Timestamp) -> Trouble {
        let Some(deeds) = &self.0 else {
            return Trouble::default();
        };
        let known = deeds.whole();
        let estimate = &deeds.estimate;
        let unreached = quarters(known.failed(), known.tried, estimate.unreached);
        let lossy = quarters(known.lossy(), known.links(), estimate.lossy);
        Trouble::new(unreached + lossy, deeds.stay(&known, now))
    }

    /// Whether it has shown that it does not stay.
    pub(crate) fn is_brief(&self, now: Timestamp) -> bool {
        self.0.as_ref().is_some_and(|deeds| {
            let known = deeds.whole();
            known.stays > STAYS_TO_TELL && deeds.stay(&known, now) < BRIEF
        })
    }
}

impl Deeds {
    fn whole(&self) -> Figures {
        let mut whole = self.past;
        whole.add(&self.fresh);
        whole
    }

    /// How long its stay is expected to be: its mean, to which the estimate adds one stay. That it
    /// has been here for long counts as well.
    fn stay(&self, known: &Figures, now: Timestamp) -> Duration {
        let here = self
            .counted
            .map_or(0, |counted| now.since(counted).as_secs());
        let all = here + u64::from(known.uptime_s) + u64::from(self.estimate.stay_s);
        // The present one has not ended.
        Duration::from_secs(all / u64::from(known.stays.max(1)))
    }

    fn note_failure(&mut self, now: Timestamp) {
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.last_failure = Some(now);
    }

    fn note_loss(&mut self, bucket: usize, by: Site, now: Timestamp) {
        if !self.voices.hear(by, Matter::Loss, now) {
            return;
        }
        let count = &mut self.fresh.loss[bucket];
        *count = count.saturating_add(1);
        if bucket >= super::LOSSY {
            self.vouchers.take_back();
            self.blame(by, now);
        }
    }

    fn blame(&mut self, by: Site, now: Timestamp) {
        self.fresh.blamed_by |= bit(by);
        self.fresh.blamed_at = now.unix_seconds();
    }
}

/// The share of what went wrong, in quarters, where the estimate counts as much as [`PRIOR`] cases.
fn quarters(bad: u16, all: u16, estimate: u8) -> u8 {
    let bad = u32::from(bad) * 4 + u32::from(estimate) * PRIOR;
    u8::try_from(bad / (u32::from(all) + PRIOR)).unwrap_or(u8::MAX)
}
