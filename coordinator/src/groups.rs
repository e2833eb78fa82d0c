//! Affinity groups as operators write them, and as they are kept.

use ipnet::IpNet;
use runnel_coordinator_core::{Admits, GroupError, GroupTerms};
use runnel_protocol::group::Strangers;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a group says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// What members see: 1 to 64 bytes.
    name: String,
    /// Whether members exchange anything with strangers: `yes`, `last` or `no`.
    #[serde(default)]
    #[schema(value_type = String)]
    strangers: Strangers,
    /// Accounts that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<Claim>,
    /// Accounts of somebody's contacts, as hexadecimal BLAKE3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<Claim>,
    /// Groups of join tokens whose members belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    claims: Vec<Claim>,
    /// Address ranges from which everybody belongs to it, like `192.0.2.0/24`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    ranges: Vec<IpNet>,
}

/// What a provider's tokens say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    /// Who mints them: their `iss`.
    provider: String,
    /// What they say.
    is: String,
}

/// Why a document is no group.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// Something is out of bounds.
    #[error(transparent)]
    Terms(#[from] GroupError),
    /// A contact is no hash.
    #[error("a contact is 64 hexadecimal digits, as `b3sum` prints them: {0:?} is something else")]
    Contact(String),
}

impl Document {
    /// The group that is listed as `id` and says this.
    pub(crate) fn terms(self, id: &str) -> Result<GroupTerms, DocumentError> {
        let mut admits = Vec::new();
        for Claim { provider, is } in self.contacts {
            let hash = blake3::Hash::from_hex(&is).map_err(|_| DocumentError::Contact(is))?;
            let hash = *hash.as_bytes();
            admits.push(Admits::Contact { provider, hash });
        }
        let accounts = self.accounts.into_iter();
        admits.extend(accounts.map(|Claim { provider, is }| Admits::Account {
            provider,
            account: is,
        }));
        let claims = self.claims.into_iter();
        admits.extend(claims.map(|Claim { provider, is }| Admits::Claim {
            provider,
            group: is,
        }));
        admits.extend(self.ranges.into_iter().map(Admits::Range));
        admits.sort();
        let terms = GroupTerms {
            id: id.to_owned(),
            name: self.name,
            strangers: self.strangers,
            founder: None,
            admits,
            invites: Vec::new(),
        };
        terms.check()?;
        Ok(terms)
    }

    /// What a group says.
    pub(crate) fn of(terms: &GroupTerms) -> Self {
        let mut document = Self {
            name: terms.name.clone(),
            strangers: terms.strangers,
            ..Self::default()
        };
        for one in terms.admits.iter().cloned() {
            let claim = |provider, is| Claim { provider, is };
            match one {
                Admits::Account { provider, account } => {
                    document.accounts.push(claim(provider, account));
                }
                Admits::Contact { provider, hash } => {
                    let hash = blake3::Hash::from_bytes(hash).to_string();
                    document.contacts.push(claim(provider, hash));
                }
                Admits::Claim { provider, group } => document.claims.push(claim(provider, group)),
                Admits::Range(range) => document.ranges.push(range),
            }
        }
        document
    }

    /// As it is kept.
    pub(crate) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}
