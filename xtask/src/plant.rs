//! `cargo xtask plant`: puts known bugs into a copy of the sources and says which test and which
//! checker of the simulator notices each. A bug that nobody notices is a hole in the tests.

mod copy;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::workspace;
use copy::Copy;
use watch::Caught;

/// Where the bugs lie: patches, each with a sentence above it that says what is wrong.
const FOLDER: &str = "xtask/plants";

#[derive(Args)]
pub(crate) struct Options {
    /// Bugs by name; none for all of them.
    names: Vec<String>,
    /// Only see whether each can still be planted.
    #[arg(long)]
    check: bool,
}

/// A bug to be planted.
pub(crate) struct Plant {
    name: String,
    /// What is wrong, in a sentence.
    says: String,
    /// The folders of the crates that it changes.
    crates: Vec<String>,
    file: PathBuf,
}

/// Plants one bug after the other; a table of who noticed comes last.
pub(crate) fn all(options: &Options) -> Result<()> {
    let plants = plants()?;
    for name in &options.names {
        ensure!(
            plants.iter().any(|plant| plant.name == *name),
            "there is no {FOLDER}/{name}.patch"
        );
    }
    let wanted = |plant: &&Plant| options.names.is_empty() || options.names.contains(&plant.name);
    let copy = Copy::fresh()?;
    if options.check {
        return plants.iter().filter(wanted).try_for_each(|plant| {
            copy.plant(plant)?;
            copy.weed()
        });
    }
    let crates = plants.iter().flat_map(|plant| plant.crates.clone());
    let crates: BTreeSet<String> = crates.collect();
    let sound = watch::everything(&crates.into_iter().collect::<Vec<_>>())?;
    ensure!(
        sound.is_empty(),
        "without any bug something is wrong already: {sound:?}"
    );
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for plant in plants.iter().filter(wanted) {
        eprintln!("\n=== {}: {}", plant.name, plant.says);
        copy.plant(plant)?;
        let caught = watch::everything(&plant.crates);
        copy.weed()?;
        match caught {
            Ok(caught) => {
                eprintln!("{}", row(plant, &caught));
                rows.push((plant, caught));
            }
            Err(error) => failed.push(error.context(plant.name.clone())),
        }
    }
    let verdict = report(&rows);
    failed.pop().map_or(verdict, Err)
}

fn report(rows: &[(&Plant, Caught)]) -> Result<()> {
    eprintln!("\n| bug | what is wrong | tests | simulator |\n|---|---|---|---|");
    for (plant, caught) in rows {
        eprintln!("{}", row(plant, caught));
    }
    let unseen = rows.iter().filter(|(_, caught)| caught.is_empty());
    let unseen: Vec<&str> = unseen.map(|(plant, _)| plant.name.as_str()).collect();
    if !unseen.is_empty() {
        bail!("nobody noticed: {}", unseen.join(", "));
    }
    Ok(())
}

fn row(plant: &Plant, caught: &Caught) -> String {
    let (tests, checkers) = (caught.tests(), caught.checkers());
    format!("| {} | {} | {tests} | {checkers} |", plant.name, plant.says)
}

/// All bugs, in order of their names.
fn plants() -> Result<Vec<Plant>> {
    let folder = workspace::root().join(FOLDER);
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry?.path());
    }
    files.sort();
    files.into_iter().map(read).collect()
}

fn read(file: PathBuf) -> Result<Plant> {
    let shown = || file.display().to_string();
    let text = std::fs::read_to_string(&file).with_context(shown)?;
    let says = text.lines().next().filter(|line| !line.is_empty());
    let name = file.file_stem().and_then(|name| name.to_str());
    let changed = text.lines().filter_map(|line| line.strip_prefix("+++ b/"));
    let crates = changed.filter_map(|path| path.split('/').next());
    let crates: BTreeSet<String> = crates.map(str::to_owned).collect();
    Ok(Plant {
        name: name.with_context(shown)?.to_owned(),
        says: says.with_context(shown)?.to_owned(),
        crates: crates.into_iter().collect(),
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_can_still_be_planted() {
        for plant in plants().unwrap() {
            let file = plant.file.display().to_string();
            let applies = crate::run::succeeds(&["git", "apply", "--check", &file]);
            assert!(applies, "{file} does not fit the sources any more");
        }
    }
}
