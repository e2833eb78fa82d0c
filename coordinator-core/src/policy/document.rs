//! A policy as it is written, in TOML: read, checked, and refused with the line and column.

mod cases;
mod links;
mod text;
mod viewers;

use core::fmt;
use core::ops::Range;
use std::collections::BTreeSet;
use std::sync::Arc;

use toml::Spanned;

use self::text::{Deny, Document};
use super::Wrong;
use super::calendar::Zone;
use super::expression::Expression;
use super::schema::Thing;
use super::set::{Denies, Policy, Rule, Ruling, Said, Strictness};
use super::typing::compile;
use super::value::Kind as Type;

/// Longest document, in bytes, and most rules, preferences or cases in it.
const MAX_DOCUMENT: usize = 64 * 1024;
const MAX_RULES: usize = 64;
/// Longest name, and longest words of a rule.
const MAX_NAME: usize = 64;
const MAX_WORDS: usize = 200;
/// The last rank, and the one of policies that name none.
const LAST_RANK: u16 = 1000;
const USUAL_RANK: u16 = 100;

/// What is wrong in a document, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line, from one.
    pub line: usize,
    /// The letter in the line, from one.
    pub column: usize,
    /// In words.
    pub words: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.words
        )
    }
}

/// Reads a policy.
///
/// # Errors
/// Everything that is wrong with it, in the order of the document.
pub fn read(text: &str) -> Result<Policy, Vec<Complaint>> {
    let mut reader = Reader {
        text,
        complaints: Vec::new(),
    };
    let policy = reader.document();
    let mut complaints = reader.complaints;
    complaints.sort_by_key(|one| (one.line, one.column));
    match policy {
        Some(policy) if complaints.is_empty() => Ok(policy),
        _ => Err(complaints),
    }
}

struct Reader<'a> {
    text: &'a str,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    fn complain(&mut self, at: usize, words: impl Into<String>) {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        self.complaints.push(Complaint {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            words: words.into(),
        });
    }

    fn document(&mut self) -> Option<Policy> {
        if self.text.len() > MAX_DOCUMENT {
            self.complain(0, format!("a policy has at most {MAX_DOCUMENT} bytes"));
            return None;
        }
        let document: Document = match toml::from_str(self.text) {
            Ok(document) => document,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.complain(at, error.message());
                return None;
            }
        };
        self.bounds(&document);
        let zone = document.zone.as_ref().and_then(|zone| self.zone(zone));
        let mut policy = Policy {
            name: document.name.get_ref().as_str().into(),
            kind: document.kind,
            rank: document.rank.map_or(USUAL_RANK, Spanned::into_inner),
            strictness: document.strictness.unwrap_or(Strictness::Hard),
            zone,
            contents: document
                .contents
                .map(|names| names.into_inner().into_iter().collect()),
            rules: Vec::new(),
            scores: Vec::new(),
            starts: Vec::new(),
            restrictions: Vec::new(),
            priorities: Vec::new(),
            links: Vec::new(),
            cases: Vec::new(),
        };
        let has_zone = document.zone.is_some();
        for deny in document.deny {
            let rule = self.rule(&policy, deny.into_inner(), has_zone);
            policy.rules.extend(rule);
        }
        for prefer in document.prefer {
            let score = self.condition(&prefer.score, Type::Number, has_zone);
            policy.scores.extend(score);
        }
        for start in document.start {
            let start = self.start(&start, has_zone);
            policy.starts.extend(start);
        }
        for delay in document.delay {
            let delay = self.delay(&policy, &delay);
            policy.restrictions.extend(delay);
        }
        for rendition in document.rendition {
            let rendition = self.rendition(&policy, &rendition);
            policy.restrictions.extend(rendition);
        }
        for priority in document.priority {
            let score = self.about_viewers(&priority.score, Type::Number, has_zone);
            policy.priorities.extend(score);
        }
        for link in document.link {
            let at = link.span().start;
            let link = self.link(at, &policy, link.into_inner());
            policy.links.extend(link);
        }
        for test in document.test {
            let at = test.span().start;
            let case = self.case(at, test.into_inner());
            policy.cases.extend(case);
        }
        Some(policy)
    }

    fn bounds(&mut self, document: &Document) {
        self.name(&document.name);
        if let Some(rank) = &document.rank
            && !(1..=LAST_RANK).contains(rank.get_ref())
        {
            let words = format!("a rank is 1 (most important) to {LAST_RANK}");
            self.complain(rank.span().start, words);
        }
        if let Some(names) = &document.contents
            && names.get_ref().is_empty()
        {
            let words = "this policy is about no content: leave “contents” out to mean all";
            self.complain(names.span().start, words);
        }
        let most = [
            document.deny.len(),
            document.prefer.len(),
            document.start.len(),
            document.delay.len(),
            document.rendition.len(),
            document.priority.len(),
            document.link.len(),
            document.test.len(),
        ];
        if most.into_iter().any(|count| count > MAX_RULES) {
            let words = format!("at most {MAX_RULES} of each kind: make it several policies");
            self.complain(0, words);
        }
        let (_cases, rules) = most.split_last().unwrap_or((&0, &[]));
        if rules.iter().all(|count| *count == 0) {
            let words = "this policy says nothing: add a [[deny]], a [[prefer]], a [[start]], a \
                         [[delay]], a [[rendition]], a [[priority]] or a [[link]]";
            self.complain(0, words);
        }
    }

    fn name(&mut self, name: &Spanned<String>) {
        let usable =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let text = name.get_ref();
        if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(usable) {
            let words = format!("a name is 1 to {MAX_NAME} of a to z, 0 to 9 and -");
            self.complain(name.span().start, words);
        }
    }

    fn zone(&mut self, name: &Spanned<String>) -> Option<Zone> {
        let zone = Zone::named(name.get_ref());
        zone.map_err(|words| self.complain(name.span().start, words))
            .ok()
    }

    fn rule(&mut self, policy: &Policy, deny: Deny, has_zone: bool) -> Option<Rule> {
        self.words(&deny.say);
        let denies = *deny.what.get_ref();
        let when = self.condition(&deny.when, Type::Truth, has_zone)?;
        let mut asked = BTreeSet::new();
        when.mentions(&mut asked);
        match denies {
            Denies::Pair => {}
            Denies::Peers | Denies::Playback => {
                if let Some(peer) = asked.iter().find(|one| one.is_of_pair()) {
                    let words = format!(
                        "this is about one viewer, whoever the other end is: {peer} can be asked \
                         for where what = \"pair\""
                    );
                    self.complain(deny.when.span().start, words);
                }
            }
        }
        let said = said(policy, when, deny.say.get_ref());
        Some(Rule { denies, said })
    }

    fn words(&mut self, say: &Spanned<String>) {
        let text = say.get_ref();
        if text.trim().is_empty() || text.len() > MAX_WORDS || text.contains(char::is_control) {
            let words = format!("say why in 1 to {MAX_WORDS} letters on one line: viewers read it");
            self.complain(say.span().start, words);
        }
    }

    fn condition(
        &mut self,
        text: &Spanned<String>,
        kind: Type,
        has_zone: bool,
    ) -> Option<Expression> {
        match compile(text.get_ref(), kind) {
            Ok(expression) => {
                let mut asked = BTreeSet::new();
                expression.mentions(&mut asked);
                let time = asked.iter().find(|one| one.thing == Thing::Time);
                if let Some(time) = time.filter(|_| !has_zone) {
                    let words = format!("{time} where? Add a line like zone = \"Europe/Berlin\"");
                    self.complain(text.span().start, words);
                }
                Some(expression)
            }
            Err(Wrong { at, words }) => {
                let at = self.place_of(text.get_ref(), text.span(), at);
                self.complain(at, words);
                None
            }
        }
    }

    /// Where a byte of a string's value stands in the document: exactly, unless it is written with
    /// escapes.
    fn place_of(&self, value: &str, span: Range<usize>, at: usize) -> usize {
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let verbatim = raw.find(value).filter(|_| !value.is_empty());
        span.start + verbatim.map_or(0, |start| start + at)
    }
}

/// A policy's condition with its words.
fn said(policy: &Policy, when: Expression, say: &str) -> Said {
    let ruling = |unsure| {
        Arc::new(Ruling {
            policy: Arc::clone(&policy.name),
            say: say.to_owned(),
            rank: policy.rank,
            strictness: policy.strictness,
            unsure,
        })
    };
    Said {
        when,
        holds: ruling(false),
        unsure: ruling(true),
    }
}

#[cfg(test)]
mod tests;
