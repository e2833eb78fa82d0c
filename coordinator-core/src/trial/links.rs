//! What links would carry if other policies were in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::BitsPerSecond;

use crate::policy::{LinkSet, PolicySet};
use crate::world::World;

/// A link of the policies in force, or of those that are tried. What it carries is what is reserved for
/// pairs: what is measured is not known of a link that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTrial {
    /// The policy's name, a slash, and its own.
    pub name: Arc<str>,
    /// What may run over it at present, where it is in force.
    pub limit_before: Option<BitsPerSecond>,
    /// What might run over it, where it would be in force.
    pub limit: Option<BitsPerSecond>,
    /// What is reserved there at present.
    pub before: BitsPerSecond,
    /// What those pairs have reserved that would stand, before any is parted for want of room.
    pub after: BitsPerSecond,
}

/// The links of both, at most twice as many as can be in force.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<Arc<str>, LinkTrial>,
    /// The names of those that are tried, by their places.
    tried: BTreeMap<u8, Arc<str>>,
}

impl Links {
    pub(super) fn new(set: &PolicySet, world: &World, now: Timestamp) -> Self {
        let mut links = Self::default();
        for one in world.links.summaries() {
            links.of(&one.name).limit_before = Some(one.limit);
        }
        for (place, link) in set.links() {
            links.of(&link.name).limit = Some(world.links.limit_of(link, now));
            links.tried.insert(place, Arc::clone(&link.name));
        }
        links
    }

    fn of(&mut self, name: &Arc<str>) -> &mut LinkTrial {
        let link = self.links.entry(Arc::clone(name));
        link.or_insert_with(|| LinkTrial {
            name: Arc::clone(name),
            limit_before: None,
            limit: None,
            before: BitsPerSecond::default(),
            after: BitsPerSecond::default(),
        })
    }

    /// A pair runs over these links at present.
    pub(super) fn runs(&mut self, on: LinkSet, rate: BitsPerSecond, world: &World) {
        for place in on.iter() {
            // One that came into force since the trial began is no part of it.
            let link = world.links.name(place);
            if let Some(link) = link.and_then(|name| self.links.get_mut(name)) {
                link.before.0 = link.before.0.saturating_add(rate.0);
            }
        }
    }

    /// A pair would run over these links.
    pub(super) fn would_run(&mut self, on: LinkSet, rate: BitsPerSecond) {
        for place in on.iter() {
            let link = self.tried.get(&place);
            if let Some(link) = link.and_then(|name| self.links.get_mut(name)) {
                link.after.0 = link.after.0.saturating_add(rate.0);
            }
        }
    }

    /// All of them, in the order of their names.
    pub(super) fn finish(&mut self) -> Vec<LinkTrial> {
        core::mem::take(&mut self.links).into_values().collect()
    }
}
