//! What must hold whatever happens: one invariant a file.

mod bounds;
mod bytes;
mod ends;
mod punctual;
mod verified;

use crate::run::Run;

/// A check says what it found.
pub type Check = fn(&Run) -> Result<(), String>;

pub const ALL: [(&str, Check); 5] = [
    ("I1 bytes", bytes::check),
    ("I2 verified", verified::check),
    ("I3 punctual", punctual::check),
    ("I7 ends", ends::check),
    ("I13 bounds", bounds::check),
];
