//! Policies: what the documentation says of them, and another implementation of CEL.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected ends")]

mod manual;
mod oracle;
mod treatments;
