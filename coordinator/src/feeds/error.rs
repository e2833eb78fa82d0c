//! What is wrong with a feed, in words that say where and what to do.

use std::path::{Path, PathBuf};

use crate::policies::PolicyError;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It is not there, or not for us.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than any that makes sense.
    #[error("{path} is larger than {most} MiB: is it the right file?")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The bound, in MiB.
        most: u64,
    },
    /// A line is wrong.
    #[error("{path}:{line}: {words}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Where, from 1 on.
        line: u64,
        /// What is wrong, and what to write.
        words: String,
    },
    /// The file as a whole is wrong.
    #[error("{path}: {words}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        words: String,
    },
    /// What it says of sites' lines does not go together with the policies in force.
    #[error("the lines of sites: {0}")]
    Policies(#[from] PolicyError),
}

impl FeedError {
    pub(super) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unreadable { path, source }
    }

    pub(super) fn line(path: &Path, line: u64, words: impl Into<String>) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            words: words.into(),
        }
    }

    pub(super) fn file(path: &Path, words: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            words: words.into(),
        }
    }
}
