//! Runnel.
