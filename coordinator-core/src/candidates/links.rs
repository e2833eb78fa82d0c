//! Links between a child and its candidates: which of them bind, and what they leave room for.

use std::sync::Arc;

use runnel_protocol::units::BitsPerSecond;

use super::Search;
use crate::links::Shortage;
use crate::member::Feed;
use crate::policy::LinkSet;
use crate::rules::Pair;

impl Search<'_> {
    /// Whether a soft link between the child and a parent gives way: nobody else is left, or that
    /// was so when the parent was found and the link has no more room than then.
    pub(super) fn gives_way(&self, on: LinkSet, feed: Option<&Feed>) -> bool {
        let links = &self.world.links;
        let full = |place| self.delivery.leases.room(place, links) < self.stripe.0;
        let still = feed.is_some_and(|feed| feed.gave_way);
        let yields = |place| links.gives_way(place, self.relaxed_from) || (still && full(place));
        on.iter().any(yields)
    }

    /// The links whose limits hold for a pair, each with what the child may use of it, bit/s.
    fn binding(&self, on: LinkSet, gave_way: bool) -> impl Iterator<Item = (u8, u64)> {
        let (delivery, world) = (self.delivery, self.world);
        let holds = move |place: &u8| !(gave_way && world.links.is_soft(*place));
        let (member, goes_first) = (self.member, self.goes_first);
        on.iter().filter(holds).map(move |place| {
            let viewers = delivery.leases.given_to_viewers(place);
            let given_up = if goes_first { viewers } else { 0 };
            let room = delivery.room_on(place, member, world);
            (place, room.saturating_add(given_up))
        })
    }

    pub(super) fn shortage(&self, on: LinkSet, gave_way: bool) -> Option<Arc<Shortage>> {
        let narrow = self.binding(on, gave_way).min_by_key(|(_, room)| *room);
        let (place, left) = narrow.filter(|(_, room)| *room < self.stripe.0)?;
        self.world.links.shortage(place, left, self.stripe)
    }

    /// Stripes for which all links to a parent have room.
    pub(super) fn room_on_links(&self, pair: &Pair<'_>) -> u8 {
        let rooms = self.binding(pair.links, pair.gave_way);
        let least = rooms.map(|(_, room)| self.room(BitsPerSecond(room))).min();
        least.unwrap_or(u8::MAX)
    }
}
