//! Who may know whom. The two cores never see each other, and nobody depends on a shell but
//! the end-to-end tests.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// Each crate of the workspace with the crates of the workspace that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("runnel-protocol", &[]),
    ("runnel-peer-core", &["runnel-protocol"]),
    ("runnel-coordinator-core", &["runnel-protocol"]),
    ("runnel-peer-wasm", &["runnel-peer-core", "runnel-protocol"]),
    (
        "runnel-peer-native",
        &["runnel-peer-core", "runnel-protocol"],
    ),
    (
        "runnel-coordinator",
        &["runnel-coordinator-core", "runnel-protocol"],
    ),
    (
        "runnel-simulator",
        &[
            "runnel-peer-core",
            "runnel-coordinator-core",
            "runnel-protocol",
        ],
    ),
    (
        "runnel-tests",
        &[
            "runnel-protocol",
            "runnel-peer-core",
            "runnel-peer-native",
            "runnel-coordinator-core",
            "runnel-coordinator",
            "runnel-simulator",
        ],
    ),
    ("runnel-fuzz", &["runnel-peer-native", "runnel-protocol"]),
    ("xtask", &[]),
];

pub(super) fn complaints() -> Result<Vec<String>> {
    let metadata = run::output(&["cargo", "metadata", "--format-version", "1", "--no-deps"])?;
    judge(&serde_json::from_str(&metadata)?)
}

fn judge(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("no packages")?;
    Ok(packages.iter().flat_map(judge_package).collect())
}

fn judge_package(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        return vec![format!(
            "{name} has no arrows: say in xtask whom it may know"
        )];
    };
    ours(package)
        .filter(|dependency| !allowed.contains(dependency))
        .map(|dependency| format!("{name} must not depend on {dependency}"))
        .collect()
}

/// Dependencies of any kind (normal, dev, build) that live in this checkout.
fn ours(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["path"].is_string())
        .filter_map(|dependency| dependency["name"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace_with(name: &str, dependency: Value) -> Value {
        json!({ "packages": [{ "name": name, "dependencies": [dependency] }] })
    }

    #[test]
    fn a_core_that_sees_the_other_core_is_refused_even_in_its_tests() {
        let metadata = workspace_with(
            "runnel-peer-core",
            json!({ "name": "runnel-coordinator-core", "path": "/x", "kind": "dev" }),
        );
        assert_eq!(
            judge(&metadata).unwrap(),
            ["runnel-peer-core must not depend on runnel-coordinator-core"]
        );
    }

    #[test]
    fn a_core_may_know_the_protocol_and_crates_of_others() {
        let ours = json!({ "name": "runnel-protocol", "path": "/x" });
        let theirs = json!({ "name": "bytes", "path": null });
        for dependency in [ours, theirs] {
            let metadata = workspace_with("runnel-peer-core", dependency);
            assert_eq!(judge(&metadata).unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_crate_without_a_place_in_the_plan_is_refused() {
        let metadata = workspace_with("runnel-attic", json!({ "name": "x" }));
        assert_eq!(judge(&metadata).unwrap().len(), 1);
    }
}
