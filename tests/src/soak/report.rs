//! The figures, for people and for programs.

use serde_json::{Value, json};

use super::page::Played;
use super::verdict::Series;

const MIB: f64 = (1 << 20) as f64;

pub(super) struct Report<'a> {
    pub(super) minutes: u64,
    pub(super) series: &'a [Series],
    pub(super) played: Played,
    pub(super) visits: u32,
}

impl Report<'_> {
    #[expect(clippy::print_stdout, reason = "the table is what was asked for")]
    pub(super) fn print(&self) {
        println!(
            "{:<18}{:>8}{:>8}{:>8}{:>8}{:>8}{:>9}",
            "memory, MiB", "first", "second", "last", "limit", "most", "an hour"
        );
        for one in self.series {
            let [first, second, last] = one.parts().map(|bytes| bytes / MIB);
            let (limit, most) = (one.limit() / MIB, one.most() as f64 / MIB);
            let growth = one.growth() / MIB;
            let verdict = if one.is_flat() { "flat" } else { "GREW" };
            println!(
                "{:<18}{first:>8.1}{second:>8.1}{last:>8.1}{limit:>8.1}{most:>8.1}{growth:>+9.1}  {verdict}",
                one.who
            );
        }
        println!(
            "{} minutes; played {:.0} s, {:.1} % from peers, {} stalls; {} visits by somebody else",
            self.minutes,
            self.played.position,
            100.0 * self.offload(),
            self.played.stalls,
            self.visits
        );
    }

    pub(super) fn figures(&self) -> Value {
        let holders = self.series.iter().map(|one| {
            let [first, second, last] = one.parts();
            json!({
                "who": one.who, "first": first, "second": second, "last": last,
                "limit": one.limit(), "most": one.most(), "growth_per_hour": one.growth(),
                "flat": one.is_flat(),
            })
        });
        json!({
            "minutes": self.minutes,
            "holders": holders.collect::<Vec<Value>>(),
            "played_s": self.played.position,
            "stalls": self.played.stalls,
            "offload": self.offload(),
            "visits": self.visits,
        })
    }

    fn offload(&self) -> f64 {
        let Played {
            cdn,
            waypoint,
            peer,
            ..
        } = self.played;
        peer as f64 / (cdn + waypoint + peer).max(1) as f64
    }
}
