//! A player: asks for one segment after the other as hls.js does, plays, and stalls.

mod bandwidth;

use core::time::Duration;

use runnel_peer_core::WantId;
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::bounds::number;
use crate::title::Title;
use bandwidth::Bandwidth;

/// How far ahead an on-demand player loads.
const AHEAD: Duration = Duration::from_secs(30);
/// How long a start may take.
const START: Duration = Duration::from_secs(1);
/// What the CDN failed to send is asked for again after this.
const RETRY: Duration = Duration::from_secs(1);
/// A live player that is so many segments behind the newest jumps: they left the playlist.
const WINDOW: u64 = 12;
/// While a segment comes from the CDN, the player looks that often whether it comes in time.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// A segment that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) want: WantId,
    pub(crate) rendition: usize,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) due_in: Duration,
    pub(crate) urgent: bool,
}

/// A segment that a viewer sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) sequence: u64,
    /// When its first picture is seen.
    pub(crate) at: Timestamp,
    /// The rendition that the player chooses next.
    pub(crate) chosen: usize,
}

/// What a player does next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Ask(Asked),
    /// Nothing before then.
    Wait(Timestamp),
    /// Nothing until what it asked for is there.
    Busy,
}

/// One viewer's player.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) title: u32,
    pub(crate) rendition: usize,
    pub(crate) joined: Timestamp,
    /// When the first picture came.
    pub(crate) started: Option<Timestamp>,
    /// Stalls that ended, or are under way.
    pub(crate) stalls: u64,
    /// Time stood still, in stalls that ended.
    pub(crate) stalled: Duration,
    /// Stalls told to the peer already.
    pub(crate) told: u64,
    pub(crate) waiting: Option<Asked>,
    next: u64,
    /// When it runs dry with what it has.
    dry: Timestamp,
    /// Whether the stall under way is counted.
    dry_counted: bool,
    urgent: bool,
    not_before: Timestamp,
    /// When the CDN failed last.
    cdn_failed: Option<Timestamp>,
    /// How long after a segment is published its playlist is read.
    poll: Duration,
    lead: u64,
    /// Segments that it keeps between itself and where it would be, since it is to be later.
    behind: u64,
    /// It has gone back and has nothing to show yet.
    seeks: bool,
    /// What came last.
    pub(crate) shown: Option<Shown>,
    /// Since when the CDN has been bringing what the player waits for.
    cdn_since: Option<Timestamp>,
    bandwidth: Bandwidth,
    /// What the control center asks it not to exceed.
    pub(crate) max_bitrate: Option<BitsPerSecond>,
    wants: u64,
}

impl Player {
    pub(crate) fn new(
        title: &Title,
        place: u32,
        buffer: Duration,
        poll: f64,
        now: Timestamp,
    ) -> Self {
        let lead = buffer.as_micros() / title.segment.as_micros().max(1);
        let lead = u64::try_from(lead).unwrap_or(1).max(1);
        let first = if title.live {
            title.newest(now).saturating_sub(lead - 1)
        } else {
            1
        };
        Self {
            title: place,
            rendition: title.renditions.len() - 1,
            joined: now,
            started: None,
            stalls: 0,
            stalled: Duration::ZERO,
            told: 0,
            waiting: None,
            next: first,
            dry: now,
            dry_counted: false,
            urgent: true,
            not_before: now,
            cdn_failed: None,
            poll: title.segment.mul_f64(poll / 2.0),
            lead,
            behind: 0,
            seeks: false,
            shown: None,
            cdn_since: None,
            bandwidth: Bandwidth::default(),
            max_bitrate: None,
            wants: 0,
        }
    }

    /// What to do now.
    pub(crate) fn step(&mut self, title: &Title, now: Timestamp) -> Step {
        if self.waiting.is_some() {
            return Step::Busy;
        }
        if title.live && self.next + WINDOW + self.behind < title.newest(now) {
            self.next = title.newest(now) - (self.lead + self.behind - 1);
            self.urgent = true;
        }
        if self.next > title.end() {
            self.next = 1;
        }
        let playlist = title.published(self.next)
            + if title.live {
                self.poll
            } else {
                Duration::ZERO
            };
        let room = if title.live {
            now
        } else {
            Timestamp::from_micros(self.dry.as_micros().saturating_sub(micros(AHEAD)))
        };
        let ready = playlist.max(room).max(self.not_before);
        if self.started.is_some() && ready > now {
            return Step::Wait(ready);
        }
        if ready > now && title.published(self.next) > now {
            return Step::Wait(title.published(self.next));
        }
        Step::Ask(self.ask(now))
    }

    /// From now on a live picture is shown so much later; where it is shown earlier than that the
    /// player goes back, as in a page, and has no more use for what it waits for. True where it does.
    pub(crate) fn be_late(&mut self, title: &Title, behind: Duration, now: Timestamp) -> bool {
        let segments = behind
            .as_micros()
            .div_ceil(title.segment.as_micros().max(1));
        let behind = u64::try_from(segments).unwrap_or_default();
        self.behind = behind;
        let shown = self.dry.max(now).since(title.aired(self.next));
        if !title.live || shown >= title.segment * u32::try_from(behind).unwrap_or(u32::MAX) {
            return false;
        }
        self.next = title.newest(now).saturating_sub(self.lead + behind - 1);
        (self.urgent, self.seeks, self.dry) = (true, true, now);
        true
    }

    fn ask(&mut self, now: Timestamp) -> Asked {
        self.wants += 1;
        let due_in = if self.urgent { START } else { self.buffer(now) };
        let asked = Asked {
            want: WantId(self.wants),
            rendition: self.rendition,
            sequence: self.next,
            at: now,
            due_in,
            urgent: self.urgent,
        };
        self.urgent = false;
        self.cdn_since = None;
        self.waiting = Some(asked);
        asked
    }

    /// The CDN is asked for what the player waits for: from here on its speed counts.
    pub(crate) fn on_cdn(&mut self, want: WantId, now: Timestamp) {
        if self.waiting.is_some_and(|asked| asked.want == want) {
            self.cdn_since.get_or_insert(now);
        }
    }

    /// Whether the CDN, which has sent `loaded` of `length` bytes, is too slow for what is left to
    /// play, and a smaller rendition would come earlier: then that is asked for instead.
    pub(crate) fn abandons(&mut self, title: &Title, loaded: (u64, u64), now: Timestamp) -> bool {
        let (Some(asked), Some(since)) = (self.waiting, self.cdn_since) else {
            return false;
        };
        let smallest = title.renditions.len() - 1;
        let (took, (loaded, length)) = (now.since(since), loaded);
        if asked.rendition >= smallest || took < title.segment / 2 || loaded == 0 {
            return false;
        }
        let pace = took.as_secs_f64() / number(loaded);
        let left = pace * number(length.saturating_sub(loaded));
        let rate = |rendition: usize| number(title.renditions[rendition].rate);
        let smaller = pace * number(length) * rate(smallest) / rate(asked.rendition);
        let late = left > self.buffer(now).as_secs_f64() && smaller < left;
        if late {
            self.bandwidth.note(loaded, took);
            self.waiting = None;
            self.rendition = smallest;
            self.urgent = asked.urgent;
        }
        late
    }

    /// Media ahead of the playhead.
    pub(crate) fn buffer(&self, now: Timestamp) -> Duration {
        self.dry.since(now)
    }

    /// Whether the picture stands still.
    pub(crate) fn is_stalled(&self, now: Timestamp) -> bool {
        self.started.is_some() && self.dry < now && !self.seeks
    }

    /// Whether the viewer sees what was asked for.
    pub(crate) fn is_playing(&self, now: Timestamp) -> bool {
        self.started.is_some() && self.dry >= now
    }

    /// Counts a stall as soon as it begins.
    pub(crate) fn notice(&mut self, now: Timestamp) {
        if self.is_stalled(now) && !self.dry_counted {
            self.dry_counted = true;
            self.stalls += 1;
        }
    }

    /// Time stood still until now.
    pub(crate) fn stalled_until(&self, now: Timestamp) -> Duration {
        let present = if self.is_stalled(now) {
            now.since(self.dry)
        } else {
            Duration::ZERO
        };
        self.stalled + present
    }

    /// The segment is there. What peers brought came as fast as the line (`down`) goes: hls.js is
    /// told so, since the time that a live source takes says nothing about the way.
    pub(crate) fn on_delivered(
        &mut self,
        title: &Title,
        (bytes, down): (u64, BitsPerSecond),
        now: Timestamp,
    ) -> Option<Asked> {
        let asked = self.waiting.take()?;
        self.notice(now);
        self.stalled = self.stalled_until(now);
        self.dry_counted = false;
        self.started.get_or_insert(now);
        self.seeks = false;
        let shown = self.dry.max(now);
        self.dry = shown + title.segment;
        self.next += 1;
        let cdn = self.cdn_since.map(|since| now.since(since));
        let took = cdn.unwrap_or_else(|| crate::network::takes(bytes, down));
        self.bandwidth.note(bytes, took);
        self.adapt(title);
        self.shown = Some(Shown {
            sequence: asked.sequence,
            at: shown,
            chosen: self.rendition,
        });
        Some(asked)
    }

    /// The CDN will have failed at `at`.
    pub(crate) fn on_cdn_failed(&mut self, at: Timestamp) {
        self.cdn_failed = Some(at);
    }

    /// Nobody could bring it; when it is asked for again. A page turns to the CDN itself, at once
    /// unless that has just failed.
    pub(crate) fn on_failed(&mut self, title: &Title, now: Timestamp) -> Option<Timestamp> {
        let asked = self.waiting.take()?;
        self.rendition = (self.rendition + 1).min(title.renditions.len() - 1);
        self.urgent = asked.urgent;
        self.not_before = now.max(self.cdn_failed.unwrap_or(now) + RETRY);
        Some(self.not_before)
    }

    fn adapt(&mut self, title: &Title) {
        let rates = title.renditions.iter().map(|rendition| rendition.rate);
        let best = self.bandwidth.best(rates, self.rendition);
        self.rendition = best.max(title.best_within(self.max_bitrate));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
