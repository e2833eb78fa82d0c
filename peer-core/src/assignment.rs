//! Following the coordinator: dialling whom it names, letting go of whom it no longer names.

use core::time::Duration;

use runnel_protocol::control::{Assign, Contact, LinkResult, Parent, Source};
use runnel_protocol::ids::{ContentId, PeerId, TicketId};
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::peer::{CloseReason, Control};
use runnel_protocol::signature::{Signed, Statement};
use runnel_protocol::time::Timestamp;

use crate::input::LinkId;
use crate::links::{Link, Validity};
use crate::output::{Event, Output};
use crate::peer::{Checking, Content, Peer};

/// Most contents that an agent helps with.
const MAX_CONTENTS: usize = 256;
/// Dials of one peer under one assignment.
const MAX_ATTEMPTS: u32 = 3;
/// Pause between them.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(3);
/// How long a dropped parent is kept while its successor begins to deliver.
pub(crate) const HANDOVER: Duration = Duration::from_secs(10);
/// How long those who are to push have for their handshake before a standby does their work: more
/// round trips than it takes over most paths, less than anybody waits for a segment.
const HEAD_START: Duration = Duration::from_millis(500);
/// How long nothing is had to do with a peer that misbehaved.
const BAN: Duration = Duration::from_secs(600);
const MAX_BANNED: usize = 1024;

impl Peer {
    pub(crate) fn on_assign(&mut self, assign: Assign, now: Timestamp) {
        let id = assign.content;
        let full = self.contents.len() >= MAX_CONTENTS && !self.contents.contains_key(&id);
        if full || !self.consent || self.draining {
            return;
        }
        let content = self.contents.entry(id).or_default();
        if content
            .assign
            .as_ref()
            .is_some_and(|current| current.epoch >= assign.epoch)
        {
            return;
        }
        content.stripes = assign
            .stripes
            .clamp(1, runnel_protocol::segment::MAX_SUBSTREAMS);
        let before = content.assign.replace(assign.clone());
        content
            .former
            .extend(before.iter().flat_map(|before| before.parents.clone()));
        let links = &self.links;
        let returning = self.session.others_return_until(now);
        // Nobody at all means that it is over, not that somebody else takes over; but a coordinator
        // that has just come back knows nobody yet, and what works goes on.
        let over = assign.parents.is_empty() && returning.is_none();
        content
            .former
            .retain(|parent| !over && links.ready_to(parent.contact.peer).is_some());
        if content.former.is_empty() {
            content.head_start = Some(now + HEAD_START);
        }
        for certificate in &assign.stream_keys {
            self.check_stream_key(certificate);
        }
        for peer in peers(&assign) {
            self.attempts.remove(&peer);
        }
        for contact in contacts(&assign) {
            self.introduce(contact, now);
        }
        let handed_over = now + HANDOVER;
        let until = returning.map_or(handed_over, |until| until.max(handed_over));
        for peer in before.iter().flat_map(peers) {
            self.retire(peer, until);
        }
        self.attempts
            .retain(|peer, _| self.contents.values().any(|known| known.names(*peer)));
        self.event(Event::Assigned(Box::new(assign)));
        self.resubscribe(id, now);
        self.advance_all(now);
    }

    pub(crate) fn check_stream_key(&mut self, certificate: &Signed<StreamKeyCertificate>) {
        let root = self.config.root_key.or_else(|| self.session.root_key());
        let Some(root) = root.filter(|_| !self.verifier.knows_stream_key(certificate)) else {
            return;
        };
        let purpose = Checking::StreamKey(certificate.body.clone());
        self.check(
            root,
            certificate.body.message(),
            certificate.signature,
            purpose,
        );
    }

    /// A link stands: tickets that came while it was being made, for other contents too.
    pub(crate) fn introduce_again(&mut self, peer: PeerId, now: Timestamp) {
        let assigns = self
            .contents
            .values()
            .filter_map(|content| content.assign.as_ref());
        let contacts: Vec<_> = assigns
            .flat_map(contacts)
            .filter(|contact| contact.peer == peer)
            .cloned()
            .collect();
        contacts
            .iter()
            .for_each(|contact| self.introduce(contact, now));
    }

    /// Makes a link to somebody, or tells a standing one of its new ticket.
    fn introduce(&mut self, contact: &Contact, now: Timestamp) {
        let ticket = contact.ticket.body.clone();
        if self.banned.contains_key(&contact.peer) {
            return;
        }
        if let Some(id) = self.links.ready_to(contact.peer) {
            let Some(link) = self.links.get_mut(id) else {
                return;
            };
            link.retire_at = None;
            if !link.tickets.contains(&ticket) {
                let own = ticket.client == self.config.key;
                link.grant(ticket);
                if own {
                    self.send(id, Control::Present(contact.ticket.clone()));
                }
            }
        } else if !self.links.is_reaching(contact.peer) {
            self.dial(contact, now);
        }
    }

    fn dial(&mut self, contact: &Contact, now: Timestamp) {
        let (count, last) = self
            .attempts
            .get(&contact.peer)
            .copied()
            .unwrap_or((0, now));
        let too_soon = count > 0 && now.since(last) < BETWEEN_ATTEMPTS;
        if contact.endpoints.is_empty() || count >= MAX_ATTEMPTS || too_soon {
            return;
        }
        self.attempts.insert(contact.peer, (count + 1, now));
        match self.links.dial(contact, self.config.max_links, now) {
            Some(link) => self.output(Output::Dial(link, Box::new(contact.clone()))),
            None => self.report(contact.peer, LinkResult::Full),
        }
    }

    /// Lets go, then, of a peer that no assignment names any more.
    pub(crate) fn retire(&mut self, peer: PeerId, at: Timestamp) {
        if self.is_assigned(peer) {
            return;
        }
        for (_, link) in self
            .links
            .iter_mut()
            .filter(|(_, link)| link.peer == Some(peer))
        {
            link.retire_at = Some(at);
        }
    }

    fn is_assigned(&self, peer: PeerId) -> bool {
        self.contents.values().any(|content| content.names(peer))
    }

    /// The content for which the coordinator named this peer.
    pub(crate) fn content_of(&self, peer: PeerId) -> Option<ContentId> {
        self.contents
            .iter()
            .find(|(_, content)| content.names(peer))
            .map(|(id, _)| *id)
    }

    /// How the coordinator introduced a peer as a parent for a content.
    pub(crate) fn parent(&self, content: ContentId, peer: PeerId) -> Option<&Parent> {
        let assign = self.contents.get(&content)?.assign.as_ref()?;
        assign
            .parents
            .iter()
            .find(|parent| parent.contact.peer == peer)
    }

    /// How bytes from a link count.
    pub(crate) fn source(&self, link: LinkId, content: ContentId) -> Source {
        let peer = self.links.get(link).and_then(|link| link.peer);
        let known = self.contents.get(&content).into_iter();
        let mut parents = known.flat_map(Content::parents_and_former);
        let parent = parents.find(|parent| Some(parent.contact.peer) == peer);
        parent.map_or(Source::Peer, |parent| parent.source)
    }

    pub(crate) fn ban(&mut self, peer: PeerId, now: Timestamp) {
        if self.banned.len() >= MAX_BANNED {
            let soonest = self.banned.iter().min_by_key(|(_, until)| **until);
            if let Some(soonest) = soonest.map(|(peer, _)| *peer) {
                self.banned.remove(&soonest);
            }
        }
        self.banned.insert(peer, now + BAN);
    }

    pub(crate) fn on_revoke(&mut self, tickets: &[TicketId], now: Timestamp) {
        let date = self.date(now);
        tickets
            .iter()
            .for_each(|ticket| self.allowances.revoke(*ticket, date));
        let mut over = Vec::new();
        for (id, link) in self.links.iter_mut() {
            let before = link.tickets.len();
            link.tickets.retain(|ticket| !tickets.contains(&ticket.id));
            if link.tickets.is_empty() && before > 0 {
                over.push(id);
            }
        }
        over.into_iter()
            .for_each(|link| self.hang_up(link, CloseReason::Revoked, now));
    }

    /// Once a second: what ran out goes, who was lost is dialled again.
    pub(crate) fn keep_up(&mut self, now: Timestamp) {
        let date = self.date(now);
        self.verifier.expire(date);
        self.allowances.expire(date);
        self.banned.retain(|_, until| now < *until);
        let validity = self.validity(now);
        for (_, link) in self.links.iter_mut() {
            link.tickets.retain(|ticket| validity.admits(ticket));
        }
        let over: Vec<_> = self
            .links
            .iter()
            .filter(|(id, link)| {
                link.is_ready()
                    && (link.is_over(&validity, now)
                        || self.is_let_go(*id, link)
                        || self.is_left_behind(link, &validity))
            })
            .map(|(id, _)| id)
            .collect();
        over.into_iter()
            .for_each(|link| self.hang_up(link, CloseReason::Done, now));
        self.redial(now);
        self.give_up_serving(now);
        self.forget_unused(now);
        // Whoever was left alone for a while may be tried again.
        self.resubscribe_all(now);
    }

    /// The other end leaves, somebody else is in its place, and nothing of it is under way: it need
    /// not wait for this peer.
    fn is_let_go(&self, id: LinkId, link: &Link) -> bool {
        let named = link.peer.is_some_and(|peer| self.is_assigned(peer));
        let subscribed = self.subscribed.keys().any(|(of, _, _)| *of == id);
        link.drains_at.is_some() && !named && !subscribed && !self.fetches.awaits(id)
    }

    /// This peer leaves and feeds nobody any more: whoever fed it is of no use.
    fn is_left_behind(&self, link: &Link, validity: &Validity) -> bool {
        let feeds_nobody = self.children.is_empty() && self.uploads.is_empty();
        self.draining && feeds_nobody && !link.serves(validity)
    }

    fn redial(&mut self, now: Timestamp) {
        if !self.consent || self.draining {
            return;
        }
        let assigns = self
            .contents
            .values()
            .filter_map(|content| content.assign.clone());
        let assigns: Vec<_> = assigns.collect();
        for contact in assigns.iter().flat_map(contacts) {
            let in_time = self.date(now) <= contact.ticket.body.establish_before;
            if in_time
                && !self.links.is_reaching(contact.peer)
                && !self.banned.contains_key(&contact.peer)
            {
                self.dial(contact, now);
            }
        }
    }

    /// A link is over, whoever ended it: everything that hung on it finds another way.
    pub(crate) fn on_link_down(&mut self, id: LinkId, reason: Option<CloseReason>, now: Timestamp) {
        let Some(link) = self.links.remove(id) else {
            return;
        };
        self.uploads.take_link(id);
        self.children.retain(|(of, _, _), _| *of != id);
        self.subscribed.retain(|(of, _, _), _| *of != id);
        self.asking.retain(|asking| asking.link != id);
        self.fetches.drop_link(id);
        self.event(Event::LinkDown(id, link.peer, reason));
        if let Some(peer) = link.peer
            && self.is_assigned(peer)
            && self.links.ready_to(peer).is_none()
        {
            let orderly = reason == Some(CloseReason::Duplicate);
            let result = if link.is_ready() {
                LinkResult::Lost
            } else if reason == Some(CloseReason::Full) {
                LinkResult::Full
            } else {
                LinkResult::Failed
            };
            if !orderly {
                self.report(peer, result);
            }
        }
        self.resubscribe_all(now);
        self.advance_all(now);
    }

    /// Ends a link from this side.
    pub(crate) fn hang_up(&mut self, link: LinkId, reason: CloseReason, now: Timestamp) {
        if self.links.get(link).is_some() {
            self.output(Output::Hangup(link, reason));
            self.on_link_down(link, Some(reason), now);
        }
    }

    pub(crate) fn hang_up_all(&mut self, reason: CloseReason, now: Timestamp) {
        let all: Vec<_> = self.links.iter().map(|(id, _)| id).collect();
        all.into_iter()
            .for_each(|link| self.hang_up(link, reason, now));
    }
}

impl Content {
    /// Those whom the coordinator named last, and those before whose links stand.
    fn parents_and_former(&self) -> impl Iterator<Item = &Parent> {
        let named = self.assign.iter().flat_map(|assign| &assign.parents);
        named.chain(&self.former)
    }

    /// Whether the coordinator's assignment names this peer.
    fn names(&self, peer: PeerId) -> bool {
        let assign = self.assign.as_ref();
        assign.is_some_and(|assign| peers(assign).any(|named| named == peer))
    }
}

fn contacts(assign: &Assign) -> impl Iterator<Item = &Contact> {
    let parents = assign.parents.iter().map(|parent| &parent.contact);
    parents.chain(assign.children.iter().map(|child| &child.contact))
}

pub(crate) fn peers(assign: &Assign) -> impl Iterator<Item = PeerId> {
    contacts(assign).map(|contact| contact.peer)
}
