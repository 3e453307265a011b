//! The manifests of `deploy/` are what Kubewarden and the API server take, and send the policy what it must see.

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use cel::{Context, Program};
use golden_cases::{Case, Verdict};
use policy_host::Guest;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{module, read_yaml, root};

const CLUSTER: &str = "deploy/base/cluster-admission-policy.yaml";
const NAMESPACED: &str = "deploy/namespaced/admission-policy.yaml";
const OVERLAYS: [&str; 4] = ["development", "openbao", "openshift", "production"];

/// A ClusterAdmissionPolicy or AdmissionPolicy of Kubewarden's API `policies.kubewarden.io/v1`, with the fields that
/// these manifests use. A field that is not here would be unknown to some Kubewarden that is still supported.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Policy {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Specification,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Specification {
    module: String,
    mutating: bool,
    failure_policy: FailurePolicy,
    timeout_seconds: u8,
    background_audit: bool,
    rules: Vec<Rule>,
    namespace_selector: Option<Selector>,
    match_conditions: Vec<MatchCondition>,
    settings: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
enum FailurePolicy {
    Fail,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<Operation>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Operation {
    Create,
    Update,
}

/// Without `matchLabels`, which some versions of Kubewarden drop from the namespace selector.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Selector {
    match_expressions: Vec<Requirement>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Requirement {
    key: String,
    operator: SelectorOperator,
    values: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
enum SelectorOperator {
    NotIn,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct MatchCondition {
    name: String,
    expression: String,
}

fn policy(value: Value) -> Policy {
    serde_json::from_value(value).unwrap()
}

/// What `kubectl apply -k` sends of a directory in `deploy/`.
fn kustomized(directory: &str) -> Policy {
    let output = Command::new("kubectl")
        .args(["kustomize", directory])
        .current_dir(root().join("deploy"))
        .output()
        .expect("the tests need kubectl");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{directory}: {errors}");
    assert_eq!(errors, "", "{directory}");
    policy(yaml_serde::from_slice(&output.stdout).unwrap())
}

fn overlays() -> impl Iterator<Item = (&'static str, Policy)> {
    OVERLAYS
        .map(|name| (name, kustomized(&format!("overlays/{name}"))))
        .into_iter()
}

#[test]
fn the_policy_for_a_namespace_differs_from_that_for_the_cluster_in_its_settings() {
    let cluster = policy(read_yaml(&root().join(CLUSTER)));
    let namespaced = policy(read_yaml(&root().join(NAMESPACED)));
    for (policy, kind, namespace) in [
        (&cluster, "ClusterAdmissionPolicy", None),
        (&namespaced, "AdmissionPolicy", Some("shop".to_owned())),
    ] {
        assert_eq!(policy.api_version, "policies.kubewarden.io/v1");
        assert_eq!(policy.kind, kind);
        assert_eq!(policy.metadata.namespace, namespace);
    }
    // A selector of namespaces makes no sense in one.
    assert_eq!(namespaced.spec.namespace_selector, None);
    let expected = Specification {
        namespace_selector: None,
        settings: namespaced.spec.settings.clone(),
        ..cluster.spec
    };
    assert_eq!(namespaced.spec, expected);
}

#[test]
fn without_mutating_every_injection_would_be_a_rejection() {
    let cluster = kustomized("base");
    assert!(cluster.spec.mutating);
    assert!(!cluster.spec.background_audit);
}

#[test]
fn overlays_change_nothing_but_settings() {
    let base = kustomized("base");
    assert_eq!(base.spec.settings, json!({}));
    let directories: Vec<_> = std::fs::read_dir(root().join("deploy/overlays"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(directories.len(), OVERLAYS.len(), "{directories:?}");
    for (name, overlay) in overlays() {
        let expected = Specification {
            settings: overlay.spec.settings.clone(),
            ..kustomized("base").spec
        };
        assert_ne!(overlay.spec.settings, json!({}), "{name}");
        assert_eq!(overlay.spec, expected, "{name}");
    }
}

#[test]
fn the_settings_of_every_manifest_are_valid() {
    let namespaced = policy(read_yaml(&root().join(NAMESPACED)));
    for (name, policy) in overlays().chain([("namespaced", namespaced)]) {
        let answer = module().validate_settings(&policy.spec.settings).unwrap();
        assert!(answer.valid, "{name}: {:?}", answer.message);
    }
}

#[test]
fn the_settings_for_openbao_are_those_of_a_golden_case() {
    let case = Case::named("images/openbao");
    assert_eq!(kustomized("overlays/openbao").spec.settings, case.settings);
}

#[test]
fn the_rules_are_those_of_the_module() {
    let metadata = read_yaml(&root().join("policy-metadata.yml"));
    let rules: Vec<Rule> = serde_json::from_value(metadata["rules"].clone()).unwrap();
    assert_eq!(kustomized("base").spec.rules, rules);
}

/// The conditions that a request must meet, all of them, to be sent to the policy server.
struct MatchConditions(Vec<Program>);

impl MatchConditions {
    /// Those of the manifest, for annotations with a prefix.
    fn of(policy: &Policy, prefix: &str) -> Self {
        let compiled = policy.spec.match_conditions.iter().map(|condition| {
            let expression = condition.expression.replace(DEFAULT_PREFIX, prefix);
            Program::compile(&expression).unwrap()
        });
        Self(compiled.collect())
    }

    /// An error of a condition would be a rejection of the request, whoever it is from.
    fn are_met_by(&self, request: &Value) -> bool {
        let mut context = Context::default();
        for (variable, value) in [
            ("request", request),
            ("object", &request["object"]),
            (
                "oldObject",
                request.get("oldObject").unwrap_or(&Value::Null),
            ),
        ] {
            context.add_variable(variable, value).unwrap();
        }
        self.0.iter().all(|program| {
            let result = program.execute(&context);
            result.unwrap_or_else(|error| panic!("{error}: {request}")) == cel::Value::Bool(true)
        })
    }
}

const DEFAULT_PREFIX: &str = "sidecar.vault.talend.org";

/// What no API server sends, because its types do not have it.
const IMPOSSIBLE: [&str; 4] = [
    "malformed/rejected/annotations-are-a-list",
    "other-kinds/misplaced/deployment-template",
    "other-kinds/misplaced/deployment-spec-of-its-pods",
    "other-kinds/misplaced/pod-spec",
];

#[test]
fn whatever_gets_more_than_a_yes_is_sent_to_the_policy_server() {
    let policy = kustomized("base");
    let mut sent = BTreeMap::from([(true, 0), (false, 0)]);
    for case in Case::all() {
        let request = without_null(case.request());
        let is_ruled_out = !["CREATE", "UPDATE"].contains(&request["operation"].as_str().unwrap());
        if is_ruled_out || IMPOSSIBLE.contains(&case.name.as_str()) {
            continue;
        }
        let conditions = MatchConditions::of(&policy, case.prefix());
        let is_sent = conditions.are_met_by(&request);
        *sent.entry(is_sent).or_default() += 1;
        let is_plain_yes = case.expected().is_some_and(|outcome| {
            outcome.verdict == Verdict::Unchanged && outcome.warnings.is_empty()
        });
        assert!(is_sent || is_plain_yes, "{}", case.name);
    }
    assert!(sent[&true] > 300 && sent[&false] > 5, "{sent:?}");
}

/// What is null is not there any more when the API server has read an object into its types.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name, without_null(member)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_null).collect(),
        other => other,
    }
}

fn creation(kind: &str, object: Value) -> Value {
    json!({"kind": {"group": "", "kind": kind}, "operation": "CREATE", "object": object, "oldObject": null})
}

fn update(old: Value, new: Value) -> Value {
    json!({"kind": {"group": "apps", "kind": "Workload"}, "operation": "UPDATE", "object": new, "oldObject": old})
}

#[test]
fn what_is_not_annotated_never_depends_on_the_policy_server() {
    let conditions = MatchConditions::of(&kustomized("base"), DEFAULT_PREFIX);
    let annotated = json!({"annotations": {"sidecar.vault.talend.org/inject": "true"}});
    let plain = json!({"annotations": {"sidecar.vault.talend.org/role": "shop"}});
    let bare = json!({"name": "app"});
    for (metadata, is_sent) in [(&annotated, true), (&plain, false), (&bare, false)] {
        let template = json!({"metadata": metadata, "spec": {}});
        let job = json!({"spec": {"template": template}});
        for (kind, object) in [
            ("Pod", json!({"metadata": metadata, "spec": {}})),
            (
                "Deployment",
                json!({"metadata": bare, "spec": {"template": template}}),
            ),
            (
                "CronJob",
                json!({"metadata": bare, "spec": {"jobTemplate": job}}),
            ),
        ] {
            let request = creation(kind, object);
            assert_eq!(conditions.are_met_by(&request), is_sent, "{request}");
        }
    }
    // As the API server sends a ReplicationController without a template, and a CronJob with an empty one.
    for object in [
        json!({"metadata": bare, "spec": {"selector": {}}}),
        json!({"metadata": bare, "spec": {"template": {"spec": {}}}}),
        json!({"metadata": bare, "spec": {"jobTemplate": {}}}),
        json!({"metadata": bare, "spec": {"jobTemplate": {"spec": {"template": {}}}}}),
    ] {
        assert!(
            !conditions.are_met_by(&creation("Workload", object.clone())),
            "{object}"
        );
        assert!(
            !conditions.are_met_by(&update(object.clone(), object.clone())),
            "{object}"
        );
    }
}

/// What reaches into a sidecar or changes one is sent, and nothing else that becomes of a pod: the finalizers of Jobs'
/// pods, labels and states of all pods do not depend on the policy server.
#[test]
fn changes_of_pods_are_sent_where_they_may_reach_a_sidecar() {
    let conditions = MatchConditions::of(&kustomized("base"), DEFAULT_PREFIX);
    let pod = |image: &str, names: &[&str], list: &str| {
        let container = |name: &&str| json!({"name": name, "image": image});
        let mut pod = json!({
            "metadata": {"annotations": {"sidecar.vault.talend.org/inject": "true"}, "finalizers": ["x"]},
            "spec": {"containers": [{"name": "app", "image": image}]},
        });
        let containers: Vec<_> = names.iter().map(container).collect();
        match list {
            "containers" => pod["spec"]["containers"]
                .as_array_mut()
                .unwrap()
                .extend(containers),
            _ => pod["spec"][list] = json!(containers),
        }
        pod
    };
    let change = |old: &Value, new: &Value| json!({"kind": {"kind": "Pod"}, "operation": "UPDATE", "object": new, "oldObject": old});
    let with = |pod: &Value, path: &str, value: Value| {
        let mut pod = pod.clone();
        *pod.pointer_mut(path).unwrap() = value;
        pod
    };
    for (names, list, has_sidecars) in [
        (["tvsi-vault-agent"].as_slice(), "containers", true),
        (&["tvsi-vault-agent-init"], "initContainers", true),
        (&["other"], "initContainers", false),
        (&[], "containers", false),
    ] {
        let old = pod("a:1", names, list);
        let new = pod("a:2", names, list);
        assert_eq!(
            conditions.are_met_by(&change(&old, &new)),
            has_sidecars,
            "{new}"
        );
        let mut debugged = old.clone();
        debugged["spec"]["ephemeralContainers"] = json!([{"name": "debugger"}]);
        assert_eq!(
            conditions.are_met_by(&change(&old, &debugged)),
            has_sidecars
        );
        for (path, value) in [
            ("/metadata/finalizers", json!([])),
            ("/metadata/annotations", json!({"other": "note"})),
        ] {
            let new = with(&old, path, value);
            assert!(!conditions.are_met_by(&change(&old, &new)), "{new}");
        }
    }
}

/// While the policy server is away, what is running can be scaled, deleted and cared for by its controllers.
#[test]
fn what_is_running_never_depends_on_the_policy_server() {
    let conditions = MatchConditions::of(&kustomized("base"), DEFAULT_PREFIX);
    let template = |image: &str| {
        let metadata = json!({"annotations": {"sidecar.vault.talend.org/inject": "true"}});
        json!({"metadata": metadata, "spec": {"containers": [{"name": "app", "image": image}]}})
    };
    let deployment = |replicas: u8, image: &str| json!({"metadata": {"name": "app"}, "spec": {"replicas": replicas, "template": template(image)}});
    let cron_job = |schedule: &str, image: &str| {
        let job = json!({"spec": {"template": template(image)}});
        json!({"metadata": {"name": "app"}, "spec": {"schedule": schedule, "jobTemplate": job}})
    };
    let with = |mut object: Value, name: &str, value: Value| {
        object["metadata"][name] = value;
        object
    };
    let owner = |is_controller: bool| json!([{"kind": "Deployment", "name": "app", "controller": is_controller}]);
    let new = || deployment(1, "app:2");
    let controlled = |object: Value| with(object, "ownerReferences", owner(true));
    for (changed, is_sent) in [
        (creation("Deployment", new()), true),
        (creation("ReplicaSet", controlled(new())), false),
        (creation("Pod", controlled(template("app:1"))), true),
        (update(deployment(1, "app:1"), deployment(1, "app:2")), true),
        (
            update(deployment(1, "app:1"), deployment(2, "app:1")),
            false,
        ),
        (
            update(cron_job("@daily", "app:1"), cron_job("@daily", "app:2")),
            true,
        ),
        (
            update(cron_job("@daily", "app:1"), cron_job("@hourly", "app:1")),
            false,
        ),
        (
            update(
                deployment(1, "app:1"),
                with(new(), "deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            ),
            false,
        ),
        (
            update(
                deployment(1, "app:1"),
                with(new(), "ownerReferences", owner(true)),
            ),
            false,
        ),
        (
            update(
                deployment(1, "app:1"),
                with(new(), "ownerReferences", owner(false)),
            ),
            true,
        ),
        (update(json!({"metadata": {}, "spec": {}}), new()), true),
        (
            update(
                deployment(1, "app:1"),
                with(deployment(1, "app:1"), "finalizers", json!([])),
            ),
            false,
        ),
    ] {
        assert_eq!(conditions.are_met_by(&changed), is_sent, "{changed}");
    }
}

/// Other kinds need rules, and nothing else.
#[test]
fn other_kinds_that_rules_are_added_for_are_sent_where_they_may_bring_pods() {
    let conditions = MatchConditions::of(&kustomized("base"), DEFAULT_PREFIX);
    let annotated = json!({"metadata": {"annotations": {"sidecar.vault.talend.org/inject": "true"}}, "spec": {"containers": [{}]}});
    let silent = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{}]}});
    let is_sent = |(group, kind): (&str, &str), old: Option<&Value>, object: &Value| {
        conditions.are_met_by(&json!({
            "kind": {"group": group, "version": "v1", "kind": kind},
            "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "object": object,
            "oldObject": old,
        }))
    };
    let rollout = ("argoproj.io", "Rollout");
    let of_rollout = |template: &Value, replicas: u8| json!({"metadata": {}, "spec": {"replicas": replicas, "template": template}});
    assert!(is_sent(rollout, None, &of_rollout(&annotated, 1)));
    assert!(!is_sent(rollout, None, &of_rollout(&silent, 1)));
    let old = of_rollout(&annotated, 1);
    assert!(!is_sent(rollout, Some(&old), &of_rollout(&annotated, 2)));
    let old = of_rollout(&silent, 1);
    assert!(is_sent(rollout, Some(&old), &of_rollout(&annotated, 1)));

    // Conditions do not look into its templates.
    let job = ("kubeflow.org", "PyTorchJob");
    let of_job = |template: &Value, metadata: Value| json!({"metadata": metadata, "spec": {"pytorchReplicaSpecs": {"Master": {"template": template}}}});
    for template in [&annotated, &silent] {
        assert!(is_sent(job, None, &of_job(template, json!({}))));
    }
    let old = of_job(&annotated, json!({}));
    let noted = of_job(&annotated, json!({"finalizers": []}));
    assert!(!is_sent(job, Some(&old), &noted));
    assert!(is_sent(job, Some(&old), &of_job(&silent, json!({}))));
    let owner = json!({"ownerReferences": [{"kind": "Trial", "name": "a", "controller": true}]});
    assert!(!is_sent(job, None, &of_job(&annotated, owner)));

    let of_core = ("", "PodTemplate");
    let template = |template: &Value| json!({"metadata": {}, "template": template});
    assert!(is_sent(of_core, None, &template(&annotated)));
    let old = template(&annotated);
    assert!(!is_sent(of_core, Some(&old), &old));
    assert!(is_sent(of_core, Some(&template(&silent)), &old));

    // Kinds without a spec are not an error, whatever the rules say.
    for kind in [("", "ConfigMap"), ("example.org", "Plain")] {
        let object = json!({"metadata": {}, "data": {}});
        is_sent(kind, None, &object);
        assert!(!is_sent(kind, Some(&object), &object));
    }
}
