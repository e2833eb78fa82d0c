//! The operator's keys: made at the first start, kept in the store, never logged.

use runnel_coordinator_core::{SignedStatement, Unsigned};
use runnel_protocol::signing::KeyPair;

use crate::store::{Store, StoreError};

/// The root key certifies stream keys, the ticket key signs tickets and origin grants.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) root: KeyPair,
    pub(crate) ticket: KeyPair,
}

impl Keys {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            root: KeyPair::from_seed(&store.key_seed("root")?),
            ticket: KeyPair::from_seed(&store.key_seed("ticket")?),
        })
    }

    pub(crate) fn sign(&self, statement: Unsigned) -> SignedStatement {
        match statement {
            Unsigned::Ticket(ticket) => SignedStatement::Ticket(self.ticket.sign(ticket)),
            Unsigned::Grant(grant) => SignedStatement::Grant(self.ticket.sign(grant)),
            Unsigned::Certificate(body) => SignedStatement::Certificate(self.root.sign(body)),
        }
    }
}
