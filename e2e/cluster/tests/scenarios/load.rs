//! Many pods at once: what `make cluster-load` runs.

use std::time::{Duration, Instant};

use cluster_scenarios::pod::is_ready;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

use crate::support::entry::{BOTH, Entry, entry};
use crate::support::run::run;
use crate::support::running::{FILE, wait_until_true};
use crate::support::scenario::{Scenario, cluster, shell_container_with};

pub const SCENARIOS: &[Entry] = &[entry("pods_at_once", BOTH, pods_at_once)
    .settings(small)
    .vault_only()
    .alone()
    .load()];

/// How many pods there are; every third requests injection.
const PODS: usize = 300;

/// How many requests are on their way to the API server at the same time.
const AT_ONCE: usize = 50;

/// Starting hundreds of containers takes a small node minutes.
const ALL_PODS_LIMIT: Duration = Duration::from_secs(1800);

/// The kubelet ends all of them at once, and kills those that still run after this time; their tokens are not revoked.
const GRACE_SECONDS: u64 = 300;

/// How long Vault may take to revoke what is leased with tokens that are revoked.
const LEASES_LIMIT: Duration = Duration::from_secs(60);

/// All pods fit a node of two cores.
fn small() -> Value {
    let resources = json!({"requests": {"cpu": "1m", "memory": "8Mi"}});
    let sidecar = json!({"resources": resources});
    json!({"agent": sidecar, "consulTemplate": sidecar})
}

fn pods_at_once(scenario: &Scenario) {
    let template = scenario.lease_template();
    let pods: Vec<core::Pod> = (0..PODS)
        .map(|number| pod(scenario, number, &template))
        .collect();
    let api: Api<core::Pod> = Api::namespaced(cluster().client.clone(), &scenario.name);
    let before = run().admission.memory();

    let begin = Instant::now();
    let params = PostParams::default();
    let creations = pods.iter().map(|pod| api.create(&params, pod));
    let creations = futures::stream::iter(creations).buffer_unordered(AT_ONCE);
    let created: Vec<core::Pod> = cluster()
        .wait(creations.try_collect())
        .expect("all pods are admitted");
    let injected = created.iter().filter(|pod| has_sidecars(pod)).count();
    assert_eq!((created.len(), injected), (PODS, PODS / 3));
    scenario.took(
        &format!("{PODS} pods created, all admitted"),
        begin.elapsed(),
    );

    wait_until_true(ALL_PODS_LIMIT, "all pods are ready", || {
        list(&api).iter().filter(|pod| is_ready(pod)).count() == PODS
    });
    scenario.took(&format!("{PODS} pods created, all ready"), begin.elapsed());
    assert_eq!(scenario.leases(), injected);
    for (what, memory) in [("before", before), ("after", run().admission.memory())] {
        if let Some(memory) = memory {
            scenario.measured(
                &format!("memory of policy-server {what} them"),
                memory,
                "MiB",
            );
        }
    }

    let begin = Instant::now();
    let all = ListParams::default();
    let deleted = cluster().wait(api.delete_collection(&DeleteParams::default(), &all));
    deleted.expect("pods can be deleted");
    wait_until_true(ALL_PODS_LIMIT, "all pods are gone", || {
        list(&api).is_empty()
    });
    scenario.took(&format!("{PODS} pods deleted, all gone"), begin.elapsed());
    // Vault revokes the leases of a token one after the other.
    wait_until_true(LEASES_LIMIT, "all leases are revoked", || {
        scenario.leases() == 0
    });
    assert_eq!(scenario.tokens(), 0, "tokens are left");
}

/// It is ready when the application has its secret, if it requests one.
fn pod(scenario: &Scenario, number: usize, template: &str) -> core::Pod {
    let requests = number.is_multiple_of(3);
    let ready = if requests {
        format!("until [ -s {FILE} ]; do sleep 1; done; touch /tmp/ready")
    } else {
        "touch /tmp/ready".to_owned()
    };
    let script = format!("trap 'exit 0' TERM; {ready}; sleep 100000 & wait");
    let mut pod = scenario
        .pod()
        .name(&format!("app-{number}"))
        .annotate("secrets-template", template)
        .spec("terminationGracePeriodSeconds", json!(GRACE_SECONDS))
        .container_with(shell_container_with(
            "app",
            &script,
            json!({
                "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 10},
                "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
            }),
        ))
        .object;
    if !requests {
        pod["metadata"]["annotations"] = json!({});
    }
    serde_json::from_value(pod).expect("it is a pod")
}

fn has_sidecars(pod: &core::Pod) -> bool {
    let spec = pod.spec.as_ref().expect("a pod has a spec");
    let init = spec.init_containers.iter().flatten();
    let mut containers = init.chain(&spec.containers);
    containers.any(|container| container.name.starts_with("tvsi-"))
}

fn list(api: &Api<core::Pod>) -> Vec<core::Pod> {
    let pods = cluster().wait(api.list(&ListParams::default()));
    pods.expect("pods can be listed").items
}
