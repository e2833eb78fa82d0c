//! `docs/POLICIES.md`: its documents are policies that pass their own cases, and its table of
//! attributes is the one that conditions are checked against.

use core::fmt::Write as _;

use runnel_coordinator_core::policy::schema::Thing;
use runnel_coordinator_core::policy::{Policy, PolicySet, read};

const MANUAL: &str = include_str!("../../../docs/POLICIES.md");

/// Each document, with the line that it begins on.
fn documents() -> Vec<(usize, String)> {
    let mut documents = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in MANUAL.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => documents.extend(open.take()),
            Some((_, text)) => writeln!(text, "{line}").unwrap(),
            None if line == "```toml" => open = Some((number + 1, String::new())),
            None => {}
        }
    }
    documents
}

fn policies() -> Vec<(usize, Policy)> {
    let policy = |(line, text): (usize, String)| {
        let policy = read(&text);
        let policy = policy.unwrap_or_else(|error| panic!("after line {line}: {error:?}"));
        (line, policy)
    };
    documents().into_iter().map(policy).collect()
}

#[test]
fn every_document_passes_the_cases_beside_its_rules() {
    let policies = policies();
    assert!(policies.len() >= 11, "{}", policies.len());
    for (line, policy) in &policies {
        assert!(policy.case_count() >= 2, "after line {line}: too few cases");
        assert_eq!(policy.failures().unwrap(), [], "after line {line}");
    }
    let together = policies.into_iter().map(|(_, policy)| policy).collect();
    assert!(PolicySet::new(together).is_ok(), "they go together");
}

/// The document with another condition in each rule.
fn with_conditions(text: &str, rule: &str) -> String {
    let mut changed = String::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("when = ") {
            Some(condition) => {
                inside = condition == "'''";
                writeln!(changed, "when = {rule}").unwrap();
            }
            None if inside => inside = line != "'''",
            None => writeln!(changed, "{line}").unwrap(),
        }
    }
    changed
}

#[test]
fn no_case_can_be_left_out_without_being_missed() {
    // A rule that never holds and one that always does each fail some case of every document.
    for (line, text) in documents() {
        for rule in ["'false'", "'true'"] {
            let changed = with_conditions(&text, rule);
            if changed == text {
                continue;
            }
            let policy = read(&changed).unwrap();
            assert!(
                !policy.failures().unwrap().is_empty(),
                "after line {line}: {rule}"
            );
        }
    }
}

#[test]
fn the_table_of_attributes_is_the_schema() {
    let mut table = String::new();
    for thing in [Thing::Viewer, Thing::Content, Thing::Time] {
        for entry in thing.table() {
            let name = match thing {
                Thing::Viewer | Thing::Peer => {
                    format!("`viewer.{0}`, `peer.{0}`", entry.name)
                }
                Thing::Content | Thing::Time => format!("`{}.{}`", thing.name(), entry.name),
            };
            writeln!(table, "| {name} | {} | {} |", entry.kind, entry.words).unwrap();
        }
    }
    assert!(
        MANUAL.contains(&table),
        "docs/POLICIES.md should have this table:\n{table}"
    );
}
