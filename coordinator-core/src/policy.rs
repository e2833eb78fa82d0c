//! Policies: what networks, providers and viewers forbid or prefer, and how they are asked.
//!
//! A policy is a TOML document (`document`) whose conditions are written in CEL (`syntax`,
//! `typing`, `expression`) over declared attributes (`schema`). What is loaded makes a
//! [`PolicySet`]; a [`Judge`] asks it about pairs. A condition is evaluated once for each *class*
//! of peers, that is for all of whom those attributes are the same that some policy asks for.
//!
//! A policy declares *links* as well (`link`): which pairs' transfers run over one is a condition, and
//! what may run over it is up to [`crate::links`]. What it says of a viewer whoever feeds it is its
//! `treatment`.
//!
//! Nothing here reads a clock or a file: `now` is an argument, and time zones are compiled in.

mod calendar;
mod cases;
mod document;
mod expression;
mod judge;
mod link;
mod remark;
pub mod schema;
mod set;
mod syntax;
mod treatment;
mod typing;
mod value;

pub use calendar::{Month, Zone, moment};
pub use cases::Case;
pub use document::{Complaint, read};
pub use judge::{Described, Judge};
pub(crate) use link::{Limits, Link, MAX_PLACES, Span};
pub use link::{LinkSet, LinkTerms};
pub use remark::{Explanation, InWords, Outcome, Remark, Situation};
pub use set::{Denies, Kind, Policy, PolicySet, Ruling, SetError, Strictness, Verdict};
pub use treatment::Treatment;
pub use value::{Facts, Value};

/// What is wrong in a condition, and where, in bytes from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    at: usize,
    words: String,
}

impl Wrong {
    fn new(at: usize, words: impl Into<String>) -> Self {
        Self {
            at,
            words: words.into(),
        }
    }
}
