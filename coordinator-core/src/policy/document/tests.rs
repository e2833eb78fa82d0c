//! Documents as operators write them.

use super::*;

const GERMANY: &str = r#"
name = "germany"
kind = "provider"
contents = ["final"]

[[deny]]
what = "peers"
when = 'viewer.country == "DE"'
say = "not licensed in DE"

[[test]]
name = "a German"
viewer.country = "DE"
content.name = "final"
denied = "not licensed in DE"

[[test]]
name = "somebody whose country is not known"
content.name = "final"
denied = "not licensed in DE"
unsure = true

[[test]]
name = "somebody in France"
viewer.country = "FR"
peer.country = "FR"
content.name = "final"

[[test]]
name = "another content"
viewer.country = "DE"
content.name = "semi-final"
"#;

fn complaints(text: &str) -> Vec<(usize, usize, String)> {
    let complaints = read(text).unwrap_err().into_iter();
    complaints
        .map(|one| (one.line, one.column, one.words))
        .collect()
}

#[test]
fn a_policy_passes_the_cases_beside_its_rules() {
    let policy = read(GERMANY).unwrap();
    assert_eq!((policy.name(), policy.case_count()), ("germany", 4));
    assert_eq!(policy.failures().unwrap(), []);
    let loose = GERMANY.replace("\"DE\"'", "\"AT\"'");
    let failures = read(&loose).unwrap().failures().unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].line, 11);
    assert!(failures[0].words.contains("a German"), "{failures:?}");
}

#[test]
fn a_mistake_is_refused_with_its_line_and_column() {
    let with = |from: &str, to: &str| complaints(&GERMANY.replacen(from, to, 1));
    for (from, to, line, column, word) in [
        ("viewer.country ==", "viewer.county ==", 8, 9, "country"),
        ("== \"DE\"'", "= \"DE\"'", 8, 24, "=="),
        (
            "'viewer.country == \"DE\"'",
            "'''\nviewer.age < 18 &&\n x'''",
            10,
            2,
            "viewer.",
        ),
        ("\"germany\"", "\"Germany!\"", 2, 8, "a to z"),
        (
            "kind = \"provider\"",
            "kind = \"landlord\"",
            3,
            8,
            "provider",
        ),
        ("contents = [", "content = [", 4, 1, "contents"),
        ("viewer.country ==", "peer.country ==", 8, 8, "pair"),
        (
            "viewer.country ==",
            "time.hour < 8 && viewer.country ==",
            8,
            8,
            "zone",
        ),
        (
            "viewer.country = \"DE\"",
            "viewer.country = 5",
            13,
            18,
            "text",
        ),
        ("[\"final\"]", "[]", 4, 12, "no content"),
        (
            "say = \"not licensed in DE\"",
            "say = \"\"",
            9,
            7,
            "viewers read it",
        ),
        (
            "[\"final\"]",
            "[\"final\"]\nzone = \"Mars\"",
            5,
            8,
            "Europe/Berlin",
        ),
        (
            "[\"final\"]",
            "[\"final\"]\nrank = 0",
            5,
            8,
            "1 (most important)",
        ),
    ] {
        let found = with(from, to);
        assert_eq!((found[0].0, found[0].1), (line, column), "{to}: {found:?}");
        assert!(found[0].2.contains(word), "{to}: {found:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GERMANY.replacen("viewer.country ==", "viewer.county ==", 1);
    let found = complaints(&text.replacen("viewer.country =", "viewer.town =", 1));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].0 < found[1].0);
}
