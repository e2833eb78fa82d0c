//! I7: each wanted segment ends as delivered or as failed, and fails only if the CDN did.

use crate::run::Run;

pub fn check(run: &Run) -> Result<(), String> {
    for asked in &run.asked {
        let host = &run.world.hosts[asked.viewer.0];
        if !host.ended.contains_key(&asked.want) {
            return Err(format!("no end: {asked:?}"));
        }
        if host.failed.contains(&asked.want) && run.outages.is_empty() {
            return Err(format!("failed although the CDN answers: {asked:?}"));
        }
    }
    Ok(())
}
