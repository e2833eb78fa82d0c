//! A peer whose addresses or certificates change while its session stands: a router forwards a port to it from
//! now on, or does no longer.

use core::net::SocketAddr;

use runnel_protocol::control::Reachability;
use runnel_protocol::ids::PeerId;
use runnel_protocol::time::Timestamp;

use super::{ControlCenter, Judged};
use crate::family::Family;
use crate::io::SessionId;
use crate::kind::Why;

impl ControlCenter {
    /// What it names takes the place of what it named before: others are told no address any more that it does
    /// not name, and all are tested.
    pub(super) fn on_reachable(
        &mut self,
        (session, peer): (SessionId, PeerId),
        named: &Reachability,
        now: Timestamp,
    ) {
        let Some(record) = self.world.view.get(peer) else {
            return;
        };
        // It has said that nobody can connect to it, wherever it is.
        if matches!(record.why, Why::Browser | Why::DoesNotAccept) {
            return;
        }
        let (before, address) = (record.why, record.address);
        let stood = record.endpoints().to_vec();
        let known = self.probing.named(peer);
        let known = known.map(|(endpoints, _)| endpoints.to_vec());
        let ways = (named.endpoints.as_slice(), named.certificates.as_slice());
        let judged = self.judge_ways((session, peer), ways, address);
        let moved = self.probing.named(peer).map(|(endpoints, _)| endpoints) != known.as_deref();
        self.note_ways(peer, named);
        if before == Why::Unvouched {
            self.unvouched.insert(peer, judged);
            return;
        }
        if moved || known.is_none() {
            let (why, endpoints) = self.until_tested(peer, (before, stood), judged);
            self.retype(peer, why, endpoints.into_vec(), now);
        }
        if !self.named(peer).tested.is_empty() {
            self.probing.ask(peer);
            self.begin_tests(now);
        }
    }

    /// Keeps its certificates and families, and has those who dial it told.
    fn note_ways(&mut self, peer: PeerId, named: &Reachability) {
        let contents = self.world.view.change(peer, |record| {
            let families = named.endpoints.iter().map(|one| Family::of(one.ip()));
            families.for_each(|family| record.families.found(family));
            record.set_certificates(&named.certificates);
            record.contents.clone()
        });
        for content in contents.unwrap_or_default().iter() {
            if let Some(delivery) = self.directory.delivery_mut(content) {
                delivery.readdress(peer);
            }
        }
    }

    /// What a peer is taken for until its new addresses are tested: where it was reached before, it still is.
    fn until_tested(
        &self,
        peer: PeerId,
        (before, stood): (Why, Vec<SocketAddr>),
        judged: Judged,
    ) -> Judged {
        let named = self.named(peer);
        let mut kept = stood;
        kept.retain(|one| named.tested.contains(one));
        if before == Why::NoUdp {
            return (before, Box::new([]));
        }
        if before.is_reached() && !kept.is_empty() {
            kept.extend(named.local);
            return (before, kept.into());
        }
        judged
    }
}
