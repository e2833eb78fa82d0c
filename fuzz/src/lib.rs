//! Whatever comes through a door is refused or understood; nothing of it ends a process, takes
//! its memory or its time (T15).
//!
//! [`doors`] are the decoders as the shells use them. `cargo test` sends some thousand mutations of
//! real messages through each; `cargo xtask fuzz` lets libFuzzer look for new ways in, for as
//! long as one likes. What it finds is kept in `fuzz/found/DOOR` and tried by every `cargo test`.

pub mod doors;
mod seeds;

/// A decoder and what honest people send it.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Its name, also that of the target for libFuzzer.
    pub name: &'static str,
    /// Takes any bytes; panics where they break something.
    pub enter: fn(&[u8]),
    /// Messages to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every door.
pub const DOORS: [Door; 7] = [
    Door {
        name: "control",
        enter: doors::control,
        seeds: seeds::control,
    },
    Door {
        name: "bulk",
        enter: doors::bulk,
        seeds: seeds::bulk,
    },
    Door {
        name: "frame",
        enter: doors::frame,
        seeds: seeds::frame,
    },
    Door {
        name: "to-coordinator",
        enter: doors::to_coordinator,
        seeds: seeds::to_coordinator,
    },
    Door {
        name: "from-coordinator",
        enter: doors::from_coordinator,
        seeds: seeds::from_coordinator,
    },
    Door {
        name: "playlist",
        enter: doors::playlist,
        seeds: seeds::playlist,
    },
    Door {
        name: "settings",
        enter: doors::settings,
        seeds: seeds::settings,
    },
];
