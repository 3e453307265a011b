//! Kubewarden's controller takes the policy as deploy/ has it: the base with each overlay, and the one of a namespace.

use std::process::Command;
use std::time::{Duration, Instant};

use cluster_scenarios::cluster::{RUN_LABEL, run_name};
use serde_json::{Value, json};

use crate::support::entry::{CLASSIC, Entry, entry};
use crate::support::run::root;
use crate::support::running::{LIMIT, wait_until_true};
use crate::support::scenario::{Scenario, WAIT, cluster};

pub const SCENARIOS: &[Entry] = &[
    entry("overlay_development", CLASSIC, |scenario| {
        injects(scenario, "deploy/overlays/development");
    })
    .without_policy()
    .vault_only()
    .kubewarden()
    .alone(),
    entry("overlay_openbao", CLASSIC, |scenario| {
        injects(scenario, "deploy/overlays/openbao");
    })
    .without_policy()
    .vault_only()
    .kubewarden()
    .alone(),
    entry("overlay_production", CLASSIC, |scenario| {
        injects(scenario, "deploy/overlays/production");
    })
    .without_policy()
    .vault_only()
    .kubewarden()
    .alone(),
    entry("policy_of_a_namespace", CLASSIC, |scenario| {
        injects(scenario, "deploy/namespaced/admission-policy.yaml");
    })
    .without_policy()
    .vault_only()
    .kubewarden()
    .alone(),
];

/// What a user waits for after applying a policy.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// The policy is active within a minute, and a pod of the namespace gets the sidecars that its settings describe.
fn injects(scenario: &Scenario, path: &str) {
    let mut policy = policy(path);
    policy["spec"]["module"] =
        json!(std::env::var("KUBEWARDEN_MODULE").expect("it was needed before"));
    if policy["kind"] == "ClusterAdmissionPolicy" {
        policy["metadata"]["name"] = json!(scenario.name);
        policy["metadata"]["labels"] = json!({RUN_LABEL: run_name()});
        // Of the cluster's namespaces, only this one.
        let name = "kubernetes.io/metadata.name";
        policy["spec"]["namespaceSelector"] = json!({
            "matchExpressions": [{"key": name, "operator": "In", "values": [scenario.name]}],
        });
    } else {
        policy["metadata"]["namespace"] = json!(scenario.name);
    }
    let begin = Instant::now();
    cluster().apply(&policy).expect("the API server takes it");
    let has = |status: &str, expected: &str| {
        let found = cluster().get(&policy).expect("the API server answers");
        let found = found.unwrap_or_default();
        found["status"]["policyStatus"] == status
            && found["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == expected && condition["status"] == "True")
    };
    wait_until_true(LIMIT, "the policy is active", || {
        has("active", "PolicyUniquelyReachable")
    });
    let time = begin.elapsed();
    scenario.took("a policy applied, active", time);
    assert!(time < ACTIVE_WITHIN, "{time:?}");

    let pod = scenario
        .pod()
        .annotate("secrets-path", "secret/data/app")
        .container("app", WAIT)
        .object;
    let admitted = cluster().dry_run_create(&pod).expect("the pod is admitted");
    let containers = admitted["spec"]["containers"].as_array().cloned();
    let containers = containers.into_iter().flatten();
    let init = admitted["spec"]["initContainers"].as_array().cloned();
    let mut all = containers.chain(init.into_iter().flatten());
    let agent = all.find(|container| container["name"] == "tvsi-vault-agent");
    let agent = agent.expect("the pod has an agent");
    let settings = &policy["spec"]["settings"];
    if let Some(image) = settings["agent"]["image"].as_str() {
        assert_eq!(agent["image"], image);
    }
    if let Some(address) = settings["vault"]["address"].as_str() {
        assert!(admitted["spec"].to_string().contains(address), "{agent}");
    }
    cluster().delete(&policy).expect("the API server takes it");
}

/// The policy of a file of deploy/, or the one that a folder builds.
fn policy(path: &str) -> Value {
    let path = root().join(path);
    if path.is_file() {
        let text = std::fs::read(path).expect("it can be read");
        return yaml_serde::from_slice(&text).expect("it is one object");
    }
    let built = Command::new("kubectl").arg("kustomize").arg(path).output();
    let built = built.expect("kubectl is on PATH");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    yaml_serde::from_slice(&built.stdout).expect("it is one object")
}
