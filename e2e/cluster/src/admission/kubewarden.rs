//! Kubewarden's controller in the cluster, which gets a ClusterAdmissionPolicy for each policy.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Named, POLICY_LABEL};
use crate::cluster::{Cluster, RUN_LABEL, run_name};
use crate::wait;

/// The API group of Kubewarden's objects.
pub(super) const GROUP: &str = "policies.kubewarden.io";

const API_VERSION: &str = "policies.kubewarden.io/v1";

/// The controller starts policy-server anew for each change, which compiles all modules.
const LIMIT: Duration = Duration::from_secs(180);

/// The policies, once they are active.
pub(super) struct Kubewarden {
    pub(super) description: String,
}

impl Kubewarden {
    pub(super) fn start(cluster: &Cluster, base: &Value, policies: &[Named]) -> Result<Self> {
        let module = env::var("KUBEWARDEN_MODULE");
        let module =
            module.context("KUBEWARDEN_MODULE is not set: where Kubewarden gets the module")?;
        remove(cluster)?;
        let started = Instant::now();
        let objects: Vec<Value> = policies
            .iter()
            .map(|it| object(base, &module, it))
            .collect();
        for object in &objects {
            cluster.apply(object)?;
        }
        for object in &objects {
            wait_until_active(cluster, object)?;
        }
        let server = policy_server();
        let server = cluster
            .get(&server)?
            .context("Kubewarden has no policy server default")?;
        let image = &server["spec"]["image"];
        let image = image.as_str().unwrap_or_default();
        let seconds = started.elapsed().as_secs();
        let count = policies.len();
        let description =
            format!("Kubewarden with {image} ({count} policies active after {seconds} s)");
        Ok(Self { description })
    }
}

/// Removes the policies of this or of an earlier run, and puts the policy server back that one has stopped.
pub(super) fn remove(cluster: &Cluster) -> Result<()> {
    restore(cluster)?;
    cluster.delete_all(API_VERSION, "ClusterAdmissionPolicy")?;
    let none_is_left = || Ok(cluster.count(API_VERSION, "ClusterAdmissionPolicy")? == 0);
    wait::until("the policies of the last run are gone", LIMIT, none_is_left)
}

fn object(base: &Value, module: &str, policy: &Named) -> Value {
    let mut object = base.clone();
    object["metadata"] = json!({"name": policy.name, "labels": {RUN_LABEL: run_name()}});
    let spec = &mut object["spec"];
    spec["module"] = json!(module);
    spec["settings"] = policy.settings.clone();
    // Some versions drop matchLabels.
    spec["namespaceSelector"] = json!({
        "matchExpressions": [{"key": POLICY_LABEL, "operator": "In", "values": [policy.name]}],
    });
    object
}

/// A policy is active before the API server knows its webhook.
fn wait_until_active(cluster: &Cluster, object: &Value) -> Result<()> {
    wait::until("a policy is active", LIMIT, || {
        let found = cluster.get(object)?.unwrap_or_default();
        let conditions = found["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        let is_reachable = conditions
            .filter(|it| it["type"] == "PolicyUniquelyReachable")
            .any(|it| it["status"] == "True");
        let is_active = found["status"]["policyStatus"] == "active";
        Ok(is_active && is_reachable && found["metadata"]["deletionTimestamp"].is_null())
    })
}

fn policy_server() -> Value {
    json!({"apiVersion": API_VERSION, "kind": "PolicyServer", "metadata": {"name": "default"}})
}

/// How many replicas the policy server had before a run has stopped it.
const REPLICAS: &str = "cluster-scenarios/replicas";

/// Stops the policy server.
pub(super) fn stop(cluster: &Cluster) -> Result<()> {
    let server = policy_server();
    let found = cluster.get(&server)?.unwrap_or_default();
    let replicas = found["spec"]["replicas"].as_u64().unwrap_or(1).to_string();
    let annotations = json!({REPLICAS: replicas});
    cluster.merge(
        &server,
        &json!({"metadata": {"annotations": annotations}, "spec": {"replicas": 0}}),
    )?;
    wait_for_replicas(cluster, 0)
}

/// Starts the policy server again, if it was stopped.
pub(super) fn restore(cluster: &Cluster) -> Result<()> {
    let server = policy_server();
    let found = cluster.get(&server)?.unwrap_or_default();
    let Some(replicas) = found["metadata"]["annotations"][REPLICAS].as_str() else {
        return Ok(());
    };
    let replicas: u64 = replicas.parse()?;
    let annotations = json!({REPLICAS: null});
    cluster.merge(
        &server,
        &json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}),
    )?;
    wait_for_replicas(cluster, replicas)
}

fn wait_for_replicas(cluster: &Cluster, replicas: u64) -> Result<()> {
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "policy-server-default", "namespace": "kubewarden"},
    });
    wait::until("the policy server has its replicas", LIMIT, || {
        let status = cluster.get(&deployment)?.unwrap_or_default()["status"].take();
        // A pod that ends is not ready, and still answers.
        let counts = ["readyReplicas", "replicas", "terminatingReplicas"];
        let [ready, all, ending] = counts.map(|field| status[field].as_u64().unwrap_or(0));
        Ok((ready, all, ending) == (replicas, replicas, 0))
    })
}
