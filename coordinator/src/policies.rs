//! The policies in force, as they are written: from files, or kept in the store by the API.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use runnel_coordinator_core::policy::{self, Complaint, Policy, PolicySet};

use crate::store::Fingerprint;

/// Why policies are not taken. What is wrong in a document is told with its line and column.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder holds none.
    #[error("there is no policy in {0}: its files are to end in .toml")]
    Empty(PathBuf),
    /// A document is not a policy, or fails its own cases.
    #[error("{0}")]
    Refused(Refused),
    /// Policies do not go together.
    #[error(transparent)]
    Together(#[from] policy::SetError),
    /// The name in the document is another one than where it is put.
    #[error("the document is called {found:?} and is put to {asked:?}: use one name")]
    OtherName {
        /// Where it is put.
        asked: String,
        /// What it says.
        found: String,
    },
    /// It would hide what a file says.
    #[error("{0:?} is kept in a file: change it there and restart, or use another name")]
    InFile(String),
}

/// What is wrong in a document, and which one it is.
#[derive(Debug)]
pub struct Refused {
    /// The file or policy.
    pub document: String,
    /// All that is wrong.
    pub complaints: Vec<Complaint>,
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (number, one) in self.complaints.iter().enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            let Complaint {
                line,
                column,
                words,
            } = one;
            write!(f, "{}:{line}:{column}: {words}", self.document)?;
        }
        Ok(())
    }
}

/// Reads a document and has it pass the cases beside its rules.
pub(crate) fn check(document: &str, text: &str) -> Result<Policy, PolicyError> {
    let policy = read(document, text)?;
    let failures = policy.failures()?;
    if failures.is_empty() {
        return Ok(policy);
    }
    Err(refuse(document, failures))
}

/// Reads a document.
pub(crate) fn read(document: &str, text: &str) -> Result<Policy, PolicyError> {
    policy::read(text).map_err(|complaints| refuse(document, complaints))
}

fn refuse(document: &str, complaints: Vec<Complaint>) -> PolicyError {
    PolicyError::Refused(Refused {
        document: document.to_owned(),
        complaints,
    })
}

/// The documents of a file, or of the files in a folder that end in `.toml`, by their paths.
pub(crate) fn files(path: &Path) -> Result<Vec<(String, String)>, PolicyError> {
    let unreadable = |source| PolicyError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        paths.sort();
    }
    if paths.is_empty() {
        return Err(PolicyError::Empty(path.to_owned()));
    }
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(source) => Err(PolicyError::Unreadable { path, source }),
    };
    paths.into_iter().map(read).collect()
}

/// A policy as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) text: String,
}

/// One policy in force.
#[derive(Debug, Clone)]
pub(crate) struct Shelved {
    pub(crate) policy: Policy,
    pub(crate) text: String,
    /// Rises with each change over the API; `None` for a file.
    pub(crate) version: Option<u32>,
}

/// All policies in force, by their names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf(BTreeMap<String, Shelved>);

impl Shelf {
    /// What the files of `path` and the store hold.
    pub(crate) fn fill(path: Option<&Path>, kept: Vec<Kept>) -> Result<Self, PolicyError> {
        let mut shelf = Self::default();
        let documents = path.map(files).transpose()?.unwrap_or_default();
        for (document, text) in documents {
            let policy = check(&document, &text)?;
            let name = policy.name().to_owned();
            let shelved = Shelved {
                policy,
                text,
                version: None,
            };
            if shelf.0.insert(name.clone(), shelved).is_some() {
                return Err(policy::SetError::Twice(name).into());
            }
        }
        for kept in kept {
            // A file that came later than what the API was told goes first.
            if shelf.is_in_file(&kept.name) {
                tracing::warn!(
                    policy = kept.name,
                    "a file of this name goes before the API's"
                );
                continue;
            }
            let policy = read(&kept.name, &kept.text)?;
            shelf.put(policy, kept.text, kept.version);
        }
        shelf.set()?;
        Ok(shelf)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Shelved> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Shelved> {
        self.0.values()
    }

    pub(crate) fn is_in_file(&self, name: &str) -> bool {
        self.get(name).is_some_and(|one| one.version.is_none())
    }

    pub(crate) fn put(&mut self, policy: Policy, text: String, version: u32) {
        let name = policy.name().to_owned();
        let version = Some(version);
        let shelved = Shelved {
            policy,
            text,
            version,
        };
        self.0.insert(name, shelved);
    }

    /// Holds a policy that follows from what a file says, or none any more: all of them together, where
    /// that is another one than before. Where they do not go together, nothing changes.
    pub(crate) fn derive(
        &mut self,
        name: &str,
        policy: Option<(Policy, String)>,
    ) -> Result<Option<PolicySet>, PolicyError> {
        let before = self.get(name).map(|one| &one.text);
        if before == policy.as_ref().map(|(_, text)| text) {
            return Ok(None);
        }
        let mut next = self.clone();
        next.remove(name);
        if let Some((policy, text)) = policy {
            let version = None;
            let shelved = Shelved {
                policy,
                text,
                version,
            };
            next.0.insert(name.to_owned(), shelved);
        }
        let set = next.set()?;
        *self = next;
        Ok(Some(set))
    }

    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// A hash of the documents.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        for one in self.iter() {
            // Its length first, or two documents could look like one.
            hasher.update(&one.text.len().to_le_bytes());
            hasher.update(one.text.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// All of them together.
    pub(crate) fn set(&self) -> Result<PolicySet, PolicyError> {
        let policies = self.iter().map(|one| one.policy.clone());
        Ok(PolicySet::new(policies.collect())?)
    }
}
