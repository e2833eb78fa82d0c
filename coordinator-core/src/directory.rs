//! The content directory, and the service manager: a delivery coordinator per content, made on
//! demand and retired when idle (C2). Its regions are areas inside it, so that one that is poor
//! can be fed by the others.

use std::collections::BTreeMap;

use runnel_protocol::control::ContentLocator;
use runnel_protocol::ids::ContentId;
use runnel_protocol::time::Timestamp;

use crate::content::{Content, normalised};
use crate::delivery::Delivery;
use crate::world::World;

/// What is offered, and who is in charge of it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    contents: BTreeMap<ContentId, Content>,
    by_url: BTreeMap<String, ContentId>,
    deliveries: BTreeMap<ContentId, Delivery>,
}

impl Directory {
    /// Offers a content, in place of one of the same name; `false` where there is no room.
    pub(crate) fn register(&mut self, content: Content, limit: usize) -> bool {
        let id = content.id();
        if !self.contents.contains_key(&id) && self.contents.len() >= limit {
            return false;
        }
        self.forget_url(id);
        self.by_url.insert(normalised(&content.master_url), id);
        if let Some(delivery) = self.deliveries.get_mut(&id) {
            delivery.follow(&content);
        }
        self.contents.insert(id, content);
        true
    }

    /// Ends an offer; its delivery coordinator is handed back to be wound up.
    pub(crate) fn remove(&mut self, id: ContentId) -> Option<Delivery> {
        self.forget_url(id);
        self.contents.remove(&id);
        self.deliveries.remove(&id)
    }

    fn forget_url(&mut self, id: ContentId) {
        self.by_url.retain(|_, other| *other != id);
    }

    pub(crate) fn content(&self, id: ContentId) -> Option<&Content> {
        self.contents.get(&id)
    }

    pub(crate) fn contents(&self) -> impl Iterator<Item = (ContentId, &Content)> {
        self.contents.iter().map(|(id, content)| (*id, content))
    }

    /// The content that somebody means.
    pub(crate) fn find(&self, locator: &ContentLocator) -> Option<ContentId> {
        let id = match locator {
            ContentLocator::Name(name) => ContentId::of(name),
            ContentLocator::MasterUrl(url) => *self.by_url.get(&normalised(url))?,
            ContentLocator::Id(id) => *id,
        };
        self.contents.contains_key(&id).then_some(id)
    }

    pub(crate) fn delivery(&self, id: ContentId) -> Option<&Delivery> {
        self.deliveries.get(&id)
    }

    pub(crate) fn delivery_mut(&mut self, id: ContentId) -> Option<&mut Delivery> {
        self.deliveries.get_mut(&id)
    }

    /// Makes the one in charge where there is none yet; a new one begins with the content's
    /// waypoints.
    pub(crate) fn in_charge(&mut self, id: ContentId, world: &mut World, now: Timestamp) {
        if let Some(content) = self.contents.get(&id) {
            let delivery = self.deliveries.entry(id);
            delivery.or_insert_with(|| with_waypoints(content, world, now));
        }
    }

    /// Those that `which` picks, the most watched first.
    pub(crate) fn busiest_first(&self, which: fn(&Delivery) -> bool) -> Vec<ContentId> {
        let watched =
            |(id, delivery): (&ContentId, &Delivery)| (usize::MAX - delivery.players, *id);
        let picked = self.deliveries.iter().filter(|(_, one)| which(one));
        let mut order: Vec<_> = picked.map(watched).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Ends a delivery coordinator that nobody needs.
    pub(crate) fn retire(&mut self, id: ContentId) {
        self.deliveries.remove(&id);
    }
}

fn with_waypoints(content: &Content, world: &mut World, now: Timestamp) -> Delivery {
    let id = content.id();
    let mut delivery = Delivery::new(content, world, now);
    let waypoints: Vec<_> = world.waypoints.of(id).collect();
    for peer in waypoints {
        world.view.enter(peer, id);
        if let Some(record) = world.view.get(peer) {
            delivery.join(peer, record, None, now);
        }
    }
    delivery
}
