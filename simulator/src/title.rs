//! What there is to watch, and when each part of it is there.

use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::ids::{ContentId, PathHash, TrackId};
use runnel_protocol::segment::{SegmentKey, TrackAttributes};
use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::dice::Dice;
use crate::scenario::{Content, Scenario};

/// When every run starts: 2027-01-01 07:57 UTC, so that tickets and certificates have real dates, and in
/// Los Angeles a month ends three minutes later.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_798_790_220_000_000);
/// Live titles have been on for so many segments.
const BEFORE: u64 = 1000;
/// How much larger or smaller than the mean encoders make a segment, in percent.
const VARIATION: u64 = 10;
/// Length of what is on demand, in seconds.
const FILM: u64 = 5400;

/// One content, as the operator registered it.
#[derive(Debug, Clone)]
pub(crate) struct Title {
    /// Its id.
    pub(crate) id: ContentId,
    /// Its name.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) provider: Arc<str>,
    /// Live, or on demand.
    pub(crate) live: bool,
    /// Length of a segment.
    pub(crate) segment: Duration,
    /// Its renditions, the best first.
    pub(crate) renditions: Vec<Rendition>,
    /// Its share of the audience.
    pub(crate) share: f64,
    /// When its segments end, after each multiple of their length.
    offset: Duration,
    pub(crate) seed: u64,
}

/// One rendition of a title.
#[derive(Debug, Clone)]
pub(crate) struct Rendition {
    /// Its id.
    pub(crate) track: TrackId,
    /// The highest rate of a segment in bits per second, as playlists say it.
    pub(crate) rate: u64,
}

impl Rendition {
    /// Rate of all its segments together, in bits per second.
    pub(crate) const fn mean_rate(&self) -> u64 {
        self.rate * 100 / (100 + VARIATION)
    }
}

impl Title {
    /// All titles of a scenario.
    pub(crate) fn all(scenario: &Scenario, seed: u64) -> Vec<Self> {
        let mut titles = Vec::new();
        for content in &scenario.content {
            let weights: f64 = (1..=content.count)
                .map(|place| 1.0 / f64::from(place))
                .sum();
            for place in 1..=content.count {
                let share = content.share / f64::from(place) / weights;
                let number = titles.len() as u64;
                titles.push(Self::new(
                    content,
                    place,
                    share,
                    Dice::of(seed, "title", number),
                ));
            }
        }
        titles
    }

    fn new(content: &Content, place: u32, share: f64, mut dice: Dice) -> Self {
        let name = match content.count {
            1 => content.name.clone(),
            _ => format!("{} {place}", content.name),
        };
        let rendition = |kilobits: &u64| {
            let bandwidth = (kilobits * 1000).to_string();
            let attributes = TrackAttributes::Variant {
                bandwidth: &bandwidth,
                resolution: "",
                codecs: "",
            };
            Rendition {
                track: attributes.id(),
                rate: kilobits * 1000,
            }
        };
        Self {
            id: ContentId::of(&name),
            provider: content.provider.as_str().into(),
            live: content.live,
            segment: content.segment(),
            renditions: content.rates_kbps.iter().map(rendition).collect(),
            share,
            offset: dice.millis(0, content.segment_s * 1000),
            seed: dice.roll(),
            name,
        }
    }

    /// The newest segment that is published.
    pub(crate) fn newest(&self, now: Timestamp) -> u64 {
        let passed = now.since(START + self.offset).as_micros() / self.segment.as_micros().max(1);
        BEFORE + u64::try_from(passed).unwrap_or_default()
    }

    /// When a segment is there.
    pub(crate) fn published(&self, sequence: u64) -> Timestamp {
        if !self.live {
            return START;
        }
        let after = u32::try_from(sequence.saturating_sub(BEFORE)).unwrap_or(u32::MAX);
        START + self.offset + self.segment * after
    }

    /// When a live segment was new, those from before the run as well: all these are there when it
    /// starts.
    pub(crate) fn aired(&self, sequence: u64) -> Timestamp {
        let before = u32::try_from(BEFORE.saturating_sub(sequence)).unwrap_or(u32::MAX);
        let before = (self.segment * before).as_micros();
        let published = self.published(sequence).as_micros();
        Timestamp::from_micros(published.saturating_sub(u64::try_from(before).unwrap_or(u64::MAX)))
    }

    /// The last segment of what is on demand; live never ends.
    pub(crate) fn end(&self) -> u64 {
        if self.live {
            u64::MAX
        } else {
            FILM / self.segment.as_secs().max(1)
        }
    }

    /// What a segment is called.
    pub(crate) fn key(&self, rendition: usize, sequence: u64) -> SegmentKey {
        SegmentKey {
            content: self.id,
            track: self.renditions[rendition].track,
            generation: 0,
            sequence,
            range: None,
        }
    }

    pub(crate) fn rendition(&self, track: TrackId) -> Option<usize> {
        self.renditions.iter().position(|one| one.track == track)
    }

    /// The rates of its renditions, the best first.
    pub(crate) fn ladder(&self) -> Vec<BitsPerSecond> {
        let rates = self.renditions.iter().map(|one| BitsPerSecond(one.rate));
        rates.collect()
    }

    /// The best rendition of at most this rate, or the smallest.
    pub(crate) fn best_within(&self, most: Option<BitsPerSecond>) -> usize {
        let fits = |one: &Rendition| most.is_none_or(|most| one.rate <= most.0);
        let best = self.renditions.iter().position(fits);
        best.unwrap_or(self.renditions.len() - 1)
    }

    /// Where the registered playlist is.
    pub(crate) fn master_url(&self) -> String {
        format!("https://origin.example/{}/master.m3u8", self.id)
    }

    pub(crate) fn path(&self, rendition: usize, sequence: u64) -> PathHash {
        let id = self.id;
        PathHash::of_url(&format!(
            "https://origin.example/{id}/{rendition}/{sequence}.ts"
        ))
    }

    /// Bytes of a segment.
    pub(crate) fn length(&self, rendition: usize, sequence: u64) -> u64 {
        let mean = self.renditions[rendition].mean_rate() * self.segment.as_secs() / 8;
        let mut dice = Dice::quick(self.seed, sequence);
        let varied = dice.between(100 - VARIATION, 100 + VARIATION);
        (mean * varied / 100).max(1)
    }
}
