//! A condition that makes sense: typed, and evaluated over what is known.
//!
//! The answer may be that nothing is known: `false && unknown` is false and `true || unknown` is
//! true, as CEL has it for errors, and whatever else an unknown part decides is unknown.

use core::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::schema::{Attribute, Thing};
use super::value::{Facts, Kind, Value};

/// What a condition is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) viewer: &'a Facts,
    pub(super) peer: &'a Facts,
    pub(super) link: &'a Facts,
    pub(super) content: &'a Facts,
    pub(super) time: &'a Facts,
}

impl<'a> Case<'a> {
    fn get(&self, attribute: Attribute) -> Option<&'a Value> {
        let facts = match attribute.thing {
            Thing::Viewer => self.viewer,
            Thing::Peer => self.peer,
            Thing::Link => self.link,
            Thing::Content => self.content,
            Thing::Time => self.time,
        };
        facts.get(attribute.place)
    }
}

/// How two values of one type are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// What two numbers make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    Plus,
    Minus,
    Times,
}

/// What is asked of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    Start,
    End,
    Anywhere,
}

/// A part of a condition whose types fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Literal(Value),
    Attribute(Attribute),
    Known(Attribute),
    Not(Box<Self>),
    And(Box<[Self; 2]>),
    Or(Box<[Self; 2]>),
    Compare(Comparison, Box<[Self; 2]>),
    /// Whether a value is one of these literals.
    OneOf(Box<Self>, BTreeSet<Value>),
    /// Whether a text is in a set of texts.
    In(Box<[Self; 2]>),
    Negative(Box<Self>),
    Sum(Sum, Box<[Self; 2]>),
    Search(Search, Box<[Self; 2]>),
    Choice(Box<[Self; 3]>),
}

impl Expression {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Literal(value) => value.kind(),
            Self::Attribute(attribute) => attribute.entry().kind,
            Self::Known(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare(..)
            | Self::OneOf(..)
            | Self::In(_)
            | Self::Search(..) => Kind::Truth,
            Self::Negative(_) | Self::Sum(..) => Kind::Number,
            Self::Choice(parts) => parts[1].kind(),
        }
    }

    /// The attributes that it asks for.
    pub(super) fn mentions(&self, found: &mut BTreeSet<Attribute>) {
        let parts: &[Self] = match self {
            Self::Literal(_) => &[],
            Self::Attribute(attribute) | Self::Known(attribute) => {
                found.insert(*attribute);
                &[]
            }
            Self::Not(part) | Self::OneOf(part, _) | Self::Negative(part) => {
                core::slice::from_ref(part)
            }
            Self::And(parts)
            | Self::Or(parts)
            | Self::Compare(_, parts)
            | Self::In(parts)
            | Self::Sum(_, parts)
            | Self::Search(_, parts) => &**parts,
            Self::Choice(parts) => &**parts,
        };
        parts.iter().for_each(|part| part.mentions(found));
    }

    /// Its value; `None` where too little is known.
    pub(super) fn value(&self, case: &Case<'_>) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Attribute(attribute) => case.get(*attribute).cloned(),
            Self::Negative(part) => Some(Value::Number(part.number(case)?.checked_neg()?)),
            Self::Sum(sum, parts) => {
                let [one, other] = [parts[0].number(case)?, parts[1].number(case)?];
                let result = match sum {
                    Sum::Plus => one.checked_add(other),
                    Sum::Minus => one.checked_sub(other),
                    Sum::Times => one.checked_mul(other),
                };
                result.map(Value::Number)
            }
            Self::Choice(parts) => match parts[0].truth(case)? {
                true => parts[1].value(case),
                false => parts[2].value(case),
            },
            Self::Known(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare(..)
            | Self::OneOf(..)
            | Self::In(_)
            | Self::Search(..) => self.truth(case).map(Value::Truth),
        }
    }

    /// Whether it holds; `None` where too little is known.
    pub(super) fn truth(&self, case: &Case<'_>) -> Option<bool> {
        match self {
            Self::Known(attribute) => Some(case.get(*attribute).is_some()),
            Self::Not(part) => part.truth(case).map(|holds| !holds),
            Self::And(parts) => one_decides(false, parts, case),
            Self::Or(parts) => one_decides(true, parts, case),
            Self::Compare(comparison, parts) => {
                let [one, other] = [parts[0].value(case)?, parts[1].value(case)?];
                Some(comparison.holds(one.cmp(&other)))
            }
            Self::OneOf(part, literals) => Some(literals.contains(&part.value(case)?)),
            Self::In(parts) => match (parts[0].value(case)?, parts[1].value(case)?) {
                (Value::Text(text), Value::Texts(texts)) => Some(texts.contains(&text)),
                _ => None,
            },
            Self::Search(search, parts) => {
                let [text, part] = [parts[0].text(case)?, parts[1].text(case)?];
                Some(match search {
                    Search::Start => text.starts_with(&*part),
                    Search::End => text.ends_with(&*part),
                    Search::Anywhere => text.contains(&*part),
                })
            }
            Self::Literal(_)
            | Self::Attribute(_)
            | Self::Choice(_)
            | Self::Negative(_)
            | Self::Sum(..) => match self.value(case)? {
                Value::Truth(holds) => Some(holds),
                Value::Number(_) | Value::Text(_) | Value::Texts(_) => None,
            },
        }
    }

    /// Its value as a number.
    pub(super) fn number(&self, case: &Case<'_>) -> Option<i64> {
        match self.value(case)? {
            Value::Number(number) => Some(number),
            Value::Truth(_) | Value::Text(_) | Value::Texts(_) => None,
        }
    }

    fn text(&self, case: &Case<'_>) -> Option<Arc<str>> {
        match self.value(case)? {
            Value::Text(text) => Some(text),
            Value::Truth(_) | Value::Number(_) | Value::Texts(_) => None,
        }
    }
}

/// Of two parts one that says `so` decides, whatever the other one is.
fn one_decides(so: bool, parts: &[Expression; 2], case: &Case<'_>) -> Option<bool> {
    let one = parts[0].truth(case);
    if one == Some(so) {
        return one;
    }
    let other = parts[1].truth(case);
    if other == Some(so) {
        return other;
    }
    one.and(other)
}
