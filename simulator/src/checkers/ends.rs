//! I7: each wanted segment ends as delivered, or as a counted failure of the CDN.

use core::time::Duration;

use runnel_peer_core::WantId;

use super::Verdict;
use crate::node::At;
use crate::world::World;

/// Longer than the CDN's patience, asked twice, takes.
const PATIENCE: Duration = Duration::from_secs(45);

#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) verdict: Verdict,
}

impl Default for Ends {
    fn default() -> Self {
        let verdict = Verdict::new("I7 each wanted segment ends");
        Self { verdict }
    }
}

impl Ends {
    pub(crate) fn delivered(&mut self) {
        self.verdict.evaluations += 1;
    }

    pub(crate) fn twice(&mut self, at: At, want: WantId) {
        self.verdict.expect(false, || {
            format!("viewer {} was given want {} twice", at.0, want.0)
        });
    }

    pub(crate) fn failed(&mut self, at: At, cdn_failed: bool) {
        self.verdict.expect(cdn_failed, || {
            format!(
                "a segment of viewer {} failed although the CDN answers",
                at.0
            )
        });
    }

    pub(crate) fn look(&mut self, world: &World) {
        for (at, node) in world.present() {
            let asked = node.player.as_ref().and_then(|player| player.waiting);
            let Some(asked) = asked.filter(|_| !node.hung) else {
                continue;
            };
            let waits = world.now.since(asked.at.max(node.line.mute_until));
            self.verdict.expect(waits < PATIENCE, || {
                format!(
                    "viewer {} has waited {waits:?} for segment {}",
                    at.0, asked.sequence
                )
            });
        }
    }
}
