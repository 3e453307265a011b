//! Containers without a command: what their images run comes from files, or from nowhere.

use std::net::TcpListener;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::json;

use crate::support::{Directory, json_documents, output_of};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: shop
  annotations: {sidecar.vault.talend.org/inject: 'true', sidecar.vault.talend.org/role: shop}
spec:
  containers:
    - name: shop
      image: shop:1
      env: [{name: PASSWORD, value: 'vault:secret/shop#password'}]
";

/// As `crane config` prints it.
const CONFIG: &str = r#"{"os": "linux", "architecture": "amd64", "config": {"Entrypoint": ["/shop"], "Cmd": ["$HOME"]}}"#;

/// As `docker image inspect` prints it.
const INSPECTED: &str = r#"[{"Id": "sha256:1", "Os": "linux", "Architecture": "arm64", "Config": {"Entrypoint": ["/shop"], "Cmd": ["$HOME"]}}]"#;

fn directory() -> Directory {
    let directory = Directory::with("pod.yaml", POD);
    directory.write("amd64.json", CONFIG);
    directory.write("arm64.json", INSPECTED);
    directory
}

#[test]
fn what_an_image_runs_comes_from_files() {
    let directory = directory();
    for files in [
        &["amd64.json"][..],
        &["arm64.json"],
        &["amd64.json", "arm64.json"],
    ] {
        let mut arguments = vec!["inject", "-f", "pod.yaml", "-o", "json"];
        let configs: Vec<_> = files.iter().map(|file| format!("shop:1={file}")).collect();
        for config in &configs {
            arguments.extend(["--image-config", config]);
        }
        let output = output_of(directory.vsi(&arguments));
        let container = &json_documents(&output)[0]["spec"]["containers"][0];
        let command = container["command"].as_array().unwrap();
        assert_eq!(command.last(), Some(&json!("/shop")));
        assert_eq!(container["args"], json!(["$$HOME"]));
    }
}

#[test]
fn platforms_that_differ_are_rejected() {
    let directory = directory();
    directory.write("arm64.json", INSPECTED.replace("/shop", "/other"));
    let arguments = [
        "inject",
        "-f",
        "pod.yaml",
        "--image-config",
        "shop:1=amd64.json",
    ];
    let mut command = directory.vsi(&arguments);
    command.args(["--image-config", "shop:1=arm64.json"]);
    command.assert().code(1).stderr(contains("on linux/arm64"));
}

#[test]
fn without_a_file_inject_reports_how_to_get_one_and_check_goes_on() {
    let directory = directory();
    let inject = directory
        .vsi(&["inject", "-f", "pod.yaml"])
        .assert()
        .code(1);
    inject.stdout("").stderr(contains(
        "image \"shop:1\" is not looked up without --image-lookup or --image-config; ",
    ));
    let check = directory
        .vsi(&["check", "-f", "pod.yaml"])
        .assert()
        .success();
    check.stdout("").stderr(
        contains("not looked up: shop:1").and(contains("1 of 1 pods and workloads injected")),
    );
}

#[test]
fn a_file_that_is_not_an_image_config_is_reported() {
    let directory = directory();
    directory.write("list.json", "[]");
    for (given, message) in [
        ("shop:1", "expected IMAGE=FILE"),
        (
            "shop:1=missing.json",
            "cannot read the image config missing.json",
        ),
        ("shop:1=pod.yaml", "is not valid JSON"),
        (
            "shop:1=list.json",
            "expected an object with os, architecture and config",
        ),
    ] {
        let arguments = ["check", "-f", "pod.yaml", "--image-config", given];
        directory
            .vsi(&arguments)
            .assert()
            .code(2)
            .stderr(contains(message));
    }
}

/// A port at which nobody answers as a registry.
#[test]
fn a_registry_that_does_not_answer_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/shop:1", listener.local_addr().unwrap());
    drop(listener);
    let directory = Directory::with("pod.yaml", POD.replace("shop:1", &image));
    let mut command = directory.vsi(&["inject", "-f", "pod.yaml", "--image-lookup"]);
    let reported = contains(format!("vsi: image {image}: ")).and(contains("cannot be looked up"));
    command.assert().code(1).stderr(reported);
}
