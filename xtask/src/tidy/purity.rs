//! The cores read no clock, entropy, socket or file: nothing that could may be linked into them.
//! (`clippy.toml` beside each core bans what the standard library offers.)

use anyhow::Result;

use crate::run;

const CORES: [&str; 3] = [
    "runnel-protocol",
    "runnel-peer-core",
    "runnel-coordinator-core",
];

const IMPURE: [&str; 16] = [
    "async-std",
    "chrono",
    "getrandom",
    "instant",
    "js-sys",
    "mio",
    "parking_lot",
    "quinn",
    "rand",
    "reqwest",
    "socket2",
    "time",
    "tokio",
    "wasm-bindgen",
    "web-sys",
    "web-time",
];

pub(super) fn complaints() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for core in CORES {
        let tree = run::output(&[
            "cargo", "tree", "-p", core, "-e", "normal", "--prefix", "none", "-f", "{p}",
        ])?;
        complaints.extend(impure(&tree).map(|found| format!("{core} must not reach {found}")));
    }
    Ok(complaints)
}

/// The impure crates in what `cargo tree` printed, one `name version` a line.
fn impure(tree: &str) -> impl Iterator<Item = &str> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| IMPURE.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_deep_in_the_tree_is_found_and_a_name_that_merely_resembles_it_is_not() {
        let tree = "runnel-peer-core v0.1.0 (/x)\nbytes v1.0.0\ntime v0.3.1\ntimeless v1.0.0\n";
        assert_eq!(impure(tree).collect::<Vec<_>>(), ["time"]);
    }
}
