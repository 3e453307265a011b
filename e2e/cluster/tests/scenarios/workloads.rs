//! What controllers make pods of, as a cluster's own controllers do, and what never reaches the policy.

use std::thread;
use std::time::{Duration, SystemTime};

use cluster_scenarios::pod::Pod;
use k8s_openapi::api::core::v1 as core;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::support::entry::{BOTH, CLASSIC, Entry, Sidecars, entry};
use crate::support::policy_server::{NO_ANSWER, PolicyServerAway};
use crate::support::run::run;
use crate::support::running::{
    AGENT, BABYSITTER, CONSUL_TEMPLATE, FILE, LIMIT, Running, SECRETS, since, wait_until_true,
};
use crate::support::scenario::{PodBuilder, Scenario, WAIT, cluster, shell_container_with};

pub const SCENARIOS: &[Entry] = &[
    entry("cron_job_that_forbids_two_at_once", BOTH, cron_job),
    entry("deployment", BOTH, deployment).quick(),
    entry("deployment_that_is_restarted", BOTH, rollout).vault_only(),
    entry("stateful_set_with_volumes", BOTH, stateful_set).vault_only(),
    entry("claim_called_secrets", CLASSIC, claim_called_secrets).vault_only(),
    entry("daemon_set", BOTH, daemon_set).vault_only(),
    entry("replica_set", BOTH, replica_set).vault_only(),
    entry("job_with_two_pods", BOTH, job).vault_only(),
    entry("pods_with_generated_names", BOTH, generated_names).vault_only(),
    entry("application_with_probes", BOTH, probes).vault_only(),
    entry("workloads_with_mistakes", CLASSIC, mistakes)
        .vault_only()
        .quick(),
    entry("what_never_reaches_the_policy", CLASSIC, without_policy)
        .vault_only()
        .alone(),
];

const CONTENT: &[u8] = b"a=b\n";

/// The label `app` of the pods of a workload, and its name.
const APP: &str = "web";

/// How often a CronJob has something to do, and a little more.
const MORE_THAN_A_MINUTE: Duration = Duration::from_secs(75);

/// Begins a pod whose file has [`CONTENT`].
fn pod(scenario: &Scenario) -> PodBuilder<'_> {
    scenario.pod_with_secret(json!({"a": "b"}))
}

/// The pod template of an application that waits.
fn template(scenario: &Scenario) -> Value {
    pod(scenario).container("app", WAIT).template(APP)
}

/// A workload of apps/v1 with this pod template.
fn workload(kind: &str, template: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": APP},
        "spec": {"selector": {"matchLabels": {"app": APP}}, "template": template},
    })
}

fn with_replicas(mut workload: Value, replicas: u32) -> Value {
    workload["spec"]["replicas"] = json!(replicas);
    workload
}

/// The pods of the workload that are not to end.
fn list(scenario: &Scenario) -> Vec<core::Pod> {
    let api: Api<core::Pod> = Api::namespaced(cluster().client.clone(), &scenario.name);
    let ours = ListParams::default().labels(&format!("app={APP}"));
    let pods = cluster().wait(api.list(&ours)).expect("they can be listed");
    let stays = |pod: &core::Pod| pod.metadata.deletion_timestamp.is_none();
    pods.items.into_iter().filter(stays).collect()
}

/// Waits until the workload has so many pods besides those that are known, and observes them.
fn observe(scenario: &Scenario, count: usize, known: &[&Running]) -> Vec<Running> {
    let known: Vec<Option<String>> = known.iter().map(|pod| pod.life().pod.uid()).collect();
    let mut found = Vec::new();
    wait_until_true(LIMIT, &format!("there are {count} new pods"), || {
        found = list(scenario);
        found.retain(|pod| !known.contains(&pod.uid()));
        found.len() == count
    });
    let observe = |pod| Running::new(Pod::observe(cluster(), pod));
    found.into_iter().map(observe).collect()
}

fn observe_one(scenario: &Scenario, known: &[&Running]) -> Running {
    observe(scenario, 1, known).remove(0)
}

fn all(pods: &[Running]) -> Vec<&Running> {
    pods.iter().collect()
}

/// Asserts that each pod has its secrets, is ready, and that its sidecars run without a break.
fn assert_run(pods: &[&Running]) {
    for pod in pods {
        pod.wait_for_content("app", FILE, CONTENT);
        pod.wait_until_ready();
        for sidecar in [AGENT, CONSUL_TEMPLATE] {
            pod.wait_until_started(sidecar);
        }
        pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    }
}

/// Asserts that the pods vanish, with sidecars that have ended in order.
fn assert_vanish(pods: &[&Running]) {
    for pod in pods {
        pod.wait_until_gone();
        pod.assert_not_killed();
        for sidecar in [AGENT, CONSUL_TEMPLATE] {
            let end = pod.end_of(sidecar);
            assert_eq!(end.status, 0, "{sidecar} of {}", pod.name());
        }
        pod.assert_no_restarts(&[AGENT, CONSUL_TEMPLATE]);
    }
}

/// Waits until there are so many tokens of the pods in Vault.
fn wait_for_tokens(scenario: &Scenario, count: usize) {
    let what = format!("{count} tokens are left");
    wait_until_true(LIMIT, &what, || scenario.tokens() == count);
}

/// Deletes the workload, with which its pods vanish, and their tokens.
fn delete(scenario: &Scenario, kind: &str, pods: &[&Running]) {
    scenario.delete("apps/v1", kind, APP);
    assert_vanish(pods);
    wait_for_tokens(scenario, 0);
}

fn change(scenario: &Scenario, kind: &str, change: &Value) {
    let changed = scenario.change("apps/v1", kind, APP, change);
    changed.unwrap_or_else(|error| panic!("{kind} cannot change: {error:#}"));
}

fn status(scenario: &Scenario, api_version: &str, kind: &str) -> Value {
    let object = scenario.get(api_version, kind, APP);
    object.expect("it is there")["status"].clone()
}

/// The names of the workload's pods are generated, and the policy does not know them.
fn deployment(scenario: &Scenario) {
    let deployment = workload("Deployment", &template(scenario));
    scenario.apply(with_replicas(deployment, 2));
    let pods = observe(scenario, 2, &[]);
    assert_run(&all(&pods));
    wait_until_true(LIMIT, "both are available", || {
        status(scenario, "apps/v1", "Deployment")["availableReplicas"] == json!(2)
    });
    assert_eq!(scenario.tokens(), 2);
    assert_eq!(scenario.logins(), 2);
    delete(scenario, "Deployment", &all(&pods));
}

/// As by `kubectl rollout restart`: each pod is replaced by one with a login of its own.
fn rollout(scenario: &Scenario) {
    let deployment = workload("Deployment", &template(scenario));
    scenario.apply(with_replicas(deployment, 2));
    let old = observe(scenario, 2, &[]);
    assert_run(&all(&old));

    let restarted = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
    let restarted = json!({"spec": {"template": {"metadata": {"annotations": restarted}}}});
    change(scenario, "Deployment", &restarted);
    assert_vanish(&all(&old));
    let new = observe(scenario, 2, &all(&old));
    assert_run(&all(&new));
    wait_for_tokens(scenario, 2);
    assert_eq!(scenario.logins(), 4);
    delete(scenario, "Deployment", &all(&new));
}

/// A StatefulSet whose pods claim a volume of this name.
fn stateful_set_with_claim(template: &Value, claim: &str) -> Value {
    let mut set = workload("StatefulSet", template);
    set["spec"]["serviceName"] = json!(APP);
    set["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": {"name": claim},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }]);
    set
}

/// A pod that comes again finds its volume as it was, and gets its secrets anew.
fn stateful_set(scenario: &Scenario) {
    let template = pod(scenario)
        .container_with(shell_container_with(
            "app",
            WAIT,
            json!({"volumeMounts": [{"name": "data", "mountPath": "/data"}]}),
        ))
        .template(APP);
    let set = stateful_set_with_claim(&template, "data");
    scenario.apply(set);
    let _volume = Volume::new(scenario, "data-web-0");
    let first = observe_one(scenario, &[]);
    assert_eq!(first.name(), "web-0");
    assert_run(&[&first]);
    let own = scenario.name.as_str();
    first.shell("app", &format!("echo {own} >/data/own"));
    let token = first.token();

    first.begin_deletion();
    assert_vanish(&[&first]);
    assert!(!scenario.is_valid(&token));
    let second = observe_one(scenario, &[&first]);
    assert_eq!(second.name(), "web-0");
    assert_run(&[&second]);
    assert_eq!(second.shell("app", "cat /data/own").trim(), own);
    assert_eq!(scenario.logins(), 2);
    delete(scenario, "StatefulSet", &[&second]);
}

/// The volume of a claim, for others after this.
struct Volume<'s> {
    scenario: &'s Scenario,
    claim: &'static str,
}

impl<'s> Volume<'s> {
    fn new(scenario: &'s Scenario, claim: &'static str) -> Self {
        Self { scenario, claim }
    }
}

impl Drop for Volume<'_> {
    fn drop(&mut self) {
        // Elsewhere volumes are made for claims, and deleted with them.
        if run().local.is_some()
            && let Err(error) = self.free()
        {
            eprintln!("the volume of {} is not free again: {error:#}", self.claim);
        }
    }
}

impl Volume<'_> {
    fn free(&self) -> anyhow::Result<()> {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.claim, "namespace": self.scenario.name},
        });
        let found = cluster().get(&claim)?.unwrap_or_default();
        cluster().delete(&claim)?;
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": found["spec"]["volumeName"]},
        });
        for _ in 0..100 {
            let found = cluster().get(&volume)?.unwrap_or_default();
            if found["status"]["phase"] == "Released" {
                let free = json!({"spec": {"claimRef": null}});
                return cluster().merge(&volume, &free).map(drop);
            }
            thread::sleep(Duration::from_millis(300));
        }
        anyhow::bail!("it is not released")
    }
}

/// A claim that is called like the volume with the secrets stays the application's, which has both.
fn claim_called_secrets(scenario: &Scenario) {
    let template = pod(scenario)
        .container_with(shell_container_with(
            "app",
            WAIT,
            json!({"volumeMounts": [{"name": "secrets", "mountPath": "/data/secrets"}]}),
        ))
        .template(APP);
    scenario.apply(stateful_set_with_claim(&template, "secrets"));
    let _volume = Volume::new(scenario, "secrets-web-0");
    let first = observe_one(scenario, &[]);
    assert_run(&[&first]);
    let own = scenario.name.as_str();
    first.shell("app", &format!("echo {own} >/data/secrets/own"));
    first.begin_deletion();
    assert_vanish(&[&first]);

    let second = observe_one(scenario, &[&first]);
    assert_run(&[&second]);
    assert_eq!(second.shell("app", "cat /data/secrets/own").trim(), own);
    delete(scenario, "StatefulSet", &[&second]);
}

fn daemon_set(scenario: &Scenario) {
    scenario.apply(workload("DaemonSet", &template(scenario)));
    let mut nodes = 0;
    wait_until_true(LIMIT, "it has pods", || {
        nodes = status(scenario, "apps/v1", "DaemonSet")["desiredNumberScheduled"]
            .as_u64()
            .and_then(|nodes| usize::try_from(nodes).ok())
            .unwrap_or_default();
        nodes > 0
    });
    let pods = observe(scenario, nodes, &[]);
    assert_run(&all(&pods));
    assert_eq!(scenario.tokens(), nodes);
    delete(scenario, "DaemonSet", &all(&pods));
}

/// One that no Deployment has made.
fn replica_set(scenario: &Scenario) {
    let set = workload("ReplicaSet", &template(scenario));
    scenario.apply(with_replicas(set, 1));
    let pod = observe_one(scenario, &[]);
    assert_run(&[&pod]);
    delete(scenario, "ReplicaSet", &[&pod]);
}

/// The pod template of a job that is in mode job because a Job has made its pod.
fn template_of_job(scenario: &Scenario, script: &str) -> Value {
    pod(scenario)
        .spec("restartPolicy", json!("Never"))
        .container("app", script)
        .template(APP)
}

/// Asserts that the pod has succeeded, and that its sidecars have ended after its work; returns when the last has.
fn assert_succeeds(scenario: &Scenario, pod: &Running) -> SystemTime {
    assert_eq!(pod.wait_until_ended(), "Succeeded");
    let work = pod.end_of("app");
    let sidecars: &[&str] = match scenario.sidecars {
        Sidecars::Classic => &[AGENT, CONSUL_TEMPLATE, BABYSITTER],
        Sidecars::Native => &[AGENT, CONSUL_TEMPLATE],
    };
    let mut last = work.at;
    for sidecar in sidecars {
        let end = pod.end_of(sidecar);
        assert_eq!(end.status, 0, "{sidecar}: {end:?}");
        assert!(end.at >= work.at, "{sidecar} has ended before the work");
        last = last.max(end.at);
    }
    pod.assert_no_restarts(sidecars);
    scenario.took(
        "from the end of the work to that of the pod",
        since(last, work.at),
    );
    last
}

/// Its two pods run at once, and it is complete when both have ended.
fn job(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script =
        format!("until cat {FILE}; do sleep 1; done; until [ -e /tmp/go ]; do sleep 0.2; done");
    scenario.apply(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": APP},
        "spec": {
            "completions": 2, "parallelism": 2, "backoffLimit": 0,
            "template": template_of_job(scenario, &script),
        },
    }));
    let pods = observe(scenario, 2, &[]);
    for pod in &pods {
        pod.wait_for_log("app", "a=b\n");
        pod.shell("app", "touch /tmp/go");
    }
    for pod in &pods {
        assert_succeeds(scenario, pod);
    }
    wait_until_true(LIMIT, "the Job is complete", || {
        status(scenario, "batch/v1", "Job")["succeeded"] == json!(2)
    });
    assert_eq!(scenario.logins(), 2);
    wait_for_tokens(scenario, 0);
}

/// A Job that lasts longer than a minute keeps the next one waiting, and its sidecars do so no longer than its work.
fn cron_job(scenario: &Scenario) {
    scenario.allow_to_get_pods();
    let script =
        format!("until cat {FILE}; do sleep 1; done; until [ -e /tmp/go ]; do sleep 0.2; done");
    let template = template_of_job(scenario, &script);
    scenario.apply(json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": APP},
        "spec": {
            "schedule": "* * * * *",
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"template": template}},
        },
    }));
    let first = observe_one(scenario, &[]);
    first.wait_for_log("app", "a=b\n");
    thread::sleep(MORE_THAN_A_MINUTE);
    assert_eq!(list(scenario).len(), 1);

    first.shell("app", "touch /tmp/go");
    let last = assert_succeeds(scenario, &first);
    wait_for_tokens(scenario, 0);
    let second = observe_one(scenario, &[&first]);
    let begun = second.life().pod.metadata.creation_timestamp.clone();
    let begun = begun.map(|begun| SystemTime::from(begun.0));
    let begun = begun.expect("the API server has set it");
    assert!(begun >= last, "the second Job began before the first ended");
    scenario.took("from the end of a Job to the next", since(begun, last));
    second.wait_for_log("app", "a=b\n");
    second.shell("app", "touch /tmp/go");
    assert_succeeds(scenario, &second);
    scenario.delete("batch/v1", "CronJob", APP);
    wait_for_tokens(scenario, 0);
}

/// The API server generates a name after the policy has seen the pod.
fn generated_names(scenario: &Scenario) {
    let run = || {
        let mut pod = pod(scenario).container("app", WAIT);
        pod.object["metadata"]["name"] = Value::Null;
        pod.object["metadata"]["generateName"] = json!("app-");
        pod.run()
    };
    let pods = [run(), run()];
    assert_ne!(pods[0].name(), pods[1].name());
    assert!(pods.iter().all(|pod| pod.name().starts_with("app-")));
    assert_run(&all(&pods));
    for pod in &pods {
        pod.begin_deletion();
    }
    assert_vanish(&all(&pods));
    wait_for_tokens(scenario, 0);
}

/// The application is ready once its secrets are there, and stays alive.
fn probes(scenario: &Scenario) {
    let script = format!("httpd -f -p 8080 -h {SECRETS} & trap 'kill $!; exit 0' TERM; wait");
    let probes = json!({
        "startupProbe": {
            "exec": {"command": ["test", "-s", FILE]},
            "periodSeconds": 1, "failureThreshold": 120,
        },
        "readinessProbe": {
            "httpGet": {"path": "/secrets.properties", "port": 8080},
            "periodSeconds": 1,
        },
        "livenessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    });
    let pod = pod(scenario)
        .container_with(shell_container_with("app", &script, probes))
        .run();
    assert_run(&[&pod]);
    scenario.took("from the pod's start until it was ready", pod.age());
    pod.assert_not_within(Duration::from_secs(10), "a restart", |life| {
        life.container("app").restarts() > 0 || !life.is_ready()
    });
    pod.begin_deletion();
    assert_vanish(&[&pod]);
    wait_for_tokens(scenario, 0);
}

/// A mistake in a pod template shows when the workload is applied or changed.
fn mistakes(scenario: &Scenario) {
    let good = template(scenario);
    let mut bad = good.clone();
    bad["metadata"]["annotations"]["sidecar.vault.talend.org/auth"] = json!("github");
    let mut bad_of_job = bad.clone();
    bad_of_job["spec"]["restartPolicy"] = json!("Never");
    let job = json!({"template": bad_of_job});
    let schedule = json!({"schedule": "* * * * *", "jobTemplate": {"spec": job}});
    let batch = |kind: &str, spec: &Value| {
        json!({
            "apiVersion": "batch/v1", "kind": kind, "metadata": {"name": APP}, "spec": spec,
        })
    };
    let mut controller = workload("ReplicationController", &bad);
    controller["apiVersion"] = json!("v1");
    controller["spec"]["selector"] = json!({"app": APP});
    let mut set = workload("StatefulSet", &bad);
    set["spec"]["serviceName"] = json!(APP);
    let workloads = [
        workload("Deployment", &bad),
        workload("DaemonSet", &bad),
        workload("ReplicaSet", &bad),
        set,
        controller,
        batch("Job", &job),
        batch("CronJob", &schedule),
    ];
    for workload in workloads {
        let (api_version, kind) = (workload["apiVersion"].clone(), workload["kind"].clone());
        assert_rejected(scenario, workload);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = scenario.get(&text(&api_version), &text(&kind), APP);
        assert!(found.is_none(), "{kind} is there");
    }
    // What runs goes on with the template that it had.
    scenario.apply(workload("Deployment", &good));
    let pod = observe_one(scenario, &[]);
    assert_run(&[&pod]);
    assert_rejected(scenario, workload("Deployment", &bad));
    assert_eq!(list(scenario).len(), 1);
    delete(scenario, "Deployment", &[&pod]);
}

fn assert_rejected(scenario: &Scenario, workload: Value) {
    let kind = workload["kind"].clone();
    let message = scenario.try_to_apply(workload);
    let message = message.expect_err("it is rejected");
    let message = format!("{message:#}");
    let expected = r#"annotation sidecar.vault.talend.org/auth: "github" is not valid; expected one of kubernetes, approle"#;
    assert!(message.contains(expected), "{kind}: {message}");
}

/// The match conditions of deploy/base keep away from the policy what it does not change: while nothing answers for it,
/// only pods and workloads that request injection are rejected.
fn without_policy(scenario: &Scenario) {
    let deployment = workload("Deployment", &template(scenario));
    scenario.apply(with_replicas(deployment, 2));
    let pods = observe(scenario, 2, &[]);
    assert_run(&all(&pods));

    let away = PolicyServerAway::begin();
    for rejected in [
        pod(scenario).container("app", WAIT).rejected(),
        format!("{:#}", rejected_workload(scenario)),
    ] {
        assert!(rejected.contains(NO_ANSWER), "{rejected}");
    }
    change(scenario, "Deployment", &json!({"spec": {"replicas": 1}}));
    wait_until_true(LIMIT, "one pod is left", || list(scenario).len() == 1);
    let left = list(scenario)[0].uid();
    let (left, other): (Vec<&Running>, Vec<&Running>) =
        pods.iter().partition(|pod| pod.life().pod.uid() == left);
    assert_vanish(&other);
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let labelled = scenario.change("v1", "Pod", left[0].name(), &label);
    labelled.expect("labels of pods can change");
    assert_stays_as_it_is(scenario);

    drop(away);
    change(scenario, "Deployment", &json!({"spec": {"replicas": 2}}));
    let new = observe_one(scenario, &all(&pods));
    assert_run(&[left[0], &new]);
    delete(scenario, "Deployment", &[left[0], &new]);
}

fn rejected_workload(scenario: &Scenario) -> anyhow::Error {
    let mut workload = workload("StatefulSet", &template(scenario));
    workload["spec"]["serviceName"] = json!(APP);
    let rejected = scenario.try_to_apply(workload);
    rejected.expect_err("it is rejected")
}

/// A pod that does not request injection, but has annotations of the policy's, gets nothing.
fn assert_stays_as_it_is(scenario: &Scenario) {
    let plain = pod(scenario)
        .without("inject")
        .name("plain")
        .container("app", WAIT)
        .run();
    assert_eq!(plain.containers(), ["app"]);
    let spec = json!(plain.life().pod)["spec"].clone();
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let names: Vec<&str> = volumes.filter_map(|it| it["name"].as_str()).collect();
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("kube-api-access-")),
        "{names:?}"
    );
    plain.wait_until_ready();
}
