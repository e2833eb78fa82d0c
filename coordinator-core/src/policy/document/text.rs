//! What may stand in a document, as TOML has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::{Spanned, Value as Toml};

use crate::policy::set::{Denies, Kind, Strictness};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) name: Spanned<String>,
    pub(super) kind: Kind,
    pub(super) rank: Option<Spanned<u16>>,
    pub(super) strictness: Option<Strictness>,
    pub(super) zone: Option<Spanned<String>>,
    pub(super) contents: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) deny: Vec<Spanned<Deny>>,
    #[serde(default)]
    pub(super) prefer: Vec<Prefer>,
    #[serde(default)]
    pub(super) start: Vec<StartRule>,
    #[serde(default)]
    pub(super) delay: Vec<DelayRule>,
    #[serde(default)]
    pub(super) rendition: Vec<RenditionRule>,
    #[serde(default)]
    pub(super) priority: Vec<Prefer>,
    #[serde(default)]
    pub(super) link: Vec<Spanned<LinkText>>,
    #[serde(default)]
    pub(super) test: Vec<Spanned<Test>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deny {
    pub(super) what: Spanned<Denies>,
    pub(super) when: Spanned<String>,
    pub(super) say: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prefer {
    pub(super) score: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRule {
    pub(super) wait_ms: Spanned<u16>,
    pub(super) when: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DelayRule {
    pub(super) behind_s: Spanned<u64>,
    pub(super) when: Spanned<String>,
    pub(super) say: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenditionRule {
    pub(super) max_kbps: Spanned<u64>,
    pub(super) when: Spanned<String>,
    pub(super) say: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkText {
    pub(super) name: Spanned<String>,
    pub(super) when: Spanned<String>,
    pub(super) max_mbps: Option<Spanned<u64>>,
    pub(super) max_mean_mbps: Option<Spanned<u64>>,
    pub(super) mean_hours: Option<Spanned<u64>>,
    pub(super) max_gb_per_month: Option<Spanned<u64>>,
}

pub(super) type Known = BTreeMap<String, Spanned<Toml>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) name: String,
    #[serde(default)]
    pub(super) viewer: Known,
    #[serde(default)]
    pub(super) peer: Known,
    #[serde(default)]
    pub(super) link: Known,
    #[serde(default)]
    pub(super) content: Known,
    pub(super) at: Option<Spanned<String>>,
    pub(super) denied: Option<String>,
    #[serde(default)]
    pub(super) unsure: bool,
    #[serde(default)]
    pub(super) score: i64,
    #[serde(default)]
    pub(super) wait_ms: u16,
    #[serde(default)]
    pub(super) behind_s: u64,
    pub(super) max_kbps: Option<u64>,
    #[serde(default)]
    pub(super) priority: i64,
    #[serde(default)]
    pub(super) links: BTreeSet<String>,
}
