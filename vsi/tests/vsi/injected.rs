//! What `vsi inject` prints, by the policy in it, becomes the pod that the module makes in a cluster when it is applied.

use std::fs;

use golden_cases::Case;
use policy_host::{AdmissionRequest, Guest, Policy, Request, service_account::mount_token};
use serde_json::{Value, json};

use crate::support::{Directory, json_documents, output_of, root, samples, vsi, yaml_documents};

fn policy() -> Policy {
    Policy::from_file(root().join("policy.wasm")).expect("`make policy.wasm` builds it")
}

/// The pod behind the policy and the service account plugin, which runs before it and again after it.
fn admitted(policy: &Policy, pod: &Value) -> Value {
    let mut submitted = pod.clone();
    mount_token(&mut submitted);
    let request = AdmissionRequest::creation(submitted.clone(), "default");
    let request = Request::Admission(Box::new(request));
    let response = policy.validate_request(&request, &json!({})).unwrap();
    assert!(response.allowed, "{response:?}");
    let mut admitted = response.apply_to(&submitted).unwrap();
    mount_token(&mut admitted);
    sorted(admitted)
}

/// Volumes and mounts by name: their order means nothing.
fn sorted(mut pod: Value) -> Value {
    let by_name = |list: &mut Value| {
        if let Some(items) = list.as_array_mut() {
            items.sort_by_key(|item| item.to_string());
        }
    };
    by_name(&mut pod["spec"]["volumes"]);
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            by_name(&mut container["volumeMounts"]);
        }
    }
    pod
}

fn assert_same(policy: &Policy, submitted: &Value, injected: &Value, name: &str) {
    let in_cluster = admitted(policy, submitted);
    let status = "/metadata/annotations/sidecar.vault.talend.org~1status";
    assert_eq!(
        in_cluster.pointer(status),
        Some(&json!("injected")),
        "{name}"
    );
    assert_eq!(in_cluster, admitted(policy, injected), "{name}");
}

#[test]
fn the_pods_of_the_golden_cases_come_out_as_in_a_cluster() {
    let directory = Directory::new();
    let mut arguments = vec!["inject".to_owned(), "-o".to_owned(), "json".to_owned()];
    let mut cases = Vec::new();
    for case in Case::all() {
        // Settings and requests of their own are another run.
        if case.is_plain() && case.injected().is_some() {
            // As JSON: in YAML 1.1, as the tool reads it, some of their strings are none.
            let file = format!("{}.json", case.name);
            directory.write(&file, case.object.to_string());
            arguments.extend(["-f".to_owned(), file]);
            cases.push((case.name, case.object));
        }
    }
    assert!(cases.len() > 100, "{}", cases.len());

    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let injected = json_documents(&output_of(directory.vsi(&arguments)));
    assert_eq!(injected.len(), cases.len());
    let policy = policy();
    for ((name, submitted), injected) in cases.iter().zip(&injected) {
        assert_same(&policy, submitted, injected, name);
    }
}

#[test]
fn the_pods_of_the_samples_come_out_as_in_a_cluster() {
    let injected = templates(&output_of(vsi(&["inject", "-f", "deploy/samples"])));
    let mut submitted = Vec::new();
    for path in samples() {
        let pods = templates(&fs::read_to_string(&path).unwrap());
        assert_eq!(pods.len(), 1, "{}", path.display());
        submitted.extend(pods);
    }
    assert_eq!(submitted.len(), injected.len());
    let policy = policy();
    for (submitted, injected) in submitted.iter().zip(&injected) {
        assert_same(&policy, submitted, injected, &submitted.to_string());
    }
}

/// The pods that a cluster makes of the workloads in a text.
fn templates(text: &str) -> Vec<Value> {
    let pod_of = |workload: &Value| {
        let template = ["/spec/jobTemplate/spec/template", "/spec/template"]
            .into_iter()
            .find_map(|pointer| workload.pointer(pointer))?;
        let mut pod = template.clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        if matches!(workload["kind"].as_str(), Some("Job" | "CronJob")) {
            pod["metadata"]["ownerReferences"] = json!([{"kind": "Job", "controller": true}]);
        }
        Some(pod)
    };
    yaml_documents(text).iter().filter_map(pod_of).collect()
}

#[test]
fn the_module_and_the_policy_in_the_tool_say_the_same() {
    let settings = "docs/reference/settings-example.yaml";
    for arguments in [
        &["inject", "-f", "deploy/samples", "-o", "patch"][..],
        &["check", "-f", "deploy/samples", "--settings", settings],
        &["settings", "validate", settings],
    ] {
        let module = [arguments, &["--policy", "policy.wasm"]].concat();
        assert_eq!(output_of(vsi(arguments)), output_of(vsi(&module)));
    }
    let request = ["-r", "test_data/requests/deployment-pod.json"];
    for command in ["run", "diff"] {
        let native = output_of(vsi(&[&[command], &request[..]].concat()));
        let module = output_of(vsi(&[&[command, "policy.wasm"], &request[..]].concat()));
        assert_eq!(native, module);
    }
}

#[test]
fn kubectl_reads_what_is_injected() {
    let label = |arguments: &[&str], manifests: &str| {
        let assert = assert_cmd::Command::new("kubectl")
            .args(["label", "--local", "a=b", "-o", "name"])
            .args(arguments)
            .current_dir(root())
            .write_stdin(manifests)
            .assert();
        let output = assert.success().get_output().stdout.clone();
        String::from_utf8(output).unwrap()
    };
    let names = label(&["-f", "deploy/samples"], "");
    assert!(names.lines().count() >= samples().len());
    for format in ["yaml", "json"] {
        let injected = output_of(vsi(&["inject", "-f", "deploy/samples", "-o", format]));
        assert_eq!(label(&["-f", "-"], &injected), names, "{format}");
    }
}
