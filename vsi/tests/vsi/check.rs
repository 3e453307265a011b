//! `vsi check`: what the policy rejects and warns of, with its place in the manifests.

use golden_cases::{Case, Verdict};
use serde_json::{Value, json};

use crate::support::{Directory, output_of, vsi};

/// The second document has an unknown mode and an unknown annotation; the third is a list.
const APP: &str = "\
apiVersion: v1
kind: Service
metadata: {name: orders}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders
spec:
  template:
    metadata:
      annotations:
        sidecar.vault.talend.org/inject: \"true\"
        sidecar.vault.talend.org/role: shop
        sidecar.vault.talend.org/mode: sideways
    spec:
      containers: [{name: orders}]
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Pod
    metadata:
      name: shop
      annotations:
        sidecar.vault.talend.org/inject: \"true\"
        sidecar.vault.talend.org/role: shop
        sidecar.vault.talend.org/secret-path: secret/shop
        sidecar.vault.talend.org/secrets-path: secret/shop
    spec:
      containers: [{name: shop}]
";

#[test]
fn a_finding_is_a_line_with_its_place() {
    let directory = Directory::with("app.yaml", APP);
    directory
        .vsi(&["check", "-f", "app.yaml"])
        .assert()
        .code(1)
        .stdout(
            "app.yaml:15: error: document 2, Deployment/orders, sidecar.vault.talend.org/mode: \"sideways\" is not valid; expected one of secrets, proxy, job\n\
             app.yaml:29: warning: document 3, Pod/shop, sidecar.vault.talend.org/secret-path: unknown and ignored; did you mean secrets-path?\n",
        )
        .stderr("vsi: 1 of 2 pods and workloads injected, 1 rejected\n");
}

#[test]
fn nothing_is_reported_of_what_is_well() {
    vsi(&["check", "-f", "deploy/samples", "deploy/rbac-job.yaml"])
        .assert()
        .success()
        // The samples that share processes or a user, to show how.
        .stdout(
            "deploy/samples/deployment-signal.yaml:7: warning: document 1, Deployment/gateway: container nginx: runs as the sidecars' user 100, so that only separate process namespaces protect the Vault token (setting restrictions.sharedProcesses)\n\
             deploy/samples/deployment-signal.yaml:27: warning: document 1, Deployment/gateway, sidecar.vault.talend.org/share-process-namespace: other containers can read the Vault token from the sidecars' processes (setting restrictions.sharedProcesses)\n\
             deploy/samples/statefulset-same-user.yaml:22: warning: document 1, StatefulSet/postgres, sidecar.vault.talend.org/run-as-same-user: container postgres runs as the sidecars' user 999, so that only separate process namespaces protect the Vault token (setting restrictions.sharedProcesses)\n",
        )
        .stderr("vsi: 27 of 27 pods and workloads injected\n");
}

/// The policy would never see it.
#[test]
fn annotations_without_inject_are_reported() {
    let mistyped = APP.replace("talend.org/inject:", "talend.org/injected:");
    let told =
        "sidecar.vault.talend.org/injected: has no effect without sidecar.vault.talend.org/inject";
    let directory = Directory::with("app.yaml", &mistyped);
    directory
        .vsi(&["check", "-f", "app.yaml"])
        .assert()
        .success()
        .stdout(format!(
            "app.yaml:13: warning: document 2, Deployment/orders, {told}\n\
             app.yaml:27: warning: document 3, Pod/shop, {told}\n"
        ));
    // What has been injected and has no `inject` any more is correct.
    let injected = mistyped.replace(
        "talend.org/injected: \"true\"",
        "talend.org/status: injected",
    );
    let directory = Directory::with("app.yaml", injected);
    directory
        .vsi(&["check", "-f", "app.yaml"])
        .assert()
        .success()
        .stdout("");
}

#[test]
fn a_warning_alone_is_not_a_failure() {
    let warned = APP.replace("mode: sideways", "mode: proxy");
    let directory = Directory::with("app.yaml", warned);
    let output = output_of(directory.vsi(&["check", "-f", "app.yaml"]));
    assert_eq!(output.lines().count(), 1);
    assert!(output.contains(": warning: "), "{output}");
}

#[test]
fn github_shows_findings_in_pull_requests() {
    let directory = Directory::with("app.yaml", APP);
    let output = directory
        .vsi(&["check", "-f", "app.yaml", "--output", "github"])
        .assert()
        .code(1)
        .get_output()
        .stdout
        .clone();
    assert!(String::from_utf8(output).unwrap().starts_with(
        "::error file=app.yaml,line=15,title=document 2%2C Deployment/orders%2C sidecar.vault.talend.org/mode::"
    ));
}

#[test]
fn code_scanning_gets_sarif() {
    let directory = Directory::with("app.yaml", APP);
    let output = directory
        .vsi(&["check", "-f", "app.yaml", "--output", "sarif"])
        .assert()
        .code(1)
        .get_output()
        .stdout
        .clone();
    let log: Value = serde_json::from_slice(&output).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let levels: Vec<_> = results.iter().map(|result| &result["level"]).collect();
    assert_eq!(levels, ["error", "warning"]);
    let place = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(
        *place,
        json!({"artifactLocation": {"uri": "app.yaml"}, "region": {"startLine": 29}})
    );
}

#[test]
fn a_mistake_in_yaml_is_a_finding_and_hides_no_other() {
    let broken = "a: 1\n\tb: 2\n";
    let directory = Directory::with("app.yaml", format!("{broken}---\n{APP}"));
    directory
        .vsi(&["check", "-f", "app.yaml"])
        .assert()
        .code(1)
        .stdout(predicates::str::starts_with(
            "app.yaml:2:1: error: document 1: ",
        ))
        .stdout(predicates::str::contains(
            "app.yaml:18: error: document 3, Deployment/orders, ",
        ));
}

#[test]
fn every_rejected_golden_case_is_rejected_here() {
    let mut count = 0;
    let directory = Directory::new();
    for case in Case::all() {
        // An image that is not looked up is taken for one that runs something.
        let is_looked_up = |message: &str| message.contains("cannot be looked up");
        let is_rejected = match case.expected().map(|it| it.verdict) {
            Some(Verdict::Rejected(message)) => !is_looked_up(&message),
            _ => false,
        };
        if case.is_plain() && is_rejected {
            // As JSON: in YAML 1.1, as the tool reads it, some of their strings are none.
            directory.write(&format!("{count}.json"), case.object.to_string());
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
    let mut check = directory.vsi(&["check", "-f", "."]);
    let output = check.assert().code(1).get_output().stdout.clone();
    let output = String::from_utf8(output).unwrap();
    let errors = output.lines().filter(|line| line.contains(" error: "));
    assert_eq!(errors.count(), count, "{output}");
}

/// The second of two pod templates has an unknown mode, and steps of a workflow are numbered.
const OTHERS: &str = "\
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: train}
spec:
  pytorchReplicaSpecs:
    Master:
      template:
        metadata:
          annotations: &inject
            sidecar.vault.talend.org/inject: \"true\"
            sidecar.vault.talend.org/role: ml
            sidecar.vault.talend.org/secrets-path: secret/ml
        spec: {containers: [{name: pytorch}]}
    Worker:
      template:
        metadata:
          annotations:
            sidecar.vault.talend.org/inject: \"true\"
            sidecar.vault.talend.org/mode: sideways
        spec: {containers: [{name: pytorch}]}
---
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: import-}
spec:
  templates:
    - name: first
      container: {image: a}
    - name: second
      metadata:
        annotations:
          sidecar.vault.talend.org/inject: \"true\"
          sidecar.vault.talend.org/auth: github
      container: {image: a}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  template:
    metadata:
      annotations: *inject
    spec: {containers: [{name: web}]}
---
apiVersion: example.org/v1
kind: Fleet
metadata: {name: quiet, annotations: {sidecar.vault.talend.org/role: ml}}
";

/// Aliases end with their document.
fn others() -> String {
    let annotations = "{sidecar.vault.talend.org/inject: \"true\", sidecar.vault.talend.org/mode: proxy, sidecar.vault.talend.org/role: web}";
    OTHERS
        .replace("*inject", annotations)
        .replace("&inject", "")
}

#[test]
fn pod_templates_of_other_kinds_are_checked_where_they_are() {
    let directory = Directory::with("app.yaml", others());
    directory
        .vsi(&["check", "-f", "app.yaml"])
        .assert()
        .code(1)
        .stdout(
            "app.yaml:19: error: document 1, PyTorchJob/train, sidecar.vault.talend.org/mode: \"sideways\" is not valid; expected one of secrets, proxy, job (in spec.pytorchReplicaSpecs.Worker.template)\n\
             app.yaml:33: error: document 2, Workflow/import-*, sidecar.vault.talend.org/auth: \"github\" is not valid; expected one of kubernetes, approle, jwt, cert, aws, azure, gcp, alicloud, cf, oci, kerberos, ldap, token-file (in spec.templates[1])\n",
        )
        .stderr("vsi: 0 of 3 pods and workloads injected, 1 of other kinds checked, 2 rejected\n");
}

#[test]
fn an_annotation_that_nobody_reads_is_reported_with_its_place() {
    let text = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    sidecar.vault.talend.org/inject: \"true\"
spec:
  template:
    metadata: {labels: {app: web}}
    annotations:
      sidecar.vault.talend.org/inject: \"true\"
    spec: {containers: [{name: web}]}
---
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: count}
spec:
  driver:
    annotations:
      sidecar.vault.talend.org/inject: \"true\"
";
    let directory = Directory::with("app.yaml", text);
    let belongs = "it belongs in spec.template.metadata.annotations";
    let inject = "sidecar.vault.talend.org/inject";
    directory
        .vsi(&["check", "-f", "app.yaml"])
        .assert()
        .success()
        .stdout(format!(
            "app.yaml:6: warning: document 1, Deployment/web, {inject}: no effect in metadata.labels; {belongs}\n\
             app.yaml:11: warning: document 1, Deployment/web, {inject}: no effect in spec.template.annotations; {belongs}\n\
             app.yaml:20: warning: document 2, SparkApplication/count, {inject}: in spec.driver.annotations it has an effect only if the object's controller copies it to the annotations of its pods\n"
        ))
        .stderr("vsi: 0 of 2 pods and workloads injected\n");
}
