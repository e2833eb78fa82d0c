//! `[[test]]`: a case, with what is known in it and what is to come of it.

use core::time::Duration;

use runnel_protocol::units::BitsPerSecond;
use toml::Value as Toml;

use super::Reader;
use super::text::{Known, Test};
use crate::policy::calendar::moment;
use crate::policy::cases::Case;
use crate::policy::schema::{Attribute, ContentField, LinkField, PeerField, Thing};
use crate::policy::value::{Facts, Value};

/// When a case takes place that says nothing of it.
const ANY_TIME: &str = "2026-01-01T12:00:00Z";

impl Reader<'_> {
    pub(super) fn case(&mut self, start: usize, test: Test) -> Option<Case> {
        let before = self.complaints.len();
        let viewer = self.facts(Thing::Viewer, PeerField::unknown(), test.viewer);
        let peer = self.facts(Thing::Peer, PeerField::unknown(), test.peer);
        let link = self.facts(Thing::Link, LinkField::unknown(), test.link);
        let content = self.facts(Thing::Content, ContentField::unknown(), test.content);
        let at = match &test.at {
            Some(at) => moment(at.get_ref()).or_else(|| {
                let words = "write a moment like \"2026-07-01T18:30:00Z\"";
                self.complain(at.span().start, words);
                None
            }),
            None => moment(ANY_TIME),
        };
        if self.complaints.len() > before {
            return None;
        }
        let line = self.text[..start].matches('\n').count() + 1;
        Some(Case {
            name: test.name,
            line,
            column: 1,
            viewer,
            peer,
            link,
            content,
            at: at?,
            denied: test.denied,
            unsure: test.unsure,
            score: test.score,
            wait: Duration::from_millis(test.wait_ms.into()),
            behind: Duration::from_secs(test.behind_s),
            max_rate: test.max_kbps.map(BitsPerSecond::from_kilobits),
            priority: test.priority,
            links: test.links,
        })
    }

    fn facts(&mut self, thing: Thing, mut facts: Facts, known: Known) -> Facts {
        for (name, value) in known {
            let at = value.span().start;
            match Attribute::find(thing.name(), &name) {
                Ok(attribute) => {
                    let kind = attribute.entry().kind;
                    let value = fact(value.into_inner()).filter(|value| value.kind() == kind);
                    if value.is_none() {
                        self.complain(at, format!("{attribute} is {kind}"));
                    }
                    facts.set(attribute.place, value);
                }
                Err(words) => self.complain(at, words),
            }
        }
        facts
    }
}

fn fact(value: Toml) -> Option<Value> {
    match value {
        Toml::Boolean(truth) => Some(Value::Truth(truth)),
        Toml::Integer(number) => Some(Value::Number(number)),
        Toml::String(text) => Some(Value::text(&text)),
        Toml::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(Toml::as_str).collect();
            texts.map(Value::texts)
        }
        Toml::Float(_) | Toml::Datetime(_) | Toml::Table(_) => None,
    }
}
