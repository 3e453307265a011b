//! Who may read, run and change what: users and groups, Pod Security, limits, tokens that end, and changes of pods.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::running::{
    AGENT, BABYSITTER, CONSUL_TEMPLATE, FILE, LIMIT, Running, SECRETS, TOKEN, wait_until_true,
};
use crate::support::scenario::{PodBuilder, SHELL, Scenario, WAIT, cluster, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("service_account_token_that_ends", BOTH, token_that_ends)
        .settings(|| json!({"secrets": {"refreshSeconds": 5}})),
    entry("application_with_its_own_user", BOTH, own_user).vault_only(),
    entry("files_for_a_group", BOTH, group)
        .settings(|| json!({"secrets": {"filePermissions": "0640"}}))
        .vault_only(),
    entry("files_for_an_fs_group", BOTH, fs_group)
        .settings(|| json!({"secrets": {"filePermissions": "0640"}})),
    entry("files_for_one_user", BOTH, one_user)
        .settings(|| json!({"secrets": {"filePermissions": "0600"}}))
        .vault_only(),
    entry("files_for_the_user_of_the_application", BOTH, same_user).vault_only(),
    entry("sidecars_as_the_user_of_the_pod", BOTH, user_of_the_pod)
        .settings(|| {
            json!({
                "secrets": {"filePermissions": "0600"},
                "securityContext": {"runAsUser": null, "runAsGroup": null},
            })
        })
        .labels(RESTRICTED),
    entry(
        "sidecars_as_the_user_of_the_image",
        CLASSIC,
        user_of_the_image,
    )
    .settings(|| json!({"securityContext": {"runAsUser": null, "runAsGroup": null}}))
    .vault_only(),
    entry("files_that_the_application_may_write", BOTH, writable)
        .settings(|| json!({"secrets": {"readOnly": false}}))
        .vault_only(),
    entry("signal_to_another_user", CLASSIC, signal_to_another_user)
        .settings(|| json!({"secrets": {"refreshSeconds": 5}}))
        .vault_only(),
    entry("token_that_only_a_group_may_read", BOTH, token_for_a_group).vault_only(),
    entry("restricted_dynamic", BOTH, restricted_dynamic)
        .labels(RESTRICTED)
        .quick(),
    entry("restricted_static", CLASSIC, restricted_static).labels(RESTRICTED),
    entry("restricted_job", BOTH, restricted_job).labels(RESTRICTED),
    entry("restricted_proxy", BOTH, restricted_proxy).labels(RESTRICTED),
    entry("sidecars_have_no_privileges", BOTH, no_privileges).quick(),
    entry("limit_range", BOTH, limit_range).vault_only(),
    entry("resource_quota", BOTH, resource_quota).vault_only(),
    entry("job_of_class_guaranteed", BOTH, guaranteed).vault_only(),
    entry("resources_of_the_whole_pod", BOTH, of_the_whole_pod).vault_only(),
    entry("user_namespace", BOTH, user_namespace),
    entry("nobody_changes_sidecars", BOTH, nobody_changes_sidecars).vault_only(),
];

const RESTRICTED: &[(&str, &str)] = &[("pod-security.kubernetes.io/enforce", "restricted")];

const CONTENT: &[u8] = b"a=b\n";

/// Where the application has a service account token of its own.
const OWN_TOKEN: &str = "/var/run/secrets/vault/token";

/// How long that is valid: the shortest time that Kubernetes has.
const VALIDITY: Duration = Duration::from_secs(600);

/// Begins a pod whose file has [`CONTENT`].
fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    scenario.pod_with_secret(json!({"a": "b"}))
}

/// A container that runs as a user and a group.
fn container_as(name: &str, user: u32, group: u32) -> Value {
    let security = json!({"securityContext": {"runAsUser": user, "runAsGroup": group}});
    shell_container_with(name, WAIT, security)
}

fn assert_contains(message: &str, text: &str) {
    assert!(message.contains(text), "{text:?} is not in {message:?}");
}

fn own_user(scenario: &Scenario) {
    let pod = pod(scenario)
        .container_with(container_as("app", 10001, 10001))
        .run();
    pod.wait_for_content("app", FILE, CONTENT);
    assert_eq!(owner(&pod, "app", FILE), "644 100 1000");
    pod.assert_fails("app", &format!("touch {SECRETS}/new"), "Read-only");
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    scenario.delete_without_traces(&pod);
}

/// The permissions, user and group of a file.
fn owner(pod: &Running, container: &str, file: &str) -> String {
    let owner = pod.shell(container, &format!("stat -c '%a %u %g' {file}"));
    owner.trim().to_owned()
}

/// Without an fsGroup, the group of the files is that of the sidecars.
fn group(scenario: &Scenario) {
    let pod = pod(scenario)
        .container_with(container_as("of-the-group", 10001, 1000))
        .container_with(container_as("other", 10001, 10001))
        .run();
    pod.wait_for_content("of-the-group", FILE, CONTENT);
    assert_eq!(owner(&pod, "other", FILE), "640 100 1000");
    pod.assert_fails("other", &format!("cat {FILE}"), "Permission denied");
}

/// With an fsGroup, the files have that group, whoever writes them, and all containers are in it.
fn fs_group(scenario: &Scenario) {
    let ways = [
        ("consul-template", "dynamic"),
        ("vault-agent", "dynamic"),
        ("consul-template", "static"),
    ];
    for (engine, secrets_type) in ways {
        let pod = pod(scenario)
            .name(&format!("{engine}-{secrets_type}"))
            .annotate("template-engine", engine)
            .annotate("secrets-type", secrets_type)
            .annotate("secrets-destination", "tls/server.key")
            .spec("securityContext", json!({"fsGroup": 2000}))
            .container_with(container_as("app", 10001, 10001))
            .run();
        let file = format!("{SECRETS}/tls/server.key");
        pod.wait_for_content("app", &file, CONTENT);
        assert_eq!(owner(&pod, "app", &file), "640 100 2000");
        scenario.delete_without_traces(&pod);
    }
}

/// Files that only their user may read belong to the sidecars' user: an application with another one, such as
/// PostgreSQL, cannot read them.
fn one_user(scenario: &Scenario) {
    let pod = pod(scenario)
        .spec("securityContext", json!({"fsGroup": 999}))
        .container_with(container_as("postgres", 999, 999))
        .container_with(container_as("same-user", 100, 1000))
        .run();
    pod.wait_for_content("same-user", FILE, CONTENT);
    assert_eq!(owner(&pod, "postgres", FILE), "600 100 999");
    let script = format!("cat {FILE}");
    pod.assert_fails("postgres", &script, "Permission denied");
}

/// Sidecars that run as that user give it files as it insists on them. Others of the pod get what is for its fsGroup.
fn same_user(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"a": "b"}));
    let pod = scenario
        .pod()
        .annotate("run-as-same-user", "true")
        .annotate("secrets-path", &format!("{path},{path}"))
        .annotate("secrets-destination", "server.key,shared")
        .annotate("file-permissions", "0600,0640")
        .spec("securityContext", json!({"fsGroup": 2000}))
        .container_with(container_as("postgres", 999, 999))
        .container_with(container_as("other", 10001, 10001))
        .run();
    let [key, shared] = ["server.key", "shared"].map(|file| format!("{SECRETS}/{file}"));
    pod.wait_for_content("postgres", &key, CONTENT);
    pod.wait_for_content("other", &shared, CONTENT);
    assert_eq!(owner(&pod, "postgres", &key), "600 999 2000");
    assert_eq!(owner(&pod, "other", &shared), "640 999 2000");
    pod.assert_fails("other", &format!("cat {key}"), "Permission denied");
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    scenario.delete_without_traces(&pod);
}

/// OpenShift gives each namespace a user of its own, which it writes into pods that have none: with a policy that names
/// none either, the sidecars run as that one too.
fn user_of_the_pod(scenario: &Scenario) {
    const USER: u32 = 1_000_660_000;
    for secrets_type in ["dynamic", "static"] {
        let security = json!({
            "runAsUser": USER,
            "runAsNonRoot": true,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        let pod = pod(scenario)
            .name(secrets_type)
            .annotate("secrets-type", secrets_type)
            .spec("securityContext", security)
            .container_with(compliant_container("app", WAIT))
            .run();
        pod.wait_for_content("app", FILE, CONTENT);
        assert_eq!(owner(&pod, "app", FILE), format!("600 {USER} {USER}"));
        if secrets_type == "dynamic" {
            for sidecar in [AGENT, CONSUL_TEMPLATE] {
                assert_eq!(pod.shell(sidecar, "id -u").trim(), USER.to_string());
            }
            pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
        }
        scenario.delete_without_traces(&pod);
    }
}

/// Where neither settings nor pod name a user, the images' user is root or has a name only: the kubelet starts neither.
fn user_of_the_image(scenario: &Scenario) {
    let pod = pod(scenario)
        .container_with(container_as("app", 999, 999))
        .run();
    pod.wait_for_event("container has runAsNonRoot and image");
    pod.wait_until("app runs", |life| life.container("app").is_running());
    pod.assert_never_began(AGENT);
    assert_eq!(scenario.logins(), 0);
}

/// It may add files, and still cannot change those of the sidecars.
fn writable(scenario: &Scenario) {
    let pod = pod(scenario)
        .container_with(container_as("app", 10001, 10001))
        .run();
    pod.wait_for_content("app", FILE, CONTENT);
    pod.shell("app", &format!("echo x >{SECRETS}/own"));
    assert_eq!(
        owner(&pod, "app", &format!("{SECRETS}/own")),
        "644 10001 10001"
    );
    pod.assert_fails("app", &format!("echo x >{FILE}"), "Permission denied");
    assert_eq!(pod.read("app", FILE), CONTENT);
}

/// A process can send signals to those of its own user only. That the application must run as the sidecars' user for
/// that is a limit that the documentation has; the file changes nevertheless.
fn signal_to_another_user(scenario: &Scenario) {
    let script = "trap 'echo reloaded' HUP; trap 'exit 0' TERM; echo ready
        while :; do sleep 1 & wait $!; done";
    let mut container = container_as("app", 101, 101);
    container["command"][2] = json!(script);
    let pod = pod(scenario)
        .annotate("share-process-namespace", "true")
        .annotate(
            "notify",
            "kill -HUP $(grep -l '[e]cho ready' /proc/[0-9]*/cmdline | cut -d/ -f3)",
        )
        .container_with(container)
        .run();
    pod.wait_for_content("app", FILE, CONTENT);
    pod.wait_for_log(CONSUL_TEMPLATE, "Operation not permitted");
    scenario.secret("app", json!({"a": "c"}));
    pod.wait_for_content("app", FILE, b"a=c\n");
    pod.wait_for_log(CONSUL_TEMPLATE, "the command ended with status 1");
    assert!(!pod.log("app").contains("reloaded"));
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
}

/// Adds a service account token with an audience and a short life, which the application mounts, and the agent uses.
fn with_own_token(pod: PodBuilder<'_>, permissions: u32) -> PodBuilder<'_> {
    let token = json!({
        "audience": "vault", "expirationSeconds": VALIDITY.as_secs(), "path": "token",
    });
    let volume = json!({
        "name": "vault-token",
        "projected": {"defaultMode": permissions, "sources": [{"serviceAccountToken": token}]},
    });
    let mount = json!({
        "name": "vault-token", "mountPath": "/var/run/secrets/vault", "readOnly": true,
    });
    pod.annotate("sa-token", OWN_TOKEN)
        .spec("automountServiceAccountToken", json!(false))
        .spec("volumes", json!([volume]))
        .container_with(shell_container_with(
            "app",
            WAIT,
            json!({"volumeMounts": [mount]}),
        ))
}

/// The kubelet gives the token to the fsGroup, to the user that all containers run as, or else to root. Where the agent cannot
/// read it, it has one of its own; the application can read it where the sidecars run as its user.
fn token_for_a_group(scenario: &Scenario) {
    scenario.change_role(json!({"audience": "vault"}));
    let run = |name: &str, fs_group: Value, is_same_user: &str| {
        let security = json!({"runAsUser": 1001, "runAsGroup": 1001, "fsGroup": fs_group});
        let pod = with_own_token(pod(scenario).name(name), 0o440)
            .annotate("run-as-same-user", is_same_user)
            .spec("securityContext", security)
            .run();
        pod.wait_for_content("app", FILE, CONTENT);
        pod
    };
    let other = run("other-user", Value::Null, "false");
    other.assert_fails("app", &format!("cat {OWN_TOKEN}"), "Permission denied");
    let same = run("same-user", Value::Null, "true");
    let group = run("fs-group", json!(2000), "false");
    for pod in [&same, &group] {
        let token = String::from_utf8(pod.read("app", OWN_TOKEN));
        assert!(is_accepted(&token.expect("a token is text")));
    }
    assert_eq!(scenario.logins(), 3);
}

/// The kubelet renews a service account's token, and the agent logs in with the new one once the old one has ended.
fn token_that_ends(scenario: &Scenario) {
    scenario.change_role(json!({
        "audience": "vault", "token_ttl": "1m", "token_max_ttl": "2m",
    }));
    let pod = with_own_token(pod(scenario), 0o644).run();
    pod.wait_for_content("app", FILE, CONTENT);
    let first = pod.read("app", OWN_TOKEN);
    let first = String::from_utf8(first).expect("a token is text");
    assert!(is_accepted(&first));

    wait_until_true(VALIDITY, "the kubelet has renewed the token", || {
        pod.read("app", OWN_TOKEN) != first.as_bytes()
    });
    scenario.took("until the kubelet renewed a token of 10 minutes", pod.age());
    wait_until_true(VALIDITY, "the first token has ended", || {
        !is_accepted(&first)
    });
    let logins = scenario.logins();
    // Vault's tokens lasted two minutes each.
    assert!(logins > 4, "{logins} logins");

    pod.wait_until_true("the agent logs in again", || scenario.logins() > logins);
    scenario.secret("app", json!({"a": "c"}));
    pod.wait_for_content("app", FILE, b"a=c\n");
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    scenario.delete_without_traces(&pod);
}

/// Whether the API server accepts a token for Vault, as Vault does it.
fn is_accepted(token: &str) -> bool {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {},
        "spec": {"token": token, "audiences": ["vault"]},
    });
    let review = cluster().create(&review).expect("the API server answers");
    review.data["status"]["authenticated"] == json!(true)
}

/// Makes a pod one that Pod Security `restricted` admits, with containers that are [`compliant_container`].
fn compliant(pod: PodBuilder<'_>) -> PodBuilder<'_> {
    let security = json!({
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    pod.spec("securityContext", security)
}

fn compliant_container(name: &str, script: &str) -> Value {
    let security = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
    });
    shell_container_with(name, script, json!({"securityContext": security}))
}

fn restricted_dynamic(scenario: &Scenario) {
    let message = pod(scenario).container("app", WAIT).rejected();
    assert_contains(&message, r#"violates PodSecurity "restricted:latest""#);
    assert!(!message.contains("tvsi-"), "a sidecar does: {message}");
    for engine in ["consul-template", "vault-agent"] {
        let pod = compliant(pod(scenario))
            .name(engine)
            .annotate("template-engine", engine)
            .container_with(compliant_container("app", WAIT))
            .run();
        pod.wait_for_content("app", FILE, CONTENT);
        scenario.delete_without_traces(&pod);
    }
}

fn restricted_static(scenario: &Scenario) {
    let once = |name| {
        compliant(pod(scenario))
            .name(name)
            .annotate("secrets-type", "static")
    };
    let file = once("file")
        .container_with(compliant_container("app", WAIT))
        .run();
    file.wait_for_content("app", FILE, CONTENT);
    let script = format!("echo \"a is $a\"; {WAIT}");
    let env = once("env")
        .annotate("secrets-injection-method", "env")
        .container_with(compliant_container("app", &script))
        .run();
    env.wait_for_log("app", "a is b\n");
    assert_eq!(scenario.tokens(), 0);
}

fn restricted_job(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script = format!("until cat {FILE}; do sleep 1; done");
    let pod = compliant(pod(scenario))
        .annotate("mode", "job")
        .spec("restartPolicy", json!("Never"))
        .container_with(compliant_container("job", &script))
        .run();
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    pod.wait_for_log("job", "a=b\n");
    for sidecar in sidecars_of_jobs(scenario) {
        assert_eq!(pod.end_of(sidecar).status, 0, "{sidecar}");
    }
    assert_eq!(scenario.tokens(), 0);
}

fn sidecars_of_jobs(scenario: &Scenario) -> &'static [&'static str] {
    match scenario.sidecars {
        Sidecars::Classic => &[AGENT, CONSUL_TEMPLATE, BABYSITTER],
        Sidecars::Native => &[AGENT, CONSUL_TEMPLATE],
    }
}

fn restricted_proxy(scenario: &Scenario) {
    let path = scenario.secret("app", json!({"a": "b"}));
    let url = format!("http://127.0.0.1:8200/v1/{path}");
    let script = format!("until wget -qO- {url}; do sleep 1; done; {WAIT}");
    let pod = compliant(scenario.pod())
        .annotate("mode", "proxy")
        .container_with(compliant_container("app", &script))
        .run();
    pod.wait_for_log("app", r#""data":{"a":"b"}"#);
    scenario.delete_without_traces(&pod);
}

/// What the kernel knows of the processes of the sidecars.
fn no_privileges(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let pod = pod(scenario)
        .annotate("mode", "job")
        .spec("restartPolicy", json!("Never"))
        .container("job", "until [ -e /tmp/go ]; do sleep 0.2; done")
        .run();
    pod.wait_for_content("job", FILE, CONTENT);
    for sidecar in sidecars_of_jobs(scenario) {
        pod.wait_until_started(sidecar);
        let status = pod.shell(sidecar, "cat /proc/1/status");
        let none = "0000000000000000";
        let expected = [
            ("Uid:", "100 100 100 100"),
            ("Gid:", "1000 1000 1000 1000"),
            ("CapEff:", none),
            ("CapPrm:", none),
            ("CapBnd:", none),
            ("NoNewPrivs:", "1"),
            // A filter is in force.
            ("Seccomp:", "2"),
        ];
        for (field, value) in expected {
            let found = status.lines().find_map(|line| line.strip_prefix(field));
            let found: Vec<&str> = found.unwrap_or_default().split_whitespace().collect();
            assert_eq!(found.join(" "), value, "{sidecar}: {field}");
        }
        pod.assert_fails(sidecar, "touch /etc/new", "Read-only");
    }
    pod.shell("job", "touch /tmp/go");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    assert_eq!(scenario.tokens(), 0);
}

/// The amounts of the sidecars are within usual limits and stay; what they lack, they get.
fn limit_range(scenario: &Scenario) {
    let limits = |most_memory: &str| {
        json!({
            "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"},
            "spec": {"limits": [{
                "type": "Container",
                "min": {"cpu": "5m", "memory": "8Mi"},
                "max": {"cpu": "250m", "memory": most_memory},
                "default": {"cpu": "200m", "memory": "64Mi", "ephemeral-storage": "50Mi"},
                "defaultRequest": {"cpu": "20m", "memory": "16Mi", "ephemeral-storage": "10Mi"},
            }]},
        })
    };
    scenario.apply(limits("128Mi"));
    let admitted = pod(scenario).container("app", WAIT).run();
    let resources = |name: &str| {
        let pod = json!(admitted.life().pod);
        let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].clone());
        let mut containers = lists.iter().filter_map(Value::as_array).flatten();
        let container = containers.find(|container| container["name"] == name);
        container.expect("it is there")["resources"].clone()
    };
    let of_app = json!({
        "requests": {"cpu": "20m", "memory": "16Mi", "ephemeral-storage": "10Mi"},
        "limits": {"cpu": "200m", "memory": "64Mi", "ephemeral-storage": "50Mi"},
    });
    assert_eq!(resources("app"), of_app);
    let of_agent = json!({
        "requests": {"cpu": "25m", "memory": "64Mi", "ephemeral-storage": "10Mi"},
        "limits": {"cpu": "250m", "memory": "128Mi", "ephemeral-storage": "50Mi"},
    });
    assert_eq!(resources(AGENT), of_agent);
    admitted.wait_for_content("app", FILE, CONTENT);

    scenario.apply(limits("100Mi"));
    let mut message = String::new();
    wait_until_true(LIMIT, "the API server knows of it", || {
        let late = pod(scenario).name("late").container("app", WAIT);
        message = cluster()
            .create(&late.object)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        if message.is_empty() {
            scenario.delete("v1", "Pod", "late");
        }
        message.contains("maximum")
    });
    assert_contains(
        &message,
        "maximum memory usage per Container is 100Mi, but limit is 128Mi",
    );
    scenario.delete_without_traces(&admitted);
}

/// The sidecars count, and what is too much is named: to whoever creates a pod, and in the status of a workload.
fn resource_quota(scenario: &Scenario) {
    scenario.apply(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"requests.cpu": "200m", "limits.memory": "512Mi"}},
    }));
    let used = || {
        scenario
            .get("v1", "ResourceQuota", "small")
            .unwrap_or_default()["status"]["used"]
            .clone()
    };
    wait_until_true(LIMIT, "the quota is known", || !used().is_null());
    let with_cpu = |cpu: &str| {
        let resources = json!({
            "requests": {"cpu": cpu, "memory": "16Mi"},
            "limits": {"cpu": "200m", "memory": "64Mi"},
        });
        pod(scenario).container_with(shell_container_with(
            "app",
            WAIT,
            json!({"resources": resources}),
        ))
    };
    let admitted = with_cpu("50m").run();
    admitted.wait_for_content("app", FILE, CONTENT);
    assert_eq!(
        used(),
        json!({"requests.cpu": "85m", "limits.memory": "256Mi"})
    );

    let too_much = "exceeded quota: small, requested: requests.cpu=135m, used: requests.cpu=85m, limited: requests.cpu=200m";
    assert_contains(&with_cpu("100m").name("second").rejected(), too_much);
    scenario.apply(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "second"},
        "spec": {
            "selector": {"matchLabels": {"app": "second"}},
            "template": with_cpu("100m").template("second"),
        },
    }));
    wait_until_true(LIMIT, "the Deployment's status names the quota", || {
        let deployment = scenario.get("apps/v1", "Deployment", "second");
        let status = deployment.unwrap_or_default()["status"]["conditions"].to_string();
        status.contains("ReplicaFailure") && status.contains(too_much)
    });
    scenario.delete_without_traces(&admitted);
}

/// All that is injected has annotations for its amounts, without which the pod's class would be another.
fn guaranteed(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let amounts = json!({"cpu": "100m", "memory": "96Mi"});
    let mut pod = pod(scenario).spec("restartPolicy", json!("Never"));
    let programs: &[&str] = match scenario.sidecars {
        Sidecars::Classic => &["agent", "consul-template", "job-babysitter"],
        Sidecars::Native => &["agent", "consul-template"],
    };
    for program in programs {
        for kind in ["requests", "limits"] {
            pod = pod
                .annotate(&format!("{program}-{kind}-cpu"), "100m")
                .annotate(&format!("{program}-{kind}-memory"), "96Mi");
        }
    }
    let script = format!("until cat {FILE}; do sleep 1; done");
    let resources = json!({"resources": {"requests": amounts, "limits": amounts}});
    let pod = pod
        .container_with(shell_container_with("job", &script, resources))
        .run();
    assert_eq!(qos_class(&pod), "Guaranteed");
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    pod.wait_for_log("job", "a=b\n");
}

fn qos_class(pod: &Running) -> String {
    let status = pod.life().pod.status.clone();
    status
        .and_then(|status| status.qos_class)
        .unwrap_or_default()
}

/// What is injected has no amounts of its own in a pod that says what all its containers may use together.
fn of_the_whole_pod(scenario: &Scenario) {
    let pod_amounts = json!({"cpu": "300m", "memory": "256Mi"});
    let own = json!({"resources": {"requests": {"cpu": "290m", "memory": "240Mi"}}});
    let pod = pod(scenario)
        .spec(
            "resources",
            json!({"requests": pod_amounts, "limits": pod_amounts}),
        )
        .container_with(shell_container_with("app", WAIT, own))
        .run();
    let admitted = scenario.get("v1", "Pod", "app").expect("it is there");
    if admitted["spec"]["resources"].is_null() {
        return scenario.was_not_run("the cluster ignores spec.resources");
    }
    assert_eq!(qos_class(&pod), "Guaranteed");
    pod.wait_for_content("app", FILE, CONTENT);
    pod.wait_until_ready();
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    scenario.delete_without_traces(&pod);
}

/// Root in the pod is nobody on the node, where kernel, container runtime and kubelet have that.
fn user_namespace(scenario: &Scenario) {
    if let Some(why) = why_no_user_namespaces(scenario) {
        return scenario.was_not_run(&why);
    }
    let pod = pod(scenario)
        .spec("hostUsers", json!(false))
        .container("app", WAIT)
        .run();
    pod.wait_for_content("app", FILE, CONTENT);
    assert_eq!(owner(&pod, "app", FILE), "644 100 1000");
    for container in ["app", AGENT, CONSUL_TEMPLATE] {
        let map = pod.shell(container, "cat /proc/self/uid_map");
        assert!(!is_of_the_node(&map), "{container}: {map}");
    }
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    scenario.delete_without_traces(&pod);
}

/// Why a pod that requests no injection does not get a user namespace either.
fn why_no_user_namespaces(scenario: &Scenario) -> Option<String> {
    let probe = scenario
        .pod()
        .without("inject")
        .name("probe")
        .spec("hostUsers", json!(false))
        .spec("restartPolicy", json!("Never"))
        .container("probe", "cat /proc/self/uid_map")
        .run();
    let mut failure = None;
    probe.wait_until_true("it has run, or cannot run", || {
        let is_failure = |event: &String| {
            event.starts_with("Failed: ") || event.starts_with("FailedCreatePodSandBox: ")
        };
        failure = probe.events().into_iter().find(is_failure);
        failure.is_some() || !probe.log("probe").is_empty()
    });
    if is_of_the_node(&probe.log("probe")) {
        return Some("the cluster ignores hostUsers".to_owned());
    }
    failure
}

/// Whether the first user of a map, root, is the node's.
fn is_of_the_node(map: &str) -> bool {
    let mut map = map.split_whitespace();
    (map.next(), map.next()) == (Some("0"), Some("0"))
}

/// The second rule of deploy/base: nobody changes sidecars, or gets at their files and processes.
fn nobody_changes_sidecars(scenario: &Scenario) {
    let pod = pod(scenario).container("app", WAIT).run();
    pod.wait_for_content("app", FILE, CONTENT);
    let token = pod.token();
    let sidecars = match scenario.sidecars {
        Sidecars::Classic => "containers",
        Sidecars::Native => "initContainers",
    };
    let message = change_image(scenario, sidecars, AGENT, "busybox:other");
    let message = message.expect_err("it is rejected").to_string();
    assert_contains(
        &message,
        "container tvsi-vault-agent: belongs to the policy",
    );
    let debuggers = [
        (
            json!({"name": "debugger", "targetContainerName": AGENT}),
            "container debugger: refers to container tvsi-vault-agent",
        ),
        (
            json!({"name": "debugger", "volumeMounts": [{"name": "tvsi-shared", "mountPath": "/steal"}]}),
            "container debugger: uses volume tvsi-shared",
        ),
        (
            json!({"name": "debugger", "volumeMounts": [{"name": "secrets", "mountPath": "/steal"}]}),
            "container debugger: uses volume secrets",
        ),
        (
            json!({"name": "tvsi-job-babysitter"}),
            "the name tvsi-job-babysitter is reserved for the policy",
        ),
    ];
    for (debugger, expected) in debuggers {
        let message = debug(scenario, debugger).expect_err("it is rejected");
        assert_contains(&message.to_string(), expected);
    }
    assert_changes_of_the_application(scenario, &pod);
    assert!(scenario.is_valid(&token));
    pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    scenario.delete_without_traces(&pod);
}

/// What does not reach a sidecar is left to Kubernetes' own permissions.
fn assert_changes_of_the_application(scenario: &Scenario, pod: &Running) {
    let debugger = json!({"name": "debugger", "targetContainerName": "app"});
    debug(scenario, debugger).expect("it is admitted");
    pod.wait_until_true("the debugger runs", || {
        let run = pod.execute("debugger", &["grep", "-q", "sleep 1000", "/proc/1/cmdline"]);
        run.is_ok_and(|run| run.succeeded())
    });
    for directory in ["", "/proc/1/root"] {
        let script = format!("cat {directory}{TOKEN}");
        pod.assert_fails("debugger", &script, "No such file or directory");
    }

    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    let labelled = scenario.change("v1", "Pod", "app", &labelled);
    labelled.expect("labels can change");
    let image = format!("docker.io/library/{SHELL}");
    let changed = change_image(scenario, "containers", "app", &image);
    changed.expect("the application's image can change");
    pod.wait_until("app runs again", |life| {
        life.container("app").restarts() == 1 && life.container("app").is_running()
    });
    pod.wait_for_content("app", FILE, CONTENT);
}

/// Gives a container of the pod `app` another image.
fn change_image(scenario: &Scenario, list: &str, name: &str, image: &str) -> anyhow::Result<()> {
    let pod = scenario.get("v1", "Pod", "app").expect("it is there");
    let mut containers = pod["spec"][list].clone();
    let mut found = containers.as_array_mut().into_iter().flatten();
    let container = found.find(|container| container["name"] == name);
    container.expect("it is there")["image"] = json!(image);
    let change = json!({"spec": {list: containers}});
    scenario.change("v1", "Pod", "app", &change)
}

/// Adds an ephemeral container that sleeps to the pod `app`.
fn debug(scenario: &Scenario, mut container: Value) -> kube::Result<()> {
    container["image"] = json!(SHELL);
    container["command"] = json!(["sleep", "1000"]);
    scenario.debug("app", &container)
}
