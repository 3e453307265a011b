//! The scripts of a release.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::names::Names;
use crate::support::root;

/// What the release does with the manifest for krew.
#[test]
fn the_manifest_for_krew_gets_the_checksums_of_a_release() {
    let names = Names::of_cargo();
    let release = format!("{}/releases/download/v{}", names.source(), names.version);
    let archives = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];
    let sums: Vec<_> = ["1", "2", "3", "a"].map(|digit| digit.repeat(64)).into();
    let checksums: Vec<_> = sums
        .iter()
        .zip(archives)
        .map(|(sum, archive)| format!("{sum}  vsi-{archive}.tar.gz\n"))
        .collect();

    let manifest = krew_manifest(&release, &checksums.concat()).unwrap();
    let manifest: Value = yaml_serde::from_str(&manifest).unwrap();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    let filled: Vec<_> = platforms
        .iter()
        .map(|platform| &platform["sha256"])
        .collect();
    assert_eq!(filled, sums.iter().collect::<Vec<_>>());

    for (release, checksums, problem) in [
        (
            release.as_str(),
            checksums[1..].concat(),
            "no checksum of vsi-linux-amd64.tar.gz",
        ),
        (
            "https://github.com/other/project/releases/download/v9",
            checksums.concat(),
            "version",
        ),
    ] {
        let message = krew_manifest(release, &checksums).unwrap_err();
        assert!(message.contains(problem), "{message}");
    }
}

/// A dry run has the archive of one machine.
#[test]
fn a_dry_run_leaves_platforms_out_of_the_manifest_for_krew() {
    let names = Names::of_cargo();
    let release = format!("{}/releases/download/v{}", names.source(), names.version);
    let sum = "c".repeat(64);
    let checksums = format!("{sum}  vsi-linux-arm64.tar.gz\n");
    let manifest = krew_manifest_with(&release, &checksums, "1").unwrap();
    let manifest: Value = yaml_serde::from_str(&manifest).unwrap();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 1);
    assert_eq!(
        platforms[0]["selector"]["matchLabels"],
        json!({"os": "linux", "arch": "arm64"})
    );
    assert_eq!(platforms[0]["sha256"], sum);
    let none = krew_manifest_with(&release, "", "1").unwrap_err();
    assert!(none.contains("it has no archives"), "{none}");
}

fn krew_manifest(release: &str, checksums: &str) -> Result<String, String> {
    krew_manifest_with(release, checksums, "")
}

fn krew_manifest_with(release: &str, checksums: &str, dry_run: &str) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), checksums).unwrap();
    run(Command::new(root().join(".ci/krew-manifest"))
        .arg(release)
        .arg(file.path())
        .env("DRY_RUN", dry_run))
}

/// What a script prints, or its error.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

#[test]
fn only_the_version_and_the_repository_of_cargo_are_released() {
    let names = Names::of_cargo();
    let tag = format!("v{}", names.version);
    let repository = format!("{}/{}", names.owner, names.repository);
    let check = |tag: &str, repository: &str| {
        run(Command::new(root().join(".ci/release-check"))
            .args([tag, repository])
            .env("DRY_RUN", "1"))
    };
    assert_eq!(
        check(&tag, &repository),
        Ok(format!("{}\n", names.module()))
    );
    let tag_of_another = check("v98.7.6", &repository).unwrap_err();
    assert!(tag_of_another.contains("v98.7.6"), "{tag_of_another}");
    let fork = check(&tag, "someone/else").unwrap_err();
    assert!(fork.contains("someone/else"), "{fork}");
}

/// What the dry run shows holds for the workflow.
#[test]
fn the_dry_run_and_the_workflow_run_the_same_scripts() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let dry_run = read(".ci/release-dry-run");
    let workflow = read(".github/workflows/release.yml");
    let scripts = fs::read_dir(root().join(".ci")).unwrap();
    let scripts: Vec<_> = scripts
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("release-") && name != "release-dry-run")
        .collect();
    assert!(scripts.len() > 3, "{scripts:?}");
    for script in scripts {
        for runner in [&dry_run, &workflow] {
            assert!(runner.contains(&format!(".ci/{script} ")), "{script}");
        }
    }
}
