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
    assert!(policies.len() >= 24, "{}", policies.len());
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
    for thing in [Thing::Viewer, Thing::Link, Thing::Content, Thing::Time] {
        for entry in thing.table() {
            let name = match thing {
                Thing::Viewer | Thing::Peer => {
                    format!("`viewer.{0}`, `peer.{0}`", entry.name)
                }
                Thing::Link | Thing::Content | Thing::Time => {
                    format!("`{}.{}`", thing.name(), entry.name)
                }
            };
            writeln!(table, "| {name} | {} | {} |", entry.kind, entry.words).unwrap();
        }
    }
    assert!(
        MANUAL.contains(&table),
        "docs/POLICIES.md should have this table:\n{table}"
    );
}

#[test]
fn a_document_that_is_damaged_is_refused_or_read_and_nothing_else_happens() {
    let documents = documents();
    let mut read_well = 0;
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let pieces = [
        "'",
        "\"",
        "'''",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "!",
        "-",
        "&&",
        "in",
        ".",
        "?",
        ":",
        "ß",
        "\n",
        "\\",
        "[[deny]]\n",
        "9223372036854775808",
        "has(",
        "viewer.",
        "= ",
    ];
    for _ in 0..5000 {
        let (_, text) = &documents[random(documents.len())];
        let mut text: Vec<char> = text.chars().collect();
        for _ in 0..=random(3) {
            let at = random(text.len());
            let piece = pieces[random(pieces.len())];
            let removed = at + random(4).min(text.len() - at);
            text.splice(at..removed, piece.chars());
        }
        let text: String = text.into_iter().collect();
        match read(&text) {
            Ok(policy) => {
                read_well += usize::from(policy.failures().is_ok());
            }
            Err(complaints) => {
                let lines = text.lines().count().max(1);
                assert!(!complaints.is_empty());
                // A text may end where something is missing.
                let inside = |line| (1..=lines + 1).contains(&line);
                assert!(
                    complaints.iter().all(|one| inside(one.line)),
                    "{complaints:?}\n{text}"
                );
            }
        }
    }
    assert!((1..5000).contains(&read_well), "{read_well}");
}

#[test]
fn no_document_is_too_deep_for_the_stack() {
    for (open, many) in [("[", 30_000), ("{a=", 20_000), ("[{a=", 15_000)] {
        let text = format!("name = {}", open.repeat(many));
        assert!(read(&text).is_err());
    }
    let keys = format!("{}b = 1", "a.".repeat(30_000));
    assert!(read(&keys).is_err());
}
