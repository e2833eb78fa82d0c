//! The control center as a whole, on virtual time: stories, and properties over random ones.

mod properties;
mod stage;
mod stories;
