//! What goes into the control center and what comes out: side effects are values, and a failed
//! one returns as an input.

use core::net::{IpAddr, SocketAddr};

use runnel_protocol::control::{FromCoordinator, OriginGrant, ToCoordinator};
use runnel_protocol::ids::{CertificateHash, ContentId, PageOrigin, PeerId, PublicKey};
use runnel_protocol::manifest::StreamKeyCertificate;
use runnel_protocol::signature::{Signature, Signed};
use runnel_protocol::ticket::{SignedTicket, Ticket};

use crate::content::Content;
use crate::groups::{GroupEdit, GroupTerms};
use crate::history::{Past, Profile, Remembered};
use crate::links::LinkUse;
use crate::place::Feeds;
use crate::policy::PolicySet;
use crate::token::{KeyName, Verdict};
use crate::transfer::Transfer;
use crate::trial::{TrialId, TrialReport};

/// One connection of a peer, named by the shell; a name is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What a connection tells of whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whence {
    /// Where it comes from, as the socket sees it.
    pub address: IpAddr,
    /// The page that opened it, where one did.
    pub page: Option<PageOrigin>,
}

impl From<IpAddr> for Whence {
    /// No page.
    fn from(address: IpAddr) -> Self {
        let page = None;
        Self { address, page }
    }
}

/// What happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection stands; nothing is known of the peer but where it comes from.
    SessionOpened {
        /// Its name.
        session: SessionId,
        /// The other end.
        from: Whence,
    },
    /// A connection is gone, whoever ended it.
    SessionClosed(SessionId),
    /// A message, decoded and within its bounds.
    Received {
        /// From whom.
        session: SessionId,
        /// What.
        message: ToCoordinator,
    },
    /// The verdict on [`Output::CheckSignature`].
    SignatureChecked {
        /// Of which session.
        session: SessionId,
        /// Whether the signature is good.
        valid: bool,
    },
    /// The verdict on [`Output::CheckToken`].
    TokenChecked {
        /// Of which session.
        session: SessionId,
        /// By what right its peer joins.
        verdict: Verdict,
    },
    /// The outcome of [`Output::Probe`].
    Probed {
        /// Whose addresses were tested.
        session: SessionId,
        /// At which of them a handshake succeeded and showed one of the certificates.
        reached: Vec<SocketAddr>,
    },
    /// An enrolled waypoint: from the store at start, or in answer to [`Output::RedeemCode`].
    WaypointEnrolled {
        /// Who.
        peer: PeerId,
        /// What it may attest.
        contents: Vec<ContentId>,
    },
    /// A one-time code was wrong, used or expired.
    CodeRefused(SessionId),
    /// A statement that [`Output::Sign`] asked for, or a certificate from the store.
    Signed(SignedStatement),
    /// The operator offers this content, or changed it.
    ContentRegistered(Content),
    /// The operator no longer does.
    ContentRemoved(ContentId),
    /// These policies are in force from now on, in place of all others.
    Policies(PolicySet),
    /// What the operator's files say of addresses from now on, in place of all that they said.
    Feeds(Feeds),
    /// Find out what would change if these policies were in force: nothing does. The answer is
    /// [`Output::Tried`].
    Try {
        /// What the trial is called.
        id: TrialId,
        /// All of them.
        set: PolicySet,
    },
    /// The providers' keys that are known from now on, in place of all others.
    TrustedKeys(Vec<KeyName>),
    /// What ran over links before: from the store at start, ahead of the policies.
    LinksUsed(Vec<LinkUse>),
    /// What kinds of peers were like before: from the store at start.
    Profiles(Vec<Profile>),
    /// The answer to [`Output::Recall`].
    Recalled {
        /// Of whom.
        peer: PeerId,
        /// What is kept of it.
        past: Past,
    },
    /// What the operator says of groups; from the store at start as well.
    Group(GroupEdit),
    /// Forget what a peer has done: it, or the operator, asks for it.
    Forget(PeerId),
    /// The server goes down in order.
    Drain,
}

/// What the shell has to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a message.
    Send {
        /// To whom.
        session: SessionId,
        /// What.
        message: FromCoordinator,
    },
    /// End a session once what was sent before has gone out.
    Close {
        /// Which one.
        session: SessionId,
        /// Why.
        cause: CloseCause,
    },
    /// Check a signature and answer with [`Input::SignatureChecked`].
    CheckSignature {
        /// For which session.
        session: SessionId,
        /// Whose key.
        key: PublicKey,
        /// What was signed.
        message: Vec<u8>,
        /// The signature.
        signature: Signature,
    },
    /// Find out by what right a peer joins and answer with [`Input::TokenChecked`]. Asked only where
    /// [`Config::tokens`](crate::Config::tokens) says so, and for renewals.
    CheckToken {
        /// For which session.
        session: SessionId,
        /// The peer's key, to which a token is bound.
        key: PublicKey,
        /// The token, never to be logged.
        token: Option<String>,
    },
    /// Connect to each of these addresses, from outside the peer's network, and answer with
    /// [`Input::Probed`] within seconds, whatever comes of it.
    Probe {
        /// For which session.
        session: SessionId,
        /// Where: at most four.
        endpoints: Vec<SocketAddr>,
        /// The certificates to be shown there; any other is somebody else's.
        certificates: Vec<CertificateHash>,
    },
    /// Use up a one-time code; answer with [`Input::WaypointEnrolled`] or [`Input::CodeRefused`].
    RedeemCode {
        /// Who presented it, on which session.
        session: SessionId,
        /// The peer that is to be enrolled.
        peer: PeerId,
        /// The code, never to be logged.
        code: String,
    },
    /// Sign this and answer with [`Input::Signed`].
    Sign(Unsigned),
    /// Keep this record.
    Transferred(Box<Transfer>),
    /// What came of [`Input::Try`]; `None` where too many are under way.
    Tried {
        /// Which one.
        id: TrialId,
        /// What would change.
        report: Option<Box<TrialReport>>,
    },
    /// Find what is kept of a peer and answer with [`Input::Recalled`]; there is no hurry, and no
    /// answer where nothing is kept. What was told before with [`Self::Remember`] has to be in it.
    Recall(PeerId),
    /// Add this to what is kept of a peer and of its profile.
    Remember(Box<Remembered>),
    /// Keep a group, in place of what was kept of it before.
    KeepGroup(Box<GroupTerms>),
    /// Forget the group that is listed as this.
    ForgetGroup(String),
    /// Add this to what is kept of links: told every ten seconds.
    LinksUsed(Vec<LinkUse>),
}

/// A statement that waits for the operator's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsigned {
    /// With a ticket key.
    Ticket(Ticket),
    /// With a ticket key.
    Grant(OriginGrant),
    /// With the root key.
    Certificate(StreamKeyCertificate),
}

/// A statement with the operator's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedStatement {
    /// A pairing ticket.
    Ticket(SignedTicket),
    /// What a waypoint fetches.
    Grant(Signed<OriginGrant>),
    /// A waypoint's stream key.
    Certificate(Signed<StreamKeyCertificate>),
}

/// Why a session is ended by the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCause {
    /// More arrive than are admitted; come back later.
    Busy,
    /// The key is not proven.
    Unproven,
    /// No join token allows it, or none does any more.
    Unauthorised,
    /// A message that does not belong there.
    OutOfOrder,
    /// The same peer came back on another connection.
    Replaced,
    /// The peer said goodbye.
    Left,
    /// The server goes down.
    Draining,
}
