//! `vsi annotate` as its users run it.

use std::fs;

use assert_cmd::assert::Assert;
use policy_host::{ExecutionMode, Metadata, PolicyType};
use serde_json::Value;

use crate::support::{Directory, root, vsi};

/// What the module says of itself, read without the host that has written it.
fn section(module: &[u8]) -> Value {
    let name = b"io.kubewarden.metadata";
    let start = module
        .windows(name.len())
        .position(|bytes| bytes == name)
        .expect("there is such a section");
    serde_json::from_slice(&module[start + name.len()..])
        .expect("the section is the last, and JSON")
}

fn annotate(directory: &Directory, metadata: &str, module: &str) -> Assert {
    let output = directory.path().join("out.wasm");
    vsi(&["annotate", "-m", metadata, "-u", "README.md", "-o"])
        .args([output.to_str().unwrap(), module])
        .assert()
}

#[test]
fn the_module_gets_the_metadata_and_the_usage_and_stays_the_same_otherwise() {
    let directory = Directory::new();
    annotate(&directory, "policy-metadata.yml", "policy.wasm")
        .success()
        .stdout("")
        .stderr("");

    let module = fs::read(root().join("policy.wasm")).unwrap();
    let annotated = fs::read(directory.path().join("out.wasm")).unwrap();
    assert!(annotated.starts_with(&module));
    let metadata = Metadata::from_module(&annotated).unwrap().unwrap();
    assert_eq!(metadata.execution_mode, ExecutionMode::KubewardenWapc);
    assert_eq!(metadata.policy_type, PolicyType::Kubernetes);
    assert!(metadata.mutating);

    let section = section(&annotated);
    let text = fs::read_to_string(root().join("policy-metadata.yml")).unwrap();
    let mut expected: Value = yaml_serde::from_str(&text).unwrap();
    expected["protocolVersion"] = "v1".into();
    expected["annotations"]["io.kubewarden.policy.usage"] =
        fs::read_to_string(root().join("README.md")).unwrap().into();
    assert_eq!(section, expected);
}

#[test]
fn a_module_with_metadata_is_refused() {
    let directory = Directory::new();
    annotate(&directory, "policy-metadata.yml", "policy.wasm").success();
    let annotated = directory.path().join("out.wasm");
    let before = fs::read(&annotated).unwrap();
    annotate(
        &directory,
        "policy-metadata.yml",
        annotated.to_str().unwrap(),
    )
    .code(1)
    .stderr(
        "vsi: error: the policy has metadata already (custom section `io.kubewarden.metadata`)\n",
    );
    assert!(fs::read(&annotated).unwrap() == before);
}

#[test]
fn what_is_no_metadata_is_told_with_its_place() {
    let metadata = fs::read_to_string(root().join("policy-metadata.yml")).unwrap();
    for (from, to, expected) in [
        ("mutating: true", "mutates: true", "unknown field `mutates`"),
        ("mutating: true\n", "", "missing field `mutating`"),
        ("[\"CREATE\"]", "[\"create\"]", "unknown variant `create`"),
        ("rules:", "rules: {", "line"),
    ] {
        let directory = Directory::with("metadata.yml", metadata.replacen(from, to, 1));
        let path = directory.path().join("metadata.yml");
        annotate(&directory, path.to_str().unwrap(), "policy.wasm")
            .code(1)
            .stderr(predicates::str::contains(expected))
            .stderr(predicates::str::contains(
                "metadata.yml is not that of a policy",
            ));
        assert!(!directory.path().join("out.wasm").exists());
    }
}

#[test]
fn what_is_no_module_is_refused() {
    let directory = Directory::new();
    annotate(&directory, "policy-metadata.yml", "README.md")
        .code(1)
        .stderr(predicates::str::contains("not a valid WebAssembly module"));
    annotate(&directory, "policy-metadata.yml", "missing.wasm")
        .code(1)
        .stderr(predicates::str::contains(
            "cannot read the policy missing.wasm",
        ));
}
