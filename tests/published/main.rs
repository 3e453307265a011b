//! What the project is published with agrees with itself: versions, names and addresses stand in many places, because each
//! of their readers looks in its own.

mod artifact_hub;
mod names;
mod release;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;

use names::Names;
use serde_json::Value;
use support::{read_yaml, root};

fn metadata() -> Value {
    read_yaml(&root().join("policy-metadata.yml"))
}

/// An annotation of the module's metadata.
fn annotation(name: &str) -> String {
    let value = metadata()["annotations"][name].clone();
    let text = value.as_str().unwrap_or_else(|| panic!("{name}: {value}"));
    text.to_owned()
}

/// The list is that of Kubewarden's own policies, and what `kwctl inspect`, Artifact Hub and the policy reports show.
#[test]
fn the_metadata_has_every_annotation() {
    let metadata = metadata();
    let found: BTreeSet<_> = metadata["annotations"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = BTreeSet::from([
        "io.artifacthub.displayName",
        "io.artifacthub.keywords",
        "io.artifacthub.resources",
        "io.kubewarden.policy.author",
        "io.kubewarden.policy.category",
        "io.kubewarden.policy.description",
        "io.kubewarden.policy.license",
        "io.kubewarden.policy.ociUrl",
        "io.kubewarden.policy.severity",
        "io.kubewarden.policy.source",
        "io.kubewarden.policy.title",
        "io.kubewarden.policy.url",
        "io.kubewarden.policy.version",
    ]);
    assert_eq!(found, expected);
    assert_eq!(
        annotation("io.kubewarden.policy.title"),
        env!("CARGO_PKG_NAME")
    );
    assert_eq!(
        annotation("io.kubewarden.policy.license"),
        env!("CARGO_PKG_LICENSE")
    );
    let names = Names::of_cargo();
    assert_eq!(annotation("io.kubewarden.policy.ociUrl"), names.module());
    assert_eq!(annotation("io.kubewarden.policy.source"), names.source());
    assert_eq!(annotation("io.kubewarden.policy.url"), names.source());
}

/// Kubewarden's limits on the words that policy reports are grouped by.
#[test]
fn severity_and_resources_are_words_that_are_known() {
    let severity = annotation("io.kubewarden.policy.severity");
    assert!(["critical", "high", "medium", "low", "info"].contains(&severity.as_str()));
    let metadata = metadata();
    let resources: BTreeSet<_> = metadata["rules"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["resources"].as_array().unwrap())
        .map(|resource| resource.as_str().unwrap())
        .filter(|resource| !resource.contains('/'))
        .map(|resource| resource.trim_end_matches('s').to_owned())
        .collect();
    let kinds: BTreeSet<_> = annotation("io.artifacthub.resources")
        .split(", ")
        .map(str::to_lowercase)
        .collect();
    assert_eq!(kinds, resources);
}

#[test]
fn the_changelog_begins_with_the_version_of_the_crate() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let newest = changelog
        .lines()
        .find_map(|line| line.strip_prefix("## "))
        .unwrap();
    let (version, date) = newest.split_once(" - ").unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let is_date = date.split('-').map(str::len).eq([4, 2, 2]);
    assert!(is_date || date == "Unreleased", "CHANGELOG.md: {date}");
}
