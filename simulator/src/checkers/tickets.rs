//! T4: every ticket that is handed out is signed, and is between the two whom it is handed out for.

use std::collections::BTreeSet;

use runnel_protocol::control::Assign;
use runnel_protocol::ids::{PeerId, PublicKey, TicketId};
use runnel_protocol::ticket::SignedTicket;

use super::Verdict;

#[derive(Debug)]
pub(crate) struct Tickets {
    pub(crate) verdict: Verdict,
    /// Those whose signature was good: each is looked at once.
    good: BTreeSet<TicketId>,
}

impl Default for Tickets {
    fn default() -> Self {
        Self {
            verdict: Verdict::new("T4 tickets are signed for the pair"),
            good: BTreeSet::new(),
        }
    }
}

impl Tickets {
    /// `key` is what the control center has its tickets signed with.
    pub(crate) fn told(&mut self, key: &PublicKey, to: PeerId, assign: &Assign) {
        for parent in &assign.parents {
            let pair = (parent.contact.peer, to);
            self.look(key, pair, &parent.contact.ticket);
        }
        for child in &assign.children {
            let pair = (to, child.contact.peer);
            self.look(key, pair, &child.contact.ticket);
        }
    }

    fn look(&mut self, key: &PublicKey, (server, client): (PeerId, PeerId), ticket: &SignedTicket) {
        let body = &ticket.body;
        let between = body.server_id() == server && body.client_id() == client;
        let signed = self.good.contains(&body.id) || ticket.is_by(key);
        if signed {
            self.good.insert(body.id);
        }
        self.verdict.expect(between && signed, || {
            format!("{server} is to serve {client}: for them {between}, signed {signed}")
        });
    }
}

#[cfg(test)]
mod tests {
    use runnel_protocol::ids::{ContentId, KeyId};
    use runnel_protocol::signature::{Signature, Signed};
    use runnel_protocol::signing::KeyPair;
    use runnel_protocol::ticket::Ticket;
    use runnel_protocol::units::{BitsPerSecond, UnixSeconds};

    use super::*;

    const SERVER: PublicKey = PublicKey([1; 32]);
    const CLIENT: PublicKey = PublicKey([2; 32]);

    fn ticket() -> Ticket {
        Ticket {
            id: TicketId([3; 16]),
            server: SERVER,
            client: CLIENT,
            content: ContentId([4; 16]),
            tracks: Vec::new(),
            page: None,
            rate: BitsPerSecond(1),
            bytes: 1,
            policy_version: 1,
            establish_before: UnixSeconds(1),
            not_after: UnixSeconds(1),
        }
    }

    #[test]
    fn a_ticket_without_signature_is_seen_and_so_is_one_for_others() {
        let key = KeyPair::from_seed(&[5; 32]);
        let (server, client) = (PeerId::of(&SERVER), PeerId::of(&CLIENT));
        let mut tickets = Tickets::default();
        let mut violations = |pair, ticket: &SignedTicket| {
            tickets.look(&key.public(), pair, ticket);
            tickets.verdict.violations
        };
        let blank = Signed {
            body: ticket(),
            key: KeyId::of(&key.public()),
            signature: Signature([0; 64]),
        };
        assert_eq!(violations((server, client), &blank), 1);
        let signed = key.sign(ticket());
        assert_eq!(violations((server, client), &signed), 1);
        assert_eq!(violations((client, server), &signed), 2);
    }
}
