//! The attributes that conditions may ask for: the one place that names them, with their types.

use super::value::{Facts, Kind, Value};

/// Declares the attributes of one thing: a field for each, its name, type and meaning.
macro_rules! attributes {
    ($(#[$outer:meta])* $fields:ident { $($field:ident $name:literal $kind:ident $words:literal)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $fields {
            $(#[doc = $words] $field,)*
        }

        impl $fields {
            /// All of them, in the order of the table.
            pub const TABLE: &[Entry] = &[$(Entry {
                name: $name,
                kind: Kind::$kind,
                words: $words,
            },)*];

            /// Nothing known of any of them.
            pub fn unknown() -> Facts {
                Facts::unknown(Self::TABLE.len())
            }

            /// Notes what is known of this one.
            pub fn set(self, facts: &mut Facts, value: Value) {
                debug_assert_eq!(value.kind(), Self::TABLE[self as usize].kind);
                facts.set(self as usize, Some(value));
            }
        }
    };
}

/// One line of a table of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// How conditions call it, after the thing's name and a dot.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it means and where it comes from.
    pub words: &'static str,
}

attributes! {
    /// What may be known of a viewer (the end that receives) and of a peer (the end that feeds it).
    PeerField {
        Type "type" Text "`regular` (an agent), `lightweight` (a page) or `waypoint`; as tested"
        Platform "platform" Text "`browser` or `native`; as the client says"
        Site "site" Text "the name of its site in the operator's feed, else its /24 or /48; as the socket sees its address"
        Network "network" Text "the name of its network; by the operator's `[[network]]`"
        Region "region" Text "its region; by the operator's `[[network]]`"
        Country "country" Text "two letters, like `DE`; by the operator's `[[network]]`, else by its feed"
        Asn "asn" Number "the number of its autonomous system; by the operator's `[[network]]`, else by its feed"
        Groups "groups" Texts "groups that it belongs to, none where nobody says so; by the operator's `[[network]]` and sites, groups that neither names by the join token, and `@` with the name of an affinity group of the operator's"
        Account "account" Text "whose it is; by the join token"
        Plan "plan" Text "what was paid for, like `premium`; by the join token"
        Age "age" Number "years; by the join token"
        Connection "connection" Text "`wired`, `wifi` or `cellular`; as the client says"
    }
}

attributes! {
    /// What is known of the way from a peer to a viewer.
    LinkField {
        Relation "relation" Text "what the peer's autonomous system is to the viewer's: `same`, `customer`, `peer`, `provider`, `linked` (one does not know how), `transit` (one lies between) or `none`; by the operator's feeds"
        Peering "peering" Truth "whether the two systems peer; by the operator's feeds"
        Friends "friends" Truth "whether the two belong to an affinity group together"
        Cost "cost" Number "what it costs the viewer's provider, 0 to 255, 100 being the usual; by the operator's hints"
    }
}

attributes! {
    /// What is known of a content.
    ContentField {
        Name "name" Text "the text under which it is registered"
        Provider "provider" Text "whose it is"
    }
}

attributes! {
    /// The local time in the policy's `zone`.
    TimeField {
        Hour "hour" Number "0 to 23"
        Clock "clock" Text "hours and minutes, like `09:05`: compare it with `<` and `>=`"
        Weekday "weekday" Text "`monday` to `sunday`"
        Day "day" Number "of the month, 1 to 31"
        Month "month" Number "1 to 12"
        Date "date" Text "like `2026-07-01`: compare it with `<` and `>=`"
    }
}

/// The things that a condition may ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// The end that receives.
    Viewer,
    /// The end that feeds it.
    Peer,
    /// The way from that one to the viewer.
    Link,
    /// What is fed.
    Content,
    /// When.
    Time,
}

impl Thing {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Peer,
        Self::Link,
        Self::Content,
        Self::Time,
    ];

    /// Its name in conditions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Peer => "peer",
            Self::Link => "link",
            Self::Content => "content",
            Self::Time => "time",
        }
    }

    /// Its attributes.
    pub const fn table(self) -> &'static [Entry] {
        match self {
            Self::Viewer | Self::Peer => PeerField::TABLE,
            Self::Link => LinkField::TABLE,
            Self::Content => ContentField::TABLE,
            Self::Time => TimeField::TABLE,
        }
    }
}

/// One attribute of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attribute {
    pub(super) thing: Thing,
    pub(super) place: usize,
}

impl Attribute {
    /// The attribute called `thing.name`, or what to write in its place.
    pub(super) fn find(thing: &str, name: &str) -> Result<Self, String> {
        let things = || Thing::ALL.map(Thing::name).join(", ");
        let found = Thing::ALL.into_iter().find(|one| one.name() == thing);
        let found = found
            .ok_or_else(|| format!("there is no {thing:?}: a condition asks about {}", things()))?;
        let place = found.table().iter().position(|entry| entry.name == name);
        let place = place.ok_or_else(|| {
            let names: Vec<&str> = found.table().iter().map(|entry| entry.name).collect();
            format!("{thing} has no {name:?}: it has {}", names.join(", "))
        })?;
        Ok(Self {
            thing: found,
            place,
        })
    }

    /// Whether it depends on who feeds the viewer.
    pub(super) const fn is_of_pair(self) -> bool {
        matches!(self.thing, Thing::Peer | Thing::Link)
    }

    pub(super) const fn entry(self) -> &'static Entry {
        &self.thing.table()[self.place]
    }
}

impl core::fmt::Display for Attribute {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.thing.name(), self.entry().name)
    }
}
