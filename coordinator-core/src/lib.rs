//! The control center as a pure state machine: who feeds whom, and why.
//!
//! [`ControlCenter`] owns everything and routes. The way of a decision: a message is observed
//! (`view`, `delivery`), a tick finds what is dirty, `candidates` gathers feasible parents and
//! prunes them by the named `rules`, `assign` chooses (pure), `delivery` reserves the uplink and
//! keeps the reasons, `announce` tells the peers. Failures come in through `repair`.
//!
//! Nothing here reads a clock, entropy or a socket; signatures are made and checked by the shell.
//! Every table has a stated bound: sessions and contents by [`Config`], the rest per session.

mod acquaintances;
mod admission;
mod announce;
mod assign;
mod blacklist;
pub mod bounds;
mod candidates;
mod capacity;
mod center;
mod clock;
mod conduct;
mod config;
mod congestion;
mod content;
mod delivery;
mod described;
mod directory;
mod eject;
mod explain;
mod family;
mod groups;
mod history;
mod io;
mod kind;
mod ladder;
mod law;
mod links;
mod member;
mod monitor;
mod partners;
mod place;
pub mod policy;
mod preempt;
mod probing;
mod random;
mod rate;
mod reach;
mod record;
mod recruit;
mod repair;
mod rules;
mod sessions;
mod steady;
mod summary;
mod supply;
mod table;
mod tenants;
mod tickets;
mod token;
mod transfer;
mod trees;
mod trial;
mod view;
mod vouching;
mod wanting;
mod waypoints;
mod wheel;
mod world;

pub use center::ControlCenter;
pub use clock::Reason;
pub use config::Config;
pub use content::Content;
pub use groups::{Admits, GroupEdit, GroupError, GroupTerms, Invite};
pub use history::{Figures, LOSS_BUCKETS, Past, Profile, ProfileName, Remembered};
pub use io::{CloseCause, Input, Output, SessionId, SignedStatement, Unsigned, Whence};
pub use links::{LinkSummary, LinkUse};
pub use monitor::{EdgeSummary, NetworkSummary};
pub use place::{
    Cost, Country, Feeds, Hints, NetworkEntry, NetworkTable, Prefixes, Relations, Sharing,
    SiteEntry, Source, Tags, Tie, site_of,
};
pub use policy::PolicySet;
pub use record::Machine;
pub use steady::{Cause, Reassignments};
pub use summary::{
    ContentSummary, Event, Exclusion, FeedSummary, MemberSummary, PairExplanation, PeerExplanation,
    PeerSummary, PolicyExplanation, Received, Totals,
};
pub use tenants::TenantSummary;
pub use token::{Allowed, Attributes, KeyName, Pass, TokenRefusal, TokenRefusals, Verdict};
pub use transfer::Transfer;
pub use trial::{LinkTrial, RuleTrial, TrialId, TrialReport};
