//! By what right somebody joins: what a verified join token allows, and why one is refused (T3).
//!
//! Tokens are verified by the shell ([`Output::CheckToken`](crate::Output::CheckToken)); what
//! follows from a verdict is decided here.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use runnel_protocol::time::Timestamp;
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};

/// How long before its token expires a peer is asked for another one.
pub(crate) const ASK_AHEAD: Duration = Duration::from_secs(60);
/// How often it is asked until it has one: what fetches tokens may fail.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long after that date a session goes on, so that one slow answer of the provider ends
/// nobody's links.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// How long whoever came without a token may take to enrol as a waypoint.
pub(crate) const ENROL_WITHIN: Duration = Duration::from_secs(10);

/// A provider's key, as it is pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// Whose it is: the token's `iss`.
    pub provider: Arc<str>,
    /// Which one: the token's `kid`.
    pub id: Arc<str>,
}

/// The contents that a token names: by their text, or by how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// The one registered under this text.
    Exactly(String),
    /// All whose text begins like this.
    Prefix(String),
}

impl Allowed {
    /// As a token writes it: `film`, `series/*`, or `*` for everything of the provider.
    pub fn read(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exactly(text.to_owned()),
        }
    }

    fn covers(&self, name: &str) -> bool {
        match self {
            Self::Exactly(text) => name == text,
            Self::Prefix(prefix) => name.starts_with(prefix),
        }
    }
}

/// What the provider says of a viewer, for policies to ask about (Y1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Whose it is.
    pub account: Option<String>,
    /// What was paid for.
    pub plan: Option<String>,
    /// Years.
    pub age: Option<u8>,
    /// Groups that it belongs to, besides those that the operator's table names.
    pub groups: Vec<String>,
}

/// What a verified join token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The key that signed it.
    pub key: KeyName,
    /// The contents of that provider which it is good for.
    pub contents: Vec<Allowed>,
    /// Void from then on.
    pub expires: UnixSeconds,
    /// Most that the bearer may send to others.
    pub uplink: Option<BitsPerSecond>,
    /// What is said of the bearer.
    pub attributes: Attributes,
}

impl Pass {
    /// A provider vouches for its own contents alone.
    pub(crate) fn covers(&self, name: &str, provider: &str) -> bool {
        *self.key.provider == *provider && self.contents.iter().any(|one| one.covers(name))
    }

    fn end(&self) -> Timestamp {
        Timestamp::from_micros(self.expires.0.saturating_mul(1_000_000))
    }

    /// When the session ends that has no other by then.
    pub(crate) fn session_ends(&self) -> Timestamp {
        self.end() + GRACE
    }

    /// When its bearer is first asked for another one.
    pub(crate) fn ask_at(&self) -> Timestamp {
        let ahead = u64::try_from(ASK_AHEAD.as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_micros(self.end().as_micros().saturating_sub(ahead))
    }
}

/// A peer's standing at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) pass: Pass,
    /// Why the latest renewal was of no use.
    pub(crate) refused: Option<TokenRefusal>,
}

impl Held {
    pub(crate) const fn new(pass: Pass) -> Self {
        Self {
            pass,
            refused: None,
        }
    }
}

/// What the shell found out about somebody's right to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No token is asked for here.
    Free,
    /// There is none: whoever enrols as a waypoint needs none.
    Missing,
    /// A good one.
    Pass(Box<Pass>),
    /// One that is of no use.
    Refused(TokenRefusal),
}

/// Why somebody may not join, or not open a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenRefusal {
    /// A token is required and there is none.
    Missing,
    /// No provider's keys are configured.
    NoKeys,
    /// It is no JWT, or a claim is missing or of the wrong form.
    Malformed(&'static str),
    /// The header's `alg` is not that of the key.
    Algorithm,
    /// No such key is pinned.
    UnknownKey,
    /// The signature is not that key's.
    Signature,
    /// Its time has passed.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is good for longer than tokens may be.
    LivesTooLong,
    /// It is bound to another session's key.
    OtherKey,
    /// It is bound to no key.
    Unbound,
    /// It, or its provider, is not for pages of this site.
    Origin,
    /// It is not good for this content.
    Content,
    /// Its key was withdrawn.
    Withdrawn,
}

impl TokenRefusal {
    /// The names under which refusals are counted.
    pub const NAMES: [&str; 14] = [
        "missing",
        "no_keys",
        "malformed",
        "algorithm",
        "unknown_key",
        "signature",
        "expired",
        "not_yet_valid",
        "lives_too_long",
        "other_key",
        "unbound",
        "origin",
        "content",
        "withdrawn",
    ];

    /// Its place in [`Self::NAMES`].
    pub const fn place(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::NoKeys => 1,
            Self::Malformed(_) => 2,
            Self::Algorithm => 3,
            Self::UnknownKey => 4,
            Self::Signature => 5,
            Self::Expired => 6,
            Self::NotYetValid => 7,
            Self::LivesTooLong => 8,
            Self::OtherKey => 9,
            Self::Unbound => 10,
            Self::Origin => 11,
            Self::Content => 12,
            Self::Withdrawn => 13,
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "a join token is required: give the page's option `token`, or the agent's \
                 --token-file, what the provider mints"
            }
            Self::NoKeys => {
                "only this machine may join as long as no provider's key is known: add one with \
                 `runnel-coordinator provider add`"
            }
            Self::Malformed(what) => return write!(f, "the join token is malformed: {what}"),
            Self::Algorithm => {
                "the join token's `alg` is not that of the provider's key: sign with EdDSA or \
                 ES256, whichever the key is for"
            }
            Self::UnknownKey => {
                "the join token's `iss` and `kid` name no key that is known here: add it with \
                 `runnel-coordinator provider add`"
            }
            Self::Signature => "the join token's signature is wrong",
            Self::Expired => "the join token has expired: mint a new one",
            Self::NotYetValid => {
                "the join token is not valid yet: compare the clock of whoever mints it with the \
                 coordinator's"
            }
            Self::LivesTooLong => {
                "the join token is valid for more than ten minutes: mint shorter ones"
            }
            Self::OtherKey => {
                "the join token is bound to another key: mint one for the `jkt` of this very \
                 session"
            }
            Self::Unbound => {
                "the join token is bound to no key: mint it with `cnf`, for the `jkt` that the \
                 page's option `token` is called with"
            }
            Self::Origin => "the join token is not for pages of this site",
            Self::Content => "the join token does not cover this content",
            Self::Withdrawn => "the provider's key was withdrawn: sign with one that is in use",
        })
    }
}

/// Refusals since the start, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TokenRefusals([u64; TokenRefusal::NAMES.len()]);

impl TokenRefusals {
    pub(crate) fn count(&mut self, refusal: TokenRefusal) {
        if let Some(count) = self.0.get_mut(refusal.place()) {
            *count += 1;
        }
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        TokenRefusal::NAMES.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_what_it_names_of_its_own_provider() {
        let pass = Pass {
            key: KeyName {
                provider: "demo".into(),
                id: "one".into(),
            },
            contents: ["film", "series/*"].map(Allowed::read).to_vec(),
            expires: UnixSeconds(1000),
            uplink: None,
            attributes: Attributes::default(),
        };
        for (name, provider, covered) in [
            ("film", "demo", true),
            ("film-2", "demo", false),
            ("series/1", "demo", true),
            ("series", "demo", false),
            ("film", "other", false),
            ("film", "", false),
        ] {
            assert_eq!(pass.covers(name, provider), covered, "{name} of {provider}");
        }
        assert_eq!(Allowed::read("*"), Allowed::Prefix(String::new()));
    }

    #[test]
    fn each_reason_has_a_place_and_words_of_its_own() {
        let all = [
            TokenRefusal::Missing,
            TokenRefusal::NoKeys,
            TokenRefusal::Malformed("no `exp`"),
            TokenRefusal::Algorithm,
            TokenRefusal::UnknownKey,
            TokenRefusal::Signature,
            TokenRefusal::Expired,
            TokenRefusal::NotYetValid,
            TokenRefusal::LivesTooLong,
            TokenRefusal::OtherKey,
            TokenRefusal::Unbound,
            TokenRefusal::Origin,
            TokenRefusal::Content,
            TokenRefusal::Withdrawn,
        ];
        let mut counts = TokenRefusals::default();
        all.into_iter().for_each(|one| counts.count(one));
        assert!(counts.iter().all(|(_, count)| count == 1));
        let words: std::collections::BTreeSet<String> =
            all.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), all.len());
    }
}
