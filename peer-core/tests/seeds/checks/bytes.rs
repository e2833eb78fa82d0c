//! I1: every byte given to the player equals the origin's at that position.

use crate::run::Run;
use crate::world::media;

pub fn check(run: &Run) -> Result<(), String> {
    for asked in &run.asked {
        let got = run.world.hosts[asked.viewer.0].got(asked.want);
        if got.is_some_and(|got| got != media(asked.place)) {
            return Err(format!("wrong bytes for {asked:?}"));
        }
    }
    Ok(())
}
