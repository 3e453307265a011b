//! `vsi` as kubectl and shells know it.

use std::{env, fs};

use crate::support::{Directory, output_of, root, vsi, yaml_documents};

#[test]
fn it_is_a_plugin_of_kubectl_under_another_name() {
    let directory = Directory::new();
    let plugin = directory.path().join("kubectl-vsi");
    fs::copy(env!("CARGO_BIN_EXE_vsi"), &plugin).unwrap();
    let path = env::join_paths(
        [directory.path().to_owned()]
            .into_iter()
            .chain(env::split_paths(&env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let kubectl = |arguments: &[&str]| {
        let mut command = assert_cmd::Command::new("kubectl");
        command.args(arguments).env("PATH", &path);
        command
    };
    kubectl(&["vsi", "check", "-f", "-"])
        .write_stdin("kind: Pod\n")
        .assert()
        .success();
    kubectl(&["vsi", "check"])
        .assert()
        .code(2)
        .stderr(predicates::str::contains(
            "Usage: kubectl vsi check --filename <FILE>...",
        ));
}

#[test]
fn the_manifest_for_krew_has_an_archive_for_every_platform() {
    let text = fs::read_to_string(root().join("deploy/krew/vsi.yaml")).unwrap();
    let manifest = &yaml_documents(&text)[0];
    let version = manifest["spec"]["version"].as_str().unwrap();
    assert_eq!(version, concat!("v", env!("CARGO_PKG_VERSION")));
    let mut platforms = Vec::new();
    for platform in manifest["spec"]["platforms"].as_array().unwrap() {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (
            labels["os"].as_str().unwrap(),
            labels["arch"].as_str().unwrap(),
        );
        let archive = format!("/{version}/vsi-{os}-{arch}.tar.gz");
        assert!(platform["uri"].as_str().unwrap().ends_with(&archive));
        assert_eq!(platform["bin"], "kubectl-vsi");
        // Without quotes, one of digits alone would be a number.
        assert_eq!(platform["sha256"].as_str().map(str::len), Some(64));
        platforms.push(format!("{os}-{arch}"));
    }
    assert_eq!(
        platforms,
        ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"]
    );
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = output_of(vsi(&["completions", shell]));
        assert!(script.contains("inject"), "{shell}");
    }
    let directory = Directory::with("completions", output_of(vsi(&["completions", "bash"])));
    assert_cmd::Command::new("bash")
        .args(["-c", "source completions && complete -p vsi"])
        .current_dir(directory.path())
        .assert()
        .success()
        .stdout(predicates::str::contains("vsi"));
}

#[test]
fn a_reader_that_has_seen_enough_is_not_a_failure() {
    let tool = env!("CARGO_BIN_EXE_vsi");
    let script = format!("set -o pipefail; {tool} explain | head -n 1");
    assert_cmd::Command::new("bash")
        .args(["-c", &script])
        .assert()
        .success();
}
