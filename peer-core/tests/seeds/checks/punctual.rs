//! I3: while the CDN answers, nothing comes later than it is due, or than the CDN alone would
//! have brought it.

use std::time::Duration;

use crate::run::Run;

/// The CDN may be asked twice: for a part, and for the whole when the part did not fit.
const ANSWERS: u32 = 2;
const SLACK: Duration = Duration::from_millis(50);

pub fn check(run: &Run) -> Result<(), String> {
    for asked in &run.asked {
        let host = &run.world.hosts[asked.viewer.0];
        let Some(ended) = host.ended.get(&asked.want) else {
            continue;
        };
        let alone = asked.at + run.world.origin_delay * ANSWERS;
        let limit = asked.due.max(alone) + SLACK;
        let failing = |(from, to): &(_, _)| *from <= *ended && asked.at <= *to;
        if *ended > limit && !run.outages.iter().any(failing) {
            let late = ended.since(limit);
            return Err(format!("{late:?} late: {asked:?}"));
        }
    }
    Ok(())
}
