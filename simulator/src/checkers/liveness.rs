//! After the last fault everybody plays again.

use core::time::Duration;

use super::Verdict;
use crate::world::World;

/// Unless the scenario says otherwise, within this.
const RECOVERY: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Liveness {
    pub(crate) verdict: Verdict,
}

impl Default for Liveness {
    fn default() -> Self {
        let verdict = Verdict::new("liveness: all play after the faults");
        Self { verdict }
    }
}

impl Liveness {
    pub(crate) fn look(&mut self, world: &World) {
        if world.now.since(crate::title::START) < world.calm_from(RECOVERY) {
            return;
        }
        for (at, node) in world.present() {
            let Some(player) = &node.player else {
                continue;
            };
            if world.now.since(player.joined) > RECOVERY {
                self.verdict.expect(player.is_playing(world.now), || {
                    format!("viewer {} does not play", at.0)
                });
            }
        }
    }
}
