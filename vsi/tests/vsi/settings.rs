//! `vsi settings` as its users run it.

use std::fs;

use assert_cmd::{Command, assert::Assert};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests;

const EXAMPLE: &str = include_str!("../../../docs/reference/settings-example.yaml");

const POLICY: &str = "\
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata:
  name: secrets
spec:
  module: registry://registry.example.org/vault-sidecar-injector:v1
  mutating: true
  settings:
    vault:
      address: https://vault.vault:8200
";

/// A directory with a file for each name.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn settings(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vsi"));
    command
        .current_dir(directory)
        .arg("settings")
        .args(arguments);
    command
}

fn validate(text: &str) -> Assert {
    let directory = directory(&[("file.yaml", text)]);
    settings(&directory, &["validate", "file.yaml"]).assert()
}

fn show(text: &str, arguments: &[&str]) -> Assert {
    let directory = directory(&[("file.yaml", text)]);
    settings(&directory, &[&["show", "file.yaml"], arguments].concat()).assert()
}

fn shown(assert: &Assert) -> Value {
    yaml_serde::from_slice(&assert.get_output().stdout).unwrap()
}

fn defaults() -> Value {
    yaml_serde::from_str(EXAMPLE).unwrap()
}

#[test]
fn settings_of_a_file_of_their_own_are_validated() {
    for text in [
        EXAMPLE,
        "{\"sidecars\": \"native\"}",
        "sidecars: native\n",
        "",
        "{}",
    ] {
        validate(text)
            .success()
            .stdout("file.yaml: valid\n")
            .stderr("");
    }
}

#[test]
fn every_problem_has_a_line_of_its_own() {
    // A message with a semicolon is one problem.
    let text = "vault: {adress: 'https://vault:8200', address: vault}\njobs: []\n";
    validate(text).code(1).stderr("").stdout(
        "\
file.yaml:1: vault.address: expected a URL such as https://vault.example.org:8200
file.yaml:1: vault.adress: unknown setting; did you mean `address`?
file.yaml:2: jobs: expected an object, found a list
",
    );
    validate("- a\n")
        .code(1)
        .stdout("file.yaml:1: settings must be an object (or null, for none), not a list\n");
}

#[test]
fn the_settings_of_a_policy_are_validated() {
    validate(POLICY)
        .success()
        .stdout("file.yaml: ClusterAdmissionPolicy secrets: valid\n")
        .stderr("");
}

#[test]
fn a_module_that_is_named_answers_for_itself() {
    let directory = directory(&[("file.yaml", "sidecars: both\n")]);
    for (module, code, answer) in [
        (guests::rejecting_settings(), 1, "file.yaml:1: a\n"),
        (guests::answering(""), 0, "file.yaml: valid\n"),
    ] {
        fs::write(directory.path().join("policy.wasm"), module).unwrap();
        settings(
            &directory,
            &["validate", "--policy", "policy.wasm", "file.yaml"],
        )
        .assert()
        .code(code)
        .stdout(answer)
        .stderr("");
    }
}

#[test]
fn each_of_several_policies_is_named() {
    let wrong = POLICY
        .replace("kind: Cluster", "kind: ")
        .replace("name: secrets", "name: own\n  namespace: shop")
        .replace("https://", "");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    validate(&[POLICY, namespace, &wrong].join("---\n"))
        .code(1)
        .stderr("")
        .stdout(
            "\
file.yaml: ClusterAdmissionPolicy secrets: valid
file.yaml:26: AdmissionPolicy shop/own: vault.address: expected a URL such as https://vault.example.org:8200
",
        );
}

#[test]
fn a_policy_that_may_not_mutate_gets_a_warning() {
    for mutating in ["", "  mutating: false\n"] {
        validate(&POLICY.replace("  mutating: true\n", mutating))
            .success()
            .stdout("file.yaml: ClusterAdmissionPolicy secrets: valid\n")
            .stderr(
                "vsi: warning: file.yaml: ClusterAdmissionPolicy secrets: spec.mutating is not true: every annotated pod would be rejected\n",
            );
    }
}

/// With such a pattern, namespace `team` can use the roles of namespace `team-b`.
#[test]
fn patterns_that_join_names_get_a_warning() {
    let directory = directory(&[]);
    settings(&directory, &["validate", "-"])
        .write_stdin("restrictions:\n  allowedRoles:\n    - '{namespace}'\n    - '{namespace}-*'\n    - '{namespace}_*'\n")
        .assert()
        .success()
        .stdout("stdin: valid\n")
        .stderr(predicates::str::starts_with(
            "vsi: warning: stdin:2: pattern {namespace}-* can match",
        ));
}

#[test]
fn standard_input_can_be_validated_and_shown() {
    let directory = directory(&[]);
    settings(&directory, &["validate", "-"])
        .write_stdin("sidecars: both\n")
        .assert()
        .code(1)
        .stdout("stdin:1: sidecars: expected one of classic, native\n");
    let assert = settings(&directory, &["show", "-"])
        .write_stdin("sidecars: native\n")
        .assert()
        .success();
    assert_eq!(shown(&assert)["sidecars"], "native");
}

#[test]
fn a_mistake_in_yaml_is_reported_with_its_place() {
    validate("vault:\n  address: a: b\n")
        .code(1)
        .stderr("")
        .stdout("file.yaml:2:13: `: ` cannot stand in a value without quotes; put the value in quotes\n");
    show("vault: [\n", &[])
        .code(1)
        .stdout("")
        .stderr("file.yaml:1:10: expected a value\n");
}

#[test]
fn a_file_that_cannot_be_used_ends_with_2() {
    let pod = "apiVersion: v1\nkind: Pod\n";
    let several = [pod, "sidecars: native\n"].join("---\n");
    for (text, message) in [
        (
            pod,
            "file.yaml has neither settings nor a policy, but a Pod (v1); ",
        ),
        (
            &several,
            "file.yaml has 2 documents, and none is a ClusterAdmissionPolicy or an AdmissionPolicy of policies.kubewarden.io; ",
        ),
    ] {
        for subcommand in ["validate", "show"] {
            let directory = directory(&[("file.yaml", text)]);
            let assert = settings(&directory, &[subcommand, "file.yaml"])
                .assert()
                .code(2)
                .stdout("");
            let stderr = String::from_utf8_lossy(&assert.get_output().stderr);
            assert!(
                stderr.starts_with(&format!("vsi: error: {message}")),
                "{stderr}"
            );
        }
    }
    let directory = directory(&[]);
    settings(&directory, &["validate", "absent.yaml"])
        .assert()
        .code(2)
        .stdout("")
        .stderr(
            "vsi: error: cannot read the settings absent.yaml: No such file or directory (os error 2)\n",
        );
    settings(&directory, &["validate"]).assert().code(2);
    settings(&directory, &["show", "-o", "json", "--documented"])
        .assert()
        .code(2)
        .stdout("");
}

#[test]
fn the_defaults_are_shown_without_a_file() {
    let directory = directory(&[]);
    let assert = settings(&directory, &["show"])
        .assert()
        .success()
        .stderr("");
    assert_eq!(shown(&assert), defaults());
    let assert = settings(&directory, &["show", "-o", "json"])
        .assert()
        .success();
    let text = String::from_utf8_lossy(&assert.get_output().stdout);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), defaults());
    assert!(
        text.starts_with("{\n  \"vault\": {\n    \"address\": "),
        "{text}"
    );
    let (_, documented) = EXAMPLE.split_once("\n\n").unwrap();
    settings(&directory, &["show", "--documented"])
        .assert()
        .success()
        .stdout(documented.to_owned());
}

#[test]
fn what_the_file_says_takes_the_place_of_defaults() {
    let mut expected = defaults();
    expected["vault"]["address"] = json!("https://vault.vault:8200");
    assert_eq!(shown(&show(POLICY, &[]).success()), expected);
    let documented = show(POLICY, &["--documented"]).success();
    assert_eq!(shown(&documented), expected);
    let text = String::from_utf8_lossy(&documented.get_output().stdout);
    assert!(
        text.contains(
            "  # The address of Vault's or OpenBao's API.\n  address: https://vault.vault:8200\n"
        ),
        "{text}"
    );

    let mut expected = defaults();
    expected["securityContext"] = Value::Null;
    expected["ignoredNamespaces"] = json!(["ci"]);
    let text = "securityContext: null\nignoredNamespaces: [ci]\nvault: null\n";
    assert_eq!(shown(&show(text, &[]).success()), expected);
}

#[test]
fn settings_that_are_not_valid_are_not_shown() {
    show("vault: {address: vault}\njobs: []\n", &[])
        .code(1)
        .stdout("")
        .stderr(
            "\
file.yaml:1: vault.address: expected a URL such as https://vault.example.org:8200
file.yaml:2: jobs: expected an object, found a list
",
        );
}

#[test]
fn the_settings_of_one_policy_can_be_shown() {
    let other = POLICY.replace("name: secrets", "name: other");
    show(&[POLICY, &other].join("---\n"), &[])
        .code(2)
        .stdout("")
        .stderr("vsi: error: file.yaml has several policies, and the settings of one are needed: ClusterAdmissionPolicy secrets, ClusterAdmissionPolicy other\n");
}
