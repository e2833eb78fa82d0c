//! What attributes are worth, and what is known of one thing: a row of values, some unknown.

use core::fmt;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The type of an attribute or of a part of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `true` or `false`.
    Truth,
    /// A whole number.
    Number,
    /// Text.
    Text,
    /// A set of texts.
    Texts,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truth => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Texts => "a list of texts",
        })
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `true` or `false`.
    Truth(bool),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(Arc<str>),
    /// A set of texts.
    Texts(Arc<BTreeSet<Arc<str>>>),
}

impl Value {
    /// Its type.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Truth(_) => Kind::Truth,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
            Self::Texts(_) => Kind::Texts,
        }
    }

    /// Text as a value.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// Texts as a value.
    pub fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts = texts.into_iter().map(|text| text.as_ref().into());
        Self::Texts(Arc::new(texts.collect()))
    }
}

impl Value {
    /// A value of this type as it is written on a command line; a list has commas.
    pub(super) fn from_words(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Truth => text.parse().ok().map(Self::Truth),
            Kind::Number => text.parse().ok().map(Self::Number),
            Kind::Text => Some(Self::text(text)),
            Kind::Texts => {
                let texts = text.split(',').map(str::trim);
                Some(Self::texts(texts.filter(|one| !one.is_empty())))
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|one| format!("{one:?}")).collect();
                write!(f, "[{}]", texts.join(", "))
            }
        }
    }
}

/// What is known of one thing, by the place of each attribute in its table of the
/// [`schema`](super::schema).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Facts(Box<[Option<Value>]>);

impl Facts {
    /// Nothing is known of any of `count` attributes.
    pub(super) fn unknown(count: usize) -> Self {
        Self(vec![None; count].into())
    }

    /// One attribute; `None` where it is not known.
    pub(super) fn get(&self, place: usize) -> Option<&Value> {
        self.0.get(place)?.as_ref()
    }

    pub(super) fn set(&mut self, place: usize, value: Option<Value>) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = value;
        }
    }

    /// The same, where only what stands in `places` is known.
    pub(super) fn only(&self, places: &BTreeSet<usize>) -> Self {
        let mut few = Self::unknown(self.0.len());
        for place in places {
            few.set(*place, self.get(*place).cloned());
        }
        few
    }
}
