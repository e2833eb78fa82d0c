//! What a stand-in plays: as real players do, it begins with the smallest rendition and takes the
//! best one for which its way is wide enough.

use core::time::Duration;

use crate::title::Title;

/// A player holds no more than this, in seconds.
const FULL: f32 = 6.0;
/// Below this a player chooses the smallest rendition if less comes than it plays, in seconds.
const LOW: f32 = 2.0;
/// How fast a player that is not full takes media, in seconds a second.
const CATCHING_UP: f32 = 1.5;
/// After so many seconds of transfer half of what was measured is forgotten; the lower of the two
/// counts, as in hls.js.
const HALF_LIVES: [f32; 2] = [3.0, 9.0];
/// Parts of what the way carries that a rendition may need: the one that plays, and a better one.
const STAY: f32 = 0.95;
const RISE: f32 = 0.7;

/// What a viewer asks of the CDN in a second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) bits: f32,
    /// For how long it asks, in seconds: who has just come has a part of the second.
    pub(super) time: f32,
}

/// What a viewer gets in a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gift {
    /// Share of its rendition that peers and waypoints bring.
    pub(super) from_peers: f32,
    /// What the CDN brings, and the most that it brings to anybody in a second.
    pub(super) bits: f32,
    pub(super) level: f32,
    /// What it plays, and what its line carries, in bit/s.
    pub(super) rate: f32,
    pub(super) down: f32,
}

/// One viewer's player.
#[derive(Debug, Clone, Default)]
pub(super) struct Player {
    pub(super) rendition: u8,
    /// The best that the control center asks it to choose.
    pub(super) best: u8,
    pub(super) started: bool,
    /// Media ahead of the playhead, in seconds; before the first picture what there is of it.
    pub(super) buffer: f32,
    pub(super) stalls: u16,
    pub(super) stalled_s: f32,
    /// What its way carries, in bit/s; 0 before anything was measured.
    pace: [f32; 2],
}

impl Player {
    /// One that has just come.
    pub(super) fn of(title: &Title) -> Self {
        Self {
            rendition: smallest(title),
            ..Self::default()
        }
    }

    /// What it asks of the CDN: its first segment whole, then what peers do not bring. It has
    /// been `here` so long, on a line of `down` bit/s.
    pub(super) fn wish(
        &self,
        (rate, has): (f32, f32),
        segment: Duration,
        (down, here): (f32, Duration),
    ) -> Wish {
        if self.started {
            let pace = if self.buffer < FULL { CATCHING_UP } else { 1.0 };
            let bits = (pace - has).max(0.0) * rate;
            return Wish { bits, time: 1.0 };
        }
        let time = here.as_secs_f32().clamp(0.001, 1.0);
        let missing = (segment.as_secs_f32() - self.buffer) * rate;
        let bits = missing.min(down * time);
        Wish { bits, time }
    }

    /// A second of its first segment: how long after the second's beginning, or its own coming,
    /// that was there; `None` where it is not yet.
    pub(super) fn start(&mut self, title: &Title, (wish, gift): (Wish, Gift)) -> Option<Duration> {
        self.buffer += gift.bits / gift.rate;
        self.measure(gift);
        // Rounding of a millionth is no reason to wait.
        if self.buffer + 0.001 < title.segment.as_secs_f32() {
            return None;
        }
        self.started = true;
        let pace = gift.level.min(gift.down);
        Some(Duration::from_secs_f32((wish.bits / pace).min(wish.time)))
    }

    /// A second of playing.
    pub(super) fn advance(&mut self, title: &Title, gift: Gift) {
        let got = gift.from_peers + gift.bits / gift.rate;
        let after = self.buffer + got - 1.0;
        if after < 0.0 {
            self.stalls += u16::from(self.buffer > 0.0);
            self.stalled_s -= after;
        }
        self.buffer = after.clamp(0.0, FULL);
        self.measure(gift);
        if self.buffer < LOW && got < 1.0 {
            self.rendition = smallest(title);
        } else {
            self.rendition = self.fitting(title).max(self.best);
        }
    }

    /// What peers bring counts as fast as the line, what the CDN brings as fast as it came.
    fn measure(&mut self, gift: Gift) {
        let from_peers = gift.from_peers * gift.rate;
        let took = gift.bits / gift.level.min(gift.down) + from_peers / gift.down;
        let bits = gift.bits + from_peers;
        if bits <= 0.0 {
            return;
        }
        let took = took.clamp(0.01, 1.0);
        for (pace, half_life) in self.pace.iter_mut().zip(HALF_LIVES) {
            let kept = if *pace > 0.0 {
                0.5_f32.powf(took / half_life)
            } else {
                0.0
            };
            *pace = *pace * kept + bits / took * (1.0 - kept);
        }
    }

    fn fitting(&self, title: &Title) -> u8 {
        let [quick, slow] = self.pace;
        let pace = quick.min(slow);
        let renditions = title.renditions.iter().zip(0u8..);
        let fits = renditions.clone().find(|(one, place)| {
            let part = if *place < self.rendition { RISE } else { STAY };
            (one.rate as f32) < pace * part
        });
        fits.map_or(smallest(title), |(_, place)| place)
    }
}

fn smallest(title: &Title) -> u8 {
    u8::try_from(title.renditions.len() - 1).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    const DOWN: f32 = 20e6;

    fn title() -> Title {
        let text = include_str!("../../scenarios/kick-off.toml");
        let titles = Title::all(&Scenario::parse(text).unwrap(), 1);
        titles.into_iter().next().unwrap()
    }

    fn rate(title: &Title, player: &Player) -> f32 {
        title.renditions[usize::from(player.rendition)].mean_rate() as f32
    }

    /// A second in which the CDN sends nobody more than `level` bit/s, and peers a share.
    fn second(player: &mut Player, title: &Title, level: f32, from_peers: f32) {
        let rate = rate(title, player);
        let wish = player.wish(
            (rate, from_peers),
            title.segment,
            (DOWN, Duration::from_secs(1)),
        );
        let gift = Gift {
            from_peers,
            bits: wish.bits.min(level),
            level,
            rate,
            down: DOWN,
        };
        if player.started {
            player.advance(title, gift);
        } else {
            player.start(title, (wish, gift));
        }
    }

    #[test]
    fn the_first_picture_is_small_and_takes_as_long_as_the_cdn_does() {
        let title = title();
        let mut player = Player::of(&title);
        let segment = 2.0 * rate(&title, &player);
        assert_eq!(player.rendition, 1);
        second(&mut player, &title, segment / 1.5, 0.0);
        assert!(!player.started);
        second(&mut player, &title, segment / 1.5, 0.0);
        assert!(player.started);
    }

    #[test]
    fn who_is_fed_by_peers_takes_the_best_and_who_shares_a_narrow_cdn_the_smallest() {
        let title = title();
        let mut player = Player::of(&title);
        (0..5).for_each(|_| second(&mut player, &title, DOWN, 1.0));
        assert_eq!((player.rendition, player.stalls), (0, 0));
        (0..20).for_each(|_| second(&mut player, &title, 500_000.0, 0.0));
        assert_eq!(player.rendition, 1);
        assert!(player.stalls > 0 && player.stalled_s > 5.0);
    }
}
